"""`polyloom train`: texts in, one model out; counted at once, or learned step by step."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from polyloom.association.presets import PRESETS
from polyloom.cli.options import Documents, Force, Json, Output, TextFiles
from polyloom.cli.task import KINDS, Task
from polyloom.cli.texts import Cut, Texts
from polyloom.cli.train_association import train_association
from polyloom.cli.train_transformer import SIZES, train_transformer

ASSOCIATION, TRANSFORMER = "association", "transformer"
COUNTED, LEARNED = "Association models", "Transformers"  # the panels of the help


def command(
    files: TextFiles,
    output: Output,
    model: Annotated[
        str, typer.Option(metavar="KIND", help="association counts at once; transformer learns step by step.")
    ] = ASSOCIATION,
    vocabulary: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help=f"{', '.join(KINDS)}, or a model whose vocabulary to share; words, for a transformer sentencepiece.",
            show_default=False,
        ),
    ] = None,
    size: Annotated[
        int | None, typer.Option(min=3, help="At most so many words, the commonest; or exactly so many pieces.")
    ] = None,
    preset: Annotated[
        str | None,
        typer.Option(
            metavar="NAME",
            help=f"Settings that belong together: {', '.join(PRESETS)}; or {', '.join(SIZES)}.",
        ),
    ] = None,
    held_out: Annotated[
        list[Path] | None, typer.Option(metavar="FILE", help="Text that judges the model and is not learned from.")
    ] = None,
    documents: Documents = Cut.PARAGRAPHS,
    force: Force = False,
    as_json: Json = False,
    scoring: Annotated[
        str | None,
        typer.Option(
            metavar="KIND",
            help="mixture, or position: what each token says alone, added up.",
            rich_help_panel=COUNTED,
        ),
    ] = None,
    order: Annotated[
        int | None, typer.Option(min=1, help="Tokens in the longest n-gram; 5.", rich_help_panel=COUNTED)
    ] = None,
    no_skips: Annotated[bool, typer.Option("--no-skips", help="Count n-grams only.", rich_help_panel=COUNTED)] = False,
    no_history: Annotated[
        bool, typer.Option("--no-history", help="Do not learn from the text while reading it.", rich_help_panel=COUNTED)
    ] = False,
    keep_text: Annotated[
        bool,
        typer.Option("--keep-text", help="Keep the text: `explain --lines` shows it.", rich_help_panel=COUNTED),
    ] = False,
    steps: Annotated[
        int | None, typer.Option(min=1, help="Learn so many times; 1000.", rich_help_panel=LEARNED)
    ] = None,
    minutes: Annotated[float | None, typer.Option(min=0.001, help="Or learn so long.", rich_help_panel=LEARNED)] = None,
    batch: Annotated[int | None, typer.Option(min=1, help="Texts in a step; 16.", rich_help_panel=LEARNED)] = None,
    length: Annotated[
        int | None, typer.Option(min=2, help="Tokens of each; as many as the model reads.", rich_help_panel=LEARNED)
    ] = None,
    learning_rate: Annotated[
        float | None, typer.Option(help="How far a step goes; 0.003.", rich_help_panel=LEARNED)
    ] = None,
    experts: Annotated[
        int | None, typer.Option(min=1, help="A mixture of so many experts in each layer.", rich_help_panel=LEARNED)
    ] = None,
    active: Annotated[
        int | None, typer.Option(min=1, help="Of which each token is read by so many; 2.", rich_help_panel=LEARNED)
    ] = None,
    seed: Annotated[
        int | None, typer.Option(min=0, help="Of the first weights and the order of texts; 0.", rich_help_panel=LEARNED)
    ] = None,
    resume: Annotated[
        bool, typer.Option("--resume", help="Go on with a training that was stopped.", rich_help_panel=LEARNED)
    ] = False,
) -> None:
    """Train a model on texts.

    An association model counts what follows what, in seconds, and is one file.  A transformer learns, in minutes, and
    is a folder in the layout of Hugging Face; Ctrl-C stops it and keeps what it has learned, and `--resume` goes on.
    Nothing is learned across the border of two documents, and each ends in `</s>`.  Models that are to be mixed need
    the same vocabulary.

    For example:

        polyloom train poems.txt -o poems.psam
        polyloom train sea/*.txt --vocabulary sentencepiece --size 4000 -o sea.psam
        polyloom train law.txt --vocabulary sea.psam -o law.psam
        polyloom train sea/*.txt --preset tiny -o tiny.psam
        zcat news.gz | polyloom train - --documents lines -o news.psam
        polyloom train sea/*.txt --model transformer --minutes 10 -o sea
        polyloom train sea/*.txt --model transformer --vocabulary sea.psam --experts 8 --active 2 -o sea
    """
    if model not in (ASSOCIATION, TRANSFORMER):
        raise typer.BadParameter(f"expected {ASSOCIATION} or {TRANSFORMER}, got {model!r}.", param_hint="--model")
    counted = {"order": order, "no_skips": no_skips, "no_history": no_history, "keep_text": keep_text}
    counted |= {"preset": preset, "scoring": scoring}
    learned = {"steps": steps, "minutes": minutes, "batch": batch, "length": length, "learning_rate": learning_rate}
    learned |= {"experts": experts, "active": active, "seed": seed, "resume": resume, "preset": preset}
    _check(model, counted, learned)
    sources = [*files, *(held_out or [])]
    texts, aside = Texts(files, documents), Texts(held_out, documents) if held_out else None
    task = Task(texts, aside, vocabulary, size, output, sources, force, as_json)
    if model == TRANSFORMER:
        train_transformer(task, learned)
    else:
        train_association(task, counted)


def _check(model: str, counted: Mapping[str, object], learned: Mapping[str, object]) -> None:
    """Refuse an option of the other kind of model."""
    foreign, other = (counted, ASSOCIATION) if model == TRANSFORMER else (learned, TRANSFORMER)
    own = learned if model == TRANSFORMER else counted
    for name, value in foreign.items():
        if name not in own and value not in (None, False):
            option = f"--{name.replace('_', '-')}"
            raise typer.BadParameter(f"belongs to --model {other}. Leave it out, or ask for that.", param_hint=option)
