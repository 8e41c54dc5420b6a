"""Transformers in whole numbers keep the laws of a language model, and say nearly what the model says."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import polyloom
from contract import LanguageModelContract
from polyloom import InputError, TransformerModel
from polyloom.transformer.account import Attribution
from polyloom.transformer.int8 import Int8Network, int4, int8
from polyloom.transformer.rounded import SCALES
from toolkit.transformer.test_contract import BASE, CONFIGS, WORDS, made

BITS: dict[str, Callable[..., TransformerModel]] = {"int8": int8, "int4": int4}
CLOSE = {"int8": 0.1, "int4": 0.8}  # of ln p, for models of random weights and width 16
IDS = np.random.default_rng(0).integers(0, WORDS.size, 30)


def network(model: TransformerModel) -> Int8Network:
    assert isinstance(model.network, Int8Network)
    return model.network


class TestInt8(LanguageModelContract):
    SUM = 1e-4  # the terms of a network in floating point

    @pytest.fixture(scope="class", params=["like GPT-2", "experts"])
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> TransformerModel:
        return int8(made(CONFIGS[request.param], torch.float32))


@pytest.mark.long
class TestOthers(LanguageModelContract):
    SUM = 1e-4

    @pytest.fixture(scope="class", params=[name for name in CONFIGS if name not in ("like GPT-2", "experts")])
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> TransformerModel:
        return int8(made(CONFIGS[request.param], torch.float32))


@pytest.mark.long
class TestInt4(LanguageModelContract):
    SUM = 1e-4

    @pytest.fixture(scope="class", params=CONFIGS)
    @classmethod
    def model(cls, request: pytest.FixtureRequest) -> TransformerModel:
        return int4(made(CONFIGS[request.param], torch.float32), threads=2, group=32)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", CONFIGS)
def test_it_says_nearly_what_the_model_says(name: str, bits: str) -> None:
    model = made(CONFIGS[name], torch.float32)
    found, expected = BITS[bits](model).log_likelihood(IDS), model.log_likelihood(IDS)
    assert np.abs(found - expected).max() < CLOSE[bits]
    assert np.abs(found - expected).mean() < CLOSE[bits] / 4
    assert not np.array_equal(found, expected)


@pytest.mark.parametrize("bits", BITS)
@pytest.mark.parametrize("name", CONFIGS)
def test_bits_do_not_tell_how_the_text_was_read(name: str, bits: str) -> None:
    """At once, word by word, by two threads, and from a file."""
    model = BITS[bits](made(CONFIGS[name], torch.float32))
    expected = np.concatenate(list(model.log_probs(IDS)))
    for other in (model, BITS[bits](model, threads=2)):
        place, rows = other.begin(), list[np.ndarray]()
        for token in IDS.tolist():
            rows.append(place.distribution())
            place.advance(token)
        np.testing.assert_array_equal(rows, expected)
        assert other.digest == model.digest


@pytest.mark.parametrize("bits", BITS)
def test_a_file_holds_it(bits: str, tmp_path: Path) -> None:
    model = BITS[bits](made(CONFIGS["experts"], torch.float32))
    path = model.save(tmp_path / "fast.psam")
    polyloom.verify(path)
    found = polyloom.load(path)
    assert isinstance(found, TransformerModel)
    assert found.digest == model.digest
    np.testing.assert_array_equal(found.log_likelihood(IDS), model.log_likelihood(IDS))
    weights = sum(array.nbytes for array in network(model).rounded.arrays.values())
    assert weights < path.stat().st_size < weights + 20_000


@pytest.mark.parametrize("bits", BITS)
def test_its_weights_are_half_a_step_from_the_models(bits: str) -> None:
    model = made(BASE, torch.float32)
    fast = BITS[bits](model)
    decoder = fast.plain
    plain = dict(decoder.named_parameters())
    for name, weight in model.decoder.named_parameters():
        if weight.ndim == 1:
            torch.testing.assert_close(plain[name], weight)
        elif network(fast).rounded.arrays[name].dtype == np.int8:
            step = torch.tensor(network(fast).rounded.arrays[name + SCALES])[:, None]
            assert ((plain[name] - weight).abs() <= 0.5001 * step).all()
    assert decoder.embedding.weight is decoder.output.weight


def test_threads_share_the_weights() -> None:
    model = int8(made(BASE, torch.float32))
    other = int8(model, threads=2)
    assert other is not model
    assert network(other).rounded is network(model).rounded
    assert (network(other).machine.threads, network(model).machine.threads) == (2, 1)
    assert "in 8 bits" in repr(model)
    assert "threads: 2" in repr(other)


def test_the_parts_of_the_stream_are_those_of_the_model() -> None:
    """Each layer adds nearly what it adds in the model, and rounding before the output is a small term of its own."""
    for name in ("grouped queries", "like GPT-2", "experts"):
        model = made(CONFIGS[name], torch.float32)
        ours, theirs = int8(model).attribution(IDS), model.attribution(IDS)
        assert isinstance(ours, Attribution)
        assert isinstance(theirs, Attribution)
        terms = {term.name: term.contribution for term in ours.terms(3)}
        assert abs(terms.pop("rounding to 8 bits")) < 0.05
        expected = {term.name: term.contribution for term in theirs.terms(3)}
        assert terms.keys() == expected.keys()
        for term, value in terms.items():
            assert value == pytest.approx(expected[term], abs=0.05)


def test_what_cannot_be_rounded_is_refused() -> None:
    model = made(BASE, torch.float32)
    with pytest.raises(InputError, match="Expected a TransformerModel, got a AssociationModel"):
        int8(polyloom.AssociationModel.fit(["a b c"], WORDS))  # pyright: ignore[reportArgumentType]
    with pytest.raises(InputError, match="in 8 bits already: round the model that it was made from"):
        int4(int8(model))
    given: list[Any] = [0, -1, 1.5, None, True, "2"]
    for threads in given:
        with pytest.raises(InputError, match="threads must be a whole number"):
            int8(model, threads=threads)
    for group in (0, 16, 48, None, "64"):
        with pytest.raises(InputError, match="must be 32, 64, 128"):
            int4(model, group=group)  # pyright: ignore[reportArgumentType]
    with torch.no_grad():
        model.decoder.output.weight[0, 0] = float("nan")
    with pytest.raises(InputError, match="got nan"):
        int8(model)


def test_who_looks_inside_is_sent_to_the_model() -> None:
    fast = int8(made(BASE, torch.float32))
    for ask in (lambda: fast.decoder, lambda: fast.capture("a b c"), lambda: fast.config):
        with pytest.raises(InputError, match=r"whole numbers\. Look into the model that it was made from"):
            ask()


def test_a_damaged_file_is_none(tmp_path: Path) -> None:
    model = int8(made(BASE, torch.float32))
    manifest, arrays = model.state()
    del arrays["weights.blocks.1.attention.k.weight.scales"]
    path = polyloom.files.write(tmp_path / "fast.psam", manifest, arrays)
    with pytest.raises(polyloom.FileError, match=r"blocks\.1\.attention\.k\.weight\.scales"):
        polyloom.load(path)


def test_the_face_names_both() -> None:
    assert polyloom.int8 is int8
    assert polyloom.int4 is int4
