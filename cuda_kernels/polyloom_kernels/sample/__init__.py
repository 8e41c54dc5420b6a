"""`sample`: logits → tokens, under the usual settings; the same dice give the same token on every back end.

p_y ∝ e^(x_y / temperature), cut to what top_k, top_p and min_p leave, and drawn by counted dice.
"""

from polyloom_kernels.sample.operation import Drawn, kept, ready, sample
from polyloom_kernels.sample.watermark import Watermark

__all__ = ["Drawn", "Watermark", "kept", "ready", "sample"]
