"""config.json, and the `TransformerConfig` that means the same.

    read_config(table)             the config of a table, of whatever family or of our own
    config_table(config, family)   the table of a config
    family_of(config)              the family that can say all of it

A family has a reader and a writer.  Which family fits a config is listed nowhere: it is written, read back and
compared, so what a family has no word for shows by itself, and is then saved as our own.  Every table that we write
carries the config itself as well, with what no family knows (begin, dropout, how experts were balanced); it is believed
as long as it agrees with the fields that others may have changed since.

A reader takes over everything that changes a logit, and refuses, naming field and value, what our bricks cannot do.
What concerns the training alone (first deviations, dropout inside attention) is left out.  A field that is missing has
the value that `transformers` gives it.
"""

from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any, cast

from polyloom.errors import FileError, InputError
from polyloom.transformer.config import Experts, Position, TransformerConfig
from polyloom.transformer.fields import Fields
from polyloom.transformer.huggingface_gpt2 import gpt2_table, read_gpt2
from polyloom.transformer.huggingface_llama import LLAMAS, llama_table, read_llama

OURS = "polyloom"  # the model type of what no family expresses, and the key of our own config
VERSION = 1
Table = dict[str, Any]

READERS: Mapping[str, Callable[[Fields], TransformerConfig]] = {
    "gpt2": read_gpt2,
    **{family: partial(read_llama, family=family) for family in LLAMAS},
}
WRITERS: Mapping[str, Callable[[TransformerConfig], Table]] = {
    "gpt2": gpt2_table,
    **{family: partial(llama_table, family=family) for family in LLAMAS},
}


def read_config(table: Mapping[str, Any], where: str = "config.json") -> tuple[TransformerConfig, bool]:
    """The config of a table, and whether it is our own, which says how a text begins.

    Raises FileError naming field and value where our bricks cannot do what the table says.
    """
    fields = Fields(table, where)
    family = fields.one("model_type", (*READERS, OURS))
    ours = _ours(fields)
    if family == OURS:
        if ours is None:
            raise FileError(f"{where} has model_type {OURS!r}, but no field {OURS!r} with the config.")
        return ours, True
    found = _foreign(fields, family)
    again = None if ours is None else _reread(ours, family)
    agrees = again is not None and replace(again, begin=None) == replace(found, begin=None)
    return (ours, True) if ours is not None and agrees else (found, False)


def config_table(config: TransformerConfig, family: str, end: int | None = None) -> Table:
    """What a config.json says of a config, in the words of a family or of our own; `end` is the id that ends a text."""
    own = {OURS: {"version": VERSION, "config": config.to_json()}}
    if family == OURS:
        return {"architectures": ["PolyloomDecoder"], "model_type": OURS} | own
    return _table(config, family) | {"eos_token_id": end} | own


def family_of(config: TransformerConfig) -> str:
    """The first family that can say all that a config says; our own if there is none."""
    meant = _meaning(config)
    for family in READERS:
        again = _reread(config, family)
        if again is not None and _meaning(again) == meant:
            return family
    return OURS


def read_begin(table: Mapping[str, Any], rows: int) -> int | None:
    """What stands where there is no text yet: the begin id, or else the end id; none if the model has no row for it."""
    for name in ("bos_token_id", "eos_token_id"):
        given = table.get(name)
        ids = cast("list[object]", given if isinstance(given, list) else [given])
        found = [id for id in ids if type(id) is int and 0 <= id < rows]
        if found:
            return found[0]
    return None


def _ours(fields: Fields) -> TransformerConfig | None:
    """Our own config, if the table carries one."""
    given = fields.below(OURS)
    if given is None:
        return None
    version = given.whole("version")
    if version > VERSION:
        raise FileError(
            f"{given.where} is of version {version}; this Polyloom reads up to {VERSION}. Upgrade polyloom."
        )
    try:
        return TransformerConfig.from_json(cast("Mapping[str, Any]", given.table.get("config")))
    except InputError as error:
        raise FileError(f"{given.where} is damaged: {error}") from error


def _foreign(fields: Fields, family: str) -> TransformerConfig:
    fields.must("quantization_config", None)
    fields.must("is_encoder_decoder", False)
    try:
        found = READERS[family](fields)
        return replace(found, begin=read_begin(fields.table, found.rows), opens=False)
    except InputError as error:
        raise FileError(f"{fields.where} describes nothing that can be built: {error}") from error


def _table(config: TransformerConfig, family: str) -> Table:
    common = {"model_type": family, "vocab_size": config.rows, "tie_word_embeddings": config.tied}
    return common | {"bos_token_id": config.begin, "eos_token_id": None, "pad_token_id": None} | WRITERS[family](config)


def _reread(config: TransformerConfig, family: str) -> TransformerConfig | None:
    """What a family makes of a config: written and read back; None if it cannot be."""
    try:
        return _foreign(Fields(_table(config, family), "config.json"), family)
    except FileError:
        return None


def _meaning(config: TransformerConfig) -> TransformerConfig:
    """What of a config changes logits: the same for two that mean the same."""
    position, attention, experts = config.position, config.attention, config.experts
    if position.scaling is not None and position.scaling.kind == "dynamic":  # which leaves short texts alone by itself
        position = replace(position, scaling=replace(position.scaling, always=True))
    return replace(
        config,
        position=position if position.kind == "rotary" else Position(position.kind),
        attention=attention if attention.window is not None else replace(attention, full_layers=0),
        experts=experts and _choice(experts),
        context=config.context if position.kind == "learned" else 2,
        vocabulary_size=config.rows,
        dropout=0.0,
        begin=None,
        opens=False,
    )


def _choice(experts: Experts) -> Experts:
    """Without what balances experts while they learn."""
    return replace(experts, balance="none", balance_loss=0.0, balance_step=0.0, z_loss=0.0)
