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
}


@pytest.fixture(scope="module", params=MAKES)
def model(request: pytest.FixtureRequest, sea: AssociationModel, lullabies: AssociationModel) -> Layered:
    return MAKES[request.param](Layered(sea, {"lullabies": Layer(lullabies, 0.4)}, name="sea"), sea)


class TestLayered(LanguageModelContract):
    pass
