"""Folders of PEFT, both ways, and logits equal to PEFT's for each kind of adapter and family of models."""

import copy
import json
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import load_file, save_file

from foreign_models import WORDS, foreign, logits, tokens
from polyloom.adapters.adapter import Adapter
from polyloom.adapters.attach import attach, merge
from polyloom.adapters.dora import DoRA
from polyloom.adapters.fit import SOFT, learning
from polyloom.adapters.ia3 import IA3
from polyloom.adapters.lora import LoRA
from polyloom.adapters.peft_folder import read_adapter, write_adapter
from polyloom.errors import FileError, InputError
from polyloom.train.objectives import NOTHING
from polyloom.train.packing import Block, packed
from polyloom.train.step import prepared
from polyloom.transformer.live import adopted
from polyloom.transformer.model import TransformerModel

peft: Any = pytest.importorskip("peft")

pytestmark = [
    pytest.mark.long,
    # Blocks that silence PEFT may lose their filters to numba, which sets filters for all threads while it compiles.
    pytest.mark.filterwarnings("ignore::FutureWarning"),
    pytest.mark.filterwarnings("ignore:fan_in_fan_out"),
]
CLOSE = 1e-5
FAMILIES = ("llama", "qwen3", "gpt2")
LLAMA_LIKE = ["q_proj", "v_proj", "down_proj"]
TARGETS = {"llama": LLAMA_LIKE, "qwen3": LLAMA_LIKE, "gpt2": ["c_attn", "mlp.c_proj"]}
KINDS: dict[str, dict[str, Any]] = {
    "lora": {"r": 4, "lora_alpha": 6},
    "rank-stabilised": {"r": 4, "lora_alpha": 6, "use_rslora": True},
    "dora": {"r": 3, "lora_alpha": 6, "use_dora": True},
    "patterns": {"r": 4, "lora_alpha": 6, "rank_pattern": {"1.*": 2}, "alpha_pattern": {"0.*": 3}},
}


def tuned(family: str, kind: str) -> Any:
    """A model of PEFT on one of `transformers`, whose adapter matters."""
    targets = TARGETS[family]
    if kind == "ia3":
        config = peft.IA3Config(target_modules=targets, feedforward_modules=targets[-1:])
    else:
        config = peft.LoraConfig(target_modules=targets, **KINDS[kind])
    torch.manual_seed(3)
    model = wrapped(family, config)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if any(part in name for part in ("lora", "ia3")):
                weight.add_(0.1 * torch.randn(weight.shape))
    return model


def wrapped(family: str, config: Any) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of transformers, and of GPT-2's turned weights
        return peft.get_peft_model(copy.deepcopy(foreign(family)), config).eval()


