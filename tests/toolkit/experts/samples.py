"""Small experts of both versions, as documents and as packages."""

import copy
import json
import struct
from typing import Any

import numpy as np

from polyloom.experts.package import Package

ADAPTER = {"type": "lora", "target_modules": ["q_proj"], "r": 8, "alpha": 16.0, "use_dora": False}
COMMON: dict[str, Any] = {
    "description": "Asks graphs",
    "tags": ["graph"],
    "capabilities": ["tech:neo4j", "language:en"],
    "routing": {"keywords": ["cypher"], "exclude_keywords": [], "router_hint": "tech=neo4j", "priority": 0.8},
    "constraints": {"max_chain": 2, "load_order": 6, "incompatible_with": ["expert-b@<=0.9"], "requires": []},
    "perf": {"latency_ms_overhead": 3.5, "vram_mb_overhead": 40, "supported_batch_sizes": [1, 8]},
    "quality_metrics": {"exact": 0.81, "of_mine": [1, {"deep": None}]},
    "limitations": [{"pattern": "APOC", "description": "knows few", "example": "", "workaround": "say which"}],
    "soft_prompts": [{"name": "hint", "tokens": 20, "init_text": "Write Cypher", "purpose": "style"}],
    "my_own": {"ordered": {"z": 1, "a": 2}},
}


def one(name: str = "expert-graph", version: str = "1.0.0", **more: Any) -> dict[str, Any]:
    """A manifest of version 1."""
    base = {"name": "tiny", "sha256": "ab" * 32, "quantization": "nf4", "rope_scaling": None}
    head = {"schema_version": "1.0", "name": name, "version": version}
    return copy.deepcopy({**head, "base_model": base, "adapters": [ADAPTER], **COMMON, **more})


def two(name: str = "expert-graph", version: str = "2.0.0", **more: Any) -> dict[str, Any]:
    """A manifest of version 2."""
    base = {"name": "org/Tiny-0.6B", "adapters": [ADAPTER], "prompt_template": "qwen3", "mine": True}
    head = {"schema_version": "2.0", "name": name, "version": version}
    return copy.deepcopy({**head, "base_models": [base], **COMMON, **more})


def tensors(size: int = 300, dtype: str = "F32", seed: int = 0) -> bytes:
    """A safetensors file of normal numbers."""
    values = np.random.default_rng(seed).normal(0, 0.02, size).astype("<f4" if dtype == "F32" else "<f2").tobytes()
    text = json.dumps({"a": {"dtype": dtype, "shape": [size], "data_offsets": [0, len(values)]}}).encode()
    text += b" " * (-len(text) % 8)
    return struct.pack("<Q", len(text)) + text + values


def package(document: dict[str, Any] | None = None, **files: bytes) -> Package:
    """A package of a manifest, tensors and a few files."""
    text = json.dumps(two() if document is None else document, indent=1).encode()
    held = {
        "manifest.json": text,
        "adapter_model.safetensors": tensors(),
        "README.md": b"# An expert\n",
        "tests/empty.jsonl": b"",
    }
    return Package({name: memoryview(content) for name, content in {**held, **files}.items()})
