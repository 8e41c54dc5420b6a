"""Explanations: what they add up to, how they print, and that nothing in them reaches a page as markup."""

import math
from html.parser import HTMLParser

import pytest

from polyloom import Explanation, InputError, Passage, Term
from polyloom.explanation import difference

LINE = Passage("At night the ", "tide", " comes\nin", 3)


def account(chance: float = 0.6) -> Explanation:
    """A layer's own account: three terms, of which one counted a line."""
    terms = (
        Term("order 2", chance - 0.1, '4 of 6 times after "the"', find=lambda limit: (LINE,)[:limit]),
        Term("order 1", 0.0999, "a"),
        Term("any word", 0.0001, "b"),
    )
    return Explanation("tide", "At night the", "probability", terms, chance)


@pytest.fixture
def mixed() -> Explanation:
    inner = account()
    quiet = Explanation("tide", "At night the", "probability", (Term("any word", 0.001),), 0.001)
    terms = (Term("lull", 0.0005, "0.5 × 0.001", quiet), Term("sea", 0.3, "0.5 × 0.6", inner))
    return Explanation("tide", "At night the", "probability", terms, 0.3005)


def test_the_residual_is_what_the_terms_leave() -> None:
    assert account().residual == pytest.approx(0, abs=1e-15)
    off = Explanation("x", "", "probability", (Term("a", 0.25), Term("b", 0.5)), 1.0)
    assert off.residual == 0.25
    never = Explanation("x", "", "log", (Term("a", -math.inf), Term("b", 0.5)), -math.inf)
    assert never.residual == 0
    assert "residual 0.000000" in str(never)


def test_it_prints_the_large_terms_in_order_and_sums_up_the_small(mixed: Explanation) -> None:
    assert str(mixed).splitlines() == [
        "'tide' after \"At night the\": probability 0.300500",
        "  0.300000  sea: 0.5 × 0.6",
        '    0.250000  order 2: 4 of 6 times after "the"',
        "    0.049950  order 1: a",
        "    0.000050  1 smaller term",
        "  0.000500  1 smaller term",
        "residual 0.000000",
        "seen: … At night the [tide] comes / in …",
    ]
    assert repr(mixed) == str(mixed)


def test_children_print_on_the_scale_of_the_whole(mixed: Explanation) -> None:
    """What a layer gives is printed as it enters the mix, so that the column can be added up."""
    rows = [line.split("  ") for line in str(mixed).splitlines()[1:-2]]
    deep = sum(float(row[2]) for row in rows if row[:2] == ["", ""])
    assert deep == pytest.approx(0.3)


def test_evidence_is_that_of_the_strongest_counting_term(mixed: Explanation) -> None:
    assert mixed.evidence() == (LINE,)
    assert mixed.terms[1].child.terms[0].evidence(0) == ()
    assert mixed.terms[1].child.terms[1].evidence() == ()
    with pytest.raises(InputError, match="'sea' opens"):
        mixed.terms[1].evidence()
    assert Explanation("x", "", "probability", (), 0.0).evidence() == ()


def test_a_difference_is_taken_term_by_term() -> None:
    both = difference(account(0.6), account(0.4))
    assert both.total == pytest.approx(0.2)
    assert [term.contribution for term in both.terms] == pytest.approx([0.2, 0, 0])
    assert (both.piece, both.against) == ("tide", "tide")
    assert both.terms[1].detail == "tide: a; tide: a"


def test_a_difference_shows_the_lines_of_whoever_has_more() -> None:
    ours = Explanation("a", "", "probability", (Term("t", 0.1, find=lambda limit: (LINE,)),), 0.1)
    theirs = Explanation("b", "", "probability", (Term("t", 0.2, find=lambda limit: ()),), 0.2)
    assert difference(ours, theirs).evidence() == ()
    assert difference(theirs, ours).evidence() == ()
    assert difference(ours, ours).evidence() == (LINE,)


def test_trees_of_different_shapes_have_no_difference() -> None:
    with pytest.raises(ValueError, match="shorter"):
        difference(account(), Explanation("x", "", "probability", (Term("a", 1.0),), 1.0))


