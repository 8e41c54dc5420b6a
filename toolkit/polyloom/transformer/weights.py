"""The tensors of a folder: safetensors, in one file or in shards that an index lists.

Reading maps the files and copies nothing: a tensor is a view of its file, and the disk is read when its numbers are
needed.  The mapping is private, so nothing that is done to a tensor reaches the file.  Pickled weights
(`pytorch_model.bin`) are refused, because opening a pickle runs code.
"""

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, cast

from safetensors import SafetensorError, safe_open
from safetensors.torch import save_file  # pyright: ignore[reportUnknownVariableType] - partly untyped
from torch import Tensor

from polyloom.errors import FileError
from polyloom.transformer.model_folder import inside, read_table

SINGLE, INDEX = "model.safetensors", "model.safetensors.index.json"
PICKLED = ("pytorch_model*.bin", "*.pt", "*.pth", "*.ckpt", "*.pkl", "*.msgpack", "*.h5")


def read_weights(folder: Path) -> dict[str, Tensor]:
    """Every tensor of a folder by its name, mapped on the CPU; FileError if one is missing or a file is damaged."""
    if (folder / SINGLE).is_file():
        return dict(mapped(inside(folder, SINGLE)))
    if not (folder / INDEX).is_file():
        raise FileError(_nothing(folder))
    places = _index(folder)
    found: dict[str, Tensor] = {}
    for name in sorted(set(places.values())):
        for tensor, content in mapped(inside(folder, name)):
            if places.get(tensor, name) == name:
                found[tensor] = content
    missing = [f"{tensor} (in {name})" for tensor, name in places.items() if tensor not in found]
    if missing:
        raise FileError(f"{folder / INDEX} lists {len(missing)} tensors that are not there: {', '.join(missing)}.")
    return found


def write_weights(path: Path, weights: Mapping[str, Tensor]) -> None:
    """Tensors as one file, in this order of names, with the mark that `transformers` looks for."""
    given = {name: weight.detach().cpu().contiguous() for name, weight in weights.items()}
    save_file(given, path, metadata={"format": "pt"})


def mapped(path: Path) -> Iterator[tuple[str, Tensor]]:
    """The tensors of one file by name; FileError if it is missing or damaged."""
    if not path.is_file():
        raise FileError(f"{path} is missing, though the index lists it. Fetch the folder again.")
    try:
        with cast("Any", safe_open(path, framework="pt")) as file:
            for name in file.keys():  # noqa: SIM118 - no mapping
                yield name, file.get_tensor(name)
    except (SafetensorError, ValueError, OSError) as error:
        raise FileError(f"{path} is damaged or no safetensors file ({error}). Fetch or save it again.") from error


def _index(folder: Path) -> dict[str, str]:
    """Which file holds which tensor."""
    table = read_table(folder / INDEX).get("weight_map")
    if not isinstance(table, dict) or not table:
        raise FileError(f"{folder / INDEX} is damaged: it has no table `weight_map` of tensors and their files.")
    for name in cast("dict[str, object]", table).values():
        inside(folder, name)
    return cast("dict[str, str]", table)


def _nothing(folder: Path) -> str:
    pickled = sorted(path.name for pattern in PICKLED for path in folder.glob(pattern))
    looked = f"{folder} has neither {SINGLE} nor {INDEX}"
    if not pickled:
        return f"{looked}, so it holds no weights."
    return (
        f"{looked}, only {pickled[0]}, and opening such a file can run code. If you trust it, convert it once with "
        f"transformers: AutoModelForCausalLM.from_pretrained(folder).save_pretrained(folder)."
    )
