"""The router: which of many experts a text is for, or none, with a probability that is calibrated and accounted for.

    p_k = exp z_k / (exp z_0 + Σ_l exp z_l)
    z_k = w₁ · linear_k + w₂ · association_k + w₃ · keywords that call k − `FORBIDS` · keywords that forbid k
          + ln (priority_k / 0.5)

Three witnesses (`linear`, `association`, `declared`) see the text, `calibration` weighs them, and each z_k is a sum
over words, phrases and parts of words.  An encoder of sentences, and the directions of the experts' adapters, may be
further ones (`sources`).  The best expert has it, unless its p is below the threshold: then the router abstains.
Fitting needs scikit-learn; what was fitted, or read from a file, needs NumPy alone.
"""

import math
import os
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, Self, final

import numpy as np

from polyloom.compose.routing.router.beside import Source
from polyloom.compose.routing.router.calibration import Calibration
from polyloom.compose.routing.router.decision import Routing
from polyloom.compose.routing.router.expert import experts_of
from polyloom.compose.routing.router.fitting import fitted
from polyloom.compose.routing.router.sources import Encode, Leaning, sources_of
from polyloom.compose.routing.router.witnesses import BORDER, Seen, Witnesses
from polyloom.compose.routing.text import SHOWN, WINDOW, TextChooser
from polyloom.errors import FileError, InputError
from polyloom.explanation import LOGSUMEXP, Explanation, Term
from polyloom.files import read, write
from polyloom.model import Arrays, Floats, Manifest
from polyloom.real import real

FORBIDS = 30.0  # nats: e⁻³⁰ is no chance worth having, and still a number that sums