@pytest.fixture
def multiplied() -> Explanation:
    """0.5 · ln 0.6 + 0.25 · ln 0.01 − ln Z, with Z = 0.8."""
    quiet = Explanation("tide", "At night the", "probability", (Term("any word", 0.01),), 0.01)
    terms = (
        Term("sea", 0.5 * math.log(0.6), "0.5 × ln 0.6", account()),
        Term("lull", 0.25 * math.log(0.01), "0.25 × ln 0.01", quiet),
        Term("−ln Z", -math.log(0.8), "Z = 0.8"),
    )
    return Explanation("tide", "At night the", "log", terms, math.fsum(term.contribution for term in terms))


def test_on_the_log_scale_children_keep_their_own_numbers(multiplied: Explanation) -> None:
    assert str(multiplied).splitlines() == [
        "'tide' after \"At night the\": log -1.183562 (p 0.306186)",
        "  -1.151293  lull: 0.25 × ln 0.01",
        "    0.010000  probability: how lull accounts for it, on its own scale",
        "      0.010000  any word",
        "  -0.255413  sea: 0.5 × ln 0.6",
        "    0.600000  probability: how sea accounts for it, on its own scale",
        '      0.500000  order 2: 4 of 6 times after "the"',
        "      0.099900  order 1: a",
        "      0.000100  1 smaller term",
        "  0.223144  −ln Z: Z = 0.8",
        "residual 0.000000",
        "seen: … At night the [tide] comes / in …",
    ]
    assert multiplied.probability == pytest.approx(0.6**0.5 * 0.01**0.25 / 0.8)


def test_a_log_account_within_a_probability_keeps_its_own_numbers(multiplied: Explanation) -> None:
    term = Term("pool", 0.5 * multiplied.probability, "0.5 × p", multiplied)
    whole = Explanation("tide", "", "probability", (term,), term.contribution)
    assert str(whole).splitlines()[1:4] == [
        "  0.153093  pool: 0.5 × p",
        "    -1.183562  log: how pool accounts for it, on its own scale",
        "      -1.151293  lull: 0.25 × ln 0.01",
    ]
    assert whole.evidence() == (LINE,)


def test_a_log_account_within_another_is_scaled_by_its_weight(multiplied: Explanation) -> None:
    """2 ln p = Σ 2 · its terms: on one scale the columns still add up."""
    whole = Explanation("tide", "", "log", (Term("pool", 2 * multiplied.total, "", multiplied),), 2 * multiplied.total)
    assert [line.split()[0] for line in str(whole).splitlines()[1:3]] == ["-2.367124", "-2.302585"]


def test_shares_are_the_parts_of_whoever_speaks_for_it(mixed: Explanation, multiplied: Explanation) -> None:
    assert mixed.shares() == pytest.approx({"lull": 0.0005 / 0.3005, "sea": 0.3 / 0.3005})
    assert multiplied.shares() == pytest.approx({"sea": 0.6 / 0.61, "lull": 0.01 / 0.61})
    leaves = (Term("the", 2.0), Term("night", 1.0), Term("of", -1.0), Term("−ln Z", -4.0))
    assert Explanation("x", "", "log", leaves, -2.0).shares() == pytest.approx(
        {"the": 2 / 3, "night": 1 / 3, "of": 0, "−ln Z": 0}
    )
    assert Explanation("x", "", "log", leaves[2:], -5.0).shares() == {"of": 0, "−ln Z": 0}


def test_a_difference_of_logs_is_no_probability(multiplied: Explanation) -> None:
    both = difference(multiplied, multiplied)
    assert (both.total, both.scale) == (0, "log")
    with pytest.raises(InputError, match="difference on the scale 'log'"):
        _ = both.probability
    with pytest.raises(InputError, match="difference"):
        both.shares()
    assert both.evidence() == (LINE,)


class Reader(HTMLParser):
    """Tags and text of a page, as a browser would read them."""

    def __init__(self, page: str) -> None:
        super().__init__()
        self.tags, self.text = list[str](), ""
        self.feed(page)

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.tags.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_a_page_shows_the_same(mixed: Explanation) -> None:
    read = Reader(mixed._repr_html_())
    for part in (
        "tide",
        "At night the",
        "0.300500",
        "sea",
        "0.5 × 0.6",
        "order 2",
        "1 smaller term",
        "residual 0.000000",
    ):
        assert part in read.text
    assert read.tags.count("tr") == 5
    assert read.tags.count("li") == 1


