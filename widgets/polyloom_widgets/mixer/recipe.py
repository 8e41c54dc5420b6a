"""A recipe: what a desk is set to, as JSON that another desk with the same layers can be set to.

`checked_recipe` reads one from outside and changes nothing; what is missing in it stays as it is on the desk.
"""

import math
from collections.abc import Mapping, Sequence
from typing import Any, cast

from polyloom.errors import InputError
from polyloom.generate.sampling import Sampling
from polyloom_widgets.mixer.step import Step, checked

FORMAT = 1


def checked_recipe(
    recipe: object, names: Sequence[str], step: Step, sampling: Mapping[str, Any]
) -> tuple[Step, dict[str, Any], str | None]:
    """The step, the sampling and the prompt (None: as it is) of a recipe; InputError naming what is wrong with it."""
    given: Mapping[str, Any] = cast("Mapping[str, Any]", recipe) if isinstance(recipe, Mapping) else dict[str, Any]()
    if given.get("polyloom") != "recipe" or given.get("format") != FORMAT:
        raise InputError("Expected a recipe of format 1, as to_recipe() or the desk's Recipe button gives it.")
    weights, muted, soloed = given.get("weights", {}), given.get("muted", []), given.get("soloed", [])
    if not isinstance(weights, Mapping) or not isinstance(muted, list) or not isinstance(soloed, list):
        raise InputError("The recipe is damaged: weights must be a mapping, muted and soloed lists of names.")
    if unknown := [name for name in cast("list[object]", [*weights, *muted, *soloed]) if name not in names]:
        raise InputError(f"The recipe names {unknown[0]!r}; the layers are {', '.join(names)}.")
    if not isinstance(prompt := given.get("prompt"), str | None):
        raise InputError(f"The prompt of the recipe must be text, got {type(prompt).__name__}.")
    rows = cast("Mapping[str, Any]", weights)
    new: dict[str, Any] = {
        "weights": [rows.get(name, old) for name, old in zip(names, step["weights"], strict=True)],
        "muted": [name in muted for name in names],
        "soloed": [name in soloed for name in names],
    }
    settings = {name: given.get(name, old) for name, old in sampling.items()}
    return checked(new, len(names)), checked_sampling(settings), prompt


def checked_sampling(given: Mapping[str, Any]) -> dict[str, Any]:
    """Temperature and seed, and nothing else; InputError if one is missing, of another kind or out of range."""
    temperature, seed = given.get("temperature"), given.get("seed")
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not math.isfinite(temperature):
        raise InputError(f"The temperature must be a finite number, got {temperature!r}.")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise InputError(f"The seed must be a whole number, got {seed!r}.")
    Sampling(temperature, seed=seed)
    return {"temperature": temperature, "seed": seed}
