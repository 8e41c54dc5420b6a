"""Adapters: small changes of a transformer that are learned, kept and given away apart from it."""

from polyloom.adapters.adapter import Adapter
from polyloom.adapters.arrow import Arrow
from polyloom.adapters.attach import attach, detach, merge
from polyloom.adapters.bank import AdapterBank
from polyloom.adapters.dora import DoRA
from polyloom.adapters.fit import Fitted, fit_adapter
from polyloom.adapters.ia3 import IA3
from polyloom.adapters.lora import LoRA
from polyloom.adapters.peft_folder import read_adapter, write_adapter
from polyloom.adapters.soft_prompt import SoftPrompt

__all__ = [
    "IA3",
    "Adapter",
    "AdapterBank",
    "Arrow",
    "DoRA",
    "Fitted",
    "LoRA",
    "SoftPrompt",
    "attach",
    "detach",
    "fit_adapter",
    "merge",
    "read_adapter",
    "write_adapter",
]
