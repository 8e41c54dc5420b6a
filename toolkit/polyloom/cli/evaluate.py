"""`polyloom evaluate`: how well a model predicts texts, with and without the tokens that it does not know."""

import math
from collections.abc import Iterator
from dataclasses import dataclass

import typer

from polyloom.cli.models import opened
from polyloom.cli.options import Documents, Json, ModelFile, TextFiles
from polyloom.cli.output import columns, print_json, progress
from polyloom.cli.texts import Cut, Texts, called, ended
from polyloom.documents import Ids
from polyloom.model import LanguageModel


@dataclass(frozen=True)
class Score:
    """What a model made of some text: token counts, and the sums of ln p over all tokens and over `<unk>`."""

    documents: int
    tokens: int
    unknown: int
    log_likelihood: float
    unknown_log_likelihood: float

    @classmethod
    def sum(cls, scores: "list[Score]") -> "Score":
        """All of them together."""
        table = [(s.documents, s.tokens, s.unknown, s.log_likelihood, s.unknown_log_likelihood) for s in scores]
        documents, tokens, unknown, *sums = zip(*table, strict=True)
        return cls(sum(documents), sum(tokens), sum(unknown), *map(math.fsum, sums))

    def json(self) -> dict[str, float | int | None]:
        """The figures that are printed; None where there is no token to speak of."""
        known = self.tokens - self.unknown
        nats = -self.log_likelihood / self.tokens
        return {
            "documents": self.documents,
            "tokens": self.tokens,
            "unknown": self.unknown,
            "perplexity": math.exp(nats),
            "bits_per_token": nats / math.log(2),
            "perplexity_without_unknown": (
                math.exp((self.unknown_log_likelihood - self.log_likelihood) / known) if known else None
            ),
        }


def command(model: ModelFile, files: TextFiles, documents: Documents = Cut.PARAGRAPHS, as_json: Json = False) -> None:
    """Measure how well a model predicts texts.

    Perplexity: the model is as unsure as if it chose fairly among so many tokens.  Every token counts, `</s>` at the
    end of each document included; the column "known" leaves out those that the vocabulary lacks.

    For example:

        polyloom evaluate poems.psam new-poems.txt
        polyloom evaluate mix.psamc sea.txt law.txt --json
    """
    texts, loaded = Texts(files, documents), opened(model)
    with progress("reading", texts.size) as advance:
        scores = {called(name): _score(loaded, texts.documents_of(name, advance)) for name in texts.names}
    total = Score.sum(list(scores.values()))
    if as_json:
        each = [{"file": name, **score.json()} for name, score in scores.items()]
        print_json({"model": str(model), **total.json(), "files": each})
    else:
        _printed(scores | ({"all together": total} if len(scores) > 1 else {}))


def _score(model: LanguageModel, documents: Iterator[str]) -> Score:
    return Score.sum([_of_document(model, tokens) for tokens in ended(documents, model.vocabulary)])


def _of_document(model: LanguageModel, tokens: Ids) -> Score:
    found = model.log_likelihood(tokens)
    unknown = tokens == (-1 if model.vocabulary.unknown is None else model.vocabulary.unknown)
    return Score(1, len(tokens), int(unknown.sum()), float(found.sum()), float(found[unknown].sum()))


def _printed(scores: dict[str, Score]) -> None:
    rows = [["perplexity", "known", "bits/token", "tokens", "<unk>", "documents", "text"]]
    for name, score in scores.items():
        found = score.json()
        figures = [_figure(found[key]) for key in ("perplexity", "perplexity_without_unknown", "bits_per_token")]
        rows.append([*figures, f"{score.tokens:,}", f"{score.unknown:,}", f"{score.documents:,}", name])
    typer.echo(columns(rows))


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"
