"""Routing: at each place in a text, or for each prompt, something chooses which members speak.

    p(y | text) = Σ_k share_k(text) · p_k(y | text)

A `Chooser` gives each member a score, a `Blend` makes shares of the scores: all members as loudly as they score, the
best k, or the best alone.  Members without a share are not asked.  Shares are a function of the tokens read (and, for
each prompt, of where it ended), so judging a text, writing it, going back and going on agree.

An account has a term for each member and one, of no size, for the decision: it opens into the chooser's own account.
A `Routed` is a value.
"""

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, Self

import numpy as np

from polyloom.buffer import TokenBuffer
from polyloom.compose.composite import Composite, named_members, restored_members
from polyloom.compose.linear import mixed
from polyloom.compose.routing.chooser import Chooser, Stand, Where, known
from polyloom.compose.routing.function import ByFunction, Chosen
from polyloom.compose.routing.policy import Blend, policy_of
from polyloom.compose.routing.stored import chooser_of
from polyloom.compose.sharing import SharingContinuation
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.explanation import Explanation, Term
from polyloom.model import Arrays, Continuation, Floats, LanguageModel, Manifest, Prompt, Token
from polyloom.real import number

KEPT = 64  # places on the way that are remembered; whoever goes back further has the text judged again
TOLD = 16  # of them, how many must be left after going back: an account looks back that far
STORED = "router/"  # where a chooser's arrays stand in a file


