"""`polyloom evaluate`: how well a model predicts texts, how sure that is, and what unknown tokens do to it."""

import math
from collections.abc import Iterator
from dataclasses import asdict, dataclass, fields
from typing import Annotated, Any

import typer

from polyloom.cli.models import opened
from polyloom.cli.options import Documents, Json, ModelFile, TextFiles
from polyloom.cli.output import columns, print_json, progress
from polyloom.cli.texts import Cut, Texts, called, ended
from polyloom.evaluate.report import Figure, Report, Tally
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


def command(
    model: ModelFile,
    files: TextFiles,
    documents: Documents = Cut.PARAGRAPHS,
    quick: Annotated[
        bool, typer.Option("--quick", help="Perplexity only, without reading whole distributions: large vocabularies.")
    ] = False,
    as_json: Json = False,
) -> None:
    """Measure how well a model predicts texts.

    Perplexity: the model is as unsure as if it chose fairly among so many tokens.  Every token counts, `</s>` at the
    end of each document included; the column "known" leaves out those that the vocabulary lacks.

    Below the table, of all texts together and with 95 % intervals: bits per byte, by which models of different
    vocabularies compare; how often the token that came was the likeliest, or among five; and how far the model's
    confidence is from how often it is right.

    For example:

        polyloom evaluate poems.psam new-poems.txt
        polyloom evaluate mix.psamc sea.txt law.txt --json
    """
    texts, loaded = Texts(files, documents), opened(model)
    tally = None if quick else Tally(loaded)
    with progress("reading", texts.size) as advance:
        scores = {called(name): _score(loaded, texts.documents_of(name, advance), tally) for name in texts.names}
    total, report = Score.sum(list(scores.values())), tally and tally.report()
    if as_json:
        each = [{"file": name, **score.json()} for name, score in scores.items()]
        print_json({"model": str(model), **total.json(), **(_told(report) if report else {}), "files": each})
    else:
        _printed(scores | ({"all together": total} if len(scores) > 1 else {}))
        if report:
            typer.echo(f"\n{report}")


def _score(model: LanguageModel, documents: Iterator[str], tally: Tally | None) -> Score:
    return Score.sum([_of_document(model, document, tally) for document in documents])


def _of_document(model: LanguageModel, document: str, tally: Tally | None) -> Score:
    (tokens,) = ended(iter([document]), model.vocabulary)
    whole = tally and tally.add(tokens, len(document.encode()))
    found = whole.log_likelihood if whole else model.log_likelihood(tokens)
    unknown = tokens == (-1 if model.vocabulary.unknown is None else model.vocabulary.unknown)
    return Score(1, len(tokens), int(unknown.sum()), float(found.sum()), float(found[unknown].sum()))


def _told(report: Report) -> dict[str, Any]:
    """What the report adds to the figures of the table, each with its interval."""
    figures = {field.name: getattr(report, field.name) for field in fields(report)}
    kept = {name: asdict(figure) for name, figure in figures.items() if isinstance(figure, Figure)}
    _, *interval = kept.pop("perplexity").values()
    return {"bytes": report.bytes, "perplexity_interval": interval, **kept, "intervals_over": report.drawn}


def _printed(scores: dict[str, Score]) -> None:
    rows = [["perplexity", "known", "bits/token", "tokens", "<unk>", "documents", "text"]]
    for name, score in scores.items():
        found = score.json()
        figures = [_figure(found[key]) for key in ("perplexity", "perplexity_without_unknown", "bits_per_token")]
        rows.append([*figures, f"{score.tokens:,}", f"{score.unknown:,}", f"{score.documents:,}", name])
    typer.echo(columns(rows))


def _figure(value: float | None) -> str:
    return "–" if value is None else f"{value:,.2f}"
