"""Packages that somebody makes from the description alone, with nothing but tar and JSON, are installed and used."""

import hashlib
import io
import json
import struct
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from polyloom import FileError
from polyloom.experts.package import FORMS, Form, Package, check, notes
from polyloom.experts.registry import Registry
from polyloom.experts.suited import unsuited

WIDTH, RANK = 16, 2
LAYER = "base_model.model.model.layers.0.self_attn"


def weights() -> bytes:
    """A LoRA on queries and values of one layer, as safetensors."""
    dice = np.random.default_rng(0)
    table: dict[str, Any] = {"__metadata__": {"format": "pt"}}
    data = b""
    for target in ("q_proj", "v_proj"):
        for part, shape in (("lora_A", (RANK, WIDTH)), ("lora_B", (WIDTH, RANK))):
            values = dice.normal(0, 0.02, shape).astype("<f4").tobytes()
            offsets = [len(data), len(data) + len(values)]
            table[f"{LAYER}.{target}.{part}.weight"] = {"dtype": "F32", "shape": shape, "data_offsets": offsets}
            data += values
    text = json.dumps(table).encode()
    return struct.pack("<Q", len(text)) + text + data


CONFIG = {
    "peft_type": "LORA", "task_type": "CAUSAL_LM", "base_model_name_or_path": "tiny", "r": RANK, "lora_alpha": 4,
    "target_modules": ["q_proj", "v_proj"], "lora_dropout": 0.05, "bias": "none", "use_dora": False,
}  # fmt: skip
FILES = {
    "adapter_model.safetensors": weights(),
    "adapter_config.json": json.dumps(CONFIG).encode(),
    "tokenizer.json": b"{}",
    "special_tokens_map.json": b"{}",
    "grammar.gbnf": b'root ::= "MATCH" .*\n',
    "LICENSE": b"Do what you like.\n",
    "README.md": "# Asks graphs, in Portuguese: não explica\n".encode(),
    "tests/cases.jsonl": b'{"q": "who knows whom"}\n',
    "soft_prompts/style.safetensors": weights(),
    "training_args.bin": b"\x80\x04.",
}
ADAPTER: dict[str, Any] = {
    "type": "lora", "target_modules": ["q_proj", "v_proj"], "r": RANK, "alpha": 4, "scaling": 2.0, "dropout": 0.05,
    "use_dora": False, "size_bytes": len(FILES["adapter_model.safetensors"]),
    "sha256": hashlib.sha256(FILES["adapter_model.safetensors"]).hexdigest(),
}  # fmt: skip
BASE = {
    "name": "Tiny-0.1B", "sha256": "", "quantization": None, "rope_scaling": {"type": "ntk-by-parts", "factor": 8.0},
}  # fmt: skip
DESCRIBED: dict[str, Any] = {
    "version": "1.2.0",
    "description": "Asks graphs",
    "author": "somebody",
    "homepage": "https://example.org",
    "repository": "https://example.org/git",
    "license": "MIT",
    "tags": ["graph", "cypher"],
    "soft_prompts": [
        {
            "name": "style", "path": "soft_prompts/style.safetensors", "tokens": 20, "init_method": "text",
            "init_text": "Write Cypher", "purpose": "style",
        }
    ],
    "capabilities": ["tech:neo4j", "language:en", "format:json", "task:text2cypher", "code-generation"],
    "routing": {
        "keywords": ["cypher", "graph query"], "exclude_keywords": ["explain"],
        "router_hint": "tech=neo4j OR task=text2cypher", "priority": 0.9, "_comment": "seldom wrong",
    },
    "constraints": {"max_chain": 10, "load_order": 6, "incompatible_with": ["expert-old@<=0.9"], "requires": []},
    "perf": {"latency_ms_overhead": 3, "vram_mb_overhead": 18, "supported_batch_sizes": [1, 2, 4, 8]},
    "runtime": {"candle_compatible": True},
    "training": {
        "dataset": {"path": "train.jsonl"}, "config": {"epochs": 1.5}, "decoding": {"use_grammar": True},
        "metadata": {"trained_on": "2025-11-06"},
    },
    "evaluation": {"suite": 15},
    "quality_metrics": {"benchmark_score": 9.13, "test_queries": 20},
    "limitations": [
        {"pattern": "AVG", "description": "knows few", "example": "AVG(x)", "workaround": "say which"}
    ],
}  # fmt: skip
ONE = {**DESCRIBED, "schema_version": "1.0", "name": "expert-one", "base_model": BASE, "adapters": [ADAPTER]}
TWO = {
    **DESCRIBED, "schema_version": "2.0", "name": "expert-two",
    "base_models": [{**BASE, "adapters": [ADAPTER], "prompt_template": "chatml"}],
}  # fmt: skip