class Routed(Composite["RoutedContinuation"]):
    """Let a router choose among named members: `Routed(ByLikelihood(), {"sea": model, "law": other})`.

    `router` is a chooser, or a function of the text that gives the name of a member, scores by name or None.  `policy`
    is "blend", all members as loudly as they score, "best", the best alone, or `Blend(k)`.  It is chosen anew at each
    token, or with `per="prompt"` once, where the prompt ends (text that is judged has none: its beginning decides).
    With `hysteresis` those who speak go on until another leads by more than that in score.  Where the router abstains,
    `fallback` speaks, or without one all do, equally loudly.

    Raises InputError for what is none of these, for a fallback and names of a router that are no members, and for
    hysteresis of a single choice; VocabularyMismatch if a member speaks another vocabulary.
    """

    def __init__(
        self,
        router: Chooser | Callable[[str], Chosen],
        members: Mapping[str, LanguageModel],
        *,
        policy: Literal["blend", "best"] | Blend = "blend",
        per: Literal["token", "prompt"] = "token",
        hysteresis: float = 0.0,
        fallback: str | None = None,
    ) -> None:
        self._members = named_members(members)
        self.vocabulary = next(iter(self._members.values())).vocabulary
        self.router = router if isinstance(router, Chooser) else ByFunction(router)
        self.router.check(list(self._members))
        self.policy = policy_of(policy)
        if per not in ("token", "prompt"):
            raise InputError(f'per must be "token" or "prompt", got {per!r}.')
        self.per = per
        self.hysteresis = _margin(hysteresis, per)
        if fallback is not None:
            known("The fallback", [fallback], list(self._members))
        self.fallback = fallback
        self._default = np.array([float(fallback in (None, name)) for name in self._members])
        self._default /= self._default.sum()

    @property
    def models(self) -> dict[str, LanguageModel]:
        """The members by name."""
        return dict(self._members)

    def place(self, ids: Ids, members: Sequence[Continuation]) -> "RoutedContinuation":
        """A place in a text after these tokens, from the states of all members there."""
        return RoutedContinuation(self, ids, members)

    def replay(
        self, tokens: Prompt, known: Mapping[int, Continuation], origin: int | None = None
    ) -> "RoutedContinuation":
        """`begin(tokens)`, taking over its own state, or those of members, if `known` (by `id` of the model) has it."""
        own = known.get(id(self))
        if isinstance(own, RoutedContinuation) and own.origin == origin:
            return own.fork()
        return super().replay(tokens, known, origin)

    def log_probs(self, tokens: Prompt) -> Iterator[Floats]:
        """Teacher-forced log-probabilities in blocks (n, V) of at most 64 MB; row t is given tokens before t."""
        ids = self.ids(tokens)
        shares, _ = self._along(ids)
        asked, start = self._asked(shares), 0
        for blocks in zip(*(model.log_probs(ids) for _, model in asked), strict=True):
            here = shares[start : start + len(blocks[0]), :, None]
            yield mixed([(here[:, k], rows) for (k, _), rows in zip(asked, blocks, strict=True)])
            start += len(here)

    def log_likelihood(self, tokens: Prompt) -> Floats:
        """ln p(token_t | tokens before t), float64 of shape (T,); of the whole vocabulary only if a router asks."""
        ids = self.ids(tokens)
        shares, told = self._along(ids)
        asked = self._asked(shares)
        rows = [model.log_likelihood(ids) if told is None else told[:, k] for k, model in asked]
        return mixed([(shares[:, k], row) for (k, _), row in zip(asked, rows, strict=True)])

    def spoken(self, tokens: Prompt) -> Floats:
        """The share of each member before each token of a text, float64 (T, K), as `models`; rows sum to 1."""
        return self._along(self.ids(tokens))[0]

    def manifest(self) -> tuple[Manifest, Arrays]:
        """Names, router, and what is made of its scores; FileError if the router cannot be written."""
        router, arrays = self.router.state()
        told = {
            "kind": "routed", "names": list(self._members), "router": router, "policy": self.policy.k,
            "per": self.per, "hysteresis": self.hysteresis, "fallback": self.fallback,
        }  # fmt: skip
        return told, {f"{STORED}{name}": array for name, array in arrays.items()}

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays, members: Sequence[LanguageModel]) -> "Routed":
        """The model that `state` described, of members that were restored already; InputError if it is none."""
        named = restored_members(manifest["names"], members)
        stored = {name.removeprefix(STORED): array for name, array in arrays.items() if name.startswith(STORED)}
        return cls(
            chooser_of(manifest["router"], stored), named,
            policy=Blend(manifest["policy"]), per=manifest["per"],
            hysteresis=manifest["hysteresis"], fallback=manifest["fallback"],
        )  # fmt: skip

    def way(self, place: "RoutedContinuation") -> tuple[Stand, ...]:
        """Where the router stands at a place, last; before it the places that led there, if they matter."""
        if self.per == "prompt" and place.origin < len(place.tokens):
            return self.begin(place.tokens[: place.origin]).way
        if not self.walks:
            return (self.onward(place.where, (), None),)
        judged = self.router.along(self._members, place.tokens)
        shares, size = self._walked(judged.scores), len(judged.scores)
        told = [None] * size if judged.told is None else list(judged.told)
        kept = range(max(0, size - KEPT), size)
        way = tuple(Stand(judged.scores[at], shares[at], told[at - 1] if at else None) for at in kept)
        return (*way, self.onward(place.where, way, told[-1] if told else None))

    def onward(self, where: Where, way: Sequence[Stand], told: Floats | None) -> Stand:
        """Where the router stands at the place that follows on a way, after a token of which so much was told."""
        before = way[-1] if way else None
        scores = self.router.at(where, None if before is None else before.scores, told)
        if not self.hysteresis:
            return Stand(scores, self.policy.shares(scores, self._default), told)
        held = None if before is None else before.shares
        return Stand(scores, self.policy.held(scores, self._default, self.hysteresis, held), told)

    @property
    def walks(self) -> bool:
        """Whether what is chosen at a place depends on the places before."""
        return self.router.remembers or self.hysteresis > 0

    def __repr__(self) -> str:
        return f"<Routed {', '.join(self._members)}: {self.router!r}, {self.policy} at each {self.per}>"

    def _along(self, ids: Ids) -> tuple[Floats, Floats | None]:
        """The shares before each token, float64 (T, K), and what was told of it."""
        if self.per == "prompt":
            return np.tile(self.begin().way[-1].shares, (len(ids), 1)), None
        judged = self.router.along(self._members, ids)
        return self._walked(judged.scores), judged.told

    def _walked(self, scores: Floats) -> Floats:
        if not self.hysteresis:
            return self.policy.shares(scores, self._default)
        found, held = np.empty_like(scores), None
        for at, row in enumerate(scores):
            found[at] = held = self.policy.held(row, self._default, self.hysteresis, held)
        return found

    def _asked(self, shares: Floats) -> list[tuple[int, LanguageModel]]:
        """The members that speak anywhere, by number; the first where nobody is asked anything."""
        spoken: list[float] = shares.sum(0).tolist() if len(shares) else [1.0] + [0.0] * (len(self._members) - 1)
        return [(k, model) for k, model in enumerate(self._members.values()) if spoken[k]]


