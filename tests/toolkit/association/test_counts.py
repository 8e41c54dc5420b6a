"""An association model counts what a dictionary counts, and says what the papers say of those counts."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import distribution, fingerprint
from polyloom import AssociationModel, Explanation, WordVocabulary
from polyloom.association.derived import FALLBACK, ONE_FALLBACK, absolute, modified
from polyloom.association.gate import FLOOR, Gate
from polyloom_kernels.history import Memory
from polyloom_kernels.mixture import Store, chances, entries, operation, walk
from polyloom_kernels.mixture.store import NEXT
from toolkit.association import brute_force as brute
from toolkit.association import held
from toolkit.association.brute_mixture import Mixture
from toolkit.association.held import rows

END, SIZE = 1, 5
VOCABULARY = WordVocabulary(["<unk>", "</s>", "a", "b", "c"])
TEMPLATES = ((1,), (1, 2, 3), (1, 3), (2,), (2, 3))

document = st.lists(st.integers(0, SIZE - 1), max_size=14)
corpus = st.lists(document, min_size=1, max_size=6).filter(any)
memories = st.builds(
    Memory,
    orders=st.sampled_from([(1,), (1, 2), (2, 3), (1, 2, 4)]),
    bucket=st.integers(1, 4),
    buckets=st.integers(1, 3),
    half_life=st.sampled_from([0.5, 3.0, 1000.0]),
    prior=st.sampled_from([0.5, 10.0]),
    discount=st.sampled_from([0.01, 0.3, 0.9]),
)


def agrees(explanation: Explanation, shares: list[float], expected: list[list[float]]) -> bool:
    """Whether each component's share and each of its leaves are those expected."""
    for share, term, numbers in zip(shares, explanation.terms, expected, strict=True):
        assert term.child is not None
        assert [leaf.contribution for leaf in term.child.terms] == pytest.approx(numbers, abs=1e-12)
        assert term.contribution == pytest.approx(share * sum(numbers), abs=1e-12)
    return True


# counting


@given(corpus, st.integers(1, 7))
def test_raw_counts_are_those_of_a_dictionary(documents: list[list[int]], order: int) -> None:
    model = AssociationModel.fit(rows(documents), VOCABULARY, order=order, skips=TEMPLATES)
    assert held.ngrams(model) == brute.count_ngrams(documents, order, END)
    assert held.skips(model) == {template: brute.count_skips(documents, template) for template in TEMPLATES}
    assert model.tokens_counted == sum(map(len, documents))
    assert model.entries == sum(map(len, (*held.ngrams(model), *held.skips(model).values())))


@given(corpus, document, st.integers(1, 7), memories | st.none())
def test_every_term_is_that_of_the_papers(
    documents: list[list[int]], read: list[int], order: int, memory: Memory | None
) -> None:
    """Each number of each tree, from a dictionary's counts, in any context of any small corpus."""
    model = AssociationModel.fit(rows(documents), VOCABULARY, order=order, skips=TEMPLATES, history=memory or False)
    again = Mixture.counted(documents, order, TEMPLATES, memory, SIZE, END)
    shares = held.shares(model, again, read)
    continuation = model.begin(np.array(read, np.int64))
    for token in range(SIZE):
        assert agrees(continuation.explain(token), shares, again.terms(read, token))


@given(corpus, document, st.integers(1, 5), memories, st.integers(0, 2**32))
def test_every_share_is_that_of_a_softmax_of_counted_features(
    documents: list[list[int]], read: list[int], order: int, memory: Memory, seed: int
) -> None:
    """Under a gate of any weights; and the whole distribution is that of the dictionaries."""
    model = AssociationModel.fit(rows(documents), VOCABULARY, order=order, skips=TEMPLATES, history=memory)
    weights = np.random.default_rng(seed).normal(0, 1, model.gate.weights.shape)
    model = dataclasses.replace(model, gate=Gate(weights))
    again = Mixture.counted(documents, order, TEMPLATES, memory, SIZE, END)
    shares = held.shares(model, again, read)
    assert sum(shares) == pytest.approx(1)
    assert min(shares) >= FLOOR / len(model.components)
    continuation = model.begin(np.array(read, np.int64))
    chances = [again.chance(read, token, weights.tolist(), FLOOR) for token in range(SIZE)]
    np.testing.assert_allclose(np.exp(distribution(continuation)), chances, rtol=1e-11)
    for token in range(SIZE):
        assert agrees(continuation.explain(token), shares, again.terms(read, token))


