"""The contract of a language model, as tests: what `polyloom.model` promises, every model must keep.

Derive a test class and have a fixture `model` beside it; each law is then a test of that model.  Nothing here knows
what is inside it.

    @pytest.fixture(scope="module")
    def model():
        return Mine.fit(...)

    class TestMine(LanguageModelContract):
        pass

A leaf may add what only it promises.  `SUM` is how well the terms of an explanation must sum: 1e-9 in float64, and
looser only for models that say why.
"""

import hashlib
import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from typing import Any, ClassVar

import numpy as np
import pytest
from numpy.typing import NDArray

import polyloom
from polyloom import (
    Continuation,
    Explanation,
    InputError,
    LanguageModel,
    Layer,
    Layered,
    Vocabulary,
    VocabularyMismatch,
    WordVocabulary,
)
from polyloom.model import BLOCK_BYTES

Ids = NDArray[np.int64]

LONG = 10_000  # tokens of the longest context
ON_SCALE = {"probability": np.exp, "log": float, "logit": float}  # an explanation's total, from a log-probability


def logsumexp(rows: NDArray[Any]) -> NDArray[np.float64]:
    """ln Σ exp over the last axis."""
    top = rows.max(-1, keepdims=True)
    return np.log(np.exp(rows - top).sum(-1)) + top[..., 0]


def fingerprint(model: LanguageModel) -> str:
    """The digest as it is now: `model.digest` remembers its first answer, so it cannot tell that a model changed."""
    manifest, arrays = model.state()
    seen = hashlib.sha256(json.dumps(manifest, sort_keys=True).encode())
    for name, array in sorted(arrays.items()):
        seen.update(f"{name} {array.dtype} {array.shape}".encode() + array.tobytes())
    return seen.hexdigest()


def distribution(continuation: Continuation) -> NDArray[np.float64]:
    return polyloom.numpy(continuation.distribution()).astype(np.float64)


def afresh(model: LanguageModel, tokens: Ids, prompt: int) -> Continuation:
    """The place after these tokens, of which the first `prompt` are one, from nothing that was read before."""
    return model.replay(tokens, {}, prompt)


def teacher_forced(model: LanguageModel, tokens: Ids) -> NDArray[np.float64]:
    """All blocks of `log_probs`, float64 (T, V)."""
    blocks = [polyloom.numpy(block) for block in model.log_probs(tokens)]
    return np.concatenate([np.empty((0, model.vocabulary.size)), *blocks])


def nodes(explanation: Explanation) -> Iterator[Explanation]:
    """An explanation and all that it opens into."""
    yield explanation
    for term in explanation.terms:
        if term.child is not None:
            yield from nodes(term.child)


def shape(explanation: Explanation) -> tuple[Any, ...]:
    """The names and scales of a tree, without its numbers."""
    return explanation.scale, tuple((term.name, term.child and shape(term.child)) for term in explanation.terms)


@cache
def companion(vocabulary: Vocabulary) -> LanguageModel:
    """A model of everything in a vocabulary, forwards and backwards; the same one each time, for models are values."""
    everything = np.arange(vocabulary.size)
    return polyloom.AssociationModel.fit([everything, everything[::-1]], vocabulary, order=2, skips=False)


