"""`AssociationModel.fit`: what it takes, what it refuses, and figures of KenLM on real text."""

from pathlib import Path

import numpy as np
import pytest

from contract import distribution, logsumexp
from polyloom import AssociationModel, ByteVocabulary, InputError, WordVocabulary
from polyloom.association.skip import TEMPLATES
from polyloom.model import BLOCK_BYTES
from polyloom_kernels.history import Memory
from toolkit.association.held import same_tapes

ABC = WordVocabulary(["a", "b", "c"])


@pytest.mark.parametrize("documents", [[], "", [""], ["", ""], {}, [np.empty(0, np.int64)]])
def test_nothing_to_count_is_refused(documents: object) -> None:
    with pytest.raises(InputError, match="at least one token"):
        AssociationModel.fit(documents, ABC)


@pytest.mark.parametrize("order", [0, -1, 17])
def test_an_order_out_of_range_is_refused(order: int) -> None:
    with pytest.raises(InputError, match=f"from 1 to 16, got {order}"):
        AssociationModel.fit("a", ABC, order=order)


@pytest.mark.parametrize("skips", [[()], [(0,)], [(3, 1)], [(2, 2)], [(-1, 2)]])
def test_a_template_that_does_not_ascend_is_refused(skips: list[tuple[int, ...]]) -> None:
    with pytest.raises(InputError, match="ascending offsets"):
        AssociationModel.fit("a", ABC, skips=skips)


def test_a_template_given_twice_is_refused() -> None:
    """Its two terms would have one name, and a table of shares by name would lose one of them."""
    with pytest.raises(InputError, match="once"):
        AssociationModel.fit("a", ABC, skips=[(2,), (1, 3), (2,)])


def test_skips_are_the_default_ones_or_none_or_those_given() -> None:
    def templates(**given: object) -> list[tuple[int, ...]]:
        return list(AssociationModel.fit("a b c a", ABC, **given).skips)

    assert templates() == templates(skips=True) == list(TEMPLATES)
    assert templates(skips=False) == templates(skips=()) == []
    assert templates(skips=[(2,), [1, 3], (1, 2)]) == [(1, 2), (1, 3), (2,)]


def test_the_order_in_which_templates_are_given_never_matters() -> None:
    one, other = (AssociationModel.fit("a b c a", ABC, skips=given) for given in ([(2,), (1, 3)], [(1, 3), (2,)]))
    assert one.digest == other.digest
    assert one.components[:4] == ("n-gram", "skip 1+3", "skip 2", "cache")
    assert one.components[4:] == tuple(f"history {order}" for order in Memory().orders)


@pytest.mark.parametrize("history", [None, 0, "yes", (1, 2)])
def test_a_history_that_is_none_is_refused(history: object) -> None:
    with pytest.raises(InputError, match="history must be True, False or a Memory"):
        AssociationModel.fit("a", ABC, history=history)  # pyright: ignore[reportArgumentType]


@pytest.mark.parametrize("order", range(1, 8))
def test_all_orders_are_normalised_and_look_no_further_back(order: int) -> None:
    model = AssociationModel.fit(["a b c a b a", "c c b"], ABC, order=order, skips=False, history=False)
    assert model.reach == order - 1
    for context in ("", "a", "a b", "b b b b b b b b", "c a b c a b c a b"):
        ids = ABC.encode(context)
        found = distribution(model.begin(ids))
        assert logsumexp(found) == pytest.approx(0, abs=1e-12)
        if len(ids) >= order:
            changed = np.append((ids[: -order + 1 or None] + 1) % 3, ids[len(ids) - order + 1 :])
            np.testing.assert_array_equal(distribution(model.begin(changed)), found)


