"""Mixes keep the contract, mixes of mixes too."""

from collections.abc import Callable

import pytest

from contract import LanguageModelContract
from polyloom import AssociationModel, Layer, Layered

MAKES: dict[str, Callable[[Layered, AssociationModel], Layered]] = {
    "plain": lambda plain, sea: plain,
    "a silent layer": lambda plain, sea: plain.with_weights(lullabies=0),
    "a silent base": lambda plain, sea: plain.with_weights(sea=0),
    "alone": lambda plain, sea: Layered(sea, {}),
    "one model twice": lambda plain, sea: Layered(sea, {"again": Layer(sea, 0.5)}),
    "a mix of mixes": lambda plain, sea: Layered(
        plain, {"loud": Layer(plain.with_weights(sea=5), 2), "sea": Layer(sea, 0.1)}
    ),
    "a log pool": lambda plain, sea: logged(plain, 0.6, 0.4),
    "a sharp log pool": lambda plain, sea: logged(plain, 2.0, 1.5),
    "a contrast": lambda plain, sea: logged(plain, 1.2, -0.3),
    "a log pool with a silent base": lambda plain, sea: logged(plain, 0.0, 0.9),
    "a log pool of one": lambda plain, sea: Layered(sea, {}, pool="log"),
    "a log pool of linear pools": lambda plain, sea: Layered(plain, {"sea": Layer(sea, 0.5)}, pool="log", weight=0.7),
    "a linear pool of log pools": lambda plain, sea: Layered(
        logged(plain, 0.6, 0.4), {"sharp": Layer(logged(plain, 3, 2), 2), "sea": Layer(sea, 0.1)}
    ),
    "a log pool of log pools": lambda plain, sea: Layered(
        logged(plain, 0.6, 0.4), {"sharp": Layer(logged(plain, 2, 0), 0.5)}, pool="log"
    ),
}


def logged(plain: Layered, sea: float, lullabies: float) -> Layered:
    """The layers of the plain mix as a log pool."""
    models = plain.models
    return Layered(models["sea"], {"lullabies": Layer(models["lullabies"], lullabies)}, "log", name="sea", weight=sea)


@pytest.fixture(scope="module", params=MAKES)
def model(request: pytest.FixtureRequest, sea: AssociationModel, lullabies: AssociationModel) -> Layered:
    return MAKES[request.param](Layered(sea, {"lullabies": Layer(lullabies, 0.4)}, name="sea"), sea)


class TestLayered(LanguageModelContract):
    pass
