"""A certificate: how good fitted weights are, and how much better any others could be.

Both objectives of `Layered.fit_weights` are concave, so a bound on what is left, the duality gap, follows from the
slope where the search stopped; nobody has to believe that it found the top.  The certificate belongs to the fit and not
to the model: moving a fader drops it, a file does not hold it, and it does not enter the digest.
"""

import math
from dataclasses import dataclass


@dataclass(frozen=True)
class Certificate:
    """What `fit_weights` reached: the mean log-likelihood in nats a token, and what is left to gain, the duality gap.

    No weights within `box` (a range for each layer; None: no weights at all) reach more than `objective + gain` on the
    same text.  `unknown` of its `tokens` were `<unk>`: they count like others, though guessing them is easier.
    """

    objective: float
    gain: float
    tokens: int
    unknown: int
    rounds: int
    box: tuple[tuple[float, float], ...] | None = None

    @property
    def perplexity(self) -> float:
        """exp(−objective)."""
        return math.exp(-self.objective)

    def __str__(self) -> str:
        least, most = (min(low for low, _ in self.box), max(high for _, high in self.box)) if self.box else (0, 0)
        others = f"weights from {least:g} to {most:g}" if self.box else "weights"
        return (
            f"{self.objective:.6f} nats a token (perplexity {self.perplexity:.2f}) over {self.tokens:,} tokens, "
            f"{self.unknown:,} of them <unk>; no other {others} gain more than {self.gain:.1e} nats; "
            f"{self.rounds} round{'s' * (self.rounds != 1)}"
        )


@dataclass(frozen=True)
class PruneCertificate(Certificate):
    """What `prune` reached: `objective` and `gain` of the layers that stayed, at their best weights.

    The best weights of all layers reach at most `cost` nats a token more than the ones that stayed without those that
    were `dropped`.
    """

    dropped: tuple[str, ...] = ()
    cost: float = 0.0

    def __str__(self) -> str:
        named = f"without {', '.join(self.dropped)}" if self.dropped else "no layer was dropped"
        return f"{super().__str__()}; {named}: with all layers at most {self.cost:.6f} nats more"


@dataclass(frozen=True)
class GateCertificate:
    """What `fit_gate` reached, in nats a token: `objective` under the gate, `fixed` under the best fixed shares.

    `trial` is what other text may bring: of the tokens that were kept `aside`, under the best fixed shares and under a
    gate, both fitted to the rest; None where the text was too little for that.  The gate has fixed shares where it did
    not pass this trial.
    """

    objective: float
    fixed: float
    trial: tuple[float, float] | None
    tokens: int
    aside: int
    unknown: int

    @property
    def perplexity(self) -> float:
        """exp(−objective)."""
        return math.exp(-self.objective)

    def __str__(self) -> str:
        said = (
            f"{self.objective:.6f} nats a token (perplexity {self.perplexity:.2f}) over {self.tokens:,} tokens, "
            f"{self.unknown:,} of them <unk>; with fixed shares {self.fixed:.6f} ({math.exp(-self.fixed):.2f})"
        )
        if self.trial is None:
            return f"{said}; too little text to try a gate"
        fixed, gate = (math.exp(-value) for value in self.trial)
        return f"{said}; perplexity of {self.aside:,} tokens kept aside {gate:.2f}, with fixed shares {fixed:.2f}"
