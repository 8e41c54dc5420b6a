"""A decoder as a manifest and NumPy arrays, for files that hold several models; folders are `huggingface`'s business.

Weights keep their dtype: NumPy has no bfloat16, so those of 16 bits travel as unsigned integers, and the manifest says
what they are.  Tied weights are stored once.
"""

import ctypes
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor

from polyloom.errors import FileError, InputError
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.transformer.build import assemble
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.decoder import Decoder

DTYPES = {"float32": torch.float32, "float64": torch.float64, "bfloat16": torch.bfloat16, "float16": torch.float16}
NAMES = {dtype: name for name, dtype in DTYPES.items()}
HALVES = (torch.bfloat16, torch.float16)  # which files hold as whole numbers of 16 bits
WEIGHTS, WORDS = "weights.", "vocabulary."


def dtype_of(name: str) -> torch.dtype:
    """The dtype of a name; InputError with those there are."""
    if name not in DTYPES:
        raise InputError(f"Unknown dtype {name!r}; there are {', '.join(DTYPES)}.")
    return DTYPES[name]


def to_state(decoder: Decoder, vocabulary: Vocabulary) -> tuple[dict[str, Any], dict[str, np.ndarray[Any, Any]]]:
    """A JSON-able manifest and named arrays, from which `from_state` restores both."""
    words, arrays = vocabulary.state()
    weights = tensors(decoder)
    manifest = {
        "kind": "transformer",
        "config": decoder.config.to_json(),
        "vocabulary": words,
        "dtypes": {name: NAMES[weight.dtype] for name, weight in weights.items() if weight.dtype in HALVES},
    }
    held = {f"{WORDS}{name}": array for name, array in arrays.items()}
    return manifest, held | {f"{WEIGHTS}{name}": _array(weight) for name, weight in weights.items()}


def from_state(
    manifest: Mapping[str, Any],
    arrays: Mapping[str, np.ndarray[Any, Any]],
    prepare: Callable[[Decoder], None] | None = None,
) -> tuple[Decoder, Vocabulary]:
    """What `to_state` described; FileError listing the weights that are missing, extra or of another shape.

    `prepare` puts other parts into the empty decoder, where not all were plain weights.
    """
    vocabulary = Vocabulary.from_state(manifest["vocabulary"], _below(arrays, WORDS))
    config, dtypes = TransformerConfig.from_json(manifest["config"]), manifest["dtypes"]
    weights = {name: _tensor(array, dtypes.get(name)) for name, array in _below(arrays, WEIGHTS).items()}
    return filled(config, weights, prepare), vocabulary


def tensors(decoder: Decoder) -> dict[str, Tensor]:
    """All weights and buffers by name, tied ones once."""
    return {
        name: t for name, t in decoder.state_dict().items() if not (decoder.config.tied and name == "output.weight")
    }


def filled(
    config: TransformerConfig, weights: Mapping[str, Tensor], prepare: Callable[[Decoder], None] | None = None
) -> Decoder:
    """A decoder that holds exactly these tensors, not copies; FileError listing all that does not fit."""
    with torch.device("meta"):
        decoder = assemble(config)
        if prepare is not None:
            prepare(decoder)
    wanted = {name: tuple(t.shape) for name, t in tensors(decoder).items()}
    faults = [f"missing {name} {shape}" for name, shape in wanted.items() if name not in weights]
    faults += [f"not of this model: {name}" for name in weights if name not in wanted]
    shapes = {name: tuple(weight.shape) for name, weight in weights.items()}
    faults += [f"{n} is {shapes[n]}, not {shape}" for n, shape in wanted.items() if shapes.get(n, shape) != shape]
    if faults:
        raise FileError(f"The weights do not fit the config, in {len(faults)} places: {'; '.join(faults)}.")
    given = dict(weights)
    if config.tied:
        given["output.weight"] = given["embedding.weight"]
    decoder.load_state_dict(given, assign=True)
    if config.tied:
        decoder.output.weight = decoder.embedding.weight
    return decoder.requires_grad_(False).eval()


def moved(decoder: Decoder, device: str | None, dtype: str | None) -> Decoder:
    """The same weights elsewhere, or of another dtype; those that need no change are shared.

    What a gate adds to its choice stays float32.
    """
    to = None if dtype is None else dtype_of(dtype)
    weights = {n: t.to(device, t.dtype if n.endswith("router.bias") else to) for n, t in tensors(decoder).items()}
    return filled(decoder.config, weights)


def _array(weight: Tensor) -> np.ndarray[Any, Any]:
    held = weight.detach().cpu().contiguous()
    return (held.view(torch.uint16) if held.dtype.itemsize == 2 else held).numpy()


def _tensor(array: np.ndarray[Any, Any], dtype: str | None) -> Tensor:
    """Shares the memory of the array, often a read-only mapping, which torch does not know: nobody writes to it."""
    whole = np.ascontiguousarray(array)
    memory = (ctypes.c_byte * whole.nbytes).from_address(whole.ctypes.data)
    setattr(memory, "array", whole)  # noqa: B010 - lives as long as a tensor looks at it
    held = torch.frombuffer(memory, dtype=_torch(whole.dtype)) if whole.size else torch.empty(0)
    held = held.view(whole.shape)
    return held if dtype is None else held.view(dtype_of(dtype))


def _torch(dtype: np.dtype[Any]) -> torch.dtype:
    known = {"f4": torch.float32, "f8": torch.float64, "u2": torch.uint16, "i1": torch.int8, "u1": torch.uint8}
    return known[dtype.str[1:]]


def _below(arrays: Mapping[str, np.ndarray[Any, Any]], prefix: str) -> dict[str, np.ndarray[Any, Any]]:
    return {name.removeprefix(prefix): array for name, array in arrays.items() if name.startswith(prefix)}
