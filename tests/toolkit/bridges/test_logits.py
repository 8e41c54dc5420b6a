"""Mixing into `transformers.generate`: what comes out is the mix of the definition, read no more often than needed."""

import subprocess
import sys
from typing import Any

import numpy as np
import pytest
import torch
from tokenizers import Tokenizer, models, pre_tokenizers, trainers
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlamaForCausalLM,
    LogitsProcessorList,
    PreTrainedTokenizerFast,
)

import polyloom
from polyloom import AssociationModel, InputError, Layer, Layered, Sampling, VocabularyMismatch, WordVocabulary
from polyloom.bridges import LogitsProcessor
from polyloom.tokens.foreign import ForeignVocabulary

pytestmark = pytest.mark.long

WORDS = WordVocabulary(["a", "b", "c", "d", "e", "f", "g", "h"])
ROWS = 11  # the network has more rows than there are words
PROMPT = torch.tensor([[0, 1, 2]])


@pytest.fixture(scope="module")
def ours() -> AssociationModel:
    return AssociationModel.fit("a b c d e f g h a b d c a e f h g a b c", WORDS, order=3, skips=False)


@pytest.fixture(scope="module")
def theirs() -> LlamaForCausalLM:
    torch.set_num_threads(1)
    torch.manual_seed(5)
    config = LlamaConfig(
        vocab_size=ROWS, hidden_size=16, intermediate_size=24, num_hidden_layers=1, num_attention_heads=2,
        num_key_value_heads=1, max_position_embeddings=64, bos_token_id=None, eos_token_id=None, pad_token_id=None,
        initializer_range=1.0,
    )  # fmt: skip
    return LlamaForCausalLM(config).eval()


def written(theirs: LlamaForCausalLM, processor: Any = None, prompt: torch.Tensor = PROMPT, **settings: Any) -> Any:
    torch.manual_seed(1)
    given = GenerationConfig(**({"max_new_tokens": 8, "do_sample": False, "pad_token_id": 0} | settings))
    mixing = None if processor is None else LogitsProcessorList([processor])
    with torch.no_grad():
        found = theirs.generate(
            prompt, attention_mask=torch.ones_like(prompt), generation_config=given, logits_processor=mixing
        )
    return found.tolist()


# what is mixed


@pytest.mark.parametrize("settings", [{}, {"do_sample": True, "temperature": 0.7, "top_k": 5}, {"num_beams": 3}])
@pytest.mark.parametrize("pool", ["linear", "log"])
def test_at_weight_0_nothing_changes(
    theirs: LlamaForCausalLM, ours: AssociationModel, pool: str, settings: dict[str, Any]
) -> None:
    assert written(theirs, LogitsProcessor(ours, 0, pool=pool), **settings) == written(theirs, **settings)


@pytest.mark.parametrize("pool", ["linear", "log"])
def test_at_weight_1_our_model_writes(theirs: LlamaForCausalLM, ours: AssociationModel, pool: str) -> None:
    expected = ours.generate([0, 1, 2], Sampling(0, max_tokens=8))
    assert written(theirs, LogitsProcessor(ours, 1, pool=pool)) == [[0, 1, 2, *(step.token for step in expected.steps)]]


@pytest.mark.parametrize("weight", [0.25, 1.0])
def test_the_mix_is_the_definition(ours: AssociationModel, weight: float) -> None:
    scores = torch.randn(2, ROWS, generator=torch.Generator().manual_seed(0))
    scores[0, 3] = -torch.inf  # what another processor forbade
    texts = torch.tensor([[0, 1, 2], [5, 6, 7]])
    p = torch.softmax(scores.double(), -1).numpy()
    q = np.zeros((2, ROWS))
    q[:, :8] = np.exp([ours.begin(text).distribution() for text in texts.tolist()])
    linear = LogitsProcessor(ours, weight)(texts, scores)
    assert (linear.dtype, linear.shape) == (scores.dtype, scores.shape)
    total = ((1 - weight) * p + weight * q) * (p > 0)  # what is forbidden stays so
    np.testing.assert_allclose(np.exp(linear.numpy()), total / total.sum(-1, keepdims=True), atol=1e-6)
    product = p ** (1 - weight) * q**weight * (p > 0)
    product /= product.sum(-1, keepdims=True)
    np.testing.assert_allclose(
        np.exp(LogitsProcessor(ours, weight, pool="log")(texts, scores).numpy()), product, atol=1e-6
    )


def test_a_log_pool_may_contrast(ours: AssociationModel) -> None:
    scores = torch.randn(1, 8, generator=torch.Generator().manual_seed(0))
    found = LogitsProcessor(ours, -0.5, pool="log")(PROMPT, scores)
    expected = 1.5 * torch.log_softmax(scores.double(), -1).numpy() + 0.5 * -ours.begin([0, 1, 2]).distribution()
    np.testing.assert_allclose(found.numpy(), expected - np.log(np.exp(expected).sum()), atol=1e-5)


def test_any_model_may_be_mixed_in(theirs: LlamaForCausalLM, ours: AssociationModel) -> None:
    mix = Layered(ours, {"again": Layer(ours, 0.5)}, pool="log")
    expected = mix.generate([0, 1, 2], Sampling(0, max_tokens=8))
    assert written(theirs, LogitsProcessor(mix, 1))[0][3:] == [step.token for step in expected.steps]


