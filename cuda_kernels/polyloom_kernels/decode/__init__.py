"""`decode`: one token of a decoder-only transformer of the Llama kind → the logits of the next, in one call.

    machine = prepare(Shape(vocabulary, heads, kv_heads, head_size), Weights(embedding, layers, norm))
    cache = machine.cache(capacity)
    logits = machine.step(token, position, cache, turn)

Grouped queries, biases, norms of queries and keys, windows, a soft cap and an output matrix of its own are as the
arrays have them; weights are float32, bfloat16 or int8 and are read where they lie.  The mathematics stand in
`operation.py`.
"""

from polyloom_kernels.decode.operation import Cache, Machine, prepare, ready
from polyloom_kernels.decode.weights import Layer, Matrix, Shape, Weights

__all__ = ["Cache", "Layer", "Machine", "Matrix", "Shape", "Weights", "prepare", "ready"]
