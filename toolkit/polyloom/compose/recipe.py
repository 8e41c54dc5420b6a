"""A recipe: how an output was made, as JSON from which it can be made again.

    {"polyloom": "recipe", "format": 1, "version": "0.1.0",
     "pool": "linear", "models": {"sea": "3f2a…"}, "kinds": {"sea": "association"}, "weights": {"sea": 1.0},
     "prompt": "At night the", "temperature": 0.8, "seed": 1, …}

Models are named by the digest of all that they hold, never stored.  A model that is no mix has the name "model" and the
pool null.  A generation adds its settings, `tokens` if the prompt as text would be read otherwise, `origin` if only so
many tokens of it are the one that `begin` was given, and, if it was taken up again at a step, the tokens `kept` and the
one that was put there, `token`.  A mixing desk adds who is `muted` or `soloed`.  Both read each other's: what a reader
has no use for it leaves, what is missing stays as it was.
"""

import dataclasses
import os
from collections.abc import Mapping, Sequence
from numbers import Integral, Real
from typing import Any, cast

from polyloom.compose.layered import Layer, Layered
from polyloom.compose.recipe_file import FORMAT, Recipe, checked, open_recipe
from polyloom.documents import Ids
from polyloom.errors import InputError, VocabularyError
from polyloom.generate.loop import resume, retrace
from polyloom.generate.sampling import Sampling
from polyloom.generate.trace import Generation
from polyloom.model import Continuation, LanguageModel
from polyloom.protocols import Continues
from polyloom.tokens.vocabulary import Vocabulary

ALONE = "model"  # the name of a model that is no mix


def members(model: object) -> Recipe:
    """The part of a recipe that says which models speak; InputError if it is none that has a digest."""
    from polyloom import __version__

    if not isinstance(model, LanguageModel):
        raise InputError(f"A recipe names its models by their digest; a {type(model).__name__} has none.")
    models = _models(model)
    return {
        "polyloom": "recipe",
        "format": FORMAT,
        "version": __version__,
        "pool": model.pool if isinstance(model, Layered) else None,
        "models": {name: member.digest for name, member in models.items()},
        "kinds": {name: member.state()[0]["kind"] for name, member in models.items()},
    }


def written_by(origin: Continues, prompt: str, kept: Sequence[int], token: int | None, sampling: Sampling) -> Recipe:
    """The recipe of a text that was written on from `origin`, where the prompt ends."""
    model = origin.model
    weights = model.weights if isinstance(model, Layered) else {ALONE: 1.0}
    found: Recipe = {**members(model), "weights": weights, "prompt": prompt}
    if not _reads(model.vocabulary, prompt, origin.tokens):
        found["tokens"] = origin.tokens.tolist()
    if isinstance(origin, Continuation) and origin.origin < len(origin.tokens):
        found["origin"] = origin.origin
    found |= {"kept": list(kept)} if kept else {}
    found |= {"token": token} if token is not None else {}
    return found | {field.name: _plain(getattr(sampling, field.name)) for field in dataclasses.fields(Sampling)}


def replay(recipe: Mapping[str, Any] | str | os.PathLike[str], models: LanguageModel | Mapping[str, Any]) -> Generation:
    """Write again what a recipe tells: from the same models comes the same text.

    `recipe` is one, or the path of a file that is or carries one; `models` holds its models by name: a mix (whose
    weights do not matter), a mapping, or the one model.  The steps before the one at which a text was taken up again
    are accounted for by the mix that wrote the rest.  Raises InputError if a model is missing or has another digest
    than the recipe says.
    """
    given = checked(recipe if isinstance(recipe, Mapping) else open_recipe(recipe))
    model, sampling = _mixed(given, _models(models)), _sampling(given)
    place = model.replay(given.get("tokens", given.get("prompt", "")), {}, given.get("origin"))
    start = Generation(model.vocabulary.decode(place.tokens), "", (), sampling, place.fork())
    kept = retrace(place, [model.token_id(token) for token in given.get("kept", [])])
    return resume(start, kept, place, given.get("token"), sampling)


def check_models(recipe: Mapping[str, Any], models: Mapping[str, LanguageModel]) -> None:
    """InputError if a recipe names a layer that is not here, or one that has another digest than it says."""
    parts = [*recipe.get("models", {}), *recipe.get("weights", {}), *recipe.get("muted", []), *recipe.get("soloed", [])]
    if unknown := [name for name in parts if name not in list(models)]:
        raise InputError(f"The recipe names {unknown[0]!r}; the layers are {', '.join(models)}.")
    for name, digest in recipe.get("models", {}).items():
        if digest != models[name].digest:
            raise InputError(
                f"The recipe was made with another {name!r}, of digest {str(digest)[:12]}…; the one here has "
                f"{models[name].digest[:12]}…. Load that model, or take 'models' out of the recipe to use this one."
            )


def _models(models: object) -> Mapping[str, LanguageModel]:
    """Models by name, in whichever form they come."""
    named = models.models if isinstance(models, Layered) else models
    named = {ALONE: named} if isinstance(named, LanguageModel) else named
    if not isinstance(named, Mapping) or not named:
        raise InputError(f"Expected a mix, a model or models by name, got {type(models).__name__}.")
    for name, model in cast("Mapping[str, object]", named).items():
        if not isinstance(model, LanguageModel):
            raise InputError(f"Expected a model under the name {name!r}, got {type(model).__name__}.")
    return cast("Mapping[str, LanguageModel]", named)


def _mixed(recipe: Mapping[str, Any], models: Mapping[str, LanguageModel]) -> LanguageModel:
    """The model that the recipe describes, with what is muted or not soloed at 0."""
    check_models(recipe, models)
    weights, muted, soloed = recipe.get("weights", {}), recipe.get("muted", []), recipe.get("soloed", [])
    names = list(recipe.get("models", weights)) or list(models)
    if recipe.get("pool", "linear") is None:
        return models[names[0]]
    silent = {name for name in names if name in muted or (soloed and name not in soloed)}
    (base, first), *others = ((n, Layer(models[n], 0.0 if n in silent else weights.get(n, 1.0))) for n in names)
    return Layered(first.model, dict(others), recipe.get("pool", "linear"), name=base, weight=first.weight)


def _sampling(recipe: Mapping[str, Any]) -> Sampling:
    names = [field.name for field in dataclasses.fields(Sampling) if field.name in recipe]
    settings: dict[str, Any] = {name: recipe[name] for name in names}
    return Sampling(**{name: _fixed(value) for name, value in settings.items()})


def _reads(vocabulary: Vocabulary, text: str, ids: Ids) -> bool:
    """Whether the text is read as exactly these ids."""
    try:
        return vocabulary.encode(text).tolist() == ids.tolist()
    except VocabularyError:
        return False


def _fixed(value: Any) -> Any:
    """A setting from JSON as `Sampling` takes it."""
    return tuple(map(_fixed, cast("list[Any]", value))) if isinstance(value, list) else value


def _plain(value: object) -> object:
    """A setting as JSON knows it."""
    if isinstance(value, tuple):
        return [_plain(one) for one in cast("tuple[object, ...]", value)]
    return int(value) if isinstance(value, Integral) else float(value) if isinstance(value, Real) else value
