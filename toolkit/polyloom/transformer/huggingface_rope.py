"""Rotary frequencies in config.json: `rope_theta` and `rope_scaling`, or `rope_parameters` of later versions.

`max_position_embeddings` means two things: with `linear` and `dynamic` scaling the length of the training, without
scaling and with `llama3` the length that the model reads.  `yarn` has a field of its own for the first.  Scaled
frequencies hold for texts of all lengths, short ones included (`Scaling.always`).
"""

import math
from typing import Any

from polyloom.transformer.config import Position, Scaling, ScalingKind
from polyloom.transformer.fields import Fields

KIND, PLAIN = ("rope_type", "type"), "default"
SCALED: tuple[ScalingKind, ...] = ("linear", "dynamic", "yarn", "llama3")
LENGTH, FIRST_LENGTH = "max_position_embeddings", "original_max_position_embeddings"
KNOWN = {
    *("rope_type", "type", "rope_theta", "factor", FIRST_LENGTH, "attention_factor", "beta_fast", "beta_slow"),
    *("low_freq_factor", "high_freq_factor", "mscale", "mscale_all_dim", "truncate", "partial_rotary_factor"),
    "finetuned",  # said by whoever trained on: changes nothing
}


def read_rope(fields: Fields) -> tuple[Position, int]:
    """Positions, and the context that they reach."""
    length, theta = fields.whole(LENGTH), fields.number("rope_theta", 10_000.0, above=0)
    fields.must("partial_rotary_factor", 1.0)
    given = fields.below("rope_scaling") or fields.below("rope_parameters")
    if given is None:
        return Position("rotary", theta), length
    for name in sorted(set(given.table) - KNOWN):
        raise given.refused(name, f"only the fields {', '.join(sorted(KNOWN))}")
    given.must("partial_rotary_factor", 1.0)
    given.must("truncate", True)
    theta = given.number("rope_theta", theta, above=0)
    if given.one(KIND, (PLAIN, *SCALED), PLAIN) == PLAIN:
        return Position("rotary", theta), length
    scaling = _scaling(given.one(KIND, SCALED), fields, given, length)
    reach = length if scaling.kind == "llama3" else max(length, int(scaling.original * scaling.factor))
    return Position("rotary", theta, scaling), reach


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


def _scaling(kind: ScalingKind, fields: Fields, given: Fields, length: int) -> Scaling:
    if kind in ("linear", "dynamic"):
        return Scaling(kind, given.number("factor", above=0), length, always=True)
    # A length of the training that stands beside the table counts before one inside.
    original = fields.whole(FIRST_LENGTH, default=given.whole(FIRST_LENGTH, default=length))
    if kind == "llama3":
        low, high = given.number("low_freq_factor"), given.number("high_freq_factor")
        return Scaling(kind, given.number("factor", above=0), original, always=True, low=low, high=high)
    return Scaling(
        kind,
        factor := given.number("factor", length / original, above=0),
        original,
        always=True,
        beta_fast=given.number("beta_fast", 32.0) or 32.0,
        beta_slow=given.number("beta_slow", 1.0) or 1.0,
        attention_factor=_attention_factor(given, factor),
    )


def _attention_factor(given: Fields, factor: float) -> float | None:
    """How much longer YaRN makes queries and keys, if the table says it in one of two ways."""
    if given.table.get("attention_factor") is not None:
        return given.number("attention_factor")
    ours, all_dimensions = given.number("mscale", 0.0), given.number("mscale_all_dim", 0.0)
    return _longer(factor, ours) / _longer(factor, all_dimensions) if ours and all_dimensions else None


def _longer(factor: float, weight: float) -> float:
    return 1.0 if factor <= 1 else 0.1 * weight * math.log(factor) + 1.0
