"""What the manifest of an expert may say: version 1, for one base model, and version 2, for several.

    v1   base_model, and adapters at the root
    v2   base_models, each with its own adapters and prompt template; none at the root

The models look at a document and never write one: what they do not know is let pass, and stays in the document
(`manifest`).  Where two spellings are in use (`pubkey` and `public_key`, `created_at` and `timestamp`) either is read.
"""

import re
from functools import partial
from typing import Annotated, Any, Literal, Never, TypeAlias

from pydantic import (
    AfterValidator,
    AliasChoices,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    TypeAdapter,
    WithJsonSchema,
)

from polyloom.experts.version import NAME, VERSION, Requirement, Version

ORDERS = {
    "format": 2,
    "language": 4,
    "tech": 6,
    "technology": 6,
    "domain": 8,
    "task": 10,
}  # the last place of each kind


def _version(text: str) -> str:
    Version.parse(text)
    return text


def _requirement(text: str) -> str:
    Requirement.parse(text)
    return text


def _elsewhere(_: object) -> Never:
    raise ValueError("version 2 has it in each of base_models; move it there")


def _spelt(pattern: re.Pattern[str], expected: str, text: str) -> str:
    if pattern.fullmatch(text) is None:
        raise ValueError(f"expected {expected}, got {text[:80]!r}")
    return text


CAPABILITY = re.compile(r"\S+")
DIGEST = re.compile("[0-9a-fA-F]{64}")
PERHAPS = re.compile(f"({DIGEST.pattern})?")  # packages in the wild state an empty one where they know none
LIKE_NAME = "a name such as expert-sql: small letters, digits and hyphens, 64 at most"
LIKE_CAPABILITY = "a word such as tech:sql, language:en or format:json"
LIKE_DIGEST = "a SHA-256, 64 hexadecimal digits"

Name: TypeAlias = Annotated[
    str,
    AfterValidator(partial(_spelt, NAME, LIKE_NAME)),
    WithJsonSchema({"type": "string", "pattern": f"^{NAME.pattern}$"}),
]
Semantic: TypeAlias = Annotated[
    str, AfterValidator(_version), WithJsonSchema({"type": "string", "pattern": f"^{VERSION.pattern}$"})
]
Needed: TypeAlias = Annotated[str, AfterValidator(_requirement)]
Digest: TypeAlias = Annotated[
    str,
    AfterValidator(partial(_spelt, DIGEST, LIKE_DIGEST)),
    WithJsonSchema({"type": "string", "pattern": f"^{DIGEST.pattern}$"}),
]
DigestOrNone: TypeAlias = Annotated[
    str,
    AfterValidator(partial(_spelt, PERHAPS, LIKE_DIGEST)),
    WithJsonSchema({"type": "string", "pattern": f"^{PERHAPS.pattern}$"}),
]
Capability: TypeAlias = Annotated[
    str,
    AfterValidator(partial(_spelt, CAPABILITY, LIKE_CAPABILITY)),
    WithJsonSchema({"type": "string", "pattern": f"^{CAPABILITY.pattern}$"}),
]
Moved: TypeAlias = Annotated[Any, BeforeValidator(_elsewhere), WithJsonSchema({"not": {}})]
Count: TypeAlias = Annotated[int, Field(ge=0)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Table: TypeAlias = dict[str, Any]


class Part(BaseModel):
    """A table of the manifest; it may hold more than is known here."""

    model_config = ConfigDict(extra="allow", strict=True, frozen=True, allow_inf_nan=False)


class Adapter(Part):
    """What is added to the weights of a base model."""

    type: Literal["lora", "dora", "ia3", "lokr", "adalora"]
    target_modules: list[str] = []
    r: Annotated[int, Field(ge=1)] | None = None
    alpha: float | None = None
    scaling: float | None = None
    dropout: Share | None = None
    use_dora: bool | None = None
    size_bytes: Count | None = None
    sha256: DigestOrNone | None = None


class BaseModelOne(Part):
    """The model that an expert of version 1 is for."""

    name: Annotated[str, Field(min_length=1)]
    sha256: DigestOrNone | None = None
    quantization: str | None = None
    rope_scaling: Table | float | str | None = None


class BaseModelTwo(BaseModelOne):
    """One of the models that an expert of version 2 is for."""

    adapters: list[Adapter] = []
    prompt_template: Literal["chatml", "llama2", "alpaca", "vicuna", "qwen3", "custom"] | Table | None = None


class SoftPrompt(Part):
    """Learned vectors that stand before a prompt."""

    name: str
    path: str | None = None
    tokens: Annotated[int, Field(ge=1, le=512)]
    init_method: str | None = None
    init_text: str | None = None
    purpose: str | None = None


class Routing(Part):
    """Words that speak for and against asking this expert."""

    keywords: list[str] = []
    exclude_keywords: list[str] = []
    router_hint: str | None = None
    priority: Share = 0.5


class Constraints(Part):
    """What an expert needs beside it, cannot stand beside it, and when it is loaded (1 first, 10 last)."""

    max_chain: Annotated[int, Field(ge=1)] | None = None
    load_order: Annotated[int, Field(ge=1, le=10)] | None = None
    incompatible_with: list[Needed] = []
    requires: list[Needed] = []


class Perf(Part):
    """What it costs."""

    latency_ms_overhead: Annotated[float, Field(ge=0)] | None = None
    vram_mb_overhead: Annotated[float, Field(ge=0)] | None = None
    supported_batch_sizes: list[Annotated[int, Field(ge=1)]] = []


class Limitation(Part):
    """What it does badly."""

    pattern: str
    description: str | None = None
    example: str | None = None
    workaround: str | None = None


class Integrity(Part):
    """Who made it, and the digest of every file; `signature` covers all the rest of the manifest."""

    created_at: str | None = Field(default=None, validation_alias=AliasChoices("created_at", "timestamp"))
    publisher: str | None = None
    pubkey: str | None = Field(default=None, validation_alias=AliasChoices("pubkey", "public_key"))
    signature_algorithm: str | None = None
    signature: str | None = None
    files: dict[str, Digest] = {}


class Common(Part):
    """What both versions have."""

    name: Name
    version: Semantic
    description: str = ""
    author: str | Table | None = None
    homepage: str | None = None
    license: str | None = None
    tags: list[str] = []
    repository: str | Table | None = None
    soft_prompts: list[SoftPrompt] = []
    capabilities: list[Capability] = []
    routing: Routing = Routing()
    constraints: Constraints = Constraints()
    perf: Perf = Perf()
    runtime: Table = {}
    training: Table = {}
    evaluation: Table | list[Any] = {}
    quality_metrics: Table = {}
    limitations: list[Limitation] = []
    integrity: Integrity = Field(default_factory=Integrity)

    @property
    def order(self) -> int:
        """The place among those loaded: as stated, or by the last of its capabilities to be loaded."""
        kinds = [ORDERS.get(one.partition(":")[0], 0) for one in self.capabilities]
        return self.constraints.load_order or max([0, *kinds]) or ORDERS["task"]


class ManifestOne(Common):
    """Version 1: one base model."""

    schema_version: Literal["1.0"]
    base_model: BaseModelOne
    adapters: list[Adapter] = []


class ManifestTwo(Common):
    """Version 2: several base models, each with adapters of its own."""

    schema_version: Literal["2.0"]
    base_models: Annotated[list[BaseModelTwo], Field(min_length=1)]
    adapters: Moved = None
    base_model: Moved = None


ANY: TypeAdapter[ManifestOne | ManifestTwo] = TypeAdapter(
    Annotated[ManifestOne | ManifestTwo, Field(discriminator="schema_version")]
)
