"""`quantized`: linear maps whose weights take 8 or 4 bits, and the rounding that makes them.

y_r = Σ_c s_(r, c) q_rc x_c          s a step for each row (int8), or for each group of columns of a row (int4)
"""

from polyloom_kernels.quantized.operation import product, ready
from polyloom_kernels.quantized.quantise import Int4, Int8, Quantised, int4, int8

__all__ = ["Int4", "Int8", "Quantised", "int4", "int8", "product", "ready"]
