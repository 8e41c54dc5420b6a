"""`route`: which experts read each token, with what weight, and the tokens of each expert side by side.

    p = softmax(s)  or  sigmoid(s)              s the scores of a gate, (N, E)
    chosen_i = the k largest of p_i + b         b steers the choice alone, never the weight
    w_ij = p_i[chosen_ij]                       divided by Σ_j w_ij if `normalise`
    order = all choices by expert, then by token; those of expert e are order[offsets[e] : offsets[e + 1]]

Inside a torch model it is `polyloom_kernels.route.inside.route`, with gradients.
"""

from polyloom_kernels.route.operation import route
from polyloom_kernels.route.reference import GateKind, Routed

__all__ = ["GateKind", "Routed", "route"]
