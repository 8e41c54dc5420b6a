"""What a model that is used goes through: copies, layers that come and go, arguments of the wrong kind."""

import copy
import gc
import pickle
import weakref
from collections.abc import Callable

import numpy as np
import pytest

from polyloom import AssociationModel, ByteVocabulary, InputError, Layer, Layered, WordVocabulary

ABC = WordVocabulary(["<unk>", "</s>", *"abc"])


def asked() -> AssociationModel:
    """A model that compiled code has read by its addresses."""
    model = AssociationModel.fit(["a b c a b", "b c a"], ABC, keep_text=True)
    assert model.voice.record.any()
    model.predict("a b", 3)
    return model


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model))])
def test_a_copy_of_a_used_model_reads_its_own_arrays(copied: Callable[[AssociationModel], AssociationModel]) -> None:
    model = asked()
    expected, at = model.predict("a b", 5), model.voice.record.copy()
    again = copied(model)
    del model
    gc.collect()
    assert again.predict("a b", 5) == expected
    assert again.voice.record[0] != at[0]


def test_a_layer_that_left_all_mixes_is_let_go() -> None:
    base = asked()
    gone: list[weakref.ref[object]] = []
    for n in range(12):
        layer = AssociationModel.fit(f"c b a {'b ' * n}", ABC)
        Layered(base, {"other": Layer(layer)}).begin("a").top(2)
        gone.append(weakref.ref(layer.store))
        del layer
    gc.collect()
    assert sum(ref() is not None for ref in gone) <= 4


def test_an_edge_stands_once() -> None:
    model = AssociationModel.fit("a b c a b c a b", ABC)
    for direction in ("after", "before"):
        found = [(edge.offset, edge.piece) for edge in model.edges("a", 50, direction)]
        assert found
        assert len(found) == len(set(found))


def test_a_description_says_what_to_know() -> None:
    told = str(asked().describe())
    assert "not fitted" in told
    assert "the text is kept" in told
    assert "pruned" not in told
    assert "pruned" in str(AssociationModel.fit("a b a b c", ABC, prune=2).describe())


def test_lines_of_bytes_are_read_as_text() -> None:
    model = AssociationModel.fit(["ab \U0001f642 hi é"] * 3, ByteVocabulary(), keep_text=True)
    line = model.explain("ab \U0001f642 ", "h").evidence(1)[0]
    assert (line.before, line.token) == ("ab \U0001f642 ", "h")
    assert line.after == "i é"


@pytest.mark.parametrize(
    "wrong",
    [
        {"order": True},
        {"order": 2.0},
        {"prune": 1.5},
        {"cap": "2"},
        {"skips": (1, 3)},
        {"skips": [(1.0,)]},
        {"skips": [np.array([1, 3])]},
        {"skips": "12"},
        {"skips": None},
        {"scoring": "position", "progress": True},
    ],
)
def test_wrong_settings_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(InputError):
        AssociationModel.fit("a b c", ABC, **wrong)


def test_integers_of_numpy_are_integers() -> None:
    assert AssociationModel.fit("a b c", ABC, order=np.int64(3)).order == 3


@pytest.mark.parametrize("k", [0, 2.5, "3", True])
def test_a_count_of_candidates_is_a_whole_number(k: object) -> None:
    with pytest.raises(InputError, match="k must be a whole number"):
        asked().begin("a").top(k)