def test_terms_follow_from_the_tables_of_a_real_model(
    sea: AssociationModel, voices: dict[str, tuple[str, ...]]
) -> None:
    """Real text, a context before every token of a document never seen, and the likeliest words there."""
    again = held.mixture(sea)
    documents = [sea.vocabulary.encode(text).tolist() for text in voices["sea"][:30]]
    assert held.ngrams(sea)[-1] == brute.count_ngrams(documents, 4, sea.vocabulary.sentence_end)[-1]
    read = sea.vocabulary.encode(voices["sea"][-1])
    continuation = sea.begin()
    for at, token in enumerate(read[:25].tolist()):
        for asked in {token, int(continuation.top(1).tokens[0])}:
            before = read[:at].tolist()
            shares = held.shares(sea, again, before)
            assert agrees(continuation.explain(asked), shares, again.terms(before, asked))
        continuation.advance(token)


# by hand


def test_a_kneser_ney_example_worked_by_hand() -> None:
    """`a b a b a c`, order 2: too little for measured discounts, so 1/2 off a one, 1 off a two.

    Unigrams count different left neighbours: a follows BEGIN and b, b follows a, c follows a.
        p1(a) = (2 − 1)/4 + 1/2 · 1/3 = 5/12        p1(b) = p1(c) = (1 − 1/2)/4 + 1/2 · 1/3 = 7/24
    After a, b came twice and c once; γ = (1 + 1/2)/3 = 1/2.
        p(b | a) = (2 − 1)/3 + 1/2 · 7/24 = 23/48   p(c | a) = (1 − 1/2)/3 + 7/48 = 15/48   p(a | a) = 5/24
    """
    model = AssociationModel.fit("a b a b a c", WordVocabulary(["a", "b", "c"]), order=2, skips=False, history=False)
    np.testing.assert_allclose(model.store.unigram, [5 / 12, 7 / 24, 7 / 24])
    np.testing.assert_allclose(np.exp(distribution(model.begin("b a"))), [10 / 48, 23 / 48, 15 / 48])
    np.testing.assert_allclose(np.exp(distribution(model.begin())), [1 / 2 + 5 / 24, 7 / 48, 7 / 48])
    longest, shortest, floor = [term.contribution for term in model.explain("a", "b").terms[0].child.terms]
    assert (longest, shortest, floor) == pytest.approx((1 / 3, 1 / 2 * 1 / 8, 1 / 2 * 1 / 2 * 1 / 3))


def test_a_skip_example_worked_by_hand() -> None:
    """The same text, two back: a before a twice, b before b and before c once, BEGIN before a and before b once.

    Four of five counts are one and one is two: D = 4/(4 + 2) = 2/3, so p(a | a _) = (2 − 2/3)/2 + 2/3 · 1/2 · 5/12.
    """
    words = WordVocabulary(["a", "b", "c"])
    model = AssociationModel.fit("a b a b a c", words, order=2, skips=[(2,)], history=False)
    parts = model.explain("a c", "a").terms
    assert [term.contribution for term in parts[1].child.terms] == pytest.approx([2 / 3, 1 / 3 * 5 / 12])
    assert [part.contribution / part.child.total for part in parts] == pytest.approx([0.9, 0.1])


def test_a_history_example_worked_by_hand() -> None:
    """`a b a b a` read; buckets of two tokens, the newest two count, half as much each bucket further back.

    The newest bucket holds a, the one before it a b at half: a has 1 + 1/2, b 1/2, of 2 in all, and the prior is 2.
        cache(a) = (3/2 + 2 · 5/12)/4 = 7/12        cache(b) = (1/2 + 2 · 7/24)/4 = 13/48
    After a, b came twice, nothing else: history 1 (b) = (2 − 1/2)/2 + 1/2 · 1/2 · 13/48.  After b a, b came once.
    """
    words, memory = WordVocabulary(["a", "b", "c"]), Memory((1, 2), 2, 2, half_life=2.0, prior=2.0, discount=0.5)
    model = AssociationModel.fit("a b a b a c", words, order=2, skips=False, history=memory)
    assert model.components == ("n-gram", "cache", "history 1", "history 2")
    chances = {token: [term.child.total for term in model.explain("a b a b a", token).terms[1:]] for token in "ab"}
    assert chances["a"] == pytest.approx([7 / 12, 1 / 4 * 7 / 12, 1 / 2 * 7 / 12])
    assert chances["b"] == pytest.approx([13 / 48, 3 / 4 + 1 / 4 * 13 / 48, 1 / 2 + 1 / 2 * 13 / 48])