# how it follows the texts


class Afresh:
    """The definition: every text is read anew at every step."""

    def __init__(self, *settings: Any) -> None:
        self.settings = settings

    def __call__(self, input_ids: torch.Tensor, scores: torch.Tensor) -> torch.Tensor:
        return LogitsProcessor(*self.settings)(input_ids, scores)


@pytest.mark.parametrize(
    "settings",
    [{}, {"num_beams": 4}, {"do_sample": True, "num_beams": 3}, {"do_sample": True, "num_return_sequences": 3}],
)
def test_following_equals_reading_anew(
    theirs: LlamaForCausalLM, ours: AssociationModel, settings: dict[str, Any]
) -> None:
    prompts = torch.tensor([[0, 1, 2], [7, 6, 5]])
    processor = LogitsProcessor(ours, 0.5)
    expected = written(theirs, Afresh(ours, 0.5), prompts, **settings)
    assert written(theirs, processor, prompts, **settings) == expected
    assert written(theirs, processor, prompts, **settings) == expected, "and once more from the start"


def test_each_text_is_begun_once(
    theirs: LlamaForCausalLM, ours: AssociationModel, monkeypatch: pytest.MonkeyPatch
) -> None:
    begun: list[list[int]] = []
    begin = AssociationModel.begin
    monkeypatch.setattr(AssociationModel, "begin", lambda self, ids: (begun.append(ids.tolist()), begin(self, ids))[1])
    written(theirs, LogitsProcessor(ours, 0.5), torch.tensor([[0, 1, 2], [7, 6, 5]]))
    assert begun == [[0, 1, 2], [7, 6, 5]]


def test_texts_that_part_share_their_beginning(ours: AssociationModel) -> None:
    processor = LogitsProcessor(ours, 1.0)
    scores = torch.zeros(1, 8)
    for text, prompt in (([0, 1, 2, 3], 4), ([0, 1, 5], 3), ([0, 1, 5, 6, 7, 7], 3), ([4], 1), ([0, 1, 2, 3], 4)):
        found = processor(torch.tensor([text]), scores).numpy()[0]
        np.testing.assert_allclose(found, ours.begin(text).distribution(), atol=1e-6)
        assert [(place.tokens.tolist(), place.origin) for place in processor.places] == [(text, prompt)]


def test_padding_and_what_is_no_word_of_ours_are_left_out() -> None:
    model = AssociationModel.fit("a b c d e f g h a b", WordVocabulary([*WORDS.pieces, "<unk>"]), order=2)

    class Tokens:
        pad_token_id, bos_token_id = 7, 6

        def __call__(self, text: str, add_special_tokens: bool) -> dict[str, list[int]]:
            return {"input_ids": model.vocabulary.encode(text).tolist()}

    processor = LogitsProcessor(model, 0.5, Tokens())
    processor(torch.tensor([[7, 7, 6, 1, 2], [6, 1, 7, 9, 3], [1, 2, 10, 7, 7]]), torch.zeros(3, ROWS))
    assert [place.tokens.tolist() for place in processor.places] == [[1, 2], [1, 7, 3], [1, 2]]


# what is refused


@pytest.mark.parametrize(
    ("weight", "pool", "message"),
    [
        (1.5, "linear", "weight of 'their model' must be"),
        (-0.1, "linear", "weight of 'our model' must be"),
        (float("nan"), "log", "must be a finite number"),
        ("loud", "linear", "weight must be a number"),
        (0.5, "harmonic", "Unknown pool"),
    ],
)
def test_weights_and_pools_that_make_no_sense(ours: AssociationModel, weight: Any, pool: str, message: str) -> None:
    with pytest.raises(InputError, match=message):
        LogitsProcessor(ours, weight, pool=pool)


def test_too_few_rows_are_refused(ours: AssociationModel) -> None:
    with pytest.raises(VocabularyMismatch, match="scores 5 tokens, ours speaks <WordVocabulary"):
        LogitsProcessor(ours, 0.5)(torch.tensor([[0, 1]]), torch.zeros(1, 5))


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerFast:
    bare = Tokenizer(models.BPE())
    bare.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    bare.train_from_iterator(
        ["the year and the sea"], trainers.BpeTrainer(vocab_size=280, initial_alphabet=alphabet, show_progress=False)
    )
    return PreTrainedTokenizerFast(tokenizer_object=bare)


def test_the_tokenizers_ids_must_be_ours(ours: AssociationModel, tokenizer: PreTrainedTokenizerFast) -> None:
    with pytest.raises(VocabularyMismatch, match="other ids"):
        LogitsProcessor(ours, 0.5, tokenizer)
    foreign = ForeignVocabulary(tokenizer.backend_tokenizer.to_str())
    model = AssociationModel.fit("the year and the sea", foreign, order=2)
    assert LogitsProcessor(model, 0.5, tokenizer).silent == set()


def test_nothing_heavy_is_needed_to_import_it() -> None:
    script = "import sys, polyloom.bridges; print({'torch', 'transformers', 'lm_eval'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"
    assert polyloom.LogitsProcessor is LogitsProcessor
