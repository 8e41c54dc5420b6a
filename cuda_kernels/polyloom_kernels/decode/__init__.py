"""`decode`: one token of a decoder of the Llama kind in one compiled call, every weight read once.

A model is checked and referenced once by `prepare`; its `step` gives the logits after a token, and writes its keys and
values into a cache that the caller owns.  The mathematics stand in `operation.py`.
"""

from polyloom_kernels.decode.operation import Cache, Machine, prepare, ready
from polyloom_kernels.decode.weights import Layer, Matrix, Shape, Weights

__all__ = ["Cache", "Layer", "Machine", "Matrix", "Shape", "Weights", "prepare", "ready"]