class LanguageModelContract:
    """Derive from this; a fixture `model` must be at hand."""

    SUM: ClassVar[float] = 1e-9
    CLOSE: ClassVar[float] = 1e-6  # two ways to the same log-probabilities

    @pytest.fixture
    def other(self, model: LanguageModel) -> LanguageModel:
        """Another model of the same vocabulary, to mix with."""
        return companion(model.vocabulary)

    @pytest.fixture
    def rng(self) -> np.random.Generator:
        return np.random.default_rng(20_240_229)

    @pytest.fixture
    def contexts(self, model: LanguageModel) -> dict[str, Ids]:
        """Where a model may stand: at the start, after little, after nonsense, after a sentence's end, after much."""
        size, end, rng = model.vocabulary.size, model.vocabulary.sentence_end, np.random.default_rng(7)
        return {
            "nothing": np.empty(0, np.int64),
            "one token": np.array([size - 1]),
            "the same again": np.full(30, size // 2),
            "unseen": rng.integers(0, size, 25),
            "sentence ended": np.array([size // 3, size // 2 if end is None else end]),
            "long": rng.integers(0, size, LONG),
        }

    @pytest.fixture(
        params=[
            "nothing", "one token", "the same again", "unseen", "sentence ended",
            pytest.param("long", marks=pytest.mark.long),
        ]
    )  # fmt: skip
    def context(self, request: pytest.FixtureRequest, contexts: dict[str, Ids]) -> Ids:
        return contexts[request.param]

    @pytest.fixture(autouse=True)
    def unchanged(self, request: pytest.FixtureRequest) -> Iterator[None]:
        """Models are values: whatever a test did with this one, it holds what it held."""
        model: LanguageModel = request.getfixturevalue("model")
        before = fingerprint(model)
        yield
        assert fingerprint(model) == before

    # distributions

    def test_distribution_is_normalised(self, model: LanguageModel, context: Ids) -> None:
        found = distribution(model.begin(context))
        assert found.shape == (model.vocabulary.size,)
        assert abs(logsumexp(found)) <= 1e-5

    def test_distribution_asked_twice_is_the_same(self, model: LanguageModel, context: Ids) -> None:
        continuation = model.begin(context)
        first = distribution(continuation)
        continuation.top(3)
        continuation.explain(0)
        np.testing.assert_array_equal(distribution(continuation), first)

    def test_top_is_the_head_of_the_sorted_distribution(self, model: LanguageModel, context: Ids) -> None:
        continuation, size = model.begin(context), model.vocabulary.size
        found = distribution(continuation)
        order = sorted(range(size), key=lambda token: (-found[token], token))
        for k in (1, min(10, size), size, size + 1, 10 * size):
            candidates = continuation.top(k)
            assert polyloom.numpy(candidates.tokens).tolist() == order[:k]
            np.testing.assert_array_equal(polyloom.numpy(candidates.log_probs), found[order[:k]])

    @pytest.mark.parametrize("k", [0, -1])
    def test_top_of_none_is_refused(self, model: LanguageModel, k: int) -> None:
        with pytest.raises(InputError, match="at least 1"):
            model.begin().top(k)

    def test_predict_gives_pieces_and_probabilities(self, model: LanguageModel, context: Ids) -> None:
        candidates = model.begin(context).top(5)
        pieces = [model.vocabulary.pieces[token] for token in polyloom.numpy(candidates.tokens)]
        found = model.predict(context, 5)
        assert [piece for piece, _ in found] == pieces
        np.testing.assert_allclose([p for _, p in found], np.exp(polyloom.numpy(candidates.log_probs)))

    # reading on

    def test_extend_is_repeated_advance(self, model: LanguageModel, context: Ids, rng: np.random.Generator) -> None:
        more = rng.integers(0, model.vocabulary.size, 12)
        at_once, one_by_one = model.begin(context), model.begin(context)
        rows = polyloom.numpy(at_once.extend(more))
        assert rows.shape == (len(more), model.vocabulary.size)
        for row, token in zip(rows, more.tolist(), strict=True):
            one_by_one.advance(token)
            np.testing.assert_allclose(row, distribution(one_by_one), atol=self.CLOSE)
        np.testing.assert_array_equal(at_once.tokens, one_by_one.tokens)
        np.testing.assert_array_equal(at_once.tokens, np.append(context, more))
        np.testing.assert_allclose(distribution(at_once), distribution(one_by_one), atol=self.CLOSE)

    def test_extend_by_nothing_changes_nothing(self, model: LanguageModel) -> None:
        continuation = model.begin([0])
        assert continuation.extend([]).shape == (0, model.vocabulary.size)
        assert continuation.tokens.tolist() == [0]

    def test_reading_on_equals_starting_afresh(self, model: LanguageModel, context: Ids) -> None:
        head, tail = np.split(context, [max(0, len(context) - 3)])
        continuation = model.begin(head)
        continuation.extend(tail)
        expected = distribution(afresh(model, context, len(head)))
        np.testing.assert_allclose(distribution(continuation), expected, atol=self.CLOSE)

    def test_advance_takes_ids_of_any_width_and_pieces(self, model: LanguageModel) -> None:
        size, pieces = model.vocabulary.size, model.vocabulary.pieces
        continuation = model.begin()
        for token in (size - 1, np.int32(0), np.uint8(0), pieces[size // 2]):
            continuation.advance(token)
        assert continuation.tokens.tolist() == [size - 1, 0, 0, size // 2]

    def test_prompts_of_all_forms_agree(self, model: LanguageModel) -> None:
        text = next((piece for piece in model.vocabulary.pieces if piece.isalpha()), "")
        ids = model.vocabulary.encode(text)
        expected = distribution(model.begin(ids))
        for prompt in (text, ids.tolist(), tuple(ids.tolist()), ids.astype(np.int32), ids.astype(np.uint16)):
            continuation = model.begin(prompt)
            assert continuation.tokens.tolist() == ids.tolist()
            np.testing.assert_array_equal(distribution(continuation), expected)

    # teacher forcing

    def test_row_t_of_log_probs_is_given_the_tokens_before_t(
        self, model: LanguageModel, rng: np.random.Generator
    ) -> None:
        tokens = rng.integers(0, model.vocabulary.size, 40)
        continuation = model.begin()
        for row, token in zip(teacher_forced(model, tokens), tokens.tolist(), strict=True):
            np.testing.assert_allclose(row, distribution(continuation), atol=self.CLOSE)
            continuation.advance(token)

    def test_log_probs_of_the_future_do_not_matter(self, model: LanguageModel, rng: np.random.Generator) -> None:
        tokens = rng.integers(0, model.vocabulary.size, 20)
        changed = np.append(tokens[:10], (tokens[10:] + 1) % model.vocabulary.size)
        ours, theirs = teacher_forced(model, tokens), teacher_forced(model, changed)
        np.testing.assert_allclose(ours[:11], theirs[:11], atol=self.CLOSE)

    @pytest.mark.long
    def test_log_probs_come_in_blocks_of_at_most_64_mb(self, model: LanguageModel, contexts: dict[str, Ids]) -> None:
        rows = 0
        for block in model.log_probs(contexts["long"]):
            given = polyloom.numpy(block)
            assert len(given)
            assert given.nbytes <= max(BLOCK_BYTES, given[0].nbytes)
            assert np.abs(logsumexp(given)).max() <= 1e-5
            rows += len(given)
        assert rows == LONG

    @pytest.mark.long
    def test_log_likelihood_gathers_from_log_probs(self, model: LanguageModel, contexts: dict[str, Ids]) -> None:
        tokens = contexts["long"]
        expected = np.empty(LONG)
        start = 0
        for block in model.log_probs(tokens):
            targets = tokens[start : start + len(block)]
            expected[start : start + len(block)] = polyloom.numpy(block)[np.arange(len(block)), targets]
            start += len(block)
        np.testing.assert_allclose(polyloom.numpy(model.log_likelihood(tokens)), expected, atol=self.CLOSE)

    def test_of_nothing_there_is_nothing_to_say(self, model: LanguageModel) -> None:
        assert list(model.log_probs([])) == []
        assert model.log_likelihood([]).shape == (0,)
        assert model.step([]).shape == (0, model.vocabulary.size)

    def test_ways_to_go_on_are_judged_as_if_each_were_read(
        self, model: LanguageModel, context: Ids, rng: np.random.Generator
    ) -> None:
        ways = rng.integers(0, model.vocabulary.size, (6, 4))
        ways[3:, :2] = ways[0, :2]
        place = model.begin(context)
        found = place.judge(ways)
        for row, way in zip(found, ways.tolist(), strict=True):
            ahead = place.fork()
            for log_prob, token in zip(row, way, strict=True):
                assert log_prob == pytest.approx(distribution(ahead)[token], abs=self.CLOSE)
                ahead.advance(token)
        np.testing.assert_array_equal(place.tokens, context)

    def test_step_is_the_stacked_distributions(self, model: LanguageModel, contexts: dict[str, Ids]) -> None:
        texts = [model.begin(context) for context in contexts.values()]
        rows = polyloom.numpy(model.step(texts))
        assert rows.shape == (len(texts), model.vocabulary.size)
        for row, continuation in zip(rows, texts, strict=True):
            np.testing.assert_allclose(row, distribution(continuation), atol=self.CLOSE)

    def test_perplexity_is_that_of_the_tokens_given(self, model: LanguageModel, rng: np.random.Generator) -> None:
        documents = [rng.integers(0, model.vocabulary.size, length) for length in (1, 17, 0, 5)]
        scores = np.concatenate([polyloom.numpy(model.log_likelihood(document)) for document in documents])
        assert model.perplexity(documents) == pytest.approx(float(np.exp(-scores.mean())))

    # forks and other models

    def test_forks_are_independent(self, model: LanguageModel, rng: np.random.Generator) -> None:
        """A wild walk: forks of forks, advanced in any order; each must be where its own tokens say."""
        alive: list[tuple[Continuation, list[int]]] = [(model.begin([0]), [0])]
        for _ in range(120):
            at = int(rng.integers(len(alive)))
            continuation, read = alive[at]
            if rng.random() < 0.15 and len(alive) < 12:
                alive.append((continuation.fork(), list(read)))
            elif rng.random() < 0.2:
                more = rng.integers(0, model.vocabulary.size, 3).tolist()
                continuation.extend(more)
                read += more
            else:
                token = int(rng.integers(model.vocabulary.size))
                continuation.advance(token)
                read.append(token)
        assert len(alive) > 5
        for continuation, read in alive:
            assert continuation.tokens.tolist() == read
            expected = distribution(afresh(model, np.array(read), 1))
            np.testing.assert_allclose(distribution(continuation), expected, atol=self.CLOSE)

    def test_a_fork_stands_where_it_was_taken(self, model: LanguageModel, context: Ids) -> None:
        continuation = model.begin(context)
        before = distribution(continuation)
        ahead, kept = continuation.fork(), continuation.fork()
        ahead.advance(0)
        continuation.advance(model.vocabulary.size - 1)
        assert type(kept) is type(continuation)
        assert kept.model is model
        np.testing.assert_array_equal(kept.tokens, context)
        np.testing.assert_array_equal(ahead.tokens, np.append(context, 0))
        np.testing.assert_allclose(distribution(kept), before, atol=self.CLOSE)

    def test_rebinding_equals_starting_afresh(self, model: LanguageModel, other: LanguageModel, context: Ids) -> None:
        mix = Layered(model, {"other": Layer(other, 0.5)})
        deep = Layered(mix, {"again": Layer(model, 0.1)}, name="mix")
        targets: list[LanguageModel] = [model, other, mix, mix.with_weights(other=3), deep]
        continuation = model.begin(context)
        for target in [*targets, *reversed(targets)]:
            continuation = continuation.rebind(target)
            assert continuation.model is target
            np.testing.assert_array_equal(continuation.tokens, context)
            expected = target.begin(context)
            np.testing.assert_allclose(distribution(continuation), distribution(expected), atol=self.CLOSE)
            continuation.fork().advance(0)  # a fork that goes on must not carry the others along

    def test_rebinding_leaves_the_old_place_alone(
        self, model: LanguageModel, other: LanguageModel, context: Ids
    ) -> None:
        continuation = model.begin(context)
        before = distribution(continuation)
        mixed = continuation.rebind(Layered(other, {"ours": Layer(model)}))
        same = continuation.rebind(model)
        mixed.advance(0)
        same.extend([0, 0])
        np.testing.assert_array_equal(continuation.tokens, context)
        np.testing.assert_allclose(distribution(continuation), before, atol=self.CLOSE)
        continuation.advance(model.vocabulary.size - 1)
        np.testing.assert_array_equal(mixed.tokens, np.append(context, 0))
        expected = afresh(mixed.model, mixed.tokens, len(context))
        np.testing.assert_allclose(distribution(mixed), distribution(expected), atol=self.CLOSE)

    def test_a_place_knows_where_its_prompt_ended(
        self, model: LanguageModel, other: LanguageModel, context: Ids
    ) -> None:
        continuation, mix = model.begin(context), Layered(other, {"ours": Layer(model)})
        assert continuation.origin == len(context)
        continuation.advance(0)
        continuation.extend([0, 0])
        for place in (continuation, continuation.fork(), continuation.back(2), continuation.rebind(mix)):
            assert {state.origin for state in place.states()} == {len(context)}
            expected = afresh(place.model, place.tokens, len(context))
            np.testing.assert_allclose(distribution(place), distribution(expected), atol=self.CLOSE)
        before = continuation.back(3 + min(2, len(context)))
        before.extend([0, 0, 0])
        assert before.origin == max(0, len(context) - 2)
        expected = afresh(model, before.tokens, before.origin)
        np.testing.assert_allclose(distribution(before), distribution(expected), atol=self.CLOSE)
        assert continuation.origin == len(context)

    def test_rebinding_to_another_vocabulary_is_refused(self, model: LanguageModel) -> None:
        foreign = WordVocabulary(["quite", "another"])
        stranger = polyloom.AssociationModel.fit("quite another", foreign, order=1, skips=False)
        with pytest.raises(VocabularyMismatch, match=r"model\.begin\(text\)"):
            model.begin([0]).rebind(stranger)

    def test_forks_may_be_used_from_several_threads(self, model: LanguageModel, rng: np.random.Generator) -> None:
        start = model.begin(rng.integers(0, model.vocabulary.size, 20))
        tails = [rng.integers(0, model.vocabulary.size, 15) for _ in range(8)]

        def read(continuation: Continuation, tail: Ids) -> tuple[NDArray[np.float64], list[int], float]:
            rows = polyloom.numpy(continuation.extend(tail))
            return rows, continuation.tokens.tolist(), continuation.explain(0).total

        alone = [read(start.fork(), tail) for tail in tails]
        forks = [start.fork() for _ in tails]
        with ThreadPoolExecutor(4) as pool:
            together = list(pool.map(read, forks, tails))
        for (rows, tokens, total), (expected, read_alone, expected_total) in zip(together, alone, strict=True):
            assert tokens == read_alone
            assert total == pytest.approx(expected_total)
            np.testing.assert_allclose(rows, expected, atol=self.CLOSE)

    # explanations

    def test_every_node_of_an_explanation_sums(
        self, model: LanguageModel, context: Ids, rng: np.random.Generator
    ) -> None:
        continuation = model.begin(context)
        found = distribution(continuation)
        for token in [*polyloom.numpy(continuation.top(3).tokens), *rng.integers(0, len(found), 4)]:
            explanation = continuation.explain(int(token))
            assert explanation.piece == model.vocabulary.pieces[int(token)]
            assert explanation.total == pytest.approx(ON_SCALE[explanation.scale](found[token]), rel=2e-6)
            assert explanation.probability == pytest.approx(np.exp(found[token]), rel=2e-6)
            for node in nodes(explanation):
                terms = [term.contribution for term in node.terms]
                assert terms
                assert sum(terms) == pytest.approx(node.total, abs=self.SUM)
                assert abs(node.residual) <= self.SUM

    def test_explanations_in_one_place_have_one_shape(
        self, model: LanguageModel, context: Ids, rng: np.random.Generator
    ) -> None:
        continuation = model.begin(context)
        likely = polyloom.numpy(continuation.top(3).tokens).tolist()
        shapes = {
            shape(continuation.explain(t)) for t in [*likely, *rng.integers(0, model.vocabulary.size, 5).tolist()]
        }
        assert len(shapes) == 1

    def test_an_explanation_against_another_token_sums_to_the_difference(
        self, model: LanguageModel, context: Ids
    ) -> None:
        continuation, rival = model.begin(context), model.vocabulary.size - 1
        best = int(continuation.top(1).tokens[0])
        ours, theirs = continuation.explain(best), continuation.explain(rival)
        both = continuation.explain(best, against=rival)
        assert both.total == pytest.approx(ours.total - theirs.total, abs=self.SUM)
        assert shape(both) == shape(ours)
        for node, a, b in zip(nodes(both), nodes(ours), nodes(theirs), strict=True):
            assert node.total == pytest.approx(a.total - b.total, abs=self.SUM)
            assert abs(node.residual) <= self.SUM
            for term, x, y in zip(node.terms, a.terms, b.terms, strict=True):
                assert term.contribution == pytest.approx(x.contribution - y.contribution, abs=self.SUM)

    def test_a_token_against_itself_is_all_zero(self, model: LanguageModel) -> None:
        both = model.explain([0], 0, against=0)
        assert both.total == 0
        assert all(term.contribution == 0 for node in nodes(both) for term in node.terms)

    def test_explanations_are_asked_for_by_id_or_by_piece(self, model: LanguageModel) -> None:
        piece = model.vocabulary.pieces[0]
        assert model.explain([0], piece) == model.explain([0], 0) == model.begin([0]).explain(0)
        assert str(model.explain([0], piece)).startswith(f"{piece!r} after ")

    # what may not happen

    def test_tokens_are_a_read_only_view(self, model: LanguageModel) -> None:
        continuation = model.begin([0, 0])
        seen = continuation.tokens
        assert seen.dtype == np.int64
        with pytest.raises(ValueError, match="read-only"):
            seen[0] = 1
        for _ in range(40):
            continuation.advance(model.vocabulary.size - 1)
        assert seen.tolist() == [0, 0]

    def test_the_callers_array_stays_the_callers(self, model: LanguageModel) -> None:
        given = np.array([0, 0, 0])
        continuation = model.begin(given)
        continuation.extend(given)
        before = distribution(continuation)
        given[:] = model.vocabulary.size - 1
        assert continuation.tokens.tolist() == [0] * 6
        np.testing.assert_array_equal(distribution(continuation), before)

    def test_a_token_that_is_none_is_refused(self, model: LanguageModel) -> None:
        continuation = model.begin([0])
        bad: list[Any] = [-1, model.vocabulary.size, 10**9, 0.0, np.float64(0), None, "no such piece", [0]]
        for token in bad:
            with pytest.raises(InputError):
                continuation.advance(token)
            with pytest.raises(InputError):
                continuation.explain(token)
            with pytest.raises(InputError):
                continuation.explain(0, against=token if token is not None else -1)
        assert continuation.tokens.tolist() == [0]

    def test_tokens_that_are_none_are_refused(self, model: LanguageModel) -> None:
        continuation = model.begin([0])
        bad: list[Any] = [[0, -1], [model.vocabulary.size], [0.5], [[0]], [[0], [0, 0]], ["a"], [None], 0, None, [True]]
        for tokens in bad:
            with pytest.raises(InputError):
                model.begin(tokens)
            with pytest.raises(InputError):
                model.log_likelihood(tokens)
            with pytest.raises(InputError):
                list(model.log_probs(tokens))
            with pytest.raises(InputError):
                continuation.extend(tokens)
        assert continuation.tokens.tolist() == [0]

    # values

    def test_state_is_plain(self, model: LanguageModel) -> None:
        manifest, arrays = model.state()
        assert manifest["kind"]
        assert json.loads(json.dumps(manifest)) is not None
        assert all(isinstance(array, np.ndarray) and array.dtype != object for array in arrays.values())

    def test_digest_stands_for_the_state(self, model: LanguageModel, other: LanguageModel) -> None:
        assert len(model.digest) == 64
        assert model.digest == model.digest != other.digest

    def test_generation_repeats_and_stays_in_the_vocabulary(self, model: LanguageModel) -> None:
        settings = polyloom.Sampling(temperature=0.9, max_tokens=12, seed=3)
        first, again = model.generate([0], settings), model.generate([0], settings)
        assert first == again
        assert len(first.steps) <= 12
        assert all(0 <= step.token < model.vocabulary.size for step in first.steps)
