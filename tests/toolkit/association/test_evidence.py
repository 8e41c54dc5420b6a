"""A count can be opened: the lines it shows are the lines it counted."""

import numpy as np
import pytest

from polyloom import AssociationModel, InputError, Term, WordVocabulary
from polyloom_kernels.history import Memory
from toolkit.association import brute_force as brute

LIMIT = 10**6


@pytest.fixture(scope="module")
def model(voices: dict[str, tuple[str, ...]]) -> AssociationModel:
    """Every word is listed, so a passage can be encoded again."""
    texts = voices["lullabies"][:30]
    return AssociationModel.fit(texts, WordVocabulary.train(texts), order=4, keep_text=True)


@pytest.fixture(scope="module")
def documents(model: AssociationModel, voices: dict[str, tuple[str, ...]]) -> list[list[int]]:
    """What `model` counted."""
    return [model.vocabulary.encode(text).tolist() for text in voices["lullabies"][:30]]


def leaves(model: AssociationModel, read: list[int], token: int) -> list[tuple[tuple[int, ...] | int, Term]]:
    """Each counting leaf after a context, with its template, or how many tokens of the chain it looks back."""
    chain, *others = model.explain(read, token).terms
    orders = chain.child.terms[:-1]
    found = [(int(term.name.removeprefix("order ")) - 1, term) for term in orders]
    skips = zip(model.skips, others[: len(model.skips)], strict=True)
    return [*found, *((template, term.child.terms[0]) for template, term in skips)]


def places(documents: list[list[int]], read: list[int], token: int, look: tuple[int, ...] | int, end: int) -> list:
    """(document, position) wherever `token` came after what stands before it now, by looking at every token."""
    found = []
    for number, document in enumerate(documents):
        for at in range(len(document)):
            if document[at] != token:
                continue
            if isinstance(look, tuple):
                same = brute.seen(document, at, look) == brute.seen(read, len(read), look)
            else:
                ours, theirs = (brute.chains(text, end)[-1] for text in (document[:at], read))
                same = look <= min(len(ours), len(theirs)) and ours[len(ours) - look :] == theirs[len(theirs) - look :]
            if same:
                found.append((number, at))
    return found


def test_evidence_is_every_place_that_was_counted_and_no_other(
    model: AssociationModel, documents: list[list[int]]
) -> None:
    vocabulary = model.vocabulary
    for document, cut in ((0, 0), (1, 5), (2, 1), (3, 12)):
        read, token = documents[document][:cut], documents[document][cut]
        for look, term in leaves(model, read, token):
            expected = places(documents, read, token, look, vocabulary.sentence_end)
            found = term.evidence(LIMIT)
            assert [passage.document for passage in found] == [number for number, _ in expected]
            for passage, (number, at) in zip(found, expected, strict=True):
                assert passage.token == vocabulary.pieces[token]
                before, after = vocabulary.encode(passage.before), vocabulary.encode(passage.after)
                np.testing.assert_array_equal(before, documents[number][max(0, at - 8) : at])
                np.testing.assert_array_equal(after, documents[number][at + 1 : at + 7])


def test_the_longest_order_shows_as_many_lines_as_it_counted(sea: AssociationModel) -> None:
    term = sea.explain("At night the", "tide").terms[0].child.terms[0]
    count = int(term.detail.split()[0])
    assert count > 1
    assert len(term.evidence(LIMIT)) == count
    assert term.evidence(1) == term.evidence(LIMIT)[:1]


def test_a_term_that_counted_nothing_shows_nothing(sea: AssociationModel) -> None:
    chain = sea.explain("tide tide tide tide", "moon").terms[0].child
    assert chain.terms[0].evidence() == ()  # an unseen context
    assert chain.terms[-1].evidence() == ()  # the floor


def test_what_the_text_so_far_said_has_no_training_lines(sea: AssociationModel) -> None:
    """It shows itself: nothing was counted in training."""
    for term in sea.explain("At night the tide and the moon and the", "moon").terms[-1 - len(sea.memory.orders) :]:
        assert term.child.total > 0
        assert all(leaf.evidence() == () for leaf in term.child.terms)


def test_a_term_that_opens_sends_you_on(sea: AssociationModel) -> None:
    with pytest.raises(InputError, match="ask the terms of its child"):
        sea.explain("At night the", "tide").terms[0].evidence()


def test_without_kept_text_asking_raises_and_says_so(lullabies: AssociationModel) -> None:
    explanation = lullabies.explain("At night the", "moon")
    with pytest.raises(InputError, match="keep_text=True"):
        explanation.evidence()
    assert "\nseen: …" not in str(explanation)


def test_the_whole_shows_the_lines_of_its_strongest_term(sea: AssociationModel) -> None:
    explanation = sea.explain("At night the", "tide")
    assert explanation.evidence(2) == explanation.terms[0].child.terms[0].evidence(2)
    assert explanation.evidence()[0].token == "tide"
    assert explanation.evidence()[0].before.endswith("At night the ")


def test_details_name_the_context_as_read() -> None:
    model = AssociationModel.fit(
        "a b c a b", WordVocabulary(list("abc")), order=3, skips=[(1, 3), (2,)], history=Memory((1, 2, 4))
    )
    chain, two, one, *history = model.explain("a b", "c").terms
    assert [term.detail for term in chain.child.terms][:2] == [
        '1 of 1 times after "a b"',
        '1 of 1 continuations of "b"',
    ]
    assert chain.child.terms[-1].detail == "1 of 3 words"
    assert two.child.terms[0].detail == '1 of 1 times after "[start] _ b"'
    assert one.child.terms[0].detail == '1 of 1 times after "a _"'
    assert [[leaf.detail for leaf in term.child.terms] for term in history] == [
        ["weight 0.00 of 2.00 recent tokens", "whatever stands before"],
        *[["0 of 0 times in the text so far", "the recent tokens"]] * 3,
    ]
    said = [term.child.terms[0].detail for term in model.explain("a b a b a", "b").terms[-4:]]
    assert said == ["weight 2.00 of 5.00 recent tokens", *(f"{n} of {n} times in the text so far" for n in (2, 1, 0))]
