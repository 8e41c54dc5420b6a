"""`lora`: an adapter of low rank for each row of a batch, beside a product that all rows share.

    y_n += Σ_k scale_nk · f_s · B_s (A_s x_n),   s = slot_nk          A_s (r_s, inputs), B_s (outputs, r_s); −1 is none

    bank = Bank(inputs, outputs, slots=8, rank=64)
    bank.put(3, thin(a, b, factor))         one small write; whoever serves from the bank sees it at the next call
    lora(x, slots, bank, scales, out=y)

Inside a model that learns it is `polyloom_kernels.lora.inside.lora`, which has gradients.
"""

from polyloom_kernels.lora.bank import Bank, Thin, thin
from polyloom_kernels.lora.operation import lora, ready

__all__ = ["Bank", "Thin", "lora", "ready", "thin"]