def test_a_sentence_end_restarts_the_chain_and_not_the_skips() -> None:
    documents = rows([[2, 3, END, 4], [4]])
    model = AssociationModel.fit(documents, VOCABULARY, order=3, skips=[(2,)])
    ngrams, skips = held.ngrams(model), held.skips(model)[(2,)]
    assert (brute.BEGIN, 4) in ngrams[1]
    assert ngrams[1][(brute.BEGIN, 4)] == 2
    assert not any(END in gram[:-1] for order in ngrams for gram in order)
    assert skips[(3, 4)] == 1  # past </s>, two back from c
    alone = AssociationModel.fit(documents, VOCABULARY, order=3, skips=False, history=False)
    np.testing.assert_allclose(distribution(alone.begin([2, 3, END])), distribution(alone.begin([])))


def test_nothing_is_seen_across_documents() -> None:
    apart = AssociationModel.fit(rows([[2, 3], [4, 2]]), VOCABULARY, skips=TEMPLATES)
    assert not any({3, 4} <= set(gram) for order in held.ngrams(apart) for gram in order)
    assert not any(gram[0] == 3 for gram in held.skips(apart)[(1,)])


# discounts


def test_discounts_are_measured_where_they_can_be() -> None:
    counts = np.repeat([1, 2, 3, 4, 9], [100, 40, 20, 10, 5])
    y = 100 / 180
    np.testing.assert_allclose(modified(counts), [0, 1 - 2 * y * 0.4, 2 - 3 * y * 0.5, 3 - 4 * y * 0.5])


@pytest.mark.parametrize("counts", [[], [1], [1, 2, 3], [2, 2, 3, 4]])
def test_discounts_fall_back_where_they_cannot(counts: list[int]) -> None:
    np.testing.assert_array_equal(modified(np.array(counts, np.int64)), FALLBACK)


def test_a_discount_below_nothing_falls_back_alone() -> None:
    """Twos are rare and threes common: 2 − 3 · 3/5 · 3 is negative, the other two are not."""
    y = 3 / 5
    np.testing.assert_allclose(modified(np.array([1, 1, 1, 2, 3, 3, 3, 4])), [0, 1 - 2 * y / 3, 1.0, 3 - 4 * y / 3])


def test_a_template_has_one_discount_for_every_count() -> None:
    np.testing.assert_allclose(absolute(np.array([1, 1, 1, 2, 5])), [0, 3 / 5, 3 / 5, 3 / 5])
    for odd in ([], [1, 1], [2, 3]):
        np.testing.assert_array_equal(absolute(np.array(odd, np.int64)), [0, *[ONE_FALLBACK] * 3])


def test_no_token_is_impossible() -> None:
    """Counts that make a measured discount negative, in a row of only such counts: the rest must keep a chance."""
    words = WordVocabulary(list("abcdefghij"))
    grams = ["a b", "c d", "e f", "g h g h", "i a " * 3, "i b " * 3, "i c " * 3, "j d " * 4]
    model = AssociationModel.fit(" ".join(grams), words, order=2, skips=False, history=False)
    for context in range(10):
        assert np.isfinite(distribution(model.begin([context]))).all()


# order


@settings(max_examples=60)
@given(corpus.flatmap(lambda documents: st.tuples(st.just(documents), st.permutations(documents))))
def test_the_order_of_documents_never_matters(pair: tuple[list[list[int]], list[list[int]]]) -> None:
    ours, theirs = (AssociationModel.fit(rows(documents), VOCABULARY, order=4) for documents in pair)
    assert ours.digest == theirs.digest
    assert fingerprint(ours) == fingerprint(theirs)


def test_the_order_of_many_documents_never_matters(voices: dict[str, tuple[str, ...]], words: WordVocabulary) -> None:
    """Here the gate is fitted, on documents set aside or given; not even the last digit may depend on the order."""
    texts, aside = [*voices["sea"], *voices["lullabies"]], voices["kitchen"]
    straight = AssociationModel.fit(texts, words)
    assert straight.gate.weights[1:].any()  # fitted
    assert AssociationModel.fit(texts[::-1], words).digest == straight.digest
    fitted = AssociationModel.fit(texts, words, held_out=aside)
    assert AssociationModel.fit(texts[::-1], words, held_out=aside[::-1]).digest == fitted.digest != straight.digest


