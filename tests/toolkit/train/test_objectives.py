"""Objectives against plain torch and closed forms."""

import math

import pytest
import torch
from torch import Tensor, nn

from polyloom.train import objectives
from polyloom.train.objectives import NOTHING, balance_loss, next_tokens, router_z_loss, surprise
from polyloom.transformer.decoder import SoftCap
from polyloom.transformer.experts import Route


def reference(logits: Tensor, targets: Tensor) -> tuple[Tensor, Tensor]:
    """The definition, in float64."""
    wide, judged = logits.double(), targets != NOTHING
    normaliser = wide.exp().sum(-1).log()
    chosen = wide.gather(-1, targets.clamp_min(0)[..., None])[..., 0]
    return ((normaliser - chosen) * judged).sum(), (normaliser.square() * judged).sum()


@pytest.fixture
def given() -> tuple[Tensor, nn.Linear, Tensor]:
    torch.manual_seed(0)
    head = nn.Linear(6, 13, bias=False)  # two rows more than there are pieces
    with torch.no_grad():
        head.weight.mul_(8)
    targets = torch.randint(0, 11, (3, 5))
    targets[1, 2] = targets[0, 0] = NOTHING
    return torch.randn(3, 5, 6), head, targets


@pytest.mark.parametrize("limit", [2**28, 4 * 11 * 4], ids=["at once", "in parts"])
def test_sums_and_gradients_are_those_of_the_definition(
    given: tuple[Tensor, nn.Linear, Tensor], limit: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objectives, "LIMIT", limit)
    stream, head, targets = given
    ours, theirs = (stream.clone().requires_grad_() for _ in range(2))
    found = surprise(ours, head, targets, 11)
    (0.5 * found.nll + 0.1 * found.z).backward()
    weight = head.weight.grad
    head.weight.grad = None
    nll, z = reference(head(theirs)[..., :11], targets)
    (0.5 * nll + 0.1 * z).backward()
    assert found.nll.item() == pytest.approx(nll.item(), rel=1e-6)
    assert found.z.item() == pytest.approx(z.item(), rel=1e-6)
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)
    torch.testing.assert_close(weight, head.weight.grad, rtol=1e-5, atol=1e-5)
    assert weight is not None
    assert (weight[11:] == 0).all()


def test_what_comes_before_the_logits_is_left_alone(given: tuple[Tensor, nn.Linear, Tensor]) -> None:
    """A soft-cap remembers what it gave for its own gradient."""
    stream, head, targets = given
    ours, theirs = (stream.clone().requires_grad_() for _ in range(2))
    cap = SoftCap(3.0)
    surprise(ours, lambda x: cap(head(x)), targets, 11).nll.backward()
    reference(cap(head(theirs))[..., :11], targets)[0].backward()
    torch.testing.assert_close(ours.grad, theirs.grad, rtol=1e-5, atol=1e-6)


def test_no_chance_at_all_is_no_trouble() -> None:
    """Logits so far apart that chances are 0."""
    logits = torch.tensor([[[1000.0, 0.0, -1000.0]]], requires_grad=True)
    found = surprise(logits, lambda x: 1.0 * x, torch.tensor([[1]]), 3)
    found.nll.backward()
    assert found.nll.item() == 1000
    assert logits.grad is not None
    assert logits.grad.tolist() == [[[1, -1, 0]]]


def test_it_is_the_cross_entropy_of_torch(given: tuple[Tensor, nn.Linear, Tensor]) -> None:
    stream, head, targets = given
    with torch.no_grad():
        plain = nn.functional.cross_entropy(head(stream)[..., :11].flatten(0, 1), targets.flatten(), reduction="sum")
        assert surprise(stream, head, targets, 11).nll.item() == pytest.approx(plain.item(), rel=1e-6)


def test_parts_hold_no_more_than_the_limit(
    given: tuple[Tensor, nn.Linear, Tensor], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(objectives, "LIMIT", 4 * 11 * 4)
    stream, head, targets = given
    seen: list[int] = []

    def watched(rows: Tensor) -> Tensor:
        seen.append(len(rows))
        return head(rows)

    surprise(stream.requires_grad_(), watched, targets, 11).nll.backward()
    assert max(seen) == 4
    assert sum(seen) == 2 * 15  # made, and made again for the gradient


def test_no_target_crosses_a_document() -> None:
    tokens = torch.tensor([[9, 1, 2, 9, 3, 4]])
    documents = torch.tensor([[0, 0, 0, 1, 1, 1]])
    assert next_tokens(tokens, documents).tolist() == [[1, 2, NOTHING, 3, 4]]


def routed(scores: Tensor, active: int, layer: int = 0) -> Route:
    chances = scores.softmax(-1)
    chosen = chances.topk(active, -1).indices
    return Route(layer, scores, chosen, chances.gather(-1, chosen))


def test_balance_is_one_when_even_and_e_when_one_gets_all() -> None:
    even = routed(torch.eye(4) * 20, 1)  # each token another expert, and sure of it
    assert balance_loss([even]).item() == pytest.approx(1)
    all_one = routed(torch.tensor([[20.0, 0, 0, 0]]).repeat(7, 1), 1)
    assert balance_loss([all_one]).item() == pytest.approx(4, rel=1e-6)
    assert balance_loss([even, all_one]).item() == pytest.approx(2.5, rel=1e-6)  # layers do not even each other out


def test_balance_hand_worked() -> None:
    """Two tokens, two of three experts each: E Σ f P with f from the choices and P from the chances."""
    scores = torch.log(torch.tensor([[0.5, 0.3, 0.2], [0.1, 0.6, 0.3]]))
    f, p = torch.tensor([1, 2, 1]) / 4, torch.tensor([0.3, 0.45, 0.25])
    assert balance_loss([routed(scores, 2)]).item() == pytest.approx(3 * (f * p).sum().item())


def test_chances_of_a_sigmoid_gate_are_divided_by_their_sum() -> None:
    scores = torch.logit(torch.tensor([[0.9, 0.3, 0.3]]))
    found = balance_loss([Route(0, scores, torch.tensor([[0]]), torch.ones(1, 1))], sigmoid=True)
    assert found.item() == pytest.approx(3 * 0.9 / 1.5)


def test_the_gradient_of_balance_takes_from_the_busy() -> None:
    scores = torch.tensor([[1.0, 0.5, 0.0]] * 4, requires_grad=True)
    balance_loss([routed(scores, 1)]).backward()
    assert scores.grad is not None
    assert (scores.grad[:, 0] > 0).all()
    assert (scores.grad[:, 1:] < 0).all()


def test_router_z_closed_form() -> None:
    scores = torch.zeros(5, 8)
    assert router_z_loss([routed(scores, 2)]).item() == pytest.approx(math.log(8) ** 2)
