"""`decode`: some tokens of a decoder-only transformer → the logits of the next, in one call.

    machine = prepare(Shape(vocabulary, heads, kv_heads, head_size), Weights(embedding, layers, norm))
    cache = machine.cache(capacity)
    logits = machine.step(token, position, cache, turn)

Norms with and without a bias, grouped queries, biases, norms of queries and keys, windows, gated and plain
feed-forwards, mixtures of experts, a soft cap and an output matrix of its own are as the arrays have them; weights are
float32, bfloat16, int8 or int4 and are read where they lie.  The mathematics stand in `operation.py`.
"""

from polyloom_kernels.decode.operation import Cache, Machine, prepare, ready
from polyloom_kernels.decode.weights import Feed, Layer, Matrix, Mixture, Norm, Shape, Weights

__all__ = ["Cache", "Feed", "Layer", "Machine", "Matrix", "Mixture", "Norm", "Shape", "Weights", "prepare", "ready"]
