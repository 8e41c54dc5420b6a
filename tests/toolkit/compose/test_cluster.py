"""Trees of models: merges by hand, the order of the leaves, cuts, pictures, and what is refused."""

import xml.etree.ElementTree as ET
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import polyloom
from polyloom import InputError, MissingPackage, VocabularyMismatch
from polyloom.compose.cluster import METHODS, Clusters, Merge
from toolkit.compose.constant import Constant, random_models
from toolkit.compose.test_similarity import STRANGER

ON = [np.array([0, 1, 2, 3, 4, 4, 2, 0, 1]), np.array([3, 1])]


def families() -> dict[str, Constant]:
    """Two and three models that are nearly the same, and one that is alone."""
    first, second, alone = random_models(5, 3)
    dice = np.random.default_rng(1)

    def near(model: Constant, by: float) -> Constant:
        rows = model.rows + by * dice.normal(size=model.rows.shape)
        return Constant(model.vocabulary, rows - np.log(np.exp(rows).sum(-1, keepdims=True)))

    return {
        "a": first, "x": second, "b": near(first, 0.05), "y": near(second, 0.2), "z": near(second, 0.2), "alone": alone,
    }  # fmt: skip


def naive(distances: dict[frozenset[str], float], names: list[str], method: str) -> list[tuple[frozenset[str], float]]:
    """The clusters as they come to be, and at what distance: by looking at all pairs each time."""
    how = {"average": lambda found: sum(found) / len(found), "single": min, "complete": max}[method]
    left, made = [frozenset([name]) for name in names], []
    while len(left) > 1:
        pairs = [(one, two) for n, one in enumerate(left) for two in left[n + 1 :]]
        apart = [how([distances[frozenset([a, b])] for a in one for b in two]) for one, two in pairs]
        one, two = pairs[int(np.argmin(apart))]
        left = [each for each in left if each not in (one, two)] + [one | two]
        made.append((one | two, min(apart)))
    return made


@settings(max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 6), st.sampled_from(METHODS))
def test_merges_are_those_of_looking_at_all_pairs(seed: int, count: int, method: str) -> None:
    models = dict(zip("abcdef", random_models(seed, count), strict=False))
    alike = polyloom.similarity_matrix(models, on=ON)
    distances = {frozenset([a, b]): 1 - alike[a, b] for a in models for b in models}
    tree = polyloom.cluster(models, on=ON, method=method)
    expected = naive(distances, list(models), method)
    assert [frozenset(merge.names) for merge in tree.merges] == [names for names, _ in expected]
    assert [merge.distance for merge in tree.merges] == pytest.approx([distance for _, distance in expected])
    assert sorted(tree.order) == sorted(models)
    for merge in tree.merges:  # clusters stand together
        at = tree.order.index(merge.names[0])
        assert tree.order[at : at + len(merge.names)] == merge.names


def test_families_are_found() -> None:
    tree = polyloom.cluster(families(), on=ON)
    found = {frozenset(names) for names in tree.cut(3)}
    assert found == {frozenset("ab"), frozenset("xyz"), frozenset({"alone"})}
    assert tree.merges[0].names in (("a", "b"), ("b", "a"))
    assert tree.cut(1) == (tree.order,)
    assert tree.cut(6) == tuple((name,) for name in tree.order)
    for n in range(1, 7):
        assert len(tree.cut(n)) == n
        assert sum(tree.cut(n), ()) == tree.order


@pytest.mark.parametrize("measure", ["hellinger", "top-k overlap"])
def test_other_measures_make_trees_too(measure: str) -> None:
    tree = polyloom.cluster(families(), on=ON, measure=measure, k=2)
    assert (tree.measure, tree.method) == (measure, "average")
    assert frozenset("ab") in {frozenset(merge.names) for merge in tree.merges}


# pictures

TREE = Clusters(
    ("sea", "song", "law", "a<b"),
    (
        Merge(("sea",), ("song",), 0.1),
        Merge(("law",), ("a<b",), 0.2),
        Merge(("sea", "song"), ("law", "a<b"), 0.4),
    ),
    "jensen-shannon",
    "average",
)


def test_a_tree_is_drawn_in_text() -> None:
    line = "─"
    assert repr(TREE).splitlines() == [
        f"sea       {10 * line}┬{29 * line}┬",
        f"song      {10 * line}┘{29 * ' '}│",
        f"law       {20 * line}┬{19 * line}┘",
        f"a<b       {20 * line}┘",
        "distance  0 … 0.4 (1 − similarity, jensen-shannon; average linkage)",
    ]


def test_joins_at_the_same_distance_stand_apart() -> None:
    names = tuple("abcd")
    merges = tuple(Merge(names[: n + 1], (names[n + 1],), 0.0) for n in range(3))
    assert repr(Clusters(names, merges, "hellinger", "single")).splitlines()[:4] == [
        "a         ┬┬┬",
        "b         ┘││",
        "c         ─┘│",
        "d         ──┘",
    ]


def test_a_tree_is_drawn_as_a_picture() -> None:
    page = TREE._repr_html_()
    root = ET.fromstring(page)
    assert [each.text for each in root.findall("text")][:4] == list(TREE.order)
    assert [path[0].text for path in root.findall("path")] == [
        "sea and song: 0.1000",
        "law and a<b: 0.2000",
        "sea, song and law, a<b: 0.4000",
    ]
    assert "a<b" in root.attrib["aria-label"]
    assert polyloom.cluster(families(), on=ON)._repr_html_() == polyloom.cluster(families(), on=ON)._repr_html_()


# what is refused


@pytest.mark.parametrize("n", [0, 5, -1, 1.5, "2", None, True])
def test_only_so_many_clusters_can_be_cut(n: Any) -> None:
    with pytest.raises(InputError, match="The number of clusters must be a whole number from 1 to 4"):
        TREE.cut(n)


@pytest.mark.parametrize(
    ("models", "settings", "kind", "said"),
    [
        ({"a": random_models(1, 1)[0]}, {}, InputError, "two models or more, got a alone"),
        ({}, {}, InputError, "Expected members by name"),
        (families(), {"method": "ward"}, InputError, "Unknown method 'ward'; known are average, single, complete"),
        (families(), {"measure": "ward"}, InputError, "Unknown measure 'ward'"),
        (families(), {"on": ""}, InputError, "at least one token"),
        ({**families(), "s": STRANGER}, {}, VocabularyMismatch, "Member 's' speaks"),
    ],
)
def test_what_makes_no_tree_is_refused(models: Any, settings: Any, kind: type[InputError], said: str) -> None:
    with pytest.raises(kind, match=said):
        polyloom.cluster(models, **{"on": ON, **settings})


def test_without_scipy_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    def absent(name: str) -> Any:
        raise ModuleNotFoundError(f"No module named {name!r}", name="scipy")

    monkeypatch.setattr("polyloom._compat.import_module", absent)
    with pytest.raises(MissingPackage, match=r'Clustering models needs scipy.*pip install "polyloom\[cluster\]"'):
        polyloom.cluster(families(), on=ON)
