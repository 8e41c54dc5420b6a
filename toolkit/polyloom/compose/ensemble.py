"""An ensemble: models that vote on what comes next, and how far they disagree.

    Ensemble({"sea": a, "law": b, "kitchen": c}, vote="majority")

Nobody has a fader here: how much a member counts follows from what all of them say at this place.  What the votes do
stands in `votes`.  Members disagree as much as their distributions tell the members apart: the generalised
Jensen–Shannon divergence (Lin, "Divergence measures based on the Shannon entropy", 1991), in nats,

    D = (1/K) Σ_k KL(p_k ‖ m)        m = Σ_k p_k / K        0 ≤ D ≤ ln K

0 if all say the same, ln K if no token is possible for two of them.  It does not depend on the vote.
"""

from collections.abc import Mapping, Sequence

import numpy as np

from polyloom.compose import linear
from polyloom.compose.composite import restored_members
from polyloom.compose.rowwise import Account, Rowwise, RowwiseContinuation
from polyloom.compose.votes import vote_of
from polyloom.documents import Ids
from polyloom.explanation import Explanation
from polyloom.model import Arrays, Continuation, Floats, LanguageModel, Manifest, Prompt


class Ensemble(Rowwise["EnsembleContinuation"]):
    """Let named members vote: by "mean", "product", "majority", "rank" or "confidence".

    Raises InputError for an unknown vote and if there is no member, VocabularyMismatch if a member speaks another
    vocabulary.
    """

    def __init__(self, members: Mapping[str, LanguageModel], vote: str = "mean") -> None:
        super().__init__(members)
        self.voting = vote_of(vote)

    @property
    def vote(self) -> str:
        """How the members vote."""
        return self.voting.name

    def disagreements(self, tokens: Prompt) -> Floats:
        """How far the members disagree before each token, in nats, float64 (T,), given the tokens before it."""
        found = [disagreement(rows) for rows in self.rows(tokens)]
        return np.concatenate(found) if found else np.empty(0)

    def place(self, ids: Ids, members: Sequence[Continuation]) -> "EnsembleContinuation":
        """A place in a text after these tokens, from the states of all members there."""
        return EnsembleContinuation(self, ids, members)

    def mixed(self, rows: Sequence[Floats]) -> Floats:
        """Log-probabilities (…, V) of those of the members, as they vote."""
        return self.voting.mixed(rows)

    def log_likelihood(self, tokens: Prompt) -> Floats:
        """ln p(token_t | tokens before t), float64 of shape (T,); a mean need not read the whole vocabulary."""
        found = self.voting.log_likelihood(list(self.models.values()), self.ids(tokens))
        return super().log_likelihood(tokens) if found is None else found

    def account(self, accounts: Sequence[Explanation], rows: Sequence[Floats], token: int) -> Account:
        """Of a product on the log scale, else as a sum of probabilities; a term for each member."""
        return self.voting.account(list(zip(self.models, accounts, strict=True)), rows, token)

    def voices(self, rows: Sequence[Floats], token: int) -> dict[str, float]:
        """How loudly each member speaks for a token."""
        return dict(zip(self.models, self.voting.voices(rows, token), strict=True))

    def manifest(self) -> tuple[Manifest, Arrays]:
        """Names and vote."""
        return {"kind": "ensemble", "names": list(self.models), "vote": self.vote}, {}

    @classmethod
    def from_state(cls, manifest: Manifest, arrays: Arrays, members: Sequence[LanguageModel]) -> "Ensemble":
        """The ensemble that `state` described, of members that were restored already; InputError if it is none."""
        del arrays
        return cls(restored_members(manifest["names"], members), manifest["vote"])

    def __repr__(self) -> str:
        return f"<Ensemble {', '.join(self.models)}: {self.vote}>"


class EnsembleContinuation(RowwiseContinuation):
    """One state for each member, all at the same place."""

    def disagreement(self) -> float:
        """How far the members disagree on what comes next, in nats, from 0 to ln K."""
        return float(disagreement(self.rows()))


def disagreement(rows: Sequence[Floats]) -> Floats:
    """The Jensen–Shannon divergence, float64 (…), of K distributions given as log-probabilities (…, V)."""
    mean, total = linear.mixed([(1 / len(rows), row) for row in rows]), np.zeros(rows[0].shape[:-1])
    for row in rows:
        chance = np.exp(row)
        with np.errstate(invalid="ignore"):
            total += np.where(chance > 0, chance * (row - mean), 0.0).sum(-1) / len(rows)
    return np.maximum(total, 0.0)
