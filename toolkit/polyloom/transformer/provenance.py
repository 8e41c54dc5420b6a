"""What a model was made of, where its decoder holds more than plain weights: an adapter beside them, say.

A `TransformerModel` with a provenance reads, explains and is looked into like any other.  Only who takes its weights
to store or to change them asks here: a file holds the parts, and surgery works on what they come to together.
"""

from abc import ABC, abstractmethod
from typing import Any

from polyloom.model import Arrays
from polyloom.transformer.decoder import Decoder


class Provenance(ABC):
    """The parts of a model; see the module."""

    @abstractmethod
    def state(self) -> tuple[dict[str, Any], Arrays]:
        """What a file holds: the manifest of a kind of its own, and arrays."""

    @abstractmethod
    def __str__(self) -> str:
        """What stands beside the plain weights, in a few words."""

    @abstractmethod
    def plain(self) -> Decoder:
        """A decoder of plain weights that does the same."""