class RoutedContinuation(SharingContinuation[Routed]):
    """One state for each member, all at the same place, and where the router stands."""

    def __init__(
        self, model: Routed, tokens: Ids, members: Sequence[Continuation], buffer: TokenBuffer | None = None
    ) -> None:
        super().__init__(model, tokens, members, buffer)
        self._way: tuple[Stand, ...] = ()
        self._asked: RoutedContinuation | None = None  # where the prompt ended, once an account was asked for

    @property
    def way(self) -> tuple[Stand, ...]:
        """The router's scores and the shares made of them here, last; before it those of places that led here."""
        if not self._way:
            self._way = self.model.way(self)
        return self._way

    @property
    def where(self) -> Where:
        """The place as the router sees it."""
        return Where(self.model.vocabulary, self.tokens, dict(zip(self.model.models, self.members, strict=True)))

    def loudness(self) -> Floats:
        """What was made of the router's scores here, float64 (K,)."""
        return self.way[-1].shares

    def advance(self, token: Token) -> None:
        """Append one token to the text, for every member; the router goes along if the way matters to it."""
        model, chosen = self.model, self.model.token_id(token)
        way, told = self._ready(chosen)
        super().advance(chosen)
        goes = model.per == "token" and model.walks
        self._way = (*way[-KEPT:], model.onward(self.where, way, told)) if goes else way

    def extend(self, tokens: Prompt) -> Floats:
        """Append tokens; float64 (n, V): the distribution after each of them.  Members that can read them in one go."""
        ids = self.model.ids(tokens)
        if not len(ids) or all(type(member).extend is Continuation.extend for member in self.members):
            return super().extend(ids)
        first, (way, told) = self._length, self._ready(int(ids[0]))
        self._said(ids)
        rows = [member.extend(ids) for member in self.members]
        shares = np.empty((len(ids), len(rows), 1))
        for n, next_token in enumerate([*ids[1:].tolist(), None]):
            read = {name: _Row(row[n]) for name, row in zip(self.model.models, rows, strict=True)}
            where = Where(self.model.vocabulary, self.tokens[: first + n + 1], read)
            if self.model.per == "token":
                way = (*way[-KEPT:], self.model.onward(where, way, told))
                told = None if next_token is None else self.model.router.told(where, next_token)
            shares[n, :, 0] = way[-1].shares
        self._way = way if self.model.walks or self.model.per == "prompt" else way[-1:]
        return mixed([(shares[:, k], row) for k, row in enumerate(rows)])

    def prompted(self, origin: int) -> Self:
        """The place itself, in a text whose prompt is the first `origin` tokens: what that decides is decided anew."""
        if origin != self.origin and self.model.per == "prompt":
            self._way, self._asked = (), None
        return super().prompted(origin)

    def _ready(self, token: int) -> tuple[tuple[Stand, ...], Floats | None]:
        """What the router must know of this place before a token is read: the way here, and what it tells of it."""
        model = self.model
        if model.per == "prompt":
            return self.way, None
        return (self.way, model.router.told(self.where, token)) if model.walks else ((), None)

    def _prompt(self) -> "RoutedContinuation":
        """The place where the prompt ended, read again once."""
        if self._asked is None:
            self._asked = self.model.begin(self.tokens[: self.origin])
        return self._asked

    def _at(self, length: int, members: Sequence[Continuation]) -> Self:
        found, gone = super()._at(length, members), self._length - length
        if self.model.per == "prompt":
            found._way, found._asked = (self._way, self._asked) if length >= self.origin else ((), None)
        else:
            kept = self._way[: max(0, len(self._way) - gone)]
            found._way = kept if not gone or len(kept) > min(length, TOLD) else ()
        return found

    def _explain(self, token: int) -> Explanation:
        model, chance = self.model, float(np.exp(self.distribution()[token]))
        voices = zip(self.weights.items(), self.members, strict=True)
        accounts = [(name, share, member.explain(token) if share else None) for (name, share), member in voices]
        terms = [Term(name, 0.0, "silent") if a is None else _spoken(name, share, a) for name, share, a in accounts]
        context = next(account.context for _, _, account in accounts if account is not None)
        return Explanation(model.vocabulary.pieces[token], context, "probability", (*terms, self._decision()), chance)

    def _decision(self) -> Term:
        """The decision, as a term that adds nothing and opens into the router's account of it."""
        model = self.model
        place = self if model.per == "token" else self._prompt()
        account = model.router.explain(place.where, place.way)
        return Term(
            "routing", 0.0, f"{_outcome(self.way[-1], model)}, chosen by {model.router!r}", account, decides=True
        )


@dataclass(frozen=True)
class _Row:
    """What a member said at a place that is past."""

    row: Floats

    def distribution(self) -> Floats:
        """That."""
        return self.row


def _spoken(name: str, share: float, account: Explanation) -> Term:
    chance = account.probability
    return Term(name, share * chance, f"{share:.3f} × {chance:.6f}", account)


def _outcome(stand: Stand, model: Routed) -> str:
    names = [name for name, share in zip(model.models, stand.shares.tolist(), strict=True) if share]
    said = f"{names[0]} alone" if len(names) == 1 else f"{len(names)} of {len(model.models)} members"
    return said if stand.scores.any() else f"undecided, so {said}"


def _margin(hysteresis: object, per: str) -> float:
    if not 0 <= number(hysteresis) < math.inf:
        raise InputError(f"hysteresis must be a finite number of 0 or more, got {hysteresis!r}.")
    if hysteresis and per == "prompt":
        raise InputError('hysteresis is for per="token": one choice for each prompt has nothing to hold on to.')
    return number(hysteresis)
