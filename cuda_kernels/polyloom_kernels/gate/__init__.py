"""`gate`: what is known of contexts → the share of each component, and how to improve it.

shares = (1 − floor) · softmax(features · weights) + floor / K
slope  = d/d weights  mean_t ln Σ_k shares[t, k] · p_k(token t)
"""

from polyloom_kernels.gate.operation import slope
from polyloom_kernels.gate.reference import features, opened, shape_of

__all__ = ["features", "opened", "shape_of", "slope"]
