"""`polyloom expert chat`: each line is given to the expert it is for, and the text goes on in that expert's words.

The conversation is one text: a line that is typed, what was written on, the next line.  Whoever speaks has read all of
it, whoever wrote it.  Where nobody is meant, or the one who is cannot be had, the base speaks for itself.
"""

import json
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Annotated, Any

import typer

from polyloom._compat import need
from polyloom.cli.exits import one_line
from polyloom.cli.expert_registry import Folder, registry_in
from polyloom.cli.expert_route import because, told
from polyloom.cli.expert_train import BaseFolder
from polyloom.cli.generate import streamed
from polyloom.cli.output import note
from polyloom.cli.texts import decoded
from polyloom.compose.routing.router.decision import Routing
from polyloom.compose.routing.router.router import Router
from polyloom.errors import FileError, InputError
from polyloom.experts.manager import ExpertManager, Refused
from polyloom.experts.registry import Installed
from polyloom.generate.loop import generate
from polyloom.generate.sampling import Sampling

if TYPE_CHECKING:
    from polyloom.experts.adapted import Base

MEGABYTE = 2**20


def chat(
    base: BaseFolder,
    folder: Folder = None,
    budget: Annotated[int, typer.Option(metavar="MB", min=0, help="Memory for experts beside the base.")] = 1024,
    temperature: Annotated[float, typer.Option(help="Above 1 bolder, below 1 safer; 0 takes the likeliest.")] = 0.8,
    max_tokens: Annotated[int, typer.Option(help="Tokens to write after a line, at most.")] = Sampling.max_tokens,
    seed: Annotated[int, typer.Option(help="The same seed and lines write the same text.")] = Sampling.seed,
    stop: Annotated[
        list[str] | None, typer.Option(metavar="TEXT", help=r"End before this text; \n is a line break. Repeatable.")
    ] = None,
    as_json: Annotated[bool, typer.Option("--json", help="Print a line of JSON for each turn, nothing else.")] = False,
) -> None:
    r"""Give each line to the expert it is for, go on from it, and say who spoke and why.

    Lines come from the keyboard or from a pipe; Ctrl-D or the end of the pipe ends the talk, Ctrl-C breaks it off.
    Experts are those installed for this base; they are loaded as they are asked, and leave when others need the memory.

    For example:

        polyloom expert chat --base Qwen3-0.6B
        echo "When is high tide?" | polyloom expert chat --base Qwen3-0.6B --stop "\n" --json
    """
    need("torch", "torch", "Talking to experts")
    from polyloom.experts.adapted import Base, adapted

    stops = tuple(one.replace("\\n", "\n") for one in stop or [])
    sampling = _sampling(temperature, max_tokens, seed, stops)
    found, registry = Base.read(base), registry_in(folder)
    router = Router.fit({one.name: one.manifest for one in _suited(registry.list(), found)})
    manager, text = adapted(registry, found, budget * MEGABYTE), ""
    for line in _lines():
        routing, text = router.route(line), f"{text}{line}\n"
        model, speaker, why = _speaker(routing, manager, found)
        place = model.begin(text)
        written = generate(place, sampling).text if as_json else streamed(place, sampling)
        text += f"{written}\n"
        if as_json:
            facts = {"line": line, "speaker": speaker, "why": why, "text": written, **told(routing)}
            typer.echo(json.dumps({**facts, "held": manager.held}, ensure_ascii=False))
        else:
            typer.echo(f"  spoken by {speaker or 'the base'} {why}")


def _sampling(temperature: float, max_tokens: int, seed: int, stops: tuple[str, ...]) -> Sampling:
    try:
        return Sampling(temperature=temperature, max_tokens=max_tokens, seed=seed, stop=stops)
    except InputError as error:
        raise typer.BadParameter(str(error)) from error


def _suited(installed: list[Installed], base: "Base") -> list[Installed]:
    """Those that are for the base; a note says of each of the others why it is not."""
    kept: list[Installed] = []
    for one in installed:
        reason = base.refuses(one.manifest)
        if reason is None:
            kept.append(one)
        else:
            note(f"left out: {reason}.")
    if len(kept) < 2:
        many = f"{len(kept)} of {len(installed)} installed experts"
        raise InputError(f"A talk needs two experts or more for {base.name}; {many} can be used. Install others.")
    return kept


def _speaker(routing: Routing, manager: ExpertManager[Any], base: "Base") -> tuple[Any, str | None, str]:
    """The model that goes on, the name of its expert or None for the base, and why it does."""
    if routing.name is None:
        return base.model, None, because(routing)
    try:
        return manager.get(routing.name), routing.name, because(routing)
    except (Refused, FileError) as error:
        reason = error.reason if isinstance(error, Refused) else one_line(error)
        return base.model, None, f"because {routing.name} cannot be had: {reason}"


def _lines() -> Iterator[str]:
    """The lines of standard input that are not blank; a terminal is shown where to type."""
    stream = sys.stdin
    if stream is None:  # pyright: ignore[reportUnnecessaryComparison] - None where it was closed
        return
    number, shown = 0, stream.isatty()
    while True:
        if shown:
            typer.echo("> ", nl=False, err=True)
        if not (raw := stream.buffer.readline()):
            return
        number += 1
        line = decoded(f"standard input, line {number}", raw).removeprefix("\ufeff").strip()
        if line:
            yield line
