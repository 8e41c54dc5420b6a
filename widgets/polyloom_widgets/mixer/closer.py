"""A closer look at a mix, for the desk's panels: who deserves credit, who is like whom, what it would take, and lanes.

    credit      exact Shapley values on the held-out text (`Layered.shapley`)
    likeness    how alike the layers are, place by place of the held-out text (`similarity_matrix`)
    reach       the nearest weights under which a word is as likely as wished, and what else would change
    lanes       a text written while the weights move along their lanes

Each gives what the page draws, for JSON.
"""

from collections.abc import Mapping, Sequence
from typing import Any, cast

from polyloom.compose.lane import Lane
from polyloom.compose.layered import Layered
from polyloom.compose.similarity import similarity_matrix
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.generate.sampling import Sampling
from polyloom.model import LanguageModel
from polyloom.real import real
from polyloom.tokens.spans import spans

READ = 4096  # held-out tokens that credit reads, at most
COMPARED = 384  # and likeness, which reads the whole vocabulary at each


def credit(mix: Layered, documents: Sequence[Ids]) -> dict[str, Any]:
    """What each layer adds to the likelihood of the text, alone and with the others, in nats a token."""
    found = mix.shapley(_some(documents))
    values, alone = found.values.tolist(), found.alone.tolist()
    return {
        "values": values, "alone": alone, "whole": found.whole, "nothing": found.nothing, "residual": found.residual,
        "tokens": found.tokens, "pairs": [[a, b, value] for a, b, value in found.strongest()],
    }  # fmt: skip


def likeness(mix: Layered, documents: Sequence[Ids]) -> dict[str, Any]:
    """1 less the Jensen-Shannon divergence of every two layers: 1 is the same."""
    if len(mix.layers) < 2:
        raise InputError("There is one layer, and nothing that it could be like.")
    table = similarity_matrix(mix.models, _some(documents, COMPARED))
    return {"names": list(table.rows), "values": table.values.tolist()}


def reach(mix: Layered, prompt: Ids, question: Mapping[str, Any]) -> dict[str, Any]:
    """The nearest weights at which the token has the probability, and the words that would move with it."""
    token = question.get("token")
    if not isinstance(token, int) or isinstance(token, bool):
        raise InputError(f"Expected the id of a token, got {token!r}.")
    wanted = real("The probability", question.get("probability"), 1e-9, 1.0)
    found = mix.reach(prompt, token=token, probability=wanted)
    beside = [{"name": one.name, "before": one.before, "after": one.after} for one in found.beside]
    return {
        "token": token, "wanted": wanted, "reached": found.reached, "before": found.before, "after": found.after,
        "most": found.most, "weights": list(found.mix.weights.values()), "beside": beside,
    }  # fmt: skip


def lanes(
    mix: Layered, prompt: Ids, question: Mapping[str, Any], sampling: Mapping[str, Any], most: int
) -> dict[str, Any]:
    """A text of at most so many tokens that the mix writes while its weights move along lanes."""
    given = question.get("lanes")
    if not isinstance(given, Mapping) or not given:
        raise InputError("Draw a lane first: move the end of a line.")
    shape = "smoothstep" if question.get("smooth") else "linear"
    lines = cast("Mapping[str, Any]", given)  # which `Lane` checks
    drawn = {str(name): Lane(line, shape) for name, line in lines.items()}
    return written(mix.with_lanes(drawn), mix, prompt, sampling, most)


def written(model: LanguageModel, mix: Layered, prompt: Ids, sampling: Mapping[str, Any], most: int) -> dict[str, Any]:
    """What `model` writes, piece by piece, each with the layer of `mix` that spoke loudest for it."""
    names, made = list(mix.layers), model.generate(prompt, Sampling(max_tokens=most, **sampling))
    texts = spans(mix.vocabulary, [*prompt.tolist(), *(step.token for step in made.steps)])[len(prompt) :]
    pieces = [
        {"text": text, "layer": names.index(step.loudest), "share": step.shares[step.loudest]}
        for text, step in zip(texts, made.steps, strict=True)
    ]
    return {"pieces": pieces, "text": made.text}


def _some(documents: Sequence[Ids], room: int = READ) -> list[Ids]:
    """The first documents, of so many tokens together."""
    found: list[Ids] = []
    for ids in documents:
        if room <= 0:
            break
        found.append(ids[:room])
        room -= len(ids)
    if not found:
        raise InputError("This needs held-out text: Mixer(mix, held_out=held_out).")
    return found