def test_kept_text_is_in_the_order_given_and_the_counts_are_not(voices: dict[str, tuple[str, ...]]) -> None:
    texts = voices["sea"][:5]
    words = WordVocabulary.train(texts)
    ours = AssociationModel.fit(texts, words, keep_text=True)
    theirs = AssociationModel.fit(texts[::-1], words, keep_text=True)
    mine, other = ours.state()[1], theirs.state()[1]
    assert Counter(mine["text.tokens"].tolist()) == Counter(other["text.tokens"].tolist())
    for name in mine.keys() - {"text.tokens", "text.starts"}:
        np.testing.assert_array_equal(mine[name], other[name])


# ablation


@pytest.mark.parametrize("context", ["At night the", "At night the tide and the moon and the"])
def test_taking_a_share_out_takes_out_exactly_its_term(
    sea: AssociationModel, context: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By the definition of the mixture, with one share set to nothing and the others left alone."""
    continuation, token, opened = sea.begin(context), sea.token_id("tide"), operation.opened
    explanation = continuation.explain(token)
    assert [term.name for term in explanation.terms] == list(sea.components)
    for k, term in enumerate(explanation.terms):
        others = np.arange(len(explanation.terms)) != k
        monkeypatch.setattr(operation, "opened", lambda *given, keep=others: opened(*given) * keep)
        dense = sea.panel.dense(continuation.tokens, [continuation.seen()], np.ones(1), backend="reference")
        assert explanation.total - dense[token] == pytest.approx(term.contribution, abs=1e-12)
        assert term.contribution > 0


def test_under_another_gate_each_component_says_what_it_said(sea: AssociationModel) -> None:
    """With one component after the other as loud as the floor allows, the total is that of the same children."""
    context, token = "At night the tide and the moon and the", sea.token_id("tide")
    before = [term.child.total for term in sea.explain(context, token).terms]
    for k in range(len(before)):
        weights = np.zeros_like(sea.gate.weights)
        weights[0, k] = 50.0
        loud = dataclasses.replace(sea, gate=Gate(weights))
        shares = np.full(len(before), FLOOR / len(before))
        shares[k] += 1 - FLOOR
        found = np.exp(distribution(loud.begin(context))[token])
        assert found == pytest.approx(float(shares @ before), abs=1e-12)


def without(store: Store, level: int, entry: int, start: int, end: int) -> Store:
    """The store with one entry of a row given to a neighbour's token, so that its own token is not found there."""
    pieces, first = store.pieces.copy(), int(store.directory[level, NEXT])
    at = first + entry
    assert start <= entry < end
    other = at - 1 if entry > start else at + 1
    pieces[at] = pieces[other] if end - start > 1 else (pieces[at] + 1) % store.vocabulary_size
    return dataclasses.replace(store, pieces=pieces)


@pytest.mark.parametrize("backend", ["reference", "cpu"])
def test_taking_a_count_out_takes_out_exactly_its_term(sea: AssociationModel, backend: operation.Backend) -> None:
    """Of each order of the chain: without that one entry, the chain loses that order's term, and nothing else."""
    context, token = sea.begin("At night the"), sea.token_id("tide")
    account = context.explain(token).terms[0].child
    assert account is not None
    seen, asked = context.seen(), np.array([token])
    nodes = walk(sea.store, seen[:, None])[:, 0]
    for term in account.terms[:-1]:
        level = int(term.name.removeprefix("order ")) - 1
        entry = int(entries(sea.store, level, nodes[level : level + 1], asked)[0])
        start, end = sea.store.rows(level)[nodes[level]], sea.store.rows(level)[nodes[level] + 1]
        changed = dataclasses.replace(sea, store=without(sea.store, level, entry, int(start), int(end)))
        left = changed.begin("At night the").explain(token).terms[0].child
        assert left is not None
        assert account.total - left.total == pytest.approx(term.contribution, abs=1e-12)
        assert term.contribution > 0
        if level:
            parts, _ = chances(changed.store, seen[:, None], asked, backend=backend)
            assert account.total - parts[0, 0] == pytest.approx(term.contribution, abs=1e-12)
