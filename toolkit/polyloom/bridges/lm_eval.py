"""Polyloom's models in EleutherAI's evaluation harness, `lm_eval` (`pip install "polyloom[eval]"`).

    from polyloom.bridges.lm_eval import PolyloomLM
    lm_eval.simple_evaluate(PolyloomLM(model), tasks=["lambada_openai"])

    python -m polyloom.bridges.lm_eval run --model polyloom --model_args path=mix.psamc --tasks lambada_openai

The second is the harness's own command, with "polyloom" among its models.  Log-likelihoods are those of
`model.log_likelihood` on the tokens of context and continuation together, so that a token across the seam is one token;
an empty context is the start of a text, where nothing is put in front but what the model itself puts there.
"""

import os
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from polyloom._compat import need
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.generate.sampling import Sampling
from polyloom.kinds import load
from polyloom.model import Continuation, LanguageModel

need("lm_eval", "eval", "polyloom.bridges.lm_eval")

from lm_eval.api.model import LM  # noqa: E402 # pyright: ignore[reportMissingTypeStubs] - once it is known to be there
from lm_eval.api.registry import (  # noqa: E402 # pyright: ignore[reportMissingTypeStubs]
    register_model,  # pyright: ignore[reportUnknownVariableType]
)

LONGEST = 256  # tokens of an answer, if the task does not say
FOR_US = {"until", "max_gen_toks", "do_sample"}
KNOWN = FOR_US | {"temperature", "top_k", "top_p", "min_p", "repetition_penalty"}


@register_model("polyloom")
class PolyloomLM(LM):
    """A model, or the `path` of one, as the harness wants it.

    It answers one request after another, on the device that the model is on.
    """

    def __init__(self, model: LanguageModel | None = None, path: str | os.PathLike[str] | None = None) -> None:
        super().__init__()
        if (model is None) == (path is None):
            raise InputError('Give either a model or its path: PolyloomLM(model), or --model_args "path=mix.psamc".')
        self.model = model if model is not None else load(str(path))
        self.place: Continuation = self.model.begin()  # after the context of the last request, which many share

    @classmethod
    def create_from_arg_string(cls, arg_string: str, additional_config: dict[str, Any] | None = None) -> "PolyloomLM":
        """From "path=…"; what the harness adds about batches and devices is no affair of ours."""
        del additional_config
        given = dict(part.split("=", 1) for part in arg_string.split(",") if "=" in part)
        return cls.create_from_arg_obj(given)

    @classmethod
    def create_from_arg_obj(
        cls, arg_dict: dict[str, Any], additional_config: dict[str, Any] | None = None
    ) -> "PolyloomLM":
        """From {"path": …} or {"model": …}."""
        del additional_config
        if unknown := set(arg_dict) - {"path", "model"}:
            raise InputError(f"Unknown model argument {min(unknown)!r}; there is path.")
        return cls(**arg_dict)

    def loglikelihood(self, requests: Sequence[Any]) -> list[tuple[float, bool]]:
        """For each context and continuation: ln p, and whether the likeliest token came every time."""
        return [self._judged(*request.args) for request in requests]

    def loglikelihood_rolling(self, requests: Sequence[Any]) -> list[float]:
        """For each text: ln p of all of it."""
        return [float(self.model.log_likelihood(request.args[0]).sum()) for request in requests]

    def generate_until(self, requests: Sequence[Any]) -> list[str]:
        """For each context and its settings: what the model writes until one of the texts that end it."""
        return [self.model.generate(request.args[0], sampling(request.args[1])).text for request in requests]

    def _judged(self, context: str, continuation: str) -> tuple[float, bool]:
        vocabulary = self.model.vocabulary
        spaces = context[len(context.rstrip()) :]  # belong to the token after them
        seam = len(vocabulary.encode(context.removesuffix(spaces)))
        ids = vocabulary.encode(context + continuation)
        return float(self.model.log_likelihood(ids)[seam:].sum()), self._greedy(ids[:seam], ids[seam:].tolist())

    def _greedy(self, before: Ids, after: Iterable[int]) -> bool:
        if not np.array_equal(self.place.tokens, before):
            self.place = self.model.begin(before)
        place = self.place.fork()
        for token in after:
            if int(place.top(1).tokens[0]) != token:
                return False
            place.advance(token)
        return True


def sampling(settings: dict[str, Any]) -> Sampling:
    """The settings of a task; InputError naming one that we cannot follow."""
    if unknown := set(settings) - KNOWN:
        raise InputError(f"The task asks for {min(unknown)!r}; known are {', '.join(sorted(KNOWN))}.")
    until, chosen = settings.get("until") or (), bool(settings.get("temperature"))
    given: dict[str, Any] = {name: settings[name] for name in KNOWN & set(settings) - FOR_US}
    if not settings.get("do_sample", chosen):
        given["temperature"] = 0
    stop = (until,) if isinstance(until, str) else tuple(until)
    return Sampling(**given, max_tokens=settings.get("max_gen_toks", LONGEST), stop=stop)


if __name__ == "__main__":
    from lm_eval.__main__ import cli_evaluate  # pyright: ignore[reportMissingTypeStubs]

    cli_evaluate()
