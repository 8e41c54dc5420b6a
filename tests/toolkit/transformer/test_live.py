"""Live models of `transformers`: taken over where the family allows, asked through their own code where it does not."""

import copy
from collections.abc import Callable
from functools import cache
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer
from tokenizers.models import WordLevel
from tokenizers.processors import TemplateProcessing
from transformers import (
    BertConfig,
    BertForMaskedLM,
    Gemma2Config,
    Gemma2ForCausalLM,
    GPTNeoXConfig,
    GPTNeoXForCausalLM,
    LlamaModel,
    MambaConfig,
    MambaForCausalLM,
    Phi3Config,
    Phi3ForCausalLM,
    PreTrainedTokenizerFast,
    T5Config,
    T5ForConditionalGeneration,
)

from foreign_models import CLOSE, FOREIGN, WORDS, foreign, logits, strong, tokens
from polyloom import AssociationModel, Layer, Layered
from polyloom.errors import InputError
from polyloom.transformer.live import LiveNetwork
from polyloom.transformer.model import TransformerModel

pytestmark = pytest.mark.long

SMALL = {"vocab_size": WORDS.size, "hidden_size": 32, "num_hidden_layers": 2}
USUAL = SMALL | {"num_attention_heads": 4, "intermediate_size": 48, "max_position_embeddings": 64}
LONG_ROPE = {"rope_type": "longrope", "short_factor": [1.0] * 4, "long_factor": [2.0, 3.0, 4.0, 5.0]}
OTHERS: dict[str, Callable[[], Any]] = {
    "keys and values": lambda: GPTNeoXForCausalLM(GPTNeoXConfig(**USUAL)),
    "windows in every other layer": lambda: Gemma2ForCausalLM(
        Gemma2Config(**USUAL, num_key_value_heads=2, head_dim=8, sliding_window=8, bos_token_id=5)
    ),
    "a recurrent state": lambda: MambaForCausalLM(MambaConfig(**SMALL, state_size=4)),
    "two sets of frequencies": lambda: Phi3ForCausalLM(
        Phi3Config(
            **USUAL,
            original_max_position_embeddings=16,
            rope_parameters=LONG_ROPE | {"original_max_position_embeddings": 16},
            pad_token_id=0,
        )
    ),
}


@pytest.fixture(scope="module", autouse=True)
def one_thread() -> None:
    torch.set_num_threads(1)


@cache
def other(name: str) -> Any:
    torch.manual_seed(11)
    return strong(OTHERS[name]().eval())


def live(name: str) -> TransformerModel:
    return TransformerModel.from_transformers(other(name), WORDS)


def expected(model: Any, ids: list[int]) -> np.ndarray[Any, Any]:
    """Log-probabilities after these tokens, read at once."""
    return logits(model, ids)[-1].double().log_softmax(-1).numpy()


def apart(a: Any, b: Any) -> float:
    return float(np.abs(np.asarray(a) - np.asarray(b)).max())


@pytest.mark.parametrize("name", OTHERS)
class TestOtherArchitectures:
    def test_logits(self, name: str) -> None:
        ids = tokens(40)
        assert isinstance(live(name).network, LiveNetwork)
        assert apart(live(name).logits(ids), logits(other(name), ids)) < CLOSE

    def test_token_by_token_and_all_forks(self, name: str) -> None:
        ids, model = tokens(30), live(name)
        place = model.begin(ids[:4])
        for n in range(4, 30):
            if n % 4:
                place.advance(ids[n])
                continue
            aside = place.fork()
            aside.advance((ids[n] + 1) % WORDS.size)
            assert apart(aside.distribution(), expected(other(name), [*ids[:n], (ids[n] + 1) % WORDS.size])) < CLOSE
            assert apart(place.distribution(), expected(other(name), ids[:n])) < CLOSE
            place.advance(ids[n])

    def test_many_at_once_and_back(self, name: str) -> None:
        ids = tokens(30)
        place = live(name).begin(ids[:5])
        rows = place.extend(ids[5:25])
        for n in (5, 11, 19):
            assert apart(rows[n], expected(other(name), ids[: 6 + n])) < CLOSE
        for n in (1, 12):
            before = place.back(n)
            assert apart(before.distribution(), expected(other(name), ids[: 25 - n])) < CLOSE
            before.advance(3)
            assert apart(before.distribution(), expected(other(name), [*ids[: 25 - n], 3])) < CLOSE
        assert apart(place.distribution(), rows[-1]) < CLOSE

    def test_teacher_forcing(self, name: str) -> None:
        ids, model = tokens(40), live(name)
        rows = np.concatenate(list(model.log_probs(ids)))
        for n in (1, 10, 39):
            assert apart(rows[n], expected(other(name), ids[:n])) < CLOSE
        assert apart(model.log_likelihood(ids), rows[np.arange(40), ids]) < CLOSE


