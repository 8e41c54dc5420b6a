"""`mixture`: the reference is what dictionaries say, compiled code is the reference."""

import dataclasses
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom_kernels.mixture as face
from cuda_kernels.mixture.stores import Drawn, drawn, looks, spoken, voice_of
from polyloom_kernels.history import Memory
from polyloom_kernels.mixture import Panel, chances, entries, operation, place, sums, walk
from polyloom_kernels.mixture.store import LONG_ROW, Tape

TEMPLATES = [(), ((1,),), ((1,), (1, 3), (2,)), ((1, 2, 4), (3,)), ((2, 5),)]
MEMORIES = [None, Memory((1, 3), 3, 2, half_life=2.0), Memory((2,), 4, 3), Memory((1,), 2, 2, 0.001, 0.5, 0.9)]
ENOUGH = settings(max_examples=150)

seeds = st.integers(0, 2**32)
made = st.builds(
    lambda seed, size, order, templates, children, width: drawn(
        np.random.default_rng(seed), size, order, templates, children, width
    ),
    seeds,
    st.integers(1, 9),
    st.integers(1, 4),
    st.sampled_from(TEMPLATES),
    st.integers(1, 5),
    st.integers(0, 9),
)


@dataclass(frozen=True)
class Question:
    """Voices that know one vocabulary, a text, what each looks at, how loud each is."""

    some: list[Drawn]
    panel: Panel
    text: list[int]
    seen: np.ndarray
    weights: np.ndarray

    @property
    def asked(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        return np.array(self.text, np.int64), self.seen, self.weights

    def dense(self, backend: Any) -> np.ndarray:
        return self.panel.dense(*self.asked, backend=backend)

    def chance(self, token: int) -> float:
        """By the dictionaries."""
        voices = zip(self.some, self.panel.voices, self.seen.tolist(), self.weights.tolist(), strict=True)
        return sum(w * spoken(some, voice, self.text, seen, token) for some, voice, seen, w in voices if w)


def question(
    seed: int, voices: Sequence[tuple[int, Sequence[tuple[int, ...]], Memory | None, float]], size: int, length: int,
    children: int = 3, width: int = 4, most: int = 6,
) -> Question:  # fmt: skip
    dice = np.random.default_rng(seed)
    some = [drawn(dice, size, order, templates, children, width, most) for order, templates, _, _ in voices]
    panel = Panel([voice_of(dice, one, memory) for one, (_, _, memory, _) in zip(some, voices, strict=True)])
    seen = np.full((len(voices), max(len(one.shapes) for one in some)), -1, np.int64)
    for row, one in zip(seen, some, strict=True):
        row[: len(one.shapes)] = looks(dice, one, 1)[:, 0]
    text = dice.integers(0, size, length)
    text[length // 2 :] = text[: length - length // 2]  # so that the text has something to remember
    return Question(some, panel, text.tolist(), seen, np.array([weight for *_, weight in voices]))


voice = st.tuples(
    st.integers(1, 4), st.sampled_from(TEMPLATES), st.sampled_from(MEMORIES), st.sampled_from([0.0, 0.3, 1.0, 1.7])
)
questions = st.builds(
    question, seeds, st.lists(voice, min_size=1, max_size=4), st.integers(1, 9), st.integers(0, 30)
)  # fmt: skip


# texts


@ENOUGH
@given(made, seeds)
def test_chances_are_those_of_dictionaries(some: Drawn, seed: int) -> None:
    dice = np.random.default_rng(seed)
    seen, targets = looks(dice, some, 12), dice.integers(0, some.store.vocabulary_size, 12)
    parts, known = chances(some.store, seen, targets, backend="reference")
    for at, token in enumerate(targets.tolist()):
        look = seen[:, at].tolist()
        np.testing.assert_allclose(parts[:, at], some.chances(look, token), rtol=1e-12)
        often, kinds = zip(*some.known(look), strict=True) if len(some.tables) > 1 else ((), ())
        assert known[:, at].tolist() == [0.0, *often, 0.0, *kinds]


@ENOUGH
@given(made, seeds, st.integers(0, 12))
def test_compiled_chances_are_the_reference_bit_for_bit(some: Drawn, seed: int, places: int) -> None:
    dice = np.random.default_rng(seed)
    seen, targets = looks(dice, some, places), dice.integers(0, some.store.vocabulary_size, places)
    ours, theirs = (chances(some.store, seen, targets, backend=backend) for backend in ("cpu", "reference"))
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_array_equal(mine, other)
        assert (mine.shape, mine.dtype) == (other.shape, other.dtype)


def large(size: int, seed: int = 0) -> Drawn:
    """Rows longer than those whose sums are kept, and counts of every size."""
    return drawn(np.random.default_rng(seed), size, 3, ((1,), (1, 3)), children=40, width=3 * LONG_ROW, most=2**31)


@pytest.mark.parametrize("size", [5 * LONG_ROW, 2**16 - 2, 2**16 - 1, 2**17])
def test_back_ends_agree_on_long_rows_and_large_vocabularies(size: int) -> None:
    """BEGIN takes an id more: from 65,535 tokens on, two bytes are not enough for all that can be seen."""
    some, dice = large(size), np.random.default_rng(size)
    assert some.store.pieces.dtype == (np.uint16 if size < 2**16 - 1 else np.uint32)
    assert some.store.directory[:, operation.reference.PARENT].max() >= 0
    seen = looks(dice, some, 300)
    seen[1, :20] = size  # BEGIN
    rows = [some.row(some.tables[-1], look) or {0: 1} for look in seen.T.tolist()]
    targets = np.array([dice.choice(list(row)) for row in rows])
    ours, theirs = (chances(some.store, seen, targets, backend=backend) for backend in ("cpu", "reference"))
    np.testing.assert_array_equal(ours[0], theirs[0])
    np.testing.assert_array_equal(ours[1], theirs[1])
    assert max(map(len, rows)) > LONG_ROW
    for at in range(0, 300, 50):
        np.testing.assert_allclose(ours[0][:, at], some.chances(seen[:, at].tolist(), int(targets[at])), rtol=1e-12)


# one place


@ENOUGH
@given(questions)
def test_a_place_says_what_dictionaries_say(asked: Question) -> None:
    for backend in ("reference", "cpu"):
        found = asked.dense(backend)
        assert found.shape == (asked.some[0].store.vocabulary_size,)
        np.testing.assert_allclose(found, [asked.chance(token) for token in range(len(found))], rtol=1e-11, atol=0)
        assert found.sum() == pytest.approx(asked.weights.sum())


@ENOUGH
@given(questions, st.integers(1, 12))
def test_the_likeliest_are_the_head_of_the_whole(asked: Question, k: int) -> None:
    dense = asked.dense("cpu")
    order = sorted(range(len(dense)), key=lambda token: (-dense[token], token))[:k]
    best = asked.panel.top(*asked.asked, k, backend="cpu")
    assert best is not None
    assert best[0].tolist() == order
    np.testing.assert_array_equal(best[1], dense[order])
    assert all(not part.any() for part in leftovers(asked.panel))


def leftovers(panel: Panel) -> tuple[np.ndarray, np.ndarray]:
    """What must be zero between calls."""
    scratch = panel._local.scratch
    return scratch.sums, scratch.mark


@pytest.mark.long
@pytest.mark.parametrize("size", [5 * LONG_ROW, 2**16 - 1])
@pytest.mark.parametrize("k", [1, 10, 64])
def test_the_likeliest_among_many(size: int, k: int) -> None:
    """Four voices, rows of every length, ties among most of the tokens; the heads agree down to the ids."""
    voices = [(3, ((1,), (1, 3)), memory, weight) for memory, weight in zip(MEMORIES, (1, 0.2, 0, 0.7), strict=True)]
    for seed in range(4):
        asked = question(seed, voices, size, 200, children=40, width=3 * LONG_ROW)
        dense = asked.dense("cpu")
        np.testing.assert_allclose(dense, asked.dense("reference"), rtol=1e-12)
        best = asked.panel.top(*asked.asked, k, backend="cpu")
        assert best is not None
        order = np.lexsort((np.arange(size), -dense))[:k]
        np.testing.assert_array_equal(best[0], order)
        np.testing.assert_array_equal(best[1], dense[order])
        assert all(not part.any() for part in leftovers(asked.panel))


def test_of_too_many_and_by_the_reference_the_whole_must_be_sorted() -> None:
    asked = question(0, [(2, (), None, 1.0)], 100, 5)
    assert asked.panel.top(*asked.asked, operation.MOST + 1, backend="cpu") is None
    assert asked.panel.top(*asked.asked, 3, backend="reference") is None
    found = asked.panel.top(*asked.asked, operation.MOST, backend="cpu")
    assert found is not None
    assert len(found[0]) == len(found[1]) == operation.MOST


@ENOUGH
@given(questions, st.integers(1, 12), st.floats(0, 0.5), st.sampled_from([1.0, 0.5, 0.1]), seeds)
def test_all_above_a_bound_are_listed(asked: Question, k: int, least: float, part: float, seed: int) -> None:
    dense = asked.dense("cpu")
    wanted = np.random.default_rng(seed).integers(0, len(dense), seed % 5)
    listed = asked.panel.above(*asked.asked, k, (least, part), wanted, backend="cpu")
    assert listed is not None
    tokens, values = listed
    np.testing.assert_array_equal(values, dense[tokens])
    np.testing.assert_array_equal(tokens[: len(wanted)], wanted)
    bound = part * max(least, np.sort(dense)[-min(k, len(dense))])
    assert set(tokens[len(wanted) :].tolist()) == set(np.flatnonzero(dense >= bound).tolist())
    assert all(not part.any() for part in leftovers(asked.panel))


@ENOUGH
@given(st.builds(question, seeds, st.lists(voice, min_size=1, max_size=1), st.integers(1, 9), st.integers(0, 30)))
def test_confidence_is_that_of_the_whole(asked: Question) -> None:
    text, seen, _ = asked.asked
    dense = asked.panel.dense(text, seen, np.ones(1), backend="cpu")
    found = asked.panel.confidence(text, seen, backend="cpu")
    assert found is not None
    np.testing.assert_allclose(found, [-(dense * np.log(dense)).sum(), np.log(dense.max())], rtol=1e-9, atol=1e-12)
    assert all(not part.any() for part in leftovers(asked.panel))
    assert asked.panel.confidence(text, seen, backend="reference") is None


def test_confidence_among_many_and_of_one_voice_only() -> None:
    asked = question(1, [(3, ((1,), (1, 3)), MEMORIES[1], 1.0)], 2**16, 200, children=40, width=3 * LONG_ROW)
    dense = asked.dense("cpu")
    found = asked.panel.confidence(*asked.asked[:2], backend="cpu")
    np.testing.assert_allclose(found, [-(dense * np.log(dense)).sum(), np.log(dense.max())], rtol=1e-12)
    two = question(4, [(2, (), None, 1.0), (2, (), None, 0.5)], 9, 9)
    with pytest.raises(ValueError, match="panel of one voice, got 2"):
        two.panel.confidence(*two.asked[:2])


def test_of_too_many_above_a_bound_the_whole_must_be_read() -> None:
    asked, wanted = question(0, [(2, (), None, 1.0)], 2 * operation.MANY, 5), np.arange(3)
    assert asked.panel.above(*asked.asked, 3, (0.0, 0.0), wanted, backend="cpu") is None
    assert all(not part.any() for part in leftovers(asked.panel))
    assert asked.panel.above(*asked.asked, operation.MOST + 1, (0.5, 0.5), wanted, backend="cpu") is None
    assert asked.panel.above(*asked.asked, 3, (0.5, 0.5), wanted, backend="reference") is None


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_at_the_start_of_a_text_there_is_nothing_to_remember(backend: Any) -> None:
    for memory in MEMORIES:
        asked = question(1, [(2, ((1,),), memory, 1.0)], 6, 0)
        np.testing.assert_allclose(asked.dense(backend), [asked.chance(token) for token in range(6)], rtol=1e-12)


@given(questions, seeds)
def test_one_panel_serves_texts_of_any_length_one_after_the_other(asked: Question, seed: int) -> None:
    """What one question leaves behind must not be heard in the next one."""
    dice, size = np.random.default_rng(seed), asked.some[0].store.vocabulary_size
    for length in (3, 200, 0, 41):
        text = dice.integers(0, size, length)
        found = asked.panel.dense(text, asked.seen, asked.weights, backend="cpu")
        expected = asked.panel.dense(text, asked.seen, asked.weights, backend="reference")
        np.testing.assert_allclose(found, expected, rtol=1e-12)
        assert asked.panel.top(text, asked.seen, asked.weights, 3, backend="cpu") is not None
        assert all(not part.any() for part in leftovers(asked.panel))


def test_tokens_too_faint_to_count_do_not_fill_the_list() -> None:
    """A text longer than the vocabulary whose older buckets weigh nothing at all, under two voices."""
    faint = Memory((1,), 64, 16, half_life=0.01)
    assert faint.weights()[1:].max() == 0
    asked = question(2, [(3, ((1,),), faint, 1.0), (3, ((2,),), MEMORIES[1], 0.5)], 7, 1000)
    np.testing.assert_allclose(asked.dense("cpu"), asked.dense("reference"), rtol=1e-12)
    dense, best = asked.dense("cpu"), asked.panel.top(*asked.asked, 7, backend="cpu")
    assert best is not None
    assert best[0].tolist() == sorted(range(7), key=lambda token: (-dense[token], token))
    assert all(not part.any() for part in leftovers(asked.panel))


@pytest.mark.parametrize("kernel", ["spread", "top"])
def test_a_call_that_was_broken_off_leaves_nothing_behind(kernel: str, monkeypatch: pytest.MonkeyPatch) -> None:
    asked = question(3, [(3, ((1,),), MEMORIES[1], 1.0)], 6, 20)
    expected = asked.dense("cpu")
    whole = getattr(place, kernel)

    def broken_off(*given: Any) -> None:
        whole(*given)
        for array in (asked.panel._local.scratch.sums, asked.panel._local.scratch.mark):
            array[:] = 1
        raise KeyboardInterrupt

    monkeypatch.setattr(place, kernel, broken_off)
    ask = asked.panel.dense if kernel == "spread" else lambda *given: asked.panel.top(*given[:3], 3, given[3])
    with pytest.raises(KeyboardInterrupt):
        ask(*asked.asked, "cpu")
    monkeypatch.undo()
    np.testing.assert_array_equal(asked.dense("cpu"), expected)
    assert all(not part.any() for part in leftovers(asked.panel))


def test_threads_work_side_by_side() -> None:
    asked = question(4, [(3, ((1,), (2,)), MEMORIES[1], 1.0), (2, (), None, 0.5)], 300, 400, width=40)
    texts = [np.array(asked.text[:length], np.int64) for length in range(0, 400, 7)]
    alone = [asked.panel.dense(text, asked.seen, asked.weights, backend="cpu") for text in texts]
    with ThreadPoolExecutor(4) as pool:
        jobs = [pool.submit(asked.panel.dense, text, asked.seen, asked.weights, "cpu") for text in texts * 4]
        for job, expected in zip(jobs, alone * 4, strict=True):
            np.testing.assert_array_equal(job.result(), expected)


def test_calls_compile_nothing_that_is_not_listed() -> None:
    """Arrays may be read-only, as those of a file are, or have been put together by the caller."""
    for size in (9, 2**16):
        asked = question(5, [(3, ((1,),), MEMORIES[1], 1.0), (2, (), None, 0.5)], size, 30)
        text, (seen, weights) = np.array(asked.text), asked.asked[1:]
        for array in (asked.some[0].store.numbers, asked.some[0].store.pieces, asked.some[0].store.reals):
            array.flags.writeable = False
        for tokens in (text, operation.frozen(text)):
            assert asked.panel.dense(tokens, seen, weights, backend="cpu").size == size
            assert asked.panel.top(tokens, seen, weights, 3, backend="cpu") is not None
            assert asked.panel.above(tokens, seen, weights, 3, (0.1, 0.5), tokens[:2], backend="cpu") is not None
            assert Panel(asked.panel.voices[:1]).confidence(tokens, seen[:1], backend="cpu") is not None
        one, targets = asked.some[0], np.arange(4)
        for seen in (
            looks(np.random.default_rng(0), one, 4),
            np.asfortranarray(looks(np.random.default_rng(0), one, 4)),
        ):
            chances(one.store, seen, targets, backend="cpu")
            chances(one.store, seen, operation.frozen(targets), backend="cpu")
    for module in (place, operation.TEXT.wait()):
        listed = [function for function, _ in module.KERNELS]
        for function in listed:
            assert len(function.signatures) == listed.count(function), function


# stores


@ENOUGH
@given(made)
def test_a_store_gives_back_the_levels_it_was_made_of(some: Drawn) -> None:
    store = some.store
    for level, shape in enumerate(some.shapes):
        view = store.level(level)
        assert (view.path, view.chained) == (shape.path, shape.chained)
        assert store.path(level) == shape.path
        nodes = [context[-1] for context in some.contexts[level] if context]
        assert view.tokens.tolist() == (nodes if shape.parent >= 0 else [0])
        if not shape.asked:
            assert view.rows is None
            continue
        rows = list(some.rows[level].values())
        assert view.rows is not None
        assert view.next is not None
        assert view.counts is not None
        assert np.diff(view.rows.astype(np.int64)).tolist() == [len(row) for row in rows]
        assert view.next.tolist() == [token for row in rows for token in row]
        taken = [count for row in rows for count in row.values()]
        assert store.taken(level).tolist() == taken
        assert view.counts.tolist() == [count + shape.chained for count in taken]
        assert store.entries(level) == len(taken)
    np.testing.assert_array_equal(store.discounts, some.discounts)
    assert store.tables.tolist() == some.tables
    assert store.nbytes == sum(tape.nbytes for tape in (store.directory, store.pieces, store.numbers, store.reals))


@ENOUGH
@given(made, seeds)
def test_contexts_rows_and_sums_are_found_or_not(some: Drawn, seed: int) -> None:
    dice, store = np.random.default_rng(seed), some.store
    seen = looks(dice, some, 10)
    nodes = walk(store, seen)
    for level, shape in enumerate(some.shapes):
        path = [level]
        while some.shapes[path[0]].parent >= 0:
            path.insert(0, some.shapes[path[0]].parent)
        contexts = [tuple(seen[path[1:], at].tolist()) for at in range(10)]
        assert nodes[level].tolist() == [some.contexts[level].get(context, -1) for context in contexts]
        if not shape.asked:
            continue
        table = some.tables.index(level)
        row = sums(store, table, nodes[level])
        tokens = dice.integers(0, store.vocabulary_size, 10)
        found = entries(store, level, nodes[level], tokens)
        for at, (context, token) in enumerate(zip(contexts, tokens.tolist(), strict=True)):
            known = some.rows[level].get(context, {})
            assert row.totals[at] == sum(known.values())
            freed = sum(some.discounts[table, min(count, 3)] for count in known.values())
            assert row.freed[at] == pytest.approx(freed, abs=1e-12)
            assert (found[at] >= 0) == (token in known)
            if token in known:
                assert store.taken(level)[found[at]] == known[token]


def test_numbers_that_do_not_fit_are_refused() -> None:
    tape = Tape(np.uint32)
    assert tape.put(np.array([1, 2**32 - 1])) == 0
    assert tape.put(np.array([3])) == 2
    with pytest.raises(OverflowError, match="The number 4294967296 needs more than 32 bits"):
        tape.put(np.array([2**32]))
    assert tape.whole().tolist() == [1, 2**32 - 1, 3]


def test_a_gate_of_another_shape_is_refused() -> None:
    """It would be read, and its features written, past their ends."""
    for memory in MEMORIES[:2]:
        right = question(6, [(2, ((1,),), memory, 1.0)], 3, 2).panel.voices[0]
        for gate in (right.gate[:-1], right.gate[:, :-1], right.gate.T, right.gate.ravel()):
            with pytest.raises(ValueError, match="Expected a gate of shape"):
                dataclasses.replace(right, gate=gate)


def test_an_unknown_back_end_is_named() -> None:
    asked = question(6, [(2, (), None, 1.0)], 3, 2)
    with pytest.raises(ValueError, match="Unknown back end 'gpu'"):
        asked.dense("gpu")


@pytest.mark.parametrize("name", face.__all__)
def test_the_face_names_it(name: str) -> None:
    assert getattr(face, name)
