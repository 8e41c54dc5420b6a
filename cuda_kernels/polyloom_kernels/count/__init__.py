"""`count`: integer keys → the distinct keys in order, how often each came, and where each occurrence went.

    keys[0 … U) ascending and distinct,  counts[u] = |{i : given[i] = keys[u]}|,  keys[ranks[i]] = given[i]

Everything an association model stores is made of this one operation: a key is (context, next token) or
(shorter context, older token), packed by `pack` into one integer.  The order of the input never matters to `keys` and
`counts`, which is why models merge: `merge` adds two such results.  `pairs` counts without keys where the context is
one token at some distance.
"""

from polyloom_kernels.count.operation import count, merge
from polyloom_kernels.count.pairs_operation import pairs
from polyloom_kernels.count.pairs_reference import Pairs
from polyloom_kernels.count.reference import Counted, Merged, pack

__all__ = ["Counted", "Merged", "Pairs", "count", "merge", "pack", "pairs"]
