"""An association model counts what a dictionary counts, and says what the papers say of those counts."""

import dataclasses
from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contract import distribution, fingerprint
from polyloom import AssociationModel, WordVocabulary
from polyloom.association.kneser_ney import FALLBACK, modified
from toolkit.association import brute_force as brute

END, SIZE = 1, 5
VOCABULARY = WordVocabulary(["<unk>", "</s>", "a", "b", "c"])
TEMPLATES = ((1,), (2,), (1, 3), (2, 3), (1, 2, 3))

document = st.lists(st.integers(0, SIZE - 1), max_size=14)
corpus = st.lists(document, min_size=1, max_size=6).filter(any)


def rows(documents: list[list[int]]) -> list[np.ndarray]:
    return [np.array(tokens, np.int64) for tokens in documents]


def decoded(keys: list[np.ndarray], size: int) -> list[brute.Gram]:
    """The contexts of the last level of a trie, nearest token first; `keys` are those of its levels after the root."""
    contexts: list[brute.Gram] = [()]
    for level in keys:
        names = [int(key) % (size + 1) for key in level]
        parents = [int(key) // (size + 1) for key in level]
        contexts = [(*contexts[p], brute.BEGIN if t == size else t) for p, t in zip(parents, names, strict=True)]
    return contexts


def stored_ngrams(model: AssociationModel) -> list[brute.Counts]:
    """The raw n-gram counts that a model holds, read out of its tables, by order."""
    size, levels = model.vocabulary.size, [level.keys for level in model.chain.trie.levels[1:]]
    found: list[brute.Counts] = []
    for n, table in enumerate(model.chain.tables):
        contexts = decoded(levels[:n], size)
        pairs = zip(table.rows.keys.tolist(), table.rows.counts.tolist(), strict=True)
        found.append({(*reversed(contexts[key // size]), key % size): count for key, count in pairs})
    return found


def stored_skips(model: AssociationModel) -> list[brute.Counts]:
    """The same of each skip template; contexts nearest first."""
    size, found = model.vocabulary.size, list[brute.Counts]()
    for skip in model.skips:
        contexts = decoded([level.keys for level in skip.trie.levels[1:]], size)
        pairs = zip(skip.table.rows.keys.tolist(), skip.table.rows.counts.tolist(), strict=True)
        found.append({(*contexts[key // size], key % size): count for key, count in pairs})
    return found


def parts_of(model: AssociationModel) -> list[brute.KneserNey | brute.Skip]:
    """The components again, derived from nothing but the raw counts that the model holds."""
    chain = brute.KneserNey(stored_ngrams(model), model.vocabulary.size, model.vocabulary.sentence_end)
    skips = zip(stored_skips(model), model.skips, strict=True)
    return [chain, *(brute.Skip(counts, skip.template, chain) for counts, skip in skips)]


# counting


@given(corpus, st.integers(1, 7))
def test_raw_counts_are_those_of_a_dictionary(documents: list[list[int]], order: int) -> None:
    model = AssociationModel.fit(rows(documents), VOCABULARY, order=order, skips=TEMPLATES)
    assert stored_ngrams(model) == brute.count_ngrams(documents, order, END)
    assert stored_skips(model) == [brute.count_skips(documents, template) for template in TEMPLATES]
    assert model.tokens_counted == sum(map(len, documents))


@given(corpus, document, st.integers(1, 7))
def test_every_term_is_that_of_the_papers(documents: list[list[int]], read: list[int], order: int) -> None:
    """Each number of each tree, from a dictionary's counts, in any context of any small corpus."""
    model = AssociationModel.fit(rows(documents), VOCABULARY, order=order, skips=TEMPLATES)
    chain = brute.KneserNey(brute.count_ngrams(documents, order, END), SIZE, END)
    skips = [brute.Skip(brute.count_skips(documents, template), template, chain) for template in TEMPLATES]
    continuation = model.begin(np.array(read, np.int64))
    for token in range(SIZE):
        explanation = continuation.explain(token)
        expected = [part.terms(read, token) for part in (chain, *skips)]
        for share, term, numbers in zip(model.shares, explanation.terms, expected, strict=True):
            assert term.child is not None
            assert [leaf.contribution for leaf in term.child.terms] == pytest.approx(numbers, abs=1e-12)
            assert term.contribution == pytest.approx(share * sum(numbers), abs=1e-12)


def test_terms_follow_from_the_tables_of_a_real_model(
    sea: AssociationModel, voices: dict[str, tuple[str, ...]]
) -> None:
    """Real text, a context before every token of a document never seen, and the likeliest words there."""
    parts = parts_of(sea)
    assert (
        stored_ngrams(sea)[-1]
        == brute.count_ngrams(
            [sea.vocabulary.encode(text).tolist() for text in voices["sea"][:30]], 4, sea.vocabulary.sentence_end
        )[-1]
    )
    read = sea.vocabulary.encode(voices["sea"][-1])
    continuation = sea.begin()
    for at, token in enumerate(read[:25].tolist()):
        for asked in {token, int(continuation.top(1).tokens[0])}:
            terms = continuation.explain(asked).terms
            for share, term, part in zip(sea.shares, terms, parts, strict=True):
                numbers = part.terms(read[:at].tolist(), asked)
                assert term.child is not None
                assert [leaf.contribution for leaf in term.child.terms] == pytest.approx(numbers, abs=1e-12)
                assert term.contribution == pytest.approx(share * sum(numbers), abs=1e-12)
        continuation.advance(token)


# by hand


def test_a_kneser_ney_example_worked_by_hand() -> None:
    """`a b a b a c`, order 2: too little for measured discounts, so 1/2 off a one, 1 off a two.

    Unigrams count different left neighbours: a follows BEGIN and b, b follows a, c follows a.
        p1(a) = (2 − 1)/4 + 1/2 · 1/3 = 5/12        p1(b) = p1(c) = (1 − 1/2)/4 + 1/2 · 1/3 = 7/24
    After a, b came twice and c once; γ = (1 + 1/2)/3 = 1/2.
        p(b | a) = (2 − 1)/3 + 1/2 · 7/24 = 23/48   p(c | a) = (1 − 1/2)/3 + 7/48 = 15/48   p(a | a) = 5/24
    """
    model = AssociationModel.fit("a b a b a c", WordVocabulary(["a", "b", "c"]), order=2, skips=False)
    np.testing.assert_allclose(model.chain.unigram(), [5 / 12, 7 / 24, 7 / 24])
    np.testing.assert_allclose(np.exp(distribution(model.begin("b a"))), [10 / 48, 23 / 48, 15 / 48])
    np.testing.assert_allclose(np.exp(distribution(model.begin())), [1 / 2 + 5 / 24, 7 / 48, 7 / 48])
    longest, shortest, floor = [term.contribution for term in model.explain("a", "b").terms[0].child.terms]
    assert (longest, shortest, floor) == pytest.approx((1 / 3, 1 / 2 * 1 / 8, 1 / 2 * 1 / 2 * 1 / 3))


def test_a_skip_example_worked_by_hand() -> None:
    """The same text, two back: a before a twice, b before b and before c once, BEGIN before a and before b once.

    Four of five counts are one and one is two: D = 4/(4 + 2) = 2/3, so p(a | a _) = (2 − 2/3)/2 + 2/3 · 1/2 · 5/12.
    """
    model = AssociationModel.fit("a b a b a c", WordVocabulary(["a", "b", "c"]), order=2, skips=[(2,)])
    terms = model.explain("a c", "a").terms[1].child.terms
    assert [term.contribution for term in terms] == pytest.approx([2 / 3, 1 / 3 * 5 / 12])
    assert model.shares.tolist() == pytest.approx([0.9, 0.1])


def test_a_sentence_end_restarts_the_chain_and_not_the_skips() -> None:
    documents = rows([[2, 3, END, 4], [4]])
    model = AssociationModel.fit(documents, VOCABULARY, order=3, skips=[(2,)])
    ngrams, skips = stored_ngrams(model), stored_skips(model)
    assert (brute.BEGIN, 4) in ngrams[1]
    assert ngrams[1][(brute.BEGIN, 4)] == 2
    assert not any(END in gram[:-1] for order in ngrams for gram in order)
    assert skips[0][(3, 4)] == 1  # past </s>, two back from c
    np.testing.assert_allclose(
        distribution(AssociationModel.fit(documents, VOCABULARY, order=3, skips=False).begin([2, 3, END])),
        distribution(AssociationModel.fit(documents, VOCABULARY, order=3, skips=False).begin([])),
    )


def test_nothing_is_seen_across_documents() -> None:
    apart = AssociationModel.fit(rows([[2, 3], [4, 2]]), VOCABULARY, skips=TEMPLATES)
    assert not any({3, 4} <= set(gram) for order in stored_ngrams(apart) for gram in order)
    assert not any(gram[0] == 3 for gram in stored_skips(apart)[0])


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


def test_no_token_is_impossible() -> None:
    """Counts that make a measured discount negative, in a row of only such counts: the rest must keep a chance."""
    words = WordVocabulary(list("abcdefghij"))
    grams = ["a b", "c d", "e f", "g h g h", "i a " * 3, "i b " * 3, "i c " * 3, "j d " * 4]
    model = AssociationModel.fit(" ".join(grams), words, order=2, skips=False)
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
    """Here the shares are fitted, on documents set aside or given; not even the last digit may depend on the order."""
    texts, aside = [*voices["sea"], *voices["lullabies"]], voices["kitchen"]
    straight = AssociationModel.fit(texts, words)
    assert straight.shares[0] != 0.9  # fitted
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


def test_taking_a_share_out_takes_out_exactly_its_term(sea: AssociationModel) -> None:
    context, token = "At night the", "tide"
    explanation = sea.explain(context, token)
    for k, term in enumerate(explanation.terms):
        shares = sea.shares.copy()
        shares[k] = 0.0
        without = dataclasses.replace(sea, shares=shares)
        left = np.exp(distribution(without.begin(context))[sea.token_id(token)])
        assert explanation.total - left == pytest.approx(term.contribution, abs=1e-12)


def test_taking_a_count_out_takes_out_exactly_its_term(sea: AssociationModel) -> None:
    """Of each order of the chain: with the share of that one entry zeroed, the chain loses that order's term."""
    context, token = sea.begin("At night the"), sea.token_id("tide")
    account = context.explain(token).terms[0].child
    assert account is not None
    for term in account.terms[:-1]:
        n = int(term.name.removeprefix("order ")) - 1
        table = sea.chain.tables[n]
        entries = np.flatnonzero(table.rows.keys % sea.vocabulary.size == token)
        share = table.share.copy()
        share[entries] = 0.0
        tables = tuple(dataclasses.replace(t, share=share) if t is table else t for t in sea.chain.tables)
        without = dataclasses.replace(sea, chain=dataclasses.replace(sea.chain, tables=tables))
        left = without.begin("At night the").explain(token).terms[0].child
        assert left is not None
        assert account.total - left.total == pytest.approx(term.contribution, abs=1e-12)
        assert term.contribution > 0
