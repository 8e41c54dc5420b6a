"""What only a transformer promises: windows, caches, batches, files, and values that do not change."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

import polyloom
from polyloom import AssociationModel, FileError, InputError, Layer, Layered, TransformerModel, WordVocabulary
from polyloom.transformer.config import Attention, Experts, Position, Scaling, TransformerConfig
from polyloom.transformer.network import DecoderNetwork
from polyloom.transformer.windows import groups, window

WORDS = WordVocabulary([f"w{n}" for n in range(30)])
CONFIG = TransformerConfig(30, width=16, layers=2, context=12, attention=Attention(4, 2), begin=30)


@pytest.fixture(scope="module")
def model() -> TransformerModel:
    return TransformerModel.build(CONFIG, WORDS, seed=1)


# windows


@pytest.mark.parametrize("opens", [True, False])
def test_a_text_is_read_whole_until_it_outgrows_the_context(opens: bool) -> None:
    network = TransformerModel.build(replace(CONFIG, opens=opens), WORDS).network
    room = 11 if opens else 12
    assert [window(network, t).start for t in range(room + 1)] == [0] * (room + 1)
    for t in range(room + 1, 60):
        read = t - window(network, t).start
        assert room // 2 <= read <= room
    starts = [window(network, t).start for t in range(60)]
    assert sorted(starts) == starts
    assert len(set(starts)) < 12  # it moves on by half a context, not by a token


def test_groups_cover_each_place_once() -> None:
    config = replace(CONFIG, position=Position(scaling=Scaling("dynamic", 2.0, 5)))
    network = TransformerModel.build(config, WORDS).network
    covered = [place for g in groups(network, 0, 50) for place in range(g.first, g.last + 1)]
    assert covered == list(range(51))
    for group in groups(network, 0, 50):
        assert {window(network, place) for place in range(group.first, group.last + 1)} == {group.window}


def test_a_row_is_that_of_its_window_read_afresh(model: TransformerModel) -> None:
    tokens = np.random.default_rng(0).integers(0, 30, 40)
    rows = np.concatenate(list(model.log_probs(tokens)))
    for t in (0, 5, 11, 12, 25, 39):
        start = window(model.network, t).start
        logits = model.decoder(torch.tensor([[30, *tokens[start:t]]]))[0, -1, :30]
        np.testing.assert_allclose(rows[t], torch.log_softmax(logits, -1).numpy(), atol=1e-5)


# caches and batches


def test_forks_share_what_was_read(model: TransformerModel) -> None:
    place = model.begin([1, 2, 3])
    place.distribution()
    fork = place.fork()
    fork.advance(4)
    fork.distribution()
    stores = [at._read[2].store for at in (place, fork)]  # type: ignore[index]
    assert stores[0] is stores[1]
    place.advance(5)
    place.distribution()  # the fork went on first: now there is a copy
    assert place._read[2].store is not stores[1]  # type: ignore[index]
    np.testing.assert_allclose(fork.distribution(), model.begin([1, 2, 3, 4]).distribution(), atol=1e-6)


def test_going_back_keeps_what_was_read(model: TransformerModel, monkeypatch: pytest.MonkeyPatch) -> None:
    place = model.begin([1, 2, 3, 4, 5])
    expected = [model.begin([1, 2, 3, 4, 5][:n]).distribution() for n in range(6)]
    place.distribution()
    read: list[int] = []
    original = DecoderNetwork.read

    def counted(self: DecoderNetwork, tokens: list[int], *rest: object) -> object:
        read.append(len(tokens))
        return original(self, tokens, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(DecoderNetwork, "read", counted)
    for n in range(6):
        np.testing.assert_allclose(place.back(n).distribution(), expected[5 - n], atol=1e-6)
    assert sum(read) == 5  # one token each: the last, whose row is asked
    with pytest.raises(InputError):
        place.back(6)


def test_one_step_of_many_texts_is_one_pass(model: TransformerModel, monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [model.begin(range(n)) for n in (1, 4, 9)]
    for text in texts:
        text.distribution()
        text.advance(7)
    expected = np.stack([model.begin(text.tokens).distribution() for text in texts])
    passes: list[int] = []
    original = DecoderNetwork.step

    def counted(self: DecoderNetwork, tokens: list[int], *rest: object) -> object:
        passes.append(len(tokens))
        return original(self, tokens, *rest)  # type: ignore[arg-type]

    monkeypatch.setattr(DecoderNetwork, "step", counted)
    monkeypatch.setattr(DecoderNetwork, "read", lambda *_: pytest.fail("read one by one"))
    np.testing.assert_allclose(model.step([*texts, texts[0]]), expected[[0, 1, 2, 0]], atol=1e-6)
    assert passes == [3]


def test_logits_are_of_exactly_the_tokens_given(model: TransformerModel) -> None:
    logits = model.logits([3, 4, 5])
    assert logits.dtype == torch.float32
    torch.testing.assert_close(logits, model.decoder(torch.tensor([[3, 4, 5]]))[0, :, :30])
    assert model.logits([]).shape == (0, 30)
    with pytest.raises(InputError, match="context of 12"):
        model.logits([0] * 13)


# files and values


@pytest.mark.parametrize("dtype", ["float32", "bfloat16", "float16"])
def test_a_mix_with_a_transformer_is_one_file(dtype: str, tmp_path: Path) -> None:
    experts = replace(CONFIG, experts=Experts(4), tied=False)
    transformer = TransformerModel.build(experts, WORDS).to(dtype=dtype)
    counts = AssociationModel.fit([np.arange(30)], WORDS, order=2)
    mix = Layered(transformer, {"counts": Layer(counts)})
    path = mix.save(tmp_path / "mix.psamc")
    polyloom.verify(path)
    again = polyloom.load(path)
    assert again.digest == mix.digest
    np.testing.assert_array_equal(again.begin([3]).distribution(), mix.begin([3]).distribution())


def test_a_file_that_lacks_weights_says_which(model: TransformerModel) -> None:
    manifest, arrays = model.state()
    del arrays["weights.norm.weight"]
    arrays["weights.embedding.weight"] = arrays["weights.embedding.weight"][:-1]
    arrays["weights.colour"] = np.zeros(3, np.float32)
    with pytest.raises(FileError, match=r"3 places.*missing norm\.weight.*colour.*embedding\.weight is \(30, 16\)"):
        TransformerModel.from_state(manifest, arrays)


def test_another_dtype_is_another_model(model: TransformerModel) -> None:
    half = model.to(dtype="bfloat16")
    assert half.decoder.embedding.weight.dtype == torch.bfloat16
    assert model.decoder.embedding.weight.dtype == torch.float32
    same = model.to(dtype="float32")
    assert same.decoder.embedding.weight.data_ptr() == model.decoder.embedding.weight.data_ptr()
    with pytest.raises(InputError, match="float8"):
        model.to(dtype="float8")


def test_a_model_needs_a_row_for_every_piece() -> None:
    with pytest.raises(InputError, match="30"):
        TransformerModel.build(replace(CONFIG, vocabulary_size=20, rows=0, begin=None), WORDS)
    with pytest.raises(InputError, match="tiny"):
        TransformerModel.build("gigantic", WORDS)


def test_weights_that_are_no_numbers_do_not_speak(model: TransformerModel) -> None:
    manifest, arrays = model.state()
    arrays["weights.norm.weight"] = np.full_like(arrays["weights.norm.weight"], np.nan)
    damaged = TransformerModel.from_state(manifest, arrays)
    with pytest.raises(polyloom.PolyloomError, match="no number"):
        damaged.predict([1])


def test_presets_begin_a_text_with_a_token_of_their_own() -> None:
    own = TransformerModel.build("tiny", WORDS).config
    assert (own.begin, own.rows) == (30, 31)
    ended = WordVocabulary(["a", "</s>"])
    assert TransformerModel.build("tiny", ended).config.begin == ended.sentence_end
