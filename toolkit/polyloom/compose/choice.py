"""Which member, or which blend of all, suits a text: chosen by how likely it finds the text, and how sure that is.

    score(member) = mean_t ln p_member(token_t | tokens before t)        nats a token, higher is better

A blend that was fitted to a text finds that text at least as likely as any of its members does, which proves nothing.
So it is judged by cross-validation: the text is cut into parts, and each part is judged by weights that were fitted to
the others (Stone, "Cross-validatory choice and assessment of statistical predictions", 1974).  The parts are documents,
dealt in turn; of a single document, its halves, the second read after the first.  The member it is compared with was
chosen on all of the text, which favours the member a little.

Differences are of the same tokens, and their 95 % intervals are those of `polyloom.evaluate.mean`.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from polyloom.compose.composite import named_members
from polyloom.compose.layered import Layer, Layered
from polyloom.documents import Documents, Ids, encoded
from polyloom.errors import InputError
from polyloom.evaluate.mean import mean_of
from polyloom.evaluate.report import Figure, many
from polyloom.model import Floats, LanguageModel

FOLDS = 5
CHANCE = "no more than chance may explain"


@dataclass(frozen=True)
class BestMember:
    """The member that finds a text likeliest: its `scores` against those of the others, nats a token, best first.

    `ahead` is by how much it leads the second, with its 95 % interval; None if there is no other.
    """

    name: str
    model: LanguageModel = field(repr=False)
    scores: dict[str, float]
    ahead: Figure | None
    drawn: str

    @property
    def clear(self) -> bool:
        """Whether the lead is more than chance would explain: its interval lies above 0."""
        return self.ahead is not None and self.ahead.low > 0

    def __str__(self) -> str:
        said = f"{self.name}: {self.scores[self.name]:.4f} nats a token"
        if self.ahead is None:
            return said
        second = list(self.scores)[1]
        return f"{said}, {self.ahead:.4f} ahead of {second}, over {self.drawn}: {'clear' if self.clear else CHANCE}"


@dataclass(frozen=True)
class BestBlend:
    """All members at the weights that suit a text, as `mix`; and whether that is worth it.

    `gain` is what weights fitted to other parts of the text gain on the best `member`, nats a token, with its 95 %
    interval; below 0 they lose.
    """

    mix: Layered
    member: BestMember
    gain: Figure
    parts: str
    drawn: str

    @property
    def clear(self) -> bool:
        """Whether the gain is more than chance would explain: its interval lies above 0."""
        return self.gain.low > 0

    @property
    def model(self) -> LanguageModel:
        """The blend if its gain is clear, the best member if not."""
        return self.mix if self.clear else self.member.model

    def __str__(self) -> str:
        weights = ", ".join(f"{name} {weight:.3g}" for name, weight in self.mix.weights.items())
        alone = self.member.name
        verdict = "clear" if self.clear else f"{alone} alone is better" if self.gain.high < 0 else CHANCE
        gain = f"{self.gain:+.4f} nats a token against {alone} alone"
        return f"{weights}: {gain}, judged across {self.parts}, over {self.drawn}: {verdict}"


def best_member(models: Mapping[str, LanguageModel], text: Documents) -> BestMember:
    """The model that finds a text (or documents) likeliest, and by how much.

    Raises InputError for what is no mapping of models and for a text without a token, or with one that all of them find
    impossible; VocabularyMismatch for models of different vocabularies, whose scores do not compare.
    """
    given = named_members(models)
    return _best(given, _scored(given, _read(given, text)))


def best_blend(models: Mapping[str, LanguageModel], text: Documents, pool: str = "linear") -> BestBlend:
    """All models at the weights that suit a text (or documents), and what they gain on the best of the models.

    `mix` is `Layered(…, pool).fit_weights(text)`, with its certificate.  The errors are those of `best_member` and of
    `fit_weights`; InputError, too, for fewer than two models and for a text of one token, which cannot be cut.
    """
    given = named_members(models)
    if len(given) < 2:
        raise InputError(f"A blend needs two models or more, got {', '.join(given)} alone.")
    documents = _read(given, text)
    if sum(map(len, documents)) < 2:
        raise InputError("Judging a blend needs two tokens or more: one part fits the weights that judge the other.")
    scores = _scored(given, documents)
    member = _best(given, scores)
    (name, base), *others = given.items()
    mix = Layered(base, {other: Layer(model) for other, model in others}, pool, name=name)
    blended = _judged_across(mix, documents)
    chosen = scores[member.name]
    loss, drawn = mean_of([theirs - ours for ours, theirs in zip(blended, chosen, strict=True)])  # may be +∞
    gain = Figure(-loss.value, -loss.high, -loss.low)
    parts = many(min(FOLDS, len(documents)), "part") if len(documents) > 1 else "halves"
    return BestBlend(mix.fit_weights(documents), member, gain, parts, drawn)


def _read(models: Mapping[str, LanguageModel], text: Documents) -> list[Ids]:
    """The documents that hold a token; InputError if none does."""
    found = [ids for ids in encoded(text, next(iter(models.values())).vocabulary) if len(ids)]
    if not found:
        raise InputError("Choosing needs a text with at least one token; this one holds none.")
    return found


def _scored(models: Mapping[str, LanguageModel], documents: list[Ids]) -> dict[str, list[Floats]]:
    """ln p of each token of each document, by model."""
    return {name: [model.log_likelihood(ids) for ids in documents] for name, model in models.items()}


def _best(models: Mapping[str, LanguageModel], scored: Mapping[str, list[Floats]]) -> BestMember:
    """The member that scores highest; the first of equals."""
    means = {name: float(np.concatenate(found).mean()) for name, found in scored.items()}
    scores = dict(sorted(means.items(), key=lambda each: -each[1]))
    best, *others = scores
    if scores[best] == -np.inf:
        raise InputError("Every model finds some token of the text impossible, so that none suits it.")
    if not others:
        return BestMember(best, models[best], scores, None, "")
    pairs = zip(scored[best], scored[others[0]], strict=True)
    ahead, drawn = mean_of([ours - theirs for ours, theirs in pairs])
    return BestMember(best, models[best], scores, ahead, drawn)


def _judged_across(mix: Layered, documents: list[Ids]) -> list[Floats]:
    """ln p of each token of each document, under weights fitted to other parts of the text."""
    if len(documents) == 1:
        (ids,) = documents
        first, second = np.split(ids, [len(ids) // 2])
        early = mix.fit_weights([second]).log_likelihood(first)
        return [np.concatenate([early, mix.fit_weights([first]).log_likelihood(ids)[len(first) :]])]
    found = dict(_fold_by_fold(mix, documents))
    return [found[n] for n in range(len(documents))]


def _fold_by_fold(mix: Layered, documents: list[Ids]) -> Iterator[tuple[int, Floats]]:
    for fold in range(min(FOLDS, len(documents))):
        fitted = mix.fit_weights([ids for n, ids in enumerate(documents) if n % FOLDS != fold])
        for n in range(fold, len(documents), FOLDS):
            yield n, fitted.log_likelihood(documents[n])