def test_what_a_corpus_holds_is_never_markup() -> None:
    evil = "<script>alert('\"&amp;')</script>"
    passage = Passage(evil, evil, evil, 0)
    term = Term(evil, 1.0, evil, find=lambda limit: (passage,))
    read = Reader(Explanation(evil, evil, "probability", (term,), 1.0)._repr_html_())
    assert "script" not in read.tags
    assert read.text.count(evil) == 7


def test_a_passage_prints_on_one_line() -> None:
    assert str(LINE) == "… At night the [tide] comes / in …"


@pytest.fixture
def network() -> Explanation:
    """ln p = 2 + (1.5 − 0.5) + 0.25 − 0.125 − 4, of which a layer's attention opens into two heads and a small bias."""
    heads = (Term("head 0", 1.5), Term("head 1", -0.5), Term("output bias", 0.0))
    attention = Explanation("tide", "At night the", "logit", heads, 1.0)
    terms = (
        Term("embedding", 2.0),
        Term("layer 0 attention", 1.0, child=attention),
        Term("final norm bias", 0.25),
        Term("soft-cap", -0.125, "3.2500 within ±9"),
        Term("− logsumexp", -4.0, "over all 9 pieces"),
    )
    return Explanation("tide", "At night the", "logit", terms, -0.875)


def test_on_the_logit_scale_parts_add_up_to_a_log_probability(network: Explanation) -> None:
    assert network.residual == 0
    assert network.probability == pytest.approx(math.exp(-0.875))
    assert str(network).splitlines() == [
        "'tide' after \"At night the\": logit -0.875000 (p 0.416862)",
        "  -4.000000  − logsumexp: over all 9 pieces",
        "  2.000000  embedding",
        "  1.000000  layer 0 attention",
        "    1.500000  head 0",
        "    -0.500000  head 1",
        "    0.000000  1 smaller term",
        "  0.250000  final norm bias",
        "  -0.125000  soft-cap: 3.2500 within ±9",
        "residual 0.000000",
    ]
    assert "0.416862" in network._repr_html_()


def test_a_part_of_a_logit_is_no_probability(network: Explanation) -> None:
    attention = network.terms[1].child
    assert str(attention).startswith("'tide' after \"At night the\": logit 1.000000\n")
    with pytest.raises(InputError, match="part of the logit of 'tide'"):
        _ = attention.probability


def test_small_on_the_logit_scale_is_beside_all_terms_together() -> None:
    """A token that is nearly certain has a total near 0, and its terms are no larger for that."""
    terms = (Term("embedding", 9.0), Term("layer 0 feed-forward", 0.1), Term("− logsumexp", -9.1001))
    lines = str(Explanation("x", "", "logit", terms, -0.0001)).splitlines()
    assert [line.split("  ")[-1] for line in lines[1:-1]] == ["− logsumexp", "embedding", "1 smaller term"]


def test_shares_of_a_network_are_those_of_its_parts(network: Explanation) -> None:
    assert network.shares() == pytest.approx(
        {"embedding": 2 / 3.25, "layer 0 attention": 1 / 3.25, "final norm bias": 0.25 / 3.25}
    )
    assert network.terms[1].child.shares() == {"head 0": 1, "head 1": 0, "output bias": 0}


def test_a_network_has_no_training_lines_to_show(network: Explanation) -> None:
    assert network.evidence() == ()
    assert difference(network, network).evidence() == ()


def test_a_network_in_a_mix_keeps_its_own_numbers(network: Explanation) -> None:
    given = 0.5 * network.probability
    terms = (Term("network", given, "0.5 × p", network), Term("sea", 0.3, "0.5 × 0.6", account()))
    mix = Explanation("tide", "", "probability", terms, given + 0.3)
    assert "    -0.875000  logit: how network accounts for it, on its own scale" in str(mix).splitlines()
    assert mix.shares() == pytest.approx({"network": given / (given + 0.3), "sea": 0.3 / (given + 0.3)})
    assert mix.evidence() == (LINE,)
    product = Explanation("tide", "", "log", (Term("network", 0.5 * network.total, "", network),), 0.5 * network.total)
    assert product.shares() == {"network": 1}