@final
class Router(TextChooser):
    """Which expert a text is for: `Router.fit({"sea": ["the tide is low"], "law": [...]}).route("is it high tide?")`.

    As the router of a `Routed` it sees the last `window` characters, and scores members by probability, or all 0 where
    it abstains.  Routers are values.
    """

    kind = "router"

    def __init__(
        self,
        names: tuple[str, ...],
        witnesses: Witnesses,
        calibration: Calibration,
        window: int | None = WINDOW,
        leanings: Sequence[float] = (),
    ) -> None:
        super().__init__(names, window)
        self.leanings = np.array(leanings if len(leanings) else [0.0] * len(names), np.float64)  # (K,), by priority
        several = {len(names), len(witnesses.association.unseen), len(self.leanings)}
        if len(several) > 1 or calibration.weights.shape != (len(witnesses.names),):
            raise InputError(f"{len(names)} names are not those of the experts that the witnesses know.")
        self.witnesses = witnesses
        self.calibration = calibration

    @classmethod
    def fit(
        cls,
        experts: Mapping[str, Any],
        *,
        window: int | None = WINDOW,
        encoder: Encode | None = None,
        arrow: Leaning | None = None,
    ) -> Self:
        """A router for these experts: examples by name, or manifests with keywords, or both (`expert`).

        It learns from all examples, and calibrates on examples that were kept back: with two or more for each expert.
        `encoder` is a function of n texts that gives float (n, d), `arrow` an `Arrow` of an adapter for each expert;
        both read the examples once, and every text that is routed.  Raises InputError for what is neither, and fewer
        than two experts; MissingPackage without scikit-learn.
        """
        known = experts_of(experts)
        sources = sources_of(tuple(known), encoder, arrow)
        leanings = [one.leaning for one in known.values()]
        return cls(tuple(known), *fitted(list(known.values()), FORBIDS, sources), window, leanings)

    @property
    def threshold(self) -> float:
        """What the best expert's probability must reach; else the router abstains."""
        return self.calibration.threshold

    def with_threshold(self, threshold: float) -> "Router":
        """The same router, more or less ready to abstain; InputError for what is not from 0 to 1."""
        calibration = replace(self.calibration, threshold=real("The threshold", threshold, 0, 1))
        return Router(self.names, self.witnesses, calibration, self.window, self.leanings.tolist())

    def route(self, text: str) -> Routing:
        """Who gets a text, seen whole.  Raises InputError for what is no text."""
        if not isinstance(text, str):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
            raise InputError(f"Expected a text to route, got {type(text).__name__}.")
        seen = self.witnesses.judge(text)
        chances = self._chances(seen)
        best = int(chances.argmax())
        why = self._account(text, seen, best, float(chances[best]))
        scores = dict(zip(self.names, np.exp(chances).tolist(), strict=True))
        term = Term(self.names[best], scores[self.names[best]], f"threshold {self.threshold:.3f}", why)
        account = Explanation(self.names[best], text[-SHOWN:], "probability", (term,), scores[self.names[best]])
        return Routing(scores, account, self.threshold, lambda: self._flips(seen))

    def weigh(self, text: str) -> dict[str, float]:
        """Each expert's probability; 0 for all where it abstains."""
        return self._weighed(self._chances(self.witnesses.judge(text)))

    def account(self, text: str) -> Explanation:
        """The same by name, in full for the best, which where it abstains adds nothing."""
        seen = self.witnesses.judge(text)
        chances = self._chances(seen)
        best, scores = int(chances.argmax()), self._weighed(chances)
        why = self._account(text, seen, best, float(chances[best]))
        detail = f"{math.exp(chances[best]):.3f}, threshold {self.threshold:.3f}"
        opened = Term(self.names[best], scores[self.names[best]], detail, why, decides=not any(scores.values()))
        terms = tuple(opened if name == opened.name else Term(name, score) for name, score in scores.items())
        return Explanation("who speaks", text[-SHOWN:], "probability", terms, math.fsum(scores.values()))

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write the router as one file, without pickle and without encoder and adapters; returns its path."""
        return write(path, *self._state())

    @classmethod
    def load(cls, path: str | os.PathLike[str], *, encoder: Encode | None = None, arrow: Leaning | None = None) -> Self:
        """The router that `save` wrote, with the encoder and the arrow that it was fitted with.

        Raises FileError if these are others, missing or too many, and for what is no router; FileNotFoundError if there
        is nothing.
        """
        manifest, arrays = read(path)
        if manifest.get("kind") != cls.kind:
            raise FileError(f"{path} holds a {manifest.get('kind')!r} and no router; read models by polyloom.load.")
        sources = sources_of(tuple(manifest.get("names", ())), encoder, arrow)
        try:
            return cls.from_state(manifest, arrays, sources)
        except (InputError, KeyError, TypeError, ValueError, IndexError, AttributeError) as error:
            raise FileError(f"{path} is damaged: what it holds is no router ({error}).") from error

    def state(self) -> tuple[Manifest, Arrays]:
        """Names, witnesses and how they are weighed; FileError if that is not all that it needs."""
        if self.witnesses.beside:
            kinds = " and ".join(one.source.kind for one in self.witnesses.beside)
            raise FileError(
                f"A mix whose router hears {kinds} cannot be saved, for no file holds that: save both apart."
            )
        return self._state()

    def _state(self) -> tuple[Manifest, Arrays]:
        manifest, arrays = self.witnesses.state()
        calibration = self.calibration
        told = {"none": calibration.none, "threshold": calibration.threshold, "weights": calibration.weights.tolist()}
        told["leanings"] = self.leanings.tolist()
        return {"kind": self.kind, "names": list(self.names), "window": self.window, **told, **manifest}, arrays

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays, sources: Sequence[Source] = ()) -> Self:
        """As it was stored, with the sources that it was fitted with."""
        told = Calibration(np.array(manifest["weights"], np.float64), manifest["none"], manifest["threshold"])
        witnesses = Witnesses.from_state(manifest, arrays, sources)
        return cls(tuple(manifest["names"]), witnesses, told, manifest["window"], manifest["leanings"])

    def __repr__(self) -> str:
        return f"<Router of {len(self.names)} experts, threshold {self.threshold:.3f}>"

    def _logits(self, seen: Seen) -> Floats:
        """z of each expert, float64 (K,)."""
        return seen.judged @ self.calibration.weights - FORBIDS * seen.barred + self.leanings

    def _chances(self, seen: Seen) -> Floats:
        """ln p of each expert, float64 (K,)."""
        z = self._logits(seen)
        return z - np.logaddexp(self.calibration.none, np.logaddexp.reduce(z))

    def _weighed(self, chances: Floats) -> dict[str, float]:
        """What the router gives each expert."""
        scores = np.exp(chances)
        return dict(zip(self.names, (scores * (scores.max() >= self.threshold)).tolist(), strict=True))

    def _account(self, text: str, seen: Seen, expert: int, chance: float) -> Explanation:
        """ln p of one expert: what each witness adds, and what all of them have."""
        name, context, terms = self.names[expert], text[-SHOWN:], list[Term]()
        told, weights = self.witnesses.terms(seen, expert), self.calibration.weights.tolist()
        weighed = zip(self.witnesses.names, weights, told, strict=True)
        for number, (witness, weight, told) in enumerate(weighed):
            adds = weight * float(seen.judged[expert, number])
            parts = tuple(Term(what, weight * much) for what, much in told)
            child = Explanation(name, context, "logit", parts, adds) if parts else None
            terms.append(Term(witness, adds, f"{weight:.3f} × {seen.judged[expert, number]:.3f}", child))
        if barred := float(seen.barred[expert]):
            terms.append(Term("keywords that forbid it", -FORBIDS * barred, f"{barred:.0f} found"))
        if leaning := float(self.leanings[expert]):
            terms.append(Term("its priority", leaning))
        every = float(np.logaddexp(self.calibration.none, np.logaddexp.reduce(self._logits(seen))))
        none = math.exp(self.calibration.none - every)
        return Explanation(
            name, context, "logit", (*terms, Term(LOGSUMEXP, -every, f"{none:.3f} is for none of them")), chance
        )

    def parts(self, text: str) -> dict[str, Floats]:
        """What each word, phrase and sign of a text adds to every expert, in nats of z, float64 (K,) each.

        With "" for the rest, which every text has, or which no part of it has: all of them sum to z.
        """
        seen = self.witnesses.judge(text)
        z, every = self._logits(seen), range(len(self.names))
        found = {what: np.array([part.get(k, 0.0) for k in every]) for what, part in self._parts(seen, every).items()}
        return {**found, "": z - np.sum([*found.values(), np.zeros(len(z))], axis=0)}

    def _flips(self, seen: Seen) -> dict[str, float]:
        """How often each feature's part in the lead fits into the lead, nearest first."""
        z = self._logits(seen)
        best, second = np.argsort(-z, kind="stable")[:2].tolist()
        lead, parts = float(z[best] - z[second]), self._parts(seen, (best, second))
        ahead = {what: part.get(best, 0.0) - part.get(second, 0.0) for what, part in parts.items()}
        far = {what: lead / much for what, much in ahead.items() if much}
        return dict(sorted(far.items(), key=lambda one: abs(one[1])))

    def _parts(self, seen: Seen, experts: Iterable[int]) -> dict[str, dict[int, float]]:
        """What each feature adds to the z of some experts."""
        parts: dict[str, dict[int, float]] = {}
        for expert in experts:
            for weight, told in zip(self.calibration.weights.tolist(), self.witnesses.terms(seen, expert), strict=True):
                for what, much in told:
                    if what != BORDER:
                        part = parts.setdefault(what, {})
                        part[expert] = part.get(expert, 0.0) + weight * much
        return parts
