"""Muon against its definition, and against that of torch."""

import pytest
import torch
from torch import nn

from polyloom.train import muon
from polyloom.train.muon import Muon, orthogonal


@pytest.mark.parametrize("shape", [(24, 24), (40, 16), (16, 40), (3, 20, 12)])
def test_singular_values_come_near_one_and_vectors_stay(shape: tuple[int, ...]) -> None:
    torch.manual_seed(0)
    given = torch.randn(shape)
    u, s, v = torch.linalg.svd(given, full_matrices=False)
    given = u @ torch.diag_embed(torch.linspace(0.3, 3, s.shape[-1]).expand_as(s)) @ v
    found = orthogonal(given)
    inside = u.transpose(-1, -2) @ found @ v.transpose(-1, -2)  # diagonal, if the vectors are the same
    diagonal = torch.diagonal(inside, dim1=-2, dim2=-1)
    assert ((diagonal > 0.65) & (diagonal < 1.25)).all()
    torch.testing.assert_close(inside, torch.diag_embed(diagonal), atol=1e-4, rtol=0)


def test_each_singular_value_goes_its_way_alone() -> None:
    """On a diagonal matrix the steps are the polynomial a s + b s³ + c s⁵, five times."""
    values = torch.tensor([0.1, 0.4, 0.9])
    a, b, c = muon.NEWTON_SCHULZ
    expected = values / values.norm()
    for _ in range(5):
        expected = a * expected + b * expected**3 + c * expected**5
    torch.testing.assert_close(orthogonal(torch.diag(values)).diagonal(), expected, rtol=1e-4, atol=1e-5)


def test_it_agrees_with_torch_on_what_both_can_do() -> None:
    """The iteration as close as bfloat16 allows, all around it to the last digits."""
    original = torch.optim._muon._zeropower_via_newtonschulz  # type: ignore[attr-defined]
    torch.manual_seed(1)
    matrix = torch.randn(12, 20)
    theirs = original(matrix, muon.NEWTON_SCHULZ, muon.STEPS, muon.TINY).float()
    torch.testing.assert_close(orthogonal(matrix.bfloat16()).float(), theirs, atol=0.03, rtol=0)
    torch.testing.assert_close(orthogonal(matrix), theirs, atol=0.06, rtol=0)


@pytest.mark.parametrize("shape", [(12, 20), (20, 12)])
def test_the_path_is_that_of_torch(shape: tuple[int, int], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.optim._muon, "_zeropower_via_newtonschulz", lambda u, *_: orthogonal(u))  # type: ignore[attr-defined]
    torch.manual_seed(2)
    ours, theirs = (nn.Parameter(torch.ones(shape)) for _ in range(2))
    mine, peer = Muon([ours], 0.02), torch.optim.Muon([theirs], 0.02)
    for _ in range(5):
        gradient = torch.randn(shape)
        ours.grad, theirs.grad = gradient.clone(), gradient.clone()
        mine.step()
        peer.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_a_stack_is_its_matrices() -> None:
    torch.manual_seed(3)
    gradients = torch.randn(4, 3, 8, 6)  # steps, experts
    together = nn.Parameter(torch.ones(3, 8, 6))
    alone = [nn.Parameter(torch.ones(8, 6)) for _ in range(3)]
    stacked, separate = Muon([together], 0.1), Muon(alone, 0.1)
    for gradient in gradients:
        together.grad = gradient.clone()
        for weight, part in zip(alone, gradient, strict=True):
            weight.grad = part.clone()
        stacked.step()
        separate.step()
    torch.testing.assert_close(together, torch.stack(list(alone)), rtol=1e-5, atol=1e-6)


def test_nothing_comes_of_nothing() -> None:
    still = nn.Parameter(torch.ones(3, 4))
    other = nn.Parameter(torch.ones(3, 4))
    optimiser = Muon([still, other], 0.1, weight_decay=0.0)
    still.grad = torch.zeros(3, 4)
    assert optimiser.step() is None
    assert optimiser.step(lambda: 2.5) == 2.5
    assert torch.equal(still, torch.ones(3, 4))
    assert torch.equal(other, torch.ones(3, 4))
