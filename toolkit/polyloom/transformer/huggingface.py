"""Folders of models as Hugging Face lays them out: Llama, Mistral, Qwen3, Qwen3-MoE, GPT-2, and our own.

    config, decoder = read_folder(folder)
    write_folder(decoder, folder)

`huggingface_config` knows what a config.json means, `huggingface_names` what tensors are called, `weights` how they lie
in files; nothing else in the house knows a foreign name.  Reading maps the files: as long as neither device nor dtype
changes, the weights of the decoder are views of them.  A model that a family can express is written so that
`transformers` loads it; any other, as one of our own, with our names.
"""

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from functools import reduce
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from polyloom.errors import FileError
from polyloom.tokens.folder import READERS as TOKENIZERS
from polyloom.tokens.folder import begins_with, read_tokenizer
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.transformer.build import assemble
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.huggingface_config import OURS, config_table, family_of, read_config
from polyloom.transformer.huggingface_names import HEAD, Rule, embedded, fused, plain, rules
from polyloom.transformer.model_folder import inside, read_table, replacing_folder, write_table
from polyloom.transformer.stored import NAMES, dtype_of, filled, tensors
from polyloom.transformer.weights import SINGLE, read_weights, write_weights

CONFIG = "config.json"
BIAS = ".router.bias"  # of our gates: float32 always, and no family has one
KINDS = {str(dtype) for dtype in NAMES}
Dtype = str | torch.dtype | None


def read_folder(folder: str | Path, device: str = "cpu", dtype: Dtype = None) -> tuple[TransformerConfig, Decoder]:
    """The config and the decoder of a folder; `dtype` None leaves the weights as they are stored.

    Raises FileError: for a config that our bricks cannot build, naming field and value; for weights that do not fit it,
    with the full list of what is missing, extra or of another shape; for files that are damaged or could run code.
    """
    place = Path(folder)
    table = read_table(inside(place, CONFIG))
    config, settled = read_config(table, str(place / CONFIG))
    if not settled and any((place / name).is_file() for name in TOKENIZERS):
        config = opening(config, begins_with(place))
    return config, decoder_of(table, config, read_weights(place), device, dtype)


def read_model(folder: str | Path, device: str = "cpu", dtype: Dtype = None) -> tuple[Decoder, Vocabulary]:
    """The decoder and the vocabulary of a folder, which opens each file once."""
    place = Path(folder)
    table = read_table(inside(place, CONFIG))
    config, settled = read_config(table, str(place / CONFIG))
    vocabulary = read_tokenizer(place, config.vocabulary_size)
    if not settled:
        config = opening(config, begins_with(place, vocabulary))
    return decoder_of(table, config, read_weights(place), device, dtype), vocabulary


def write_folder(
    decoder: Decoder,
    folder: str | Path,
    tokenizer: Callable[[Path], object] | None = None,
    end: int | None = None,
) -> Path:
    """Write a decoder as a folder, whole or not at all; returns its path.

    `tokenizer` writes its files into the folder that it is given; `end` is the id that ends a text, for others who
    generate with the model.  A model folder that is there is replaced, files that are no model's are kept.  Raises
    FileError if something else is in its place, OSError if the disk does not take it.
    """
    ours = tensors(decoder)
    steered = any(bool(weight.any()) for name, weight in ours.items() if name.endswith(BIAS))
    family = OURS if steered else family_of(decoder.config)
    table = config_table(decoder.config, family, end) | {"dtype": NAMES[decoder.embedding.weight.dtype]}
    with replacing_folder(Path(folder)) as fresh:
        theirs: dict[str, Tensor] = {}
        for rule in rules(family, ours):
            theirs |= rule.write(ours)
        write_weights(fresh / SINGLE, theirs)
        write_table(fresh / CONFIG, table)
        if tokenizer is not None:
            tokenizer(fresh)
    return Path(folder)


def opening(config: TransformerConfig, begin: int | None) -> TransformerConfig:
    """The config of a model whose tokenizer puts this id before every text, or none."""
    if begin is None:
        return config
    if begin >= config.rows:
        raise FileError(f"The tokenizer opens texts with the id {begin}, the model has {config.rows} rows.")
    return replace(config, begin=begin, opens=True)


