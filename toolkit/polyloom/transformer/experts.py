"""A mixture of experts: each token is read by the few feed-forwards that its gate chooses.

    s = x W_gateᵀ                         scores, in float32 at least, (N, E)
    p = softmax(s)   or   sigmoid(s)
    chosen = the k largest of p + b       b steers the choice alone, never the weight  (Wang et al. 2024)
    w = p[chosen]                         divided by their sum if `normalise`
    y = Σ_chosen w_e · SwiGLU_e(x) + shared(x)

Dropless: an expert takes as many tokens as come.  Tokens are sorted by expert, stably, so the order of every sum is
fixed.  A few tokens on a CPU that no gradient is asked of take one compiled call.  Whoever wants to know who was chosen
passes a list `routes` to the decoder, and each layer appends a `Route`.  N is B · T.
"""

from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor, nn

from polyloom.transformer.config import GateKind, TransformerConfig
from polyloom.transformer.feed_forward import SwiGLU
from polyloom.transformer.norm import wide
from polyloom.transformer.views import DTYPES, as_array
from polyloom_kernels import experts as kernel
from polyloom_kernels.route import inside

FEW = 64  # tokens that one compiled call is faster for


@dataclass(frozen=True)
class Route:
    """How one layer sent its tokens: raw `scores` (N, E), and of those `chosen` (N, k) the `weights` (N, k)."""

    layer: int
    scores: Tensor
    chosen: Tensor
    weights: Tensor

    def load(self) -> Tensor:
        """The share of all choices that each expert got, float32 (E,), which sums to 1."""
        counts = torch.bincount(self.chosen.flatten(), minlength=self.scores.shape[-1])
        return counts.float() / max(1, self.chosen.numel())


@final
class Gate(nn.Module):
    """Who reads a token."""

    def __init__(self, config: TransformerConfig, layer: int) -> None:
        super().__init__()
        experts = config.experts
        if experts is None:
            raise ValueError("a gate needs experts")
        self.layer, self.active, self.normalise = layer, experts.active, experts.normalise
        self.step = experts.balance_step if experts.balance == "bias" else 0.0
        self.kind: GateKind = experts.gate
        self.sigmoid = self.kind == "sigmoid"
        self.weight = nn.Parameter(torch.zeros(experts.count, config.width))
        self.register_buffer("bias", torch.zeros(experts.count))
        self.bias: Tensor

    def forward(self, x: Tensor) -> Route:
        """The choice for tokens (N, d)."""
        exact = wide(x.dtype)
        scores = nn.functional.linear(x.to(exact), self.weight.to(exact))
        found = inside.route(scores, self.active, self.bias, self.kind, self.normalise)
        return Route(self.layer, scores, found.chosen, found.weights)

    @torch.no_grad()
    def rebalance(self, load: Tensor, factor: float = 1.0) -> None:
        """Move the bias against the load, (E,): up for experts that got less than their share."""
        self.bias += factor * self.step * torch.sign(load.mean() - load)


@final
class Mixture(nn.Module):
    """E experts of equal size, of which each token is read by k, and perhaps some that read all."""

    def __init__(self, config: TransformerConfig, layer: int) -> None:
        super().__init__()
        experts = config.experts
        if experts is None:
            raise ValueError("a mixture needs experts")
        count, size, width = experts.count, experts.size, config.width
        self.router = Gate(config, layer)
        self.gate = nn.Parameter(torch.empty(count, size, width))
        self.up = nn.Parameter(torch.empty(count, size, width))
        self.down = nn.Parameter(torch.empty(count, width, size))
        self.shared = SwiGLU(width, experts.shared * size) if experts.shared else None

    def forward(self, x: Tensor, routes: list[Route] | None = None) -> Tensor:
        """What is added to the stream, the shape of x."""
        flat = x.flatten(0, -2)  # (N, d)
        route = self.router(flat)
        if routes is not None:
            routes.append(route)
        found = self.mix(flat, route.chosen, route.weights)
        if self.shared is not None:
            found = found + self.shared(flat)
        return found.view_as(x)

    def mix(self, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        """Σ_chosen w · SwiGLU_e(x), (N, d)."""
        if not torch.is_grad_enabled() and few(x) and kernel.ready():
            return self._at_once(x, chosen, weights)
        order = chosen.flatten().argsort(stable=True)  # (N·k,), by expert
        rows = order // chosen.shape[-1]
        ends = torch.bincount(chosen.flatten(), minlength=len(self.gate)).cumsum(0).cpu()
        parts = x[rows].tensor_split(ends[:-1])
        read = [self.one(expert, part) for expert, part in enumerate(parts) if len(part)]  # the others are not read
        weighted = torch.cat(read) * weights.flatten()[order, None].to(x.dtype)
        return torch.zeros_like(x).index_add(0, rows, weighted)

    def _at_once(self, x: Tensor, chosen: Tensor, weights: Tensor) -> Tensor:
        """The same in one compiled call, which reads the weights of each chosen expert once."""
        gate, up, down = as_array(self.gate), as_array(self.up), as_array(self.down)
        found = kernel.experts(x.float().numpy(), gate, up, down, chosen.numpy(), weights.float().numpy())
        return torch.as_tensor(found).to(x.dtype)

    def one(self, expert: int, x: Tensor) -> Tensor:
        """One expert's reading of tokens (n, d)."""
        inner = nn.functional.silu(x @ self.gate[expert].T) * (x @ self.up[expert].T)
        return inner @ self.down[expert].T


def few(x: Tensor) -> bool:
    """Whether compiled code is the way for tokens (N, d)."""
    return len(x) <= FEW and x.device.type == "cpu" and x.dtype in DTYPES
