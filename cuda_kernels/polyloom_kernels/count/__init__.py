"""`count`: integer keys → the distinct keys in order, how often each came, and where each occurrence went.

    keys[0 … U) ascending and distinct,  counts[u] = |{i : given[i] = keys[u]}|,  keys[ranks[i]] = given[i]

Everything an association model stores is made of this one operation: a key is (context, next token) or
(shorter context, older token), packed by `pack` into one integer.  The order of the input never matters to `keys` and
`counts`, which is why models merge.
"""

from polyloom_kernels.count.reference import Counted, count, pack

__all__ = ["Counted", "count", "pack"]
