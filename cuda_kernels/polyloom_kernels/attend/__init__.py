"""`attend`: one query a head looks back over the keys and values of its text, which lie in one piece or in pages.

out = Σ_t softmax(q · k_t · scale) v_t
"""

from polyloom_kernels.attend.operation import Apart, attend, ready
from polyloom_kernels.attend.pages import Pages, narrowed

__all__ = ["Apart", "Pages", "attend", "narrowed", "ready"]