@pytest.fixture(params=[(family, kind) for family in FAMILIES for kind in (*KINDS, "ia3")], ids=" ".join)
def theirs(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[str, Any, Path]:
    family, kind = request.param
    model = tuned(family, kind)
    model.save_pretrained(tmp_path / "theirs")
    return family, model, tmp_path / "theirs"


def test_logits_are_those_of_peft(theirs: tuple[str, Any, Path], tmp_path: Path) -> None:
    family, model, folder = theirs
    plain = ours(family)
    adapter = read_adapter(folder, plain)
    adapted, expected = attach(plain, adapter), logits(model, tokens(30))
    torch.testing.assert_close(adapted.logits(tokens(30)), expected, atol=CLOSE, rtol=0)
    torch.testing.assert_close(merge(adapted).logits(tokens(30)), expected, atol=CLOSE, rtol=0)
    assert (plain.logits(tokens(30)) - expected).abs().max() > 0.02

    again = read_by_peft(family, write_adapter(adapter, tmp_path / "ours", plain))
    torch.testing.assert_close(logits(again, tokens(30)), expected, atol=CLOSE, rtol=0)
    reread = attach(plain, read_adapter(tmp_path / "ours", plain))
    torch.testing.assert_close(reread.logits(tokens(30)), adapted.logits(tokens(30)), atol=1e-6, rtol=0)


def ours(family: str) -> TransformerModel:
    return TransformerModel(adopted(foreign(family)), WORDS)


def read_by_peft(family: str, folder: Path) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return peft.PeftModel.from_pretrained(copy.deepcopy(foreign(family)), folder).eval()


@pytest.mark.parametrize("family", FAMILIES)
def test_soft_prompts_are_those_of_peft(family: str, tmp_path: Path) -> None:
    torch.manual_seed(5)
    theirs = wrapped(family, peft.PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"))
    theirs.save_pretrained(tmp_path / "theirs")
    plain = ours(family)
    prompt = read_adapter(tmp_path / "theirs", plain)
    expected = logits(theirs, tokens(20))[3:]
    torch.testing.assert_close(attach(plain, prompt).logits(tokens(20)), expected, atol=CLOSE, rtol=0)
    again = read_by_peft(family, write_adapter(prompt, tmp_path / "ours", plain))
    torch.testing.assert_close(logits(again, tokens(20))[3:], expected, atol=CLOSE, rtol=0)
    assert (plain.logits(tokens(20)) - expected).abs().max() > 0.05


def test_a_soft_prompt_of_another_width_is_refused(tmp_path: Path) -> None:
    folder = some(tmp_path / "a", peft_type="PROMPT_TUNING")
    with pytest.raises(FileError, match="prompt_embeddings alone"):
        read_adapter(folder, ours("llama"))
    save_file({"prompt_embeddings": torch.ones(2, 8)}, folder / "adapter_model.safetensors")
    with pytest.raises(FileError, match="8 wide, the model 32"):
        read_adapter(folder, ours("llama"))


BEYOND: list[tuple[str, dict[str, Any], list[str]]] = [
    ("llama", {"target_modules": ["q_proj", "lm_head"]}, ["lm_head.lora_A.weight", "lm_head.lora_B.weight"]),
    ("llama", {"target_modules": ["lm_head"]}, ["lm_head.lora_A.weight", "0 of 2 tensors bound"]),
    ("llama", {"target_modules": ["q_proj", "embed_tokens"]}, ["model.embed_tokens.lora_embedding_A"]),
    ("gpt2", {"target_modules": ["c_attn", "wte"]}, ["transformer.wte.lora_embedding_B"]),
    ("qwen3-moe", {"target_modules": ["q_proj"], "target_parameters": ["mlp.experts.gate_up_proj"]}, ["experts"]),
    ("llama", {"target_modules": ["q_proj"], "modules_to_save": ["lm_head"]}, ["modules_to_save", "lm_head"]),
]


@pytest.mark.parametrize(("family", "fields", "listed"), BEYOND, ids=[str(fields) for _, fields, _ in BEYOND])
def test_what_is_not_a_map_of_a_block_is_refused_by_name(
    family: str, fields: dict[str, Any], listed: list[str], tmp_path: Path
) -> None:
    theirs = wrapped(family, peft.LoraConfig(r=2, **fields))
    theirs.save_pretrained(tmp_path / "theirs", save_embedding_layers=False)
    with pytest.raises(FileError) as raised:
        read_adapter(tmp_path / "theirs", ours(family))
    assert all(name in str(raised.value) for name in listed)
    beyond = [name for name in fields["target_modules"] if name not in ("q_proj", "c_attn")]
    assert (f"It is for {', '.join(beyond)} too; of this model can be adapted:" in str(raised.value)) == bool(beyond)


def test_experts_one_by_one_are_refused_by_name(tmp_path: Path) -> None:
    """As older versions wrote them: a matrix for each expert."""
    wrapped("qwen3-moe", peft.LoraConfig(r=2, target_modules=["q_proj"])).save_pretrained(tmp_path / "a")
    tensors = load_file(tmp_path / "a" / "adapter_model.safetensors")
    name = "base_model.model.model.layers.0.mlp.experts.3.up_proj.lora_A.weight"
    save_file(tensors | {name: torch.ones(2, 32)}, tmp_path / "a" / "adapter_model.safetensors")
    place = tmp_path / "a" / "adapter_config.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | {"target_modules": ["q_proj", "up_proj"]}))
    with pytest.raises(FileError, match=r"6 of 7 tensors bound; in 1 places: left over .*up_proj.*for up_proj too"):
        read_adapter(tmp_path / "a", ours("qwen3-moe"))


def some(folder: Path, **changes: Any) -> Path:
    """A LoRA for a Llama, with another config; a name that is given None goes."""
    tuned("llama", "lora").save_pretrained(folder)
    place = folder / "adapter_config.json"
    place.write_text(json.dumps(json.loads(place.read_text()) | changes))
    return folder


def test_what_does_not_fit_is_listed(tmp_path: Path) -> None:
    folder = some(tmp_path / "a")
    tensors = load_file(folder / "adapter_model.safetensors")
    first, second = sorted(tensors)[:2]
    tensors["base_model.model.model.layers.9.self_attn.q_proj.lora_A.weight"] = tensors.pop(first)
    tensors[second] = tensors[second][:-1].clone()
    save_file(tensors, folder / "adapter_model.safetensors")
    with pytest.raises(FileError) as raised:
        read_adapter(folder, ours("llama"))
    said = str(raised.value)
    assert f"missing {first}" in said
    assert "left over base_model.model.model.layers.9" in said
    assert "17 of 18 tensors bound; in 3 places" in said


def test_an_adapter_of_another_family_is_refused(tmp_path: Path) -> None:
    with pytest.raises(FileError, match="0 of 18 tensors bound"):
        read_adapter(some(tmp_path / "a"), ours("gpt2"))


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"peft_type": "LOHA"}, "type 'LOHA'"),
        ({"bias": "lora_only"}, "sets bias"),
        ({"modules_to_save": ["lm_head"]}, "sets modules_to_save"),
        ({"init_lora_weights": "pissa_niter_4"}, "changes the base"),
        ({"target_modules": None}, "no target_modules"),
        ({"layers_to_transform": [0]}, "left over"),
        ({"exclude_modules": ["q_proj"]}, "left over"),
        ({"r": 5}, "not"),
    ],
)
def test_a_config_that_means_something_else_is_refused(tmp_path: Path, changes: dict[str, Any], words: str) -> None:
    with pytest.raises(FileError, match=words):
        read_adapter(some(tmp_path / "a", **changes), ours("llama"))


