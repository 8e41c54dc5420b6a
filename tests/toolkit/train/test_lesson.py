"""Lessons: what is only read reaches the network, and nothing of it reaches the weights."""

from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from decoders import BASE, WORDS, decoder
from polyloom import ByteVocabulary, InputError
from polyloom.adapters.fit import USUAL, fit_adapter
from polyloom.adapters.lora import LoRA
from polyloom.generate.sampling import Sampling
from polyloom.train.batches import Batches
from polyloom.train.lesson import Lesson, told
from polyloom.train.loop import train
from polyloom.train.objectives import NOTHING, surprise
from polyloom.train.packing import ONLY_READ, Block, packed
from polyloom.train.step import prepared
from polyloom.train.templates import template
from polyloom.train.validation import Validation
from polyloom.transformer.model import TransformerModel

CPU = torch.device("cpu")
BYTES = ByteVocabulary()
FEW = replace(USUAL, steps=12, learning_rate=0.02, batch=4, length=8, evaluate_every=4, sample_tokens=0)
lessons = st.lists(st.lists(st.booleans(), max_size=12), min_size=1, max_size=6).filter(
    lambda found: any(any(mask[1:]) for mask in found)
)


@pytest.fixture(scope="module")
def base() -> TransformerModel:
    return TransformerModel(decoder(BASE, torch.float32), WORDS)


def lesson(text: str, learned: str) -> Lesson:
    """Words, and "x" for each that is learned."""
    return Lesson(WORDS.encode(text), np.array([mark == "x" for mark in learned]))


def marked(masks: list[list[bool]]) -> list[np.ndarray]:
    """Rows whose ids are all different, as `told` gives them."""
    rows = [np.arange(len(mask)) + 100 * (number + 1) for number, mask in enumerate(masks)]
    return [np.where(mask, row, row | ONLY_READ) for mask, row in zip(masks, rows, strict=True)]


def targets(blocks: list[Block]) -> Counter[int]:
    found: Counter[int] = Counter()
    for block in blocks:
        tokens, _, wanted = prepared(Block(block.tokens[None], block.documents[None]), CPU)
        assert (tokens < ONLY_READ).all()
        found.update(wanted[wanted != NOTHING].tolist())
    return found


