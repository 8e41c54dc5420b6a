"""Tokenizers as other libraries train and save them, small and learnt from the same texts."""

import io
import json
from typing import Any

import sentencepiece
from tokenizers import Tokenizer, decoders, models, normalizers, pre_tokenizers, processors, trainers

from tokens.samples import TEXTS


def byte_level() -> Tokenizer:
    """As GPT-2 and Qwen have it: every byte is a character, one special token ends a text, one added token is read."""
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    special = ["</s>", "<s>"]
    trainer = trainers.BpeTrainer(
        vocab_size=330, initial_alphabet=alphabet, special_tokens=special, show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.add_tokens(["<think>"])
    return tokenizer


def unigram() -> Tokenizer:
    """As T5 has it: `▁` for a space, one before every text, and `<unk>` and `</s>` among the model's own pieces."""
    tokenizer = Tokenizer(models.Unigram())
    tokenizer.normalizer = normalizers.NFKC()
    tokenizer.pre_tokenizer = pre_tokenizers.Metaspace()
    tokenizer.decoder = decoders.Metaspace()
    trainer = trainers.UnigramTrainer(
        vocab_size=90, special_tokens=["<unk>", "<s>", "</s>"], unk_token="<unk>", show_progress=False
    )
    tokenizer.train_from_iterator(TEXTS, trainer)
    return tokenizer


def word_piece() -> Tokenizer:
    """As BERT has it: lower case, `##` inside words, a template around every text."""
    tokenizer = Tokenizer(models.WordPiece(unk_token="[UNK]"))  # pyright: ignore[reportCallIssue] - its stub lacks it
    tokenizer.normalizer = normalizers.BertNormalizer()
    tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    tokenizer.decoder = decoders.WordPiece()
    trainer = trainers.WordPieceTrainer(vocab_size=200, special_tokens=["[UNK]", "[CLS]", "[SEP]"], show_progress=False)
    tokenizer.train_from_iterator(TEXTS, trainer)
    tokenizer.post_processor = processors.TemplateProcessing(
        single="[CLS] $A [SEP]", pair=None, special_tokens=[("[CLS]", 1), ("[SEP]", 2)]
    )
    return tokenizer


def changed(tokenizer: Tokenizer, **parts: Any) -> str:
    """The file of a tokenizer with some of its parts replaced; `model` is merged into the one that is there."""
    data = json.loads(tokenizer.to_str())
    model = data["model"] | parts.pop("model", {})
    return json.dumps(data | {"model": model} | parts)


def llama_model(**options: Any) -> bytes:
    """A tokenizer.model as Llama and Mistral have it: BPE with bytes, `<unk> <s> </s>` first, a space before texts."""
    out = io.BytesIO()
    given = {"model_type": "bpe", "vocab_size": 330, "byte_fallback": True, "normalization_rule_name": "identity"}
    sentencepiece.SentencePieceTrainer.train(
        sentence_iterator=iter(TEXTS * 3),
        model_writer=out,
        minloglevel=3,
        **(given | {"remove_extra_whitespaces": False, "hard_vocab_limit": False} | options),
    )
    return out.getvalue()