def decoder_of(
    table: Mapping[str, Any],
    config: TransformerConfig,
    weights: Mapping[str, Tensor],
    device: str | None = None,
    dtype: Dtype = None,
) -> Decoder:
    """A decoder that shares the weights of a checkpoint, by the names that its config.json implies."""
    family = str(table["model_type"])
    names = plain(family, weights)
    theirs = {name: weights[found] for found, name in names.items()}
    shapes = _shapes(config, len(theirs))
    found = rules(family, shapes, fused(theirs))
    _untied(config, family, theirs)
    _check(found, theirs, shapes)
    given: dict[str, Tensor] = {}
    for rule in found:
        given |= rule.read(theirs, {name: weight.shape for name, weight in shapes.items()})
    home = given["embedding.weight"].device
    zero = {name: torch.zeros(shape.shape, device=home) for name, shape in shapes.items() if name not in given}
    return filled(config, _placed(given | zero, device, _dtype(table, given, dtype)))


def _shapes(config: TransformerConfig, most: int) -> dict[str, Tensor]:
    """Tensors of ours, without their numbers."""
    if config.layers > most:
        raise FileError(f"The config says {config.layers} layers, the weights are only {most} tensors.")
    try:
        with torch.device("meta"):
            return tensors(assemble(config))
    except RuntimeError as error:
        raise FileError(f"The config describes tensors that no machine can hold ({error}).") from error


def _untied(config: TransformerConfig, family: str, theirs: dict[str, Tensor]) -> None:
    """Take away the head of a tied model, which some files repeat; FileError if it is another matrix."""
    head, embedding = theirs.get(HEAD), theirs.get(embedded(family))
    if not config.tied or head is None or embedding is None:
        return
    if head.data_ptr() != embedding.data_ptr() and not torch.equal(head, embedding):
        raise FileError(
            f"config.json ties {HEAD} to the embedding (tie_word_embeddings), but the weights have two different "
            f"matrices. Set tie_word_embeddings to false if the head is right."
        )
    del theirs[HEAD]


def _check(found: Iterable[Rule], theirs: Mapping[str, Tensor], shapes: Mapping[str, Tensor]) -> None:
    """FileError that lists all that is missing, extra or of another shape, by the names in the file."""
    wanted: dict[str, tuple[int, ...]] = {}
    for rule in found:
        wanted |= {name: tuple(weight.shape) for name, weight in rule.write(shapes).items()}
    came = {name: tuple(weight.shape) for name, weight in theirs.items()}
    faults = [f"{name} {shape} is missing" for name, shape in wanted.items() if name not in came]
    faults += [f"{name} {shape} is not of this model" for name, shape in came.items() if name not in wanted]
    faults += [f"{n} is {came[n]}, not {shape}" for n, shape in wanted.items() if came.get(n, shape) != shape]
    held = {n: "nothing" if weight.is_meta else str(weight.dtype) for n, weight in theirs.items() if n in wanted}
    faults += [f"{n} holds {kind}" for n, kind in held.items() if kind not in KINDS]
    if faults:
        raise FileError(f"The weights do not fit the config, in {len(faults)} places: {'; '.join(faults)}.")


def _dtype(table: Mapping[str, Any], given: Mapping[str, Tensor], dtype: Dtype) -> torch.dtype | None:
    """What to read the weights as; a file of several types is read as the one that its config names, or the widest."""
    if dtype is not None:
        return dtype if isinstance(dtype, torch.dtype) else dtype_of(dtype)
    kinds = {weight.dtype for name, weight in given.items() if not name.endswith(BIAS)}
    if len(kinds) == 1:
        return None
    named = table.get("dtype") or table.get("torch_dtype")
    return dtype_of(str(named)) if named in NAMES.values() else reduce(torch.promote_types, kinds)


def _placed(given: Mapping[str, Tensor], device: str | None, dtype: torch.dtype | None) -> dict[str, Tensor]:
    return {n: weight.to(device, weight.dtype if n.endswith(BIAS) else dtype) for n, weight in given.items()}
