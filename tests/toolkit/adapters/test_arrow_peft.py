"""Arrow beside PEFT's: the same prototypes, and the same likeness to what each map reads.

PEFT's prototypes are by fifteen rounds of power iteration, so each adapter here has one direction that stands out.
"""

import copy
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from foreign_models import WORDS, foreign, tokens
from polyloom.adapters.adapter import Adapter
from polyloom.adapters.arrow import Arrow
from polyloom.adapters.lora import LoRA, LowRank
from polyloom.adapters.peft_folder import write_adapter
from polyloom.transformer.live import adopted
from polyloom.transformer.model import TransformerModel
from toolkit.adapters.learned import learned

peft: Any = pytest.importorskip("peft")

pytestmark = [pytest.mark.long, pytest.mark.filterwarnings("ignore::FutureWarning")]


@pytest.mark.parametrize("family", ["llama", "qwen3"])
def test_prototypes_and_choices_are_those_of_peft(family: str, tmp_path: Path) -> None:
    base = TransformerModel(adopted(foreign(family)), WORDS)
    method = LoRA(3, targets=("attention.q", "attention.v", "feed_forward.down"))
    adapters = {f"task_{n}": clear(learned(method, base, seed=n)) for n in range(3)}
    arrow = Arrow.of(base, adapters)
    folders = [str(write_adapter(adapter, tmp_path / name, base)) for name, adapter in adapters.items()]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        theirs = peft.create_arrow_model(
            copy.deepcopy(foreign(family)), folders, peft.ArrowConfig(top_k=1, router_temperature=1.0)
        ).eval()
    theirs(torch.tensor([tokens(20)]))  # which makes the prototypes
    names = {"attention.q": "self_attn.q_proj", "attention.v": "self_attn.v_proj", "feed_forward.down": "mlp.down_proj"}
    heard = plain(family, [f"model.layers.{n}.{name}" for n in range(3) for name in names.values()])
    for place, likeness in arrow.along(tokens(20)).items():
        _, layer, part = place.split(".", 2)
        path = f"model.layers.{layer}.{names[part]}"
        router = theirs.get_submodule(f"base_model.model.{path}").lora_arrow["arrow_router"]
        turned = (router.prototypes * arrow.prototypes[place].float()).sum(1, keepdim=True).sign()
        torch.testing.assert_close(turned * router.prototypes, arrow.prototypes[place].float(), atol=1e-5, rtol=0)
        x = heard[path]
        similar: torch.Tensor = (x @ router.prototypes.T).abs() / x.square().sum(-1, keepdim=True).sqrt()
        torch.testing.assert_close(similar, likeness.float(), atol=1e-5, rtol=0)


def clear(adapter: Adapter) -> Adapter:
    """The same with its first direction ten times as large."""
    return Adapter(adapter.method, {name: louder(update) for name, update in adapter.updates.items()})


def louder(update: Any) -> LowRank:
    left, much, right = np.linalg.svd((update.b.double() @ update.a.double()).numpy(), full_matrices=False)
    much[0] *= 10
    a, b = torch.tensor(right[:3]), torch.tensor(left[:, :3] * much[:3])
    return LowRank(a.float(), b.float(), update.factor)


def plain(family: str, paths: list[str]) -> dict[str, torch.Tensor]:
    """What modules of the base read of twenty tokens, (T, inputs)."""
    heard: dict[str, torch.Tensor] = {}
    network = copy.deepcopy(foreign(family))
    for path in paths:

        def note(_: Any, given: Any, path: str = path) -> None:
            heard[path] = given[0][0].detach()

        network.get_submodule(path).register_forward_pre_hook(note)
    network(torch.tensor([tokens(20)]))
    return heard