def test_patterns_and_layers_choose_modules(tmp_path: Path) -> None:
    config = peft.LoraConfig(r=2, target_modules=r".*\.(0|2)\.self_attn\.[qv]_proj")
    wrapped("llama", config).save_pretrained(tmp_path / "a")
    found = read_adapter(tmp_path / "a", ours("llama"))
    assert sorted(found.updates) == [f"blocks.{n}.attention.{part}" for n in (0, 2) for part in "qv"]
    attach(ours("llama"), found)


def test_maps_learned_apart_become_one_module_of_gpt2(tmp_path: Path) -> None:
    """Ours have an A each; in `c_attn` they take the sum of their ranks, and one that is not adapted gets zeros."""
    model = ours("gpt2")
    for method in (LoRA(3, targets=("attention.q", "attention.v")), DoRA(3, targets=("attention.q", "attention.v"))):
        adapter = moved(Adapter.first(method, model))
        theirs = read_by_peft("gpt2", write_adapter(adapter, tmp_path / method.kind, model))
        expected = attach(model, adapter).logits(tokens(30))
        torch.testing.assert_close(logits(theirs, tokens(30)), expected, atol=CLOSE, rtol=0)
    mixed = IA3(("attention.k", "attention.v"), inputs=("attention.k",))
    with pytest.raises(InputError, match="either"):
        write_adapter(Adapter.first(mixed, model), tmp_path / "mixed", model)


def moved(adapter: Adapter) -> Adapter:
    """Another adapter of the same method, that changes something."""
    torch.manual_seed(4)
    updates = {
        name: update.of({n: x + 0.1 * torch.randn(x.shape) for n, x in update.tensors().items()}, update.numbers())
        for name, update in adapter.updates.items()
    }
    return Adapter(adapter.method, updates)


def test_a_pickle_is_not_opened_and_a_folder_of_no_adapter_not_replaced(tmp_path: Path) -> None:
    folder = some(tmp_path / "a")
    (folder / "adapter_model.safetensors").rename(folder / "adapter_model.bin")
    with pytest.raises(FileError, match="pickled"):
        read_adapter(folder, ours("llama"))
    with pytest.raises(FileNotFoundError):
        read_adapter(tmp_path / "none", ours("llama"))
    (tmp_path / "notes").mkdir()
    (tmp_path / "notes" / "a.txt").write_text("mine")
    model = ours("llama")
    with pytest.raises(FileError, match="of no model"):
        write_adapter(Adapter.first(LoRA(2), model), tmp_path / "notes", model)
    assert (tmp_path / "notes" / "a.txt").read_text() == "mine"


@pytest.mark.parametrize("family", FAMILIES)
def test_soft_prompts_learn_along_the_gradient_of_peft(family: str, tmp_path: Path) -> None:
    """Two documents in one row, after one prompt, against each of them alone with PEFT."""
    torch.manual_seed(6)
    theirs = wrapped(family, peft.PromptTuningConfig(num_virtual_tokens=3, task_type="CAUSAL_LM"))
    theirs.save_pretrained(tmp_path / "theirs")
    plain, documents = ours(family), (tokens(9), tokens(6))
    for ids in documents:
        labels = torch.tensor([[-100, *ids[1:]]])  # a row predicts no first token
        theirs(input_ids=torch.tensor([ids]), labels=labels).loss.mul(len(ids) - 1).backward()
    (expected,) = [weight.grad for name, weight in theirs.named_parameters() if weight.requires_grad]

    prompt = read_adapter(tmp_path / "theirs", plain)
    network = learning(plain.decoder, prompt, SOFT).eval()  # without dropout
    row = next(packed([np.array(ids) for ids in documents], 14))
    given = prepared(Block(row.tokens[None], row.documents[None]), torch.device("cpu"), network.soft)
    logits = network(*given[:2])[0]
    torch.nn.functional.cross_entropy(logits, given[2][0], ignore_index=NOTHING, reduction="sum").backward()
    (weight,) = [weight for weight in network.parameters() if weight.requires_grad]
    assert weight.grad is not None
    assert weight.grad.abs().max() > 0.1
    torch.testing.assert_close(weight.grad, expected, atol=1e-4, rtol=1e-4)