def test_rows_bear_marks_where_nothing_is_learned() -> None:
    one, ids = lesson("a b c", " xx"), WORDS.encode("a b c")
    expected = [ids[0] | ONLY_READ, ids[1], ids[2]]
    given: list[Any] = [one, [one], {"book": [one]}, iter([one])]
    for documents in given:
        assert [row.tolist() for row in told(documents, WORDS)] == [expected]
    mixed: Any = ["a b c", one, ids, ids.tolist()]
    assert [row.tolist() for row in told(mixed, WORDS)] == [ids.tolist(), expected, ids.tolist(), ids.tolist()]
    assert [row.tolist() for row in told("a b c", WORDS)] == [ids.tolist()]


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        (Lesson(np.arange(3), np.zeros(3, bool)), "nothing to learn"),
        (Lesson(np.arange(3), np.ones(2, bool)), r"3 tokens must be bool of shape \(3,\), got bool of shape \(2,\)"),
        (Lesson(np.arange(3), np.ones(3)), "got float64"),  # pyright: ignore[reportArgumentType]
        (Lesson(np.array([0, 99]), np.ones(2, bool)), "Token 99 at position 1"),
        (np.array([0, ONLY_READ]), "is outside 0"),
        (3, "got int"),
    ],
)
def test_what_is_no_lesson_is_refused(base: TransformerModel, wrong: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_adapter(base, wrong, LoRA(2), FEW, progress=False)


@given(masks=lessons, length=st.integers(1, 9), begin=st.sampled_from([None, 0]))
def test_what_is_learned_is_a_target_exactly_once(masks: list[list[bool]], length: int, begin: int | None) -> None:
    first = 1 if begin is None else 0
    expected = Counter(
        100 * (number + 1) + place
        for number, mask in enumerate(masks)
        for place in range(first, len(mask))
        if mask[place]
    )
    assert targets(list(packed(marked(masks), length, begin))) == expected
    total = sum(len(mask) + 1 - first for mask in masks if len(mask) + 1 - first > 1)
    batches = Batches(marked(masks), begin, length, 1, seed=3)
    found = targets([Block(*(part[0] for part in batches.next())) for _ in range(total)])  # `length` epochs
    assert found == Counter(dict.fromkeys(expected, length))


def test_what_is_only_read_has_no_gradient() -> None:
    (block,) = packed([np.array([1, 2 | ONLY_READ, 3, 4 | ONLY_READ, 5])], 4)
    tokens, _, wanted = prepared(Block(block.tokens[None], block.documents[None]), CPU)
    assert tokens.tolist() == [[1, 2, 3, 4]]
    assert wanted.tolist() == [[NOTHING, 3, NOTHING, 5]]
    stream = torch.randn(1, 4, 6, generator=torch.Generator().manual_seed(0)).requires_grad_()
    found = surprise(stream, lambda x: torch.cat([x, x], -1), wanted, 12)
    (found.nll + found.z).backward()
    assert stream.grad is not None
    assert (stream.grad[0, [0, 2]] == 0).all()
    assert (stream.grad[0, [1, 3]] != 0).all()


def test_what_is_held_out_is_judged_by_what_is_learned(base: TransformerModel) -> None:
    texts = ["a b c d e f", "f e d c b a"]
    judged = [lesson(text, "  x xx") for text in texts]
    rows = list(told(judged, WORDS))
    training = replace(FEW, length=13, evaluate_tokens=100)  # one row
    found, _ = Validation(rows, BASE.begin, training).judge(base.decoder)
    expected = [-base.log_likelihood(text)[[2, 4, 5]] for text in texts]
    assert found == pytest.approx(float(np.mean(expected)), rel=1e-4)
    narrow = Validation([rows[0][[0, 1, 0, 1, 3, 3, 2, 2]]], None, replace(training, length=3, evaluate_tokens=3))
    assert narrow.judge(base.decoder)[0] > 0  # the first row, that nothing of is learned from, is passed over


def test_lessons_that_are_learned_throughout_are_documents(base: TransformerModel) -> None:
    texts = ["a b c d e f g", "h g f e d"]
    whole: list[Lesson] = [Lesson(WORDS.encode(text), np.ones(len(text.split()), bool)) for text in texts]
    one, other = (train(base, given, FEW, held_out=given, progress=False) for given in (texts, whole))
    assert one.last.digest == other.last.digest
    assert [step.loss for step in one.history.steps] == [step.loss for step in other.history.steps]


@pytest.mark.parametrize("streamed", [False, True])
def test_a_run_with_lessons_goes_on_where_it_was(base: TransformerModel, tmp_path: Path, streamed: bool) -> None:
    taught = [lesson("a b c d e f g h", "    xxxx"), lesson("h g f e", " x x"), lesson("c d c d c", "    x")]
    given: Any = (lambda: iter(taught)) if streamed else taught

    def stop(progress: Any) -> None:
        if progress.step == 5:
            raise KeyboardInterrupt

    whole = fit_adapter(base, given, LoRA(2), FEW, progress=False)
    first = fit_adapter(base, given, LoRA(2), FEW, folder=tmp_path / "run", callbacks=[stop], progress=False)
    assert first.stopped == "interrupted"
    rest = fit_adapter(base, given, LoRA(2), FEW, folder=tmp_path / "run", progress=False)
    for name, tensor in whole.last.tensors.items():
        torch.testing.assert_close(rest.last.tensors[name], tensor, atol=0, rtol=0)


def test_another_mask_is_another_run(base: TransformerModel, tmp_path: Path) -> None:
    fit_adapter(base, lesson("a b c d", "  xx"), LoRA(2), FEW, folder=tmp_path / "run", progress=False)
    with pytest.raises(InputError, match="documents"):
        fit_adapter(base, lesson("a b c d", " xxx"), LoRA(2), FEW, folder=tmp_path / "run", progress=False)


@pytest.mark.long
def test_an_adapter_learns_the_answer_and_not_the_question() -> None:
    """Beside it one that was fitted to all that was said."""
    sizes = {"vocabulary_size": BYTES.size, "rows": BYTES.size, "context": 96, "width": 32}
    network = decoder(replace(BASE, **sizes, begin=BYTES.sentence_end), torch.float32)
    with torch.no_grad():
        network.embedding.weight.mul_(8)  # so that the base is sure of what it says, and there is something to unlearn
    base, chatml = TransformerModel(network, BYTES), template("chatml")
    taught = chatml.encode([("user", "zebra"), ("assistant", "quick")], BYTES)
    settings = replace(FEW, steps=60, length=96, batch=1)
    answered = fit_adapter(base, [taught], LoRA(4), settings, progress=False).model
    repeated = fit_adapter(base, [taught.ids], LoRA(4), settings, progress=False).model

    def nll(model: TransformerModel, which: np.ndarray) -> float:
        return -float(model.log_likelihood(taught.ids)[which].mean())

    assert nll(answered, taught.learned) < 0.1 * nll(base, taught.learned)
    assert nll(answered, ~taught.learned) > 0.7 * nll(base, ~taught.learned)
    assert nll(repeated, ~taught.learned) < 0.1 * nll(base, ~taught.learned)
    prompt = chatml.prompt([("user", "zebra")], BYTES)
    written = answered.generate(prompt, Sampling(temperature=0, max_tokens=15))
    assert BYTES.decode([step.token for step in written.steps]) == "quick<|im_end|>"