def test_long_texts_are_read_in_pieces(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("polyloom.transformer.live.TOGETHER", 7)
    for name in OTHERS:
        ids = tokens(40)
        assert apart(live(name).logits(ids), logits(other(name), ids)) < CLOSE


def test_a_text_longer_than_the_context() -> None:
    model = live("keys and values")
    ids = [*tokens(60), *tokens(50)]
    rows = np.concatenate(list(model.log_probs(ids)))
    place = model.begin(ids[:100])
    assert apart(place.distribution(), rows[100]) < CLOSE


def test_in_a_mix() -> None:
    counts = AssociationModel.fit(["w1 w2 w3", "w2 w3 w4"], WORDS, order=2)
    mix = Layered(live("keys and values"), {"counts": Layer(counts, 0.5)})
    place = mix.begin("w1 w2")
    parts = [np.exp(layer.begin("w1 w2").distribution()) for layer in (live("keys and values"), counts)]
    assert apart(np.exp(place.distribution()), (parts[0] + 0.5 * parts[1]) / 1.5) < CLOSE


@pytest.mark.parametrize("name", FOREIGN)
def test_families_are_taken_over_without_a_copy(name: str) -> None:
    theirs = foreign(name)
    model = TransformerModel.from_transformers(theirs, WORDS)
    held = {weight.untyped_storage().data_ptr() for weight in theirs.parameters()}
    assert {weight.untyped_storage().data_ptr() for weight in model.decoder.parameters()} == held
    assert all(weight.requires_grad for weight in theirs.parameters())
    for length in FOREIGN[name].lengths:
        assert apart(model.logits(tokens(length)), logits(theirs, tokens(length))) < CLOSE


def test_native_or_not() -> None:
    ids = tokens(30)
    asked = TransformerModel.from_transformers(foreign("qwen3"), WORDS, native=False)
    taken = TransformerModel.from_transformers(foreign("qwen3"), WORDS, native=True)
    assert apart(asked.logits(ids), taken.logits(ids)) < CLOSE
    assert (asked.network.begin, asked.network.opens) == (taken.network.begin, taken.network.opens) == (3, False)
    assert "Qwen3ForCausalLM through transformers (as asked)" in repr(asked)
    with pytest.raises(InputError, match="no bricks of ours"):
        asked.decoder  # noqa: B018 - a property that raises
    with pytest.raises(InputError, match=r"cannot become a decoder of our own: .* model_type is 'gpt_neox'"):
        TransformerModel.from_transformers(other("keys and values"), WORDS, native=True)


def test_a_family_that_does_what_our_bricks_cannot() -> None:
    theirs = copy.deepcopy(foreign("llama"))
    theirs.config.rope_parameters["partial_rotary_factor"] = 0.5
    model = TransformerModel.from_transformers(theirs, WORDS)
    assert isinstance(model.network, LiveNetwork)
    assert "partial_rotary_factor is 0.5" in repr(model)


class TestTokenizers:
    @pytest.fixture
    @classmethod
    def tokenizer(cls) -> Tokenizer:
        """Words, opened by <s>."""
        made = Tokenizer(WordLevel({"<s>": 0, "</s>": 1, "a": 2, "b": 3, "?": 4}, "?"))
        made.add_special_tokens(["<s>", "</s>"])
        made.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 0)])
        return made

    @pytest.mark.parametrize("native", [True, False])
    def test_of_either_library(self, native: bool, tokenizer: Tokenizer) -> None:
        fast = PreTrainedTokenizerFast(tokenizer_object=tokenizer, bos_token="<s>", eos_token="</s>")
        for given in (tokenizer, fast):
            model = TransformerModel.from_transformers(foreign("llama"), given, native)
            assert model.vocabulary.size == WORDS.size
            assert model.vocabulary.pieces[:4] == ("<s>", "</s>", "a", "b")
            assert (model.network.begin, model.network.opens) == (0, True)
            assert apart(model.begin("a").distribution(), expected(foreign("llama"), [0, 2])) < CLOSE

    def test_what_is_none(self, tokenizer: Tokenizer) -> None:
        with pytest.raises(InputError, match="Expected a fast tokenizer of transformers"):
            TransformerModel.from_transformers(foreign("llama"), str)


class TestRefused:
    def test_training_mode(self) -> None:
        model = copy.deepcopy(other("keys and values")).train()
        with pytest.raises(InputError, match=r"call model.eval\(\) first"):
            TransformerModel.from_transformers(model, WORDS)

    def test_models_that_look_ahead(self) -> None:
        torch.manual_seed(1)
        model = strong(BertForMaskedLM(BertConfig(**USUAL)).eval())
        with pytest.raises(InputError, match="looks ahead"):
            TransformerModel.from_transformers(model, WORDS)

    def test_models_without_a_head(self) -> None:
        for model in (
            LlamaModel(foreign("llama").config).eval(),
            T5ForConditionalGeneration(T5Config(vocab_size=46, d_model=8, d_kv=4, d_ff=8, num_layers=1)).eval(),
        ):
            with pytest.raises(InputError, match="has no head that says what comes next"):
                TransformerModel.from_transformers(model, WORDS)

    def test_what_is_no_model(self) -> None:
        with pytest.raises(InputError, match="Expected a causal language model"):
            TransformerModel.from_transformers(torch.nn.Linear(2, 2), WORDS)
