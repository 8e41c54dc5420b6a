r"""`polyloom generate`: go on from a prompt, printing the text while it is written.

The loop that writes is the one of `polyloom.generate`; here its place in the text is wrapped so that each token is
heard.  What may still change is held back: the beginning of a stop text, and half of a character in bytes.
"""

from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from numpy.typing import NDArray

from polyloom._later import later
from polyloom.cli.models import opened, prompt_text, unknown_words
from polyloom.cli.options import Json, ModelFile, Prompt
from polyloom.cli.output import note, print_json
from polyloom.errors import InputError
from polyloom.generate.loop import generate
from polyloom.generate.sampling import Sampling
from polyloom.generate.speculate import Speculation
from polyloom.generate.trace import Generation
from polyloom.model import LanguageModel
from polyloom.protocols import Continues, HasVocabulary

DEFAULT = Sampling()


def command(
    model: ModelFile,
    prompt: Prompt = None,
    temperature: Annotated[
        float, typer.Option(help="Above 1 bolder, below 1 safer; 0 takes the likeliest.")
    ] = DEFAULT.temperature,
    max_tokens: Annotated[int, typer.Option(help="Tokens to write at most.")] = DEFAULT.max_tokens,
    top_k: Annotated[int, typer.Option(help="Only the k likeliest; 0 is all.")] = DEFAULT.top_k,
    top_p: Annotated[float, typer.Option(help="Only the likeliest that make up this probability.")] = DEFAULT.top_p,
    min_p: Annotated[float, typer.Option(help="Only those with this share of the likeliest.")] = DEFAULT.min_p,
    repetition_penalty: Annotated[
        float, typer.Option(help="Above 1 avoids what was said.")
    ] = DEFAULT.repetition_penalty,
    seed: Annotated[int, typer.Option(help="The same seed writes the same text.")] = DEFAULT.seed,
    stop: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help=r"End before this text; \n is a line break. Repeatable.")
    ] = None,
    draft: Annotated[
        str | None, typer.Option(metavar="MODEL", help="Guess ahead with a smaller model, or lookup: the text so far.")
    ] = None,
    ahead: Annotated[int, typer.Option(min=1, help="Tokens to guess at a time.")] = Speculation.ahead,
    int8: Annotated[
        bool, typer.Option("--int8", help="Round a transformer to 8 bits first: several times as fast.")
    ] = False,
    as_json: Json = False,
) -> None:
    r"""Write on from a prompt.

    Only what is written goes to standard output, while it is written.  With `--json` it comes at the end, with its
    recipe and, for every step, what else could have come and who spoke for the choice.

    With `--draft`, guesses are read several at a time, which is sooner done where a model is large.  The text is as
    likely as without; at temperature 0 it is the same.

    For example:

        polyloom generate poems.psam "At night the" --temperature 0.8 --seed 7
        polyloom generate poems.psam "At night" --top-p 0.9 --stop "\n" --json
        polyloom generate story "At night the" --draft poems.psam
        echo "At night the" | polyloom generate mix.psamc --max-tokens 200
    """
    stops = tuple(text.replace("\\n", "\n") for text in stop or [])
    sampling = _sampling(temperature, max_tokens, seed, top_k, top_p, min_p, repetition_penalty, stops)
    loaded, text = opened(model), prompt_text(prompt)
    if int8:
        loaded = later("int8")(loaded)
    unknown = unknown_words(loaded.vocabulary, text)
    place, speculation = loaded.begin(text), _speculation(draft, ahead, loaded)
    if as_json:
        told = {"model": str(model), "prompt": text, "unknown": unknown}
        print_json(told | _told(generate(place, sampling, speculation)))
    else:
        streamed(place, sampling, speculation)


def settled(text: str, stops: tuple[str, ...]) -> str:
    """The beginning of `text` that no later token can change or take away."""
    found = [text.find(stop) for stop in stops if stop in text]
    if found:
        return text[: min(found)]
    kept = text.rstrip("\ufffd")
    starts = [at for stop in stops for at in range(max(0, len(kept) - len(stop) + 1), len(kept))]
    return kept[: min((at for at in starts if any(stop.startswith(kept[at:]) for stop in stops)), default=len(kept))]


class Heard:
    """A place in a text that tells its listener of every token: all of a continuation that the loop needs."""

    def __init__(self, place: Continues, hear: Callable[[NDArray[np.int64]], None]) -> None:
        self.place, self.hear = place, hear

    @property
    def model(self) -> HasVocabulary:
        """Whose continuation this is."""
        return self.place.model

    @property
    def tokens(self) -> NDArray[np.int64]:
        """All tokens so far."""
        return self.place.tokens

    def distribution(self) -> NDArray[np.float64]:
        """Log-probabilities of the next token."""
        return self.place.distribution()

    def shares(self, token: int, ago: int = 0) -> dict[str, float]:
        """Who speaks for a token."""
        return self.place.shares(token, ago)

    def advance(self, token: int) -> None:
        """Append one token, and say so."""
        self.place.advance(token)
        self.hear(self.tokens)

    def fork(self) -> Continues:
        """The same place again, with nobody listening."""
        return self.place.fork()

    def rebind(self, model: Any) -> Continues:
        """The same text under another model."""
        return self.place.rebind(model)


def streamed(place: Continues, sampling: Sampling, speculation: Speculation | None = None) -> str:
    """Write on from a place, printing what is settled as it comes, and a line break at the end; returns the text."""
    first, decode, printed = len(place.tokens), place.model.vocabulary.decode, 0

    def say(text: str) -> None:
        nonlocal printed
        typer.echo(text[printed:], nl=False)
        printed = max(printed, len(text))

    try:
        heard = Heard(place, lambda tokens: say(settled(decode(tokens[first:]), sampling.stop)))
        written = generate(heard, sampling, speculation)
        say(written.text)
    finally:
        typer.echo()
    if written.speculation:
        note(str(written.speculation))
    return written.text


def _sampling(*settings: Any) -> Sampling:
    try:
        return Sampling(*settings)
    except InputError as error:
        raise typer.BadParameter(str(error)) from error


def _speculation(draft: str | None, ahead: int, model: LanguageModel) -> Speculation | None:
    if draft is None:
        return None
    found = Speculation("lookup" if draft == "lookup" else opened(Path(draft)), ahead)
    found.check(model.vocabulary)  # before anything is printed
    return found


def _told(generation: Generation) -> dict[str, Any]:
    steps, went = [asdict(step) for step in generation.steps], generation.speculation
    counts = {"drafted": went.drafted, "accepted": went.accepted, "passes": went.passes} if went else None
    guessed = {"speculation": counts} if counts else {}
    return {"text": generation.text, "recipe": generation.recipe, **guessed, "steps": steps}
