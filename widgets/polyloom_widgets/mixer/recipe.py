"""The desk's side of a recipe (`polyloom.compose.recipe`): what a recipe from outside sets it to.

`checked_recipe` changes nothing; what is missing in the recipe stays as it is on the desk.
"""

import math
from collections.abc import Mapping
from typing import Any

from polyloom.compose.layered import Layered
from polyloom.compose.recipe import check_models
from polyloom.compose.recipe_file import checked as checked_whole
from polyloom.errors import InputError
from polyloom.generate.sampling import Sampling
from polyloom_widgets.mixer.step import Step, checked


def checked_recipe(
    recipe: object, mix: Layered, step: Step, sampling: Mapping[str, Any]
) -> tuple[Step, dict[str, Any], str | None]:
    """The step, the sampling and the prompt (None: as it is) of a recipe; InputError naming what is wrong with it."""
    given = checked_whole(recipe)
    check_models(given, mix.models)
    if (pool := given.get("pool")) not in (None, mix.pool):
        raise InputError(f"The recipe is of a {pool} pool; the mix on this desk is a {mix.pool} pool.")
    weights, muted, soloed = given.get("weights", {}), given.get("muted", []), given.get("soloed", [])
    names = list(mix.layers)
    new: dict[str, Any] = {
        "weights": [weights.get(name, old) for name, old in zip(names, step["weights"], strict=True)],
        "muted": [name in muted for name in names],
        "soloed": [name in soloed for name in names],
    }
    settings = {name: given.get(name, old) for name, old in sampling.items()}
    return checked(new, len(names)), checked_sampling(settings), given.get("prompt")


def checked_sampling(given: Mapping[str, Any]) -> dict[str, Any]:
    """Temperature and seed, and nothing else; InputError if one is missing, of another kind or out of range."""
    temperature, seed = given.get("temperature"), given.get("seed")
    if isinstance(temperature, bool) or not isinstance(temperature, int | float) or not math.isfinite(temperature):
        raise InputError(f"The temperature must be a finite number, got {temperature!r}.")
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise InputError(f"The seed must be a whole number, got {seed!r}.")
    Sampling(temperature, seed=seed)
    return {"temperature": temperature, "seed": seed}
