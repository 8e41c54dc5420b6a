"""What a transformer is made of, as frozen values: nothing here computes, `build` turns it into bricks.

    TransformerConfig(vocabulary_size=8000, width=256, layers=6, attention=Attention(heads=8, kv_heads=4))

A config says *which* bricks stand where.  No brick is told afterwards what it could have been told here, so that no
`forward` holds a flag.  V is the number of tokens the model can say; an embedding may have more rows than that (a begin
token of its own, or the padding of a foreign checkpoint): `rows`.

Terms: Vaswani et al. 2017 (sinusoidal), Su et al. 2021 (rotary), Shazeer 2020 (SwiGLU), So et al. 2021 (ReLU squared),
Ainslie et al. 2023 (grouped queries), Henry et al. 2020 (QK-norm), Gemma Team 2024 (soft-cap of the logits).
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, fields, is_dataclass, replace
from types import UnionType
from typing import Any, Literal, TypeVar, cast, get_args, get_type_hints

from polyloom.errors import InputError

T = TypeVar("T")
NormKind = Literal["rms", "layer"]
PositionKind = Literal["rotary", "learned", "sinusoidal", "none"]
ScalingKind = Literal["linear", "ntk", "dynamic", "yarn", "llama3"]
FeedForwardKind = Literal["swiglu", "gelu", "gelu_tanh", "relu2"]
GateKind = Literal["softmax", "sigmoid"]
BalanceKind = Literal["none", "loss", "bias"]


@dataclass(frozen=True)
class Norm:
    """Root mean square (Zhang and Sennrich 2019) or layer normalisation with a bias (Ba et al. 2016)."""

    kind: NormKind = "rms"
    eps: float = 1e-6


@dataclass(frozen=True)
class Scaling:
    """Rotary phases for texts longer than those of the training, which had at most `original` tokens.

    `always` False scales a text only when it has outgrown `original`, so that shorter ones keep their phases bit for
    bit; True scales all, which is what most foreign checkpoints were trained with.  `dynamic` grows with the text, in
    doublings.  The other numbers belong to YaRN (Peng et al. 2023) and to Llama 3.1.
    """

    kind: ScalingKind
    factor: float
    original: int
    always: bool = False
    beta_fast: float = 32.0
    beta_slow: float = 1.0
    attention_factor: float | None = None
    low: float = 1.0
    high: float = 4.0


@dataclass(frozen=True)
class Position:
    """How a token knows where it stands; `theta` and `scaling` are those of rotary phases."""

    kind: PositionKind = "rotary"
    theta: float = 10_000.0
    scaling: Scaling | None = None


@dataclass(frozen=True)
class Attention:
    """Heads that look back: `kv_heads` keys and values are shared among them (0: each has its own).

    `head_size` 0 is width / heads.  `window` is how many tokens back a query sees, itself included, or None;
    `full_layers` counts the first layers that see everything in spite of it.  `bias` adds one to queries, keys and
    values, `output_bias` to the output.
    """

    heads: int = 4
    kv_heads: int = 0
    head_size: int = 0
    window: int | None = None
    full_layers: int = 0
    qk_norm: bool = False
    bias: bool = False
    output_bias: bool = False


@dataclass(frozen=True)
class FeedForward:
    """The part that thinks about each token alone; `size` 0 is 8/3 of the width for SwiGLU, else 4 of it."""

    kind: FeedForwardKind = "swiglu"
    size: int = 0
    bias: bool = False


@dataclass(frozen=True)
class Experts:
    """A mixture of SwiGLU experts in place of the feed-forward: each token goes to the `active` best of `count`.

    `size` is that of one expert (0: such that the active and shared ones together are as large as the dense
    feed-forward), `shared` how many more are always on.  `gate` scores by softmax or sigmoid; `normalise` makes the
    weights of the chosen sum to 1.  With one `active` expert that weight is always 1, and no loss tells the gate how it
    chose: to train such a mixture, leave it out.  Nothing is dropped: an expert takes as many tokens as come.

    `balance`: an auxiliary loss (Fedus et al. 2021) times `balance_loss`, or a bias on the choice alone that moves by
    `balance_step` against the load after every step (Wang et al. 2024, who took 0.001 for runs a thousand times as
    long).  `z_loss` keeps the scores small (Zoph et al. 2022).  The first `dense_layers` layers have no experts.
    """

    count: int = 8
    active: int = 2
    size: int = 0
    shared: int = 0
    gate: GateKind = "softmax"
    normalise: bool = True
    balance: BalanceKind = "bias"
    balance_loss: float = 0.01
    balance_step: float = 0.01
    z_loss: float = 0.001
    dense_layers: int = 0


@dataclass(frozen=True)
class TransformerConfig:
    """A decoder-only transformer.  Raises InputError, naming the value, for what cannot be built.

    `context` is how many tokens it reads at once.  `begin` is the id put before a text, or None: with `opens` before
    every text, without only where there is no text yet.  It may be V, a row of the embedding that is never said.
    """

    vocabulary_size: int
    width: int = 256
    layers: int = 6
    context: int = 512
    norm: Norm = field(default_factory=Norm)
    position: Position = field(default_factory=Position)
    attention: Attention = field(default_factory=Attention)
    feed_forward: FeedForward = field(default_factory=FeedForward)
    experts: Experts | None = None
    tied: bool = True
    soft_cap: float | None = None
    dropout: float = 0.0
    begin: int | None = None
    opens: bool = True
    rows: int = 0

    def __post_init__(self) -> None:
        attention = self.attention
        least = self.vocabulary_size + (self.begin == self.vocabulary_size)
        _set(self, "rows", self.rows or least)
        kv_heads = attention.kv_heads or attention.heads
        head_size = attention.head_size or (self.width // attention.heads if attention.heads > 0 else 0)
        _set(self, "attention", replace(attention, kv_heads=kv_heads, head_size=head_size))
        size = self.feed_forward.size or _round(self.width * (8 / 3 if self.feed_forward.kind == "swiglu" else 4))
        _set(self, "feed_forward", replace(self.feed_forward, size=size))
        if self.experts is not None:
            experts = self.experts
            on = max(1, experts.active + experts.shared)
            _set(self, "experts", replace(experts, size=experts.size or _round(size / on)))
        self._check(least)

    def _check(self, least: int) -> None:
        attention, experts = self.attention, self.experts
        for name, value, smallest in (
            ("vocabulary_size", self.vocabulary_size, 1),
            ("width", self.width, 2),
            ("layers", self.layers, 1),
            ("context", self.context, 2),
            ("rows", self.rows, least),
            ("heads", attention.heads, 1),
            ("kv_heads", attention.kv_heads, 1),
            ("head_size", attention.head_size, 1),
            ("window", 1 if attention.window is None else attention.window, 1),
            ("feed_forward size", self.feed_forward.size, 1),
        ):
            _whole(name, value, smallest)
        if attention.heads % attention.kv_heads:
            raise InputError(f"{attention.heads} heads cannot share {attention.kv_heads} keys: choose a divisor.")
        if self.position.kind == "rotary" and attention.head_size % 2:
            raise InputError(f"Rotary phases turn pairs: head_size must be even, got {attention.head_size}.")
        if not 0 <= self.dropout < 1:
            raise InputError(f"dropout must be at least 0 and less than 1, got {self.dropout!r}.")
        if self.begin is not None and not 0 <= self.begin < self.rows:
            raise InputError(f"begin must be an id below {self.rows}, got {self.begin!r}.")
        if self.soft_cap is not None and not self.soft_cap > 0:
            raise InputError(f"soft_cap must be above 0 or None, got {self.soft_cap!r}.")
        if experts is not None:
            _whole("experts count", experts.count, 1)
            _whole("experts size", experts.size, 1)
            if not 1 <= experts.active <= experts.count:
                raise InputError(f"experts active must be 1 … {experts.count}, got {experts.active!r}.")

    def to_json(self) -> dict[str, Any]:
        """A JSON-able table that `from_json` reads."""
        return asdict(self)

    @classmethod
    def from_json(cls, given: Mapping[str, Any]) -> "TransformerConfig":
        """The config of such a table; InputError naming what is unknown, missing or of another kind."""
        return _read(cls, given, "config")


def _set(config: TransformerConfig, name: str, value: object) -> None:
    object.__setattr__(config, name, value)  # a frozen dataclass completes itself once


def _round(size: float) -> int:
    """To a multiple of 32, which vector units like."""
    return max(32, 32 * round(size / 32))


def _whole(name: str, value: object, smallest: int) -> None:
    if type(value) is not int or value < smallest:
        raise InputError(f"{name} must be a whole number of at least {smallest}, got {value!r}.")


def _read(kind: type[T], given: object, where: str) -> T:
    """A dataclass of a table, nested ones included, every value of the type that its field names."""
    if not isinstance(given, dict):
        raise InputError(f"{where} must be a table, got {type(given).__name__}.")
    table, hints = cast("dict[str, object]", given), get_type_hints(kind)
    known = [entry.name for entry in fields(cast("Any", kind))]
    unknown = sorted(set(table) - set(known))
    if unknown:
        raise InputError(f"{where} has no field {unknown[0]!r}; it has {', '.join(known)}.")
    values = {name: _value(hints[name], value, f"{where}.{name}") for name, value in table.items()}
    try:
        return kind(**values)
    except TypeError as error:
        raise InputError(f"{where} is incomplete: {error}.") from None


def _value(hint: Any, value: object, where: str) -> object:
    options = get_args(hint) if isinstance(hint, UnionType) else (hint,)
    if value is None and type(None) in options:
        return None
    for option in options:
        if is_dataclass(option) and isinstance(value, dict):
            return _read(cast("type[Any]", option), cast("object", value), where)
        if option is float and type(value) in (int, float):
            return float(cast("float", value))
        if (option in (int, bool) and type(value) is option) or value in get_args(option):
            return value
    raise InputError(f"{where} is {value!r}; expected {' or '.join(_named(option) for option in options)}.")


def _named(option: Any) -> str:
    return "one of " + ", ".join(map(str, get_args(option))) if get_args(option) else getattr(option, "__name__", "?")