def packed(path: Path, document: dict[str, Any], **integrity: Any) -> Path:
    """A tar in gzip with the digest of its bytes beside it."""
    files = {"manifest.json": json.dumps({**document, **integrity}, indent=2).encode(), **FILES}
    with tarfile.open(path, "w:gz") as tar:
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    path.with_name(f"{path.name}.sha256").write_text(f"{hashlib.sha256(path.read_bytes()).hexdigest()}  {path.name}\n")
    return path


@pytest.mark.parametrize("document", [ONE, TWO], ids=["v1", "v2"])
@pytest.mark.parametrize("stated", [False, True])
def test_it_is_installed_and_nothing_is_lost(tmp_path: Path, document: dict[str, Any], stated: bool) -> None:
    digests = {name: hashlib.sha256(content).hexdigest() for name, content in FILES.items()}
    integrity = {"timestamp": "2025-11-06T00:00:00Z", "publisher": "somebody", "files": digests}
    path = packed(tmp_path / "hand.expert", document, **({"integrity": integrity} if stated else {}))
    held = Package.read(path)
    assert check(held) == []
    assert [note.split()[0] for note in notes(held)] == ["training_args.bin"]
    registry = Registry(tmp_path / "registry")
    with pytest.raises(FileError, match="nobody vouches for it"):
        registry.install(path)
    (found,) = registry.install(path, "anyone")
    assert {file: (found.folder / file).read_bytes() for file in FILES} == FILES
    assert json.loads((found.folder / "manifest.json").read_bytes()) == held.manifest.document
    assert registry.verify(found.name).state == "unsigned"
    assert [one.name for one in registry.search("neo4j cypher")] == [found.name]
    assert (found.manifest.said.order, found.manifest.said.routing.priority) == (6, 0.9)
    assert unsuited(found.manifest, "org/tiny-0.1b") is None


@pytest.mark.parametrize("form", FORMS)
def test_it_goes_through_every_form_and_back(tmp_path: Path, form: Form) -> None:
    held = Package.read(packed(tmp_path / "hand.expert", TWO))
    again = Package.read(held.save(tmp_path / "again.expert", form))
    assert {name: bytes(content) for name, content in again.files.items()} == {
        "manifest.json": json.dumps(TWO, indent=2).encode(),
        **FILES,
    }


def test_both_stand_side_by_side(tmp_path: Path) -> None:
    registry = Registry(tmp_path / "registry")
    later = {**TWO, "constraints": {"requires": ["expert-one@>=1.0"], "load_order": 1}}
    registry.install(packed(tmp_path / "one.expert", ONE), "anyone")
    registry.install(packed(tmp_path / "two.expert", later), "anyone")
    assert [one.name for one in registry.in_order()] == ["expert-one", "expert-two"]


def test_its_adapter_is_attached(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    from polyloom.experts.adapted import Base, adapted
    from polyloom.tokens.byte import ByteVocabulary
    from polyloom.transformer.config import Attention, TransformerConfig
    from polyloom.transformer.model import TransformerModel

    torch.set_num_threads(1)
    registry = Registry(tmp_path / "registry")
    registry.install(packed(tmp_path / "two.expert", TWO), "anyone")
    config = TransformerConfig(257, width=WIDTH, layers=1, context=32, attention=Attention(4, 4))
    base = Base(TransformerModel.build(config, ByteVocabulary(), 0), "tiny-0.1B", "ab" * 32)
    model = adapted(registry, base, 2**20).get("expert-two")
    tokens = list(b"MATCH")
    plain, changed = base.model.logits(tokens), model.logits(tokens)
    assert not np.allclose(plain, changed, atol=1e-6)
    assert np.allclose(plain, changed, atol=0.1)
