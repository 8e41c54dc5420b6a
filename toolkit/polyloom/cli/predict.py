"""`polyloom predict`: the likeliest next tokens."""

from typing import Annotated

import numpy as np
import typer

from polyloom.cli.models import opened, prompt_text, unknown_words
from polyloom.cli.options import Json, ModelFile, Prompt
from polyloom.cli.output import columns, print_json

BAR = 20  # characters of the longest bar


def command(
    model: ModelFile,
    prompt: Prompt = None,
    k: Annotated[int, typer.Option("-k", "--k", min=1, help="How many.")] = 10,
    as_json: Json = False,
) -> None:
    """Say which tokens are likeliest next, with their probabilities.

    A space is shown as `·` and a line break as `↵`.

    For example:

        polyloom predict poems.psam "At night the"
        polyloom predict poems.psam "At night the" -k 3 --json
        echo "At night the" | polyloom predict poems.psam
    """
    loaded, text = opened(model), prompt_text(prompt)
    unknown = unknown_words(loaded.vocabulary, text)
    best = loaded.begin(text).top(k)
    found: list[tuple[int, float]] = list(zip(best.tokens.tolist(), np.exp(best.log_probs).tolist(), strict=True))
    if as_json:
        pieces = loaded.vocabulary.pieces
        rows = [{"token": token, "piece": pieces[token], "probability": p} for token, p in found]
        print_json({"model": str(model), "prompt": text, "unknown": unknown, "predictions": rows})
    else:
        longest = found[0][1]
        shown = loaded.vocabulary.display
        typer.echo(columns((f"{p:.6f}", f"{_bar(p / longest):<{BAR}}", shown(token)) for token, p in found))


def _bar(share: float) -> str:
    return "█" * round(BAR * share)
