"""Polyloom: mix language models like sound; every model is a fader, every word comes with a receipt.

mix, held_out = polyloom.weave({"sea": texts, "law": other_texts})
mix.with_weights(sea=2.0).predict("At night the")
mix.begin("At night the").explain("tide")
"""

from typing import TYPE_CHECKING, Any

from polyloom._later import LATER, later
from polyloom.arrays import numpy
from polyloom.association import PRESETS, AssociationModel, Memory, PositionModel
from polyloom.compose import (
    Blend,
    ByFunction,
    ByKeyword,
    ByLanguage,
    ByLikelihood,
    Cascade,
    CascadePoint,
    Certificate,
    Chooser,
    Contrast,
    Decision,
    Ensemble,
    GateCertificate,
    Gated,
    Lane,
    Laned,
    Layer,
    Layered,
    PruneCertificate,
    Reach,
    Routed,
    Router,
    Routing,
    Sequenced,
    Shapley,
    Stage,
    TextChooser,
    avoid,
    best_blend,
    best_member,
    cascade_curve,
    cluster,
    difference,
    interpolate,
    intersection,
    nearest,
    open_recipe,
    perplexity_matrix,
    replay,
    similarity,
    similarity_matrix,
    simplify,
    weave,
)
from polyloom.errors import (
    FileError,
    InputError,
    MissingPackage,
    PolyloomError,
    TrainingError,
    VocabularyError,
    VocabularyMismatch,
)
from polyloom.explanation import Explanation, Passage, Term
from polyloom.files import verify
from polyloom.generate import Generation, Sampling, Speculation, Step
from polyloom.kinds import load
from polyloom.model import Candidates, Continuation, LanguageModel
from polyloom.tokens import (
    ByteVocabulary,
    ForeignSentencePieceVocabulary,
    ForeignVocabulary,
    SentencePieceVocabulary,
    Vocabulary,
    WordVocabulary,
)

if TYPE_CHECKING:
    from polyloom.adapters.attach import attach
    from polyloom.adapters.bank import AdapterBank
    from polyloom.bridges.logits import LogitsProcessor
    from polyloom.experts.registry import Registry
    from polyloom.transformer.config import TransformerConfig
    from polyloom.transformer.int8 import int4, int8
    from polyloom.transformer.model import TransformerModel

__version__ = "0.1.0"

__all__ = [
    "AdapterBank",
    "AssociationModel",
    "Blend",
    "ByFunction",
    "ByKeyword",
    "ByLanguage",
    "ByLikelihood",
    "ByteVocabulary",
    "Candidates",
    "Cascade",
    "CascadePoint",
    "Certificate",
    "Chooser",
    "Continuation",
    "Contrast",
    "Decision",
    "Ensemble",
    "Explanation",
    "FileError",
    "ForeignSentencePieceVocabulary",
    "ForeignVocabulary",
    "GateCertificate",
    "Gated",
    "Generation",
    "InputError",
    "Lane",
    "Laned",
    "LanguageModel",
    "Layer",
    "Layered",
    "LogitsProcessor",
    "Memory",
    "MissingPackage",
    "PRESETS",
    "Passage",
    "PolyloomError",
    "PositionModel",
    "PruneCertificate",
    "Reach",
    "Registry",
    "Routed",
    "Router",
    "Routing",
    "Sampling",
    "SentencePieceVocabulary",
    "Sequenced",
    "Shapley",
    "Speculation",
    "Stage",
    "Step",
    "Term",
    "TextChooser",
    "TrainingError",
    "TransformerConfig",
    "TransformerModel",
    "Vocabulary",
    "VocabularyError",
    "VocabularyMismatch",
    "WordVocabulary",
    "attach",
    "avoid",
    "best_blend",
    "best_member",
    "cascade_curve",
    "cluster",
    "difference",
    "int4",
    "int8",
    "interpolate",
    "intersection",
    "load",
    "nearest",
    "numpy",
    "open_recipe",
    "perplexity_matrix",
    "replay",
    "similarity",
    "similarity_matrix",
    "simplify",
    "verify",
    "weave",
]


def __getattr__(name: str) -> Any:
    return later(name)


def __dir__() -> list[str]:
    return sorted({*globals(), *LATER})
