"""Rotary frequencies in foreign config.json files: `rope_theta` and `rope_scaling`, or `rope_parameters` of later versions.

`max_position_embeddings` means two things: with `linear` and `dynamic` scaling the length of the training, without
scaling and with `llama3` the length that the model reads.  `yarn` has a field of its own for the first.  Scaled
frequencies hold for texts of all lengths, short ones included (`Scaling.always`).
"""

import math
from typing import Any

from polyloom.transformer.config import Position, Scaling
from polyloom.transformer.fields import Fields

KINDS = ("default", "linear", "dynamic", "yarn", "llama3")
LENGTH, FIRST_LENGTH = "max_position_embeddings", "original_max_position_embeddings"
KNOWN = {
    *("rope_type", "type", "rope_theta", "factor", FIRST_LENGTH, "attention_factor", "beta_fast", "beta_slow"),
    *("low_freq_factor", "high_freq_factor", "mscale", "mscale_all_dim", "truncate", "partial_rotary_factor"),
    "finetuned",  # said by whoever trained on: changes nothing
}


def read_rope(fields: Fields) -> tuple[Position, int]:
    """Positions, and the context that they reach."""
    length, theta = fields.whole(LENGTH), fields.number("rope_theta", 10_000.0)
    fields.must("partial_rotary_factor", 1.0)
    given = fields.below("rope_scaling") or fields.below("rope_parameters")
    if given is None:
        return Position("rotary", theta), length
    for name in sorted(set(given.table) - KNOWN):
        raise given.refused(name, f"one of the fields {', '.join(sorted(KNOWN))}")
    given.must("partial_rotary_factor", 1.0)
    given.must("truncate", True)
    kind, theta = given.one(("rope_type", "type"), KINDS, "default"), given.number("rope_theta", theta)
    if kind == "default":
        return Position("rotary", theta), length
    if kind == "llama3":
        return Position("rotary", theta, _llama3(given, _first(fields, given, length))), length
    scaling = _yarn(given, _first(fields, given, length), length) if kind == "yarn" else None
    scaling = scaling or Scaling(kind, given.number("factor"), length, always=True)
    return Position("rotary", theta, scaling), max(length, int(scaling.original * scaling.factor))


def rope_table(position: Position, context: int) -> dict[str, Any]:
    """The fields of a config.json; of kinds that no family has a reader will make something else."""
    table: dict[str, Any] = {"rope_theta": position.theta, "rope_scaling": None, LENGTH: context}
    scaling = position.scaling
    if scaling is None:
        return table
    inner: dict[str, Any] = {"rope_type": scaling.kind, "factor": scaling.factor}
    if scaling.kind in ("linear", "dynamic"):
        table[LENGTH] = scaling.original
    else:
        inner[FIRST_LENGTH] = scaling.original
    if scaling.kind == "yarn":
        inner |= {"beta_fast": scaling.beta_fast, "beta_slow": scaling.beta_slow}
        inner |= {} if scaling.attention_factor is None else {"attention_factor": scaling.attention_factor}
    if scaling.kind == "llama3":
        inner |= {"low_freq_factor": scaling.low, "high_freq_factor": scaling.high}
    return table | {"rope_scaling": inner}


def _first(fields: Fields, given: Fields, length: int) -> int:
    """The length of the training: a field beside the table counts before one inside."""
    return fields.whole(FIRST_LENGTH, default=given.whole(FIRST_LENGTH, default=length))


def _llama3(given: Fields, original: int) -> Scaling:
    low, high = given.number("low_freq_factor"), given.number("high_freq_factor")
    return Scaling("llama3", given.number("factor"), original, always=True, low=low, high=high)


def _yarn(given: Fields, original: int, length: int) -> Scaling:
    factor = given.number("factor", length / original)
    longer = given.number("attention_factor", math.nan)
    if math.isnan(longer):
        ours, all_dimensions = given.number("mscale", 0.0), given.number("mscale_all_dim", 0.0)
        longer = _length(factor, ours) / _length(factor, all_dimensions) if ours and all_dimensions else None
    fast, slow = given.number("beta_fast", 32.0) or 32.0, given.number("beta_slow", 1.0) or 1.0
    return Scaling("yarn", factor, original, True, beta_fast=fast, beta_slow=slow, attention_factor=longer)


def _length(factor: float, weight: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0
