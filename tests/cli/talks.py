"""A tiny base and two experts on it, trained, packed and installed by the commands, for the tests that ask them."""

from pathlib import Path

import torch

from cli.conftest import answer
from polyloom.tokens.byte import ByteVocabulary
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.model import TransformerModel

TINY = TransformerConfig(257, width=16, layers=2, context=64)
FEW = ("--batch", "2", "--length", "16", "--steps", "3", "--rank", "2")


def base(folder: Path, seed: int = 0) -> Path:
    """A transformer that has learned nothing."""
    torch.set_num_threads(1)
    TransformerModel.build(TINY, ByteVocabulary(), seed).save(folder)
    return folder


def installed(place: Path, texts: Path) -> Path:
    """A folder with a `base`, and a `registry` of expert-sea and expert-law, which learned from its texts."""
    model, registry = base(place / "base"), place / "registry"
    for name in ("sea", "law"):
        folder, file = place / f"expert-{name}", place / f"{name}.expert"
        answer("expert", "train", texts / f"{name}.txt", "--base", model, "-o", folder, *FEW, "--examples", 20)
        answer("expert", "package", folder, "-o", file)
        answer("expert", "install", file, "--trust", "anyone", "--registry", registry)
    return place