def test_long_rows_come_in_several_blocks() -> None:
    words = WordVocabulary([f"w{n}" for n in range(10_000)])
    model = AssociationModel.fit(np.arange(10_000), words, order=2, skips=False)
    tokens = np.arange(1_000)
    blocks = list(model.log_probs(tokens))
    assert [len(block) for block in blocks] == [BLOCK_BYTES // 80_000, 1_000 - BLOCK_BYTES // 80_000]
    assert max(block.nbytes for block in blocks) <= BLOCK_BYTES
    np.testing.assert_allclose(
        model.log_likelihood(tokens), np.concatenate(blocks)[np.arange(1_000), tokens], atol=1e-12
    )


def test_held_out_text_fits_the_gate_and_is_not_counted(voices: dict[str, tuple[str, ...]]) -> None:
    texts, aside = voices["sea"][:40], voices["sea"][40:]
    words = WordVocabulary.train(voices["sea"])
    plain, fitted = (AssociationModel.fit(texts, words, held_out=held) for held in ((), aside))
    assert fitted.tokens_counted == plain.tokens_counted == sum(len(words.encode(text)) for text in texts)
    assert same_tapes(plain, fitted)
    known = np.random.default_rng(0).normal(0, 9, (50, len(fitted.gate.weights)))
    known[:, 0] = 1
    others = len(plain.components) - 1
    unfitted = np.broadcast_to([0.9, *[0.1 / others] * others], (50, 1 + others))
    np.testing.assert_allclose(plain.gate.shares(known), unfitted)
    np.testing.assert_allclose(fitted.gate.shares(known).sum(1), 1)
    assert fitted.gate.shares(known).min() >= 0.01 / (1 + others) * (1 - 1e-12)
    assert fitted.gate.shares(known).std(0).max() > 0.1
    assert fitted.perplexity(aside) < plain.perplexity(aside)


def test_without_held_out_text_all_of_it_is_counted(voices: dict[str, tuple[str, ...]]) -> None:
    texts = [*voices["sea"], *voices["kitchen"], *voices["lullabies"]]
    words = WordVocabulary.train(texts)
    model = AssociationModel.fit(texts, words)
    assert model.gate.weights[1:].any()  # there was enough to fit it
    assert not model.gate.stale
    assert same_tapes(model, AssociationModel.fit(texts, words, held_out=()))


def test_one_document_in_all_forms() -> None:
    ids = ABC.encode("a b a c")
    forms = ["a b a c", ["a b a c"], ids, [ids], [ids.tolist()], {"x": "a b a c"}, iter(["a b a c"]), ["", "a b a c"]]
    digests = {AssociationModel.fit(form, ABC).digest for form in forms}
    assert len(digests) == 1


def test_any_text_can_be_counted_in_bytes() -> None:
    model = AssociationModel.fit("\U0001f30a é ü \U0001f30a é", ByteVocabulary(), order=6)
    assert model.predict("ü \U0001f30a", 1)[0][0] == " "


def test_repr_says_what_it_holds() -> None:
    model = AssociationModel.fit("a b a", ABC, order=2, skips=[(2,)])
    assert repr(model) == "<AssociationModel order 2, 1 skips, history: 3 tokens, 8 counts>"
    model = AssociationModel.fit("a b a", ABC, order=2, skips=[(2,)], history=False)
    # unigrams a, b; bigrams BEGIN-a, a-b, b-a; two back BEGIN-a, BEGIN-b, a-a
    assert repr(model) == "<AssociationModel order 2, 1 skips: 3 tokens, 8 counts>"
    assert (model.tokens_counted, model.entries) == (3, 8)


def lines(file: Path, words: WordVocabulary) -> list[np.ndarray]:
    """Tokens parted by spaces, `<unk>` written out; each line ends in `</s>`."""
    ids = {piece: at for at, piece in enumerate(words.pieces)}
    rows = file.read_text(encoding="utf-8").removesuffix("\n").split("\n")
    return [np.array([*(ids[token] for token in row.split(" ")), ids["</s>"]]) for row in rows]


@pytest.mark.long
@pytest.mark.shared_data
@pytest.mark.parametrize(
    ("name", "order_3", "order_5"),
    [("pydocs", 77.74, 73.42), ("tinyshakespeare", 120.56, 120.39), ("warandpeace", 151.90, 149.40)],
)
def test_perplexity_is_that_of_kenlm(shared: Path, name: str, order_3: float, order_5: float) -> None:
    """KenLM's `lmplz` (interpolated modified Kneser–Ney), lines as documents.

    What is left between us, a few in a million, is KenLM's own `<unk>`, one word more to share the floor with.
    """
    folder = shared / "anchors" / "ngram" / name
    words = WordVocabulary((folder / "vocab.txt").read_text(encoding="utf-8").split())
    train, test = lines(folder / "train.txt", words), lines(folder / "test.txt", words)
    for order, expected in ((3, order_3), (5, order_5)):
        model = AssociationModel.fit(train, words, order=order, skips=False, history=False)
        assert model.perplexity(test) == pytest.approx(expected, rel=2e-4)
