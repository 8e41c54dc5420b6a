"""A learned gate between models: at each place those speak loudest that have something to go by.

    p(y | text) = Σ_k g_k(text) · p_k(y | text)

The shares g depend on how sure each member is of its own guesses at this place (`gating`), so a mix of a network and of
counts can listen to the counts in the middle of a phrase that they know, and to the network elsewhere; fixed weights
must choose once.  No share is below a hundredth of an even one.  A `Gated` is a value: `fit_gate` gives another one
that shares the members.

The gate goes by each member's whole distribution; only association models know what it asks without reading theirs.
"""

from collections.abc import Iterator, Mapping, Sequence
from typing import Self

import numpy as np

from polyloom.association.gate import ENOUGH, Gate
from polyloom.buffer import TokenBuffer
from polyloom.compose.certificate import GateCertificate
from polyloom.compose.composite import Composite, named_members, restored_members
from polyloom.compose.confidence import at_place, of_rows
from polyloom.compose.gating import even, evidence, features, fitted, numbers
from polyloom.compose.linear import mixed
from polyloom.compose.sharing import SharingContinuation
from polyloom.documents import Documents, Ids, encoded
from polyloom.errors import InputError
from polyloom.explanation import Explanation, Term
from polyloom.model import Arrays, Continuation, Floats, LanguageModel, Manifest, Prompt, Token


class Gated(Composite["GatedContinuation"]):
    """Put a gate between named members: `Gated({"network": model, "counts": other}).fit_gate(held_out)`.

    Without a `gate` all speak equally loudly; `certificate` is what `fit_gate` found, or None.  Raises InputError if
    there is no member or the gate is for others, VocabularyMismatch if a member speaks another vocabulary.
    """

    def __init__(
        self,
        members: Mapping[str, LanguageModel],
        gate: Gate | None = None,
        *,
        certificate: GateCertificate | None = None,
    ) -> None:
        self._members = named_members(members)
        self.vocabulary = next(iter(self._members.values())).vocabulary
        self.gate = _checked(even(len(self._members)) if gate is None else gate, len(self._members))
        self.certificate = certificate

    @property
    def models(self) -> dict[str, LanguageModel]:
        """The members by name."""
        return dict(self._members)

    def fit_gate(self, documents: Documents) -> "Gated":
        """The same members under the gate that makes `documents` likeliest, and a `certificate` of how good it is.

        Never worse on this text than the best fixed shares, as `Layered.fit_weights` finds them, but for the hundredth
        that is always spread evenly.  Whether a gate is worth it is tried on a fifth of the text, chosen by its
        content; on less than about a thousand tokens the shares stay fixed.  Fit on text that no member was trained on.
        Of members other than association models the whole vocabulary is read at each token, once.  Raises InputError
        for fewer than 200 tokens.
        """
        given = [ids for ids in encoded(documents, self.vocabulary) if len(ids)]
        if sum(map(len, given)) < ENOUGH:
            raise InputError(f"Fitting a gate needs {ENOUGH} tokens or more, got {sum(map(len, given))}.")
        unknown = sum(int(np.count_nonzero(ids == self.vocabulary.unknown)) for ids in given)
        gate, certificate = fitted(list(self._members.values()), given, unknown)
        return Gated(self._members, gate, certificate=certificate)

    def place(self, ids: Ids, members: Sequence[Continuation]) -> "GatedContinuation":
        """A place in a text after these tokens, from the states of all members there."""
        return GatedContinuation(self, ids, members)

    def log_probs(self, tokens: Prompt) -> Iterator[Floats]:
        """Teacher-forced log-probabilities in blocks (n, V) of at most 64 MB; row t is given tokens before t."""
        ids = self.ids(tokens)
        for blocks in zip(*(model.log_probs(ids) for model in self._members.values()), strict=True):
            yield self.mixed(blocks)

    def log_likelihood(self, tokens: Prompt) -> Floats:
        """ln p(token_t | tokens before t), float64 of shape (T,)."""
        scores, known = evidence(list(self._members.values()), self.ids(tokens))
        return mixed(list(zip(self.gate.shares(known).T, scores, strict=True)))

    def mixed(self, rows: Sequence[Floats]) -> Floats:
        """The log-probabilities, float64 (n, V), of those of the members at n places."""
        shares = self.gate.shares(features([of_rows(row) for row in rows]))  # (n, K)
        return mixed(list(zip(shares.T[:, :, None], rows, strict=True)))

    def manifest(self) -> tuple[Manifest, Arrays]:
        """Names and gate."""
        told = {"kind": "gated", "names": list(self._members), "fitted": self.gate.fitted}
        return told, {"gate": self.gate.weights}

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays, members: Sequence[LanguageModel]) -> "Gated":
        """The model that `state` described, of members that were restored already; InputError if it is none."""
        named = restored_members(manifest["names"], members)
        gate = Gate.stored(arrays, (False, bool(manifest["fitted"])), numbers(len(members)), len(members))
        return cls(named, gate)

    def __repr__(self) -> str:
        return f"<Gated {', '.join(self._members)}: {'a gate' if self.gate.fitted else 'fixed shares'}>"


