"""`experts`: the feed-forward of a mixture of experts for a few tokens, nothing padded and nothing dropped.

out_i = Σ_j weight_ij · W_down[e] (silu(W_gate[e] x_i) · W_up[e] x_i),   e = chosen_ij
"""

from polyloom_kernels.experts.operation import experts, ready

__all__ = ["experts", "ready"]
