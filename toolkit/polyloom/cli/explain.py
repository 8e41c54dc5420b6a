"""`polyloom explain`: why a token is as likely as it is, down to the counts and the lines that were counted."""

from dataclasses import replace
from typing import Annotated, Any

import typer

from polyloom.cli.models import opened, prompt_text, token_of, unknown_words
from polyloom.cli.options import Json, ModelFile
from polyloom.cli.output import note, print_json
from polyloom.errors import InputError
from polyloom.explanation import Explanation, Passage

LINES = 5  # training lines in a JSON document


def command(
    model: ModelFile,
    prompt: Annotated[str, typer.Argument(metavar="PROMPT", help="The text so far; `-` is standard input.")],
    token: Annotated[str, typer.Argument(metavar="TOKEN", help="A next token, as `predict` shows it.")],
    against: Annotated[
        str | None, typer.Option(metavar="TOKEN", help="Explain why TOKEN is likelier than this one.")
    ] = None,
    lines: Annotated[
        bool, typer.Option("--lines", help="Show training lines; needs a model trained with `--keep-text`.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Account for the probability of a next token: the terms add up.

    What rounding leaves over is printed as the residual.

    For example:

        polyloom explain poems.psam "At night the" tide
        polyloom explain poems.psam "At night the" tide --against moon
        polyloom explain mix.psamc "At night the" tide --lines --json
    """
    loaded, text = opened(model), prompt_text(prompt)
    unknown = unknown_words(loaded.vocabulary, text)
    tokens = [token_of(loaded.vocabulary, name) for name in (token, against) if name is not None]
    found = loaded.begin(text).explain(*tokens)
    seen = _seen(found) if lines else ()
    if as_json:
        passages = {"lines": [vars(passage) for passage in seen]} if lines else {}
        print_json({"model": str(model), "prompt": text, "unknown": unknown, **_tree(found), **passages})
    else:
        typer.echo(str(found if lines else _without_lines(found)))


def _seen(explanation: Explanation) -> tuple[Passage, ...]:
    try:
        found = explanation.evidence(LINES)
    except InputError as error:
        raise InputError(
            "There are no training lines: the model kept no text. Train it again with --keep-text."
        ) from error
    if not found:
        note("there are no training lines to show: the largest term counted none.")
    return found


def _tree(explanation: Explanation) -> dict[str, Any]:
    names = ("piece", "against", "context", "scale", "total", "residual")
    terms = [
        {
            "name": term.name,
            "contribution": term.contribution,
            "detail": term.detail,
            "child": None if term.child is None else _tree(term.child),
        }
        for term in explanation.terms
    ]
    return {**{name: getattr(explanation, name) for name in names}, "terms": terms}


def _without_lines(explanation: Explanation) -> Explanation:
    """The same account without the way to its training lines, which are then not searched for."""
    terms = tuple(
        replace(term, find=None, child=None if term.child is None else _without_lines(term.child))
        for term in explanation.terms
    )
    return replace(explanation, terms=terms)