class GatedContinuation(SharingContinuation[Gated]):
    """One state for each member, all at the same place; what the gate says is kept until the text goes on."""

    def __init__(
        self, model: Gated, tokens: Ids, members: Sequence[Continuation], buffer: TokenBuffer | None = None
    ) -> None:
        super().__init__(model, tokens, members, buffer)
        self._known: tuple[Floats, Floats] | None = None  # φ (1, 1 + 2 K) and shares (K,)

    def loudness(self) -> Floats:
        """What the gate gives each member here, float64 (K,)."""
        return self._gate()[1]

    def advance(self, token: Token) -> None:
        """Append one token to the text, for every member."""
        super().advance(token)
        self._known = None

    def extend(self, tokens: Prompt) -> Floats:
        """Append tokens; float64 (n, V): the distribution after each of them.  Members may read them in one go."""
        ids = self.model.ids(tokens)
        if not len(ids):
            return np.empty((0, self.model.vocabulary.size))
        self._said(ids)
        self._known = None
        return self.model.mixed([member.extend(ids) for member in self.members])

    def _gate(self) -> tuple[Floats, Floats]:
        """What the gate goes by here, and the shares that it gives."""
        if self._known is None:
            known = features([at_place(member)[None] for member in self.members])
            self._known = known, self.model.gate.shares(known)[0]
        return self._known

    def _at(self, length: int, members: Sequence[Continuation]) -> Self:
        found = super()._at(length, members)
        found._known = self._known if length == self._length else None
        return found

    def _explain(self, token: int) -> Explanation:
        accounts = [member.explain(token) for member in self.members]
        confidences = self._gate()[0][0, 1:].reshape(-1, 2).tolist()
        voices = zip(self.weights.items(), confidences, accounts, strict=True)
        terms = tuple(
            Term(name, share * a.probability, f"{share:.3f} × {a.probability:.6f}; {_sureness(*confidence)}", a)
            for (name, share), confidence, a in voices
        )
        total = float(np.exp(self.distribution()[token]))
        return Explanation(self.model.vocabulary.pieces[token], accounts[0].context, "probability", terms, total)


def _sureness(entropy: float, most: float) -> str:
    return f"as unsure as among {np.exp(entropy):,.1f}, its best guess {np.exp(most):.3f}"


def _checked(gate: object, members: int) -> Gate:
    if not isinstance(gate, Gate):
        raise InputError(f"Expected a gate, as fit_gate makes it, got {type(gate).__name__}.")
    needed = numbers(members), members
    if gate.weights.shape != needed:
        raise InputError(f"The gate has shape {gate.weights.shape}; {members} members need one of shape {needed}.")
    return gate
