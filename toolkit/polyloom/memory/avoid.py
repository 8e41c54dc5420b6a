"""What was rejected, as a layer that makes it unlikely again, and nothing else.

    p(y | text) = p_mix(y) · (p_mix(y) / p_either(y))^a / Z          p_either = ½ p_mix + ½ p_avoid,   a ≥ 0

Where the rejected texts say nothing particular of y the ratio is at most 2, the same for all such tokens, and Z takes
it away; where they make y much likelier than the mix does, y falls by about (½ p_avoid / p_mix)^a.  So a token that the
rejected texts merely never used gains nothing over others, as it would by dividing by p_avoid alone.  The idea is that
of Liu et al., "DExperts: decoding-time controlled text generation with experts and anti-experts" (2021).

Rejections are counts of their own and are taken from no other layer: no count is ever below zero.
"""

from polyloom.compose.layered import Layer, Layered
from polyloom.model import LanguageModel

MIX, AVOID = "mix", "avoid"


def avoiding(mix: LanguageModel, avoided: LanguageModel, strength: float) -> Layered:
    """The mix, a log pool that makes what `avoided` counted unlikely."""
    either = Layered(mix, {AVOID: Layer(avoided)}, name=MIX)
    return Layered(mix, {AVOID: Layer(either, -strength)}, "log", name=MIX, weight=1 + strength)
