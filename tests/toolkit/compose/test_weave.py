"""Weave: what is learned, what is held out, what is refused; and the mix that the README shows."""

import sys
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from polyloom import ByteVocabulary, InputError, Layered, VocabularyError, weave
from polyloom.compose.weave import HeldOut
from polyloom.tokens import WordVocabulary

OPENERS = (
    "At night the",
    "In the morning the",
    "When the rain",
    "Under the old",
    "Every child",
    "If the door",
    "Nobody may",
    "Keep the",
    "There is a",
    "We agree that",
    "Bring the",
    "At the end of the",
)
MINE = "The street is mine. The dog is mine too! Nobody may wake us? The end is near."


def texts(mix: Layered, name: str) -> set[tuple[int, ...]]:
    """The documents that a voice learned from, without their `</s>`."""
    text = mix.models[name].text
    parts = np.split(text.tokens, text.starts[1:])
    return {tuple(part[:-1].tolist()) for part in parts}


def held(mix: Layered, held_out: HeldOut, name: str) -> set[tuple[int, ...]]:
    end = mix.vocabulary.sentence_end
    assert all(document[-1] == end for document in held_out[name])
    return {tuple(document[:-1].tolist()) for document in held_out[name]}


# the split


def test_every_document_is_learned_or_held_out(
    woven: tuple[Layered, HeldOut], voices: dict[str, tuple[str, ...]]
) -> None:
    mix, held_out = woven
    for name, documents in voices.items():
        everything = {tuple(mix.vocabulary.encode(document).tolist()) for document in documents}
        learned, aside = texts(mix, name), held(mix, held_out, name)
        assert learned | aside == everything
        assert not learned & aside
        assert len(aside) == round(0.1 * len(documents))


def test_the_split_repeats(woven: tuple[Layered, HeldOut], voices: dict[str, tuple[str, ...]]) -> None:
    mix, held_out = woven
    again, held_again = weave(voices, progress=False)
    assert again.digest == mix.digest
    for name in voices:
        for ours, theirs in zip(held_out[name], held_again[name], strict=True):
            np.testing.assert_array_equal(ours, theirs)


def test_the_order_of_documents_and_voices_changes_no_split_and_no_count(voices: dict[str, tuple[str, ...]]) -> None:
    ours, held_ours = weave({name: voices[name] for name in ("sea", "kitchen")}, progress=False)
    theirs, held_theirs = weave({name: voices[name][::-1] for name in ("kitchen", "sea")}, progress=False)
    assert ours.vocabulary == theirs.vocabulary
    assert list(theirs.layers) == ["kitchen", "sea"]
    for name in ("sea", "kitchen"):
        assert held(ours, held_ours, name) == held(theirs, held_theirs, name)
        (_, mine), (_, other) = ours.models[name].state(), theirs.models[name].state()
        for array in mine.keys() - {"text.tokens", "text.starts"}:
            np.testing.assert_array_equal(mine[array], other[array])


def test_a_document_given_twice_is_never_on_both_sides() -> None:
    documents = [f"word{n} word{n}." for n in range(12)] * 3
    for share in (0.1, 0.5, 0.9):
        mix, held_out = weave({"a": documents}, held_out=share, progress=False)
        learned, aside = texts(mix, "a"), held(mix, held_out, "a")
        assert not learned & aside
        assert len(aside) == round(share * 12)
        assert len(held_out["a"]) == 3 * len(aside)


def test_each_document_of_ids_ends_once() -> None:
    vocabulary = WordVocabulary.train(["one two three"])
    rows = [vocabulary.encode(text) for text in ("one two", "three one", "two two")]
    end = vocabulary.id_of("</s>")
    open_ended, closed = (
        weave({"a": [np.array([*row, *[end] * times]) for row in rows]}, vocabulary, progress=False) for times in (0, 1)
    )
    assert open_ended[0].digest == closed[0].digest
    assert [row.tolist() for row in closed[1]["a"]] == [row.tolist() for row in open_ended[1]["a"]]
    assert [row.tolist().count(end) for row in closed[1]["a"]] == [1]


@pytest.mark.parametrize("share", [0.01, 0.5, 0.99])
def test_something_is_held_out_and_something_learned(share: float) -> None:
    mix, held_out = weave({"a": ["one two", "three"]}, held_out=share, progress=False)
    assert len(texts(mix, "a")) == len(held_out["a"]) == 1


def test_the_vocabulary_knows_held_out_words_too(woven: tuple[Layered, HeldOut]) -> None:
    mix, held_out = woven
    assert all(mix.vocabulary.unknown not in document for rows in held_out.values() for document in rows)
    assert np.isfinite(mix.perplexity(held_out))


# forms of text


def test_one_voice_and_two() -> None:
    one, _ = weave({"me": MINE}, progress=False)
    two, _ = weave({"me": MINE, "you": "And you? And I! And all of us."}, progress=False)
    assert (list(one.layers), list(two.layers)) == (["me"], ["me", "you"])
    assert set(two.weights.values()) == {1.0}


def test_paragraphs_are_documents_and_sentences_where_they_are_few() -> None:
    many = "\n\n".join(f"Line {n}.\nMore of {n}." for n in range(12))
    few = "\n\n".join(f"Line {n}.\nMore of {n}." for n in range(4))
    (mix, held_many), (cut, held_few) = (weave({"a": text}, progress=False) for text in (many, few))
    assert len(texts(mix, "a")) + len(held_many["a"]) == 12
    assert len(texts(cut, "a")) + len(held_few["a"]) == 8


def test_line_ends_of_windows_change_nothing() -> None:
    unix = "\n\n".join(f"Line {n}.\nMore of {n}." for n in range(12))
    for text in (unix, "\n\n".join(unix.split("\n\n")[:4])):
        digests = {weave({"a": text.replace("\n", end)}, progress=False)[0].digest for end in ("\n", "\r\n", "\r")}
        assert len(digests) == 1
    documents = unix.split("\n\n")
    ours, theirs = (
        weave({"a": rows}, progress=False) for rows in (documents, [d.replace("\n", "\r\n") for d in documents])
    )
    assert ours[0].digest == theirs[0].digest


def test_emoji_and_scripts_are_words_like_others() -> None:
    family = "\U0001f468\u200d\U0001f469\u200d\U0001f467"
    text = f"\U0001f30a rolls in. \U0001f30a rolls out. 海は 青い。\nΤο κύμα είναι μπλε. {family} sleeps."
    mix, held_out = weave({"a": text}, progress=False)
    assert mix.predict("\U0001f30a", 1)[0][0] == "rolls"
    assert np.isfinite(mix.perplexity(held_out))


def test_blank_documents_vanish() -> None:
    mix, held_out = weave({"a": ["one two", "", " \n ", "three"]}, progress=False)
    assert len(texts(mix, "a")) + len(held_out["a"]) == 2


def test_generators_are_read_once() -> None:
    mix, held_out = weave({"a": (f"word {n}" for n in range(20))}, progress=False)
    assert len(texts(mix, "a")) + len(held_out["a"]) == 20


def test_a_vocabulary_may_be_given() -> None:
    mix, held_out = weave({"a": MINE}, ByteVocabulary(), progress=False)
    assert mix.vocabulary == ByteVocabulary()
    assert mix.vocabulary.decode(held_out["a"][0]) in MINE


# what is refused


def test_a_text_is_no_mapping_of_voices() -> None:
    with pytest.raises(InputError, match=r"Expected voices by name.*got str"):
        weave(MINE)


def test_no_voice_at_all_is_refused() -> None:
    with pytest.raises(InputError, match="at least one voice"):
        weave({})


@pytest.mark.parametrize(
    "text", ["", "  \n\n ", [], [""], ["once"], "Only one sentence", ["again", "again"], ["a\r\nb", "a\nb"]]
)
def test_too_little_text_is_refused_by_name(text: object) -> None:
    with pytest.raises(InputError, match=r"'quiet' has [01] .*more text"):
        weave({"me": MINE, "quiet": text}, progress=False)


def test_a_path_is_refused_with_the_way_out() -> None:
    for given in (Path("diary.txt"), [Path("diary.txt"), "text"]):
        with pytest.raises(InputError, match=r"Voice 'me': Expected .*(the path diary\.txt|got \w*Path)"):
            weave({"me": given}, progress=False)


@pytest.mark.parametrize("wrong", [5, None, b"bytes", [1, 2, 3], np.array([1, 2]), [np.array([1])], [["a", "b"]]])
def test_what_is_no_text_is_refused_by_name(wrong: object) -> None:
    with pytest.raises(InputError, match="'me'"):
        weave({"me": wrong}, progress=False)


@pytest.mark.parametrize("share", [0, 1, -0.1, 1.5, float("nan")])
def test_a_share_out_of_range_is_refused(share: float) -> None:
    with pytest.raises(InputError, match="between 0 and 1"):
        weave({"me": MINE}, held_out=share)


@pytest.mark.parametrize("vocabulary", [None, ByteVocabulary()])
def test_broken_unicode_is_refused(vocabulary: ByteVocabulary | None) -> None:
    with pytest.raises(VocabularyError, match="lone surrogate"):
        weave({"me": ["fine", "broken \ud800"]}, vocabulary, progress=False)


# what is printed


def test_progress_has_a_line_for_each_voice(capsys: pytest.CaptureFixture[str]) -> None:
    weave({"me": MINE, "you": MINE}, progress=True)
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[0] for line in lines] == ["voice", "me", "you"]
    weave({"me": MINE}, progress=False)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("watched", [True, False])
def test_progress_is_for_whoever_watches(
    watched: bool, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Other tests may have brought a kernel into this process, so it is put in or taken out here."""
    monkeypatch.delitem(sys.modules, "ipykernel", raising=False)
    if watched:
        monkeypatch.setitem(sys.modules, "ipykernel", ModuleType("ipykernel"))
    weave({"me": MINE})
    assert bool(capsys.readouterr().out) == watched


# the five voices


@pytest.mark.parametrize("opener", OPENERS)
def test_voices_go_on_in_their_own_words(woven: tuple[Layered, HeldOut], opener: str) -> None:
    """Of the twelve openers ten must have three different top words; as it is, all have."""
    tops = {model.predict(opener, 1)[0][0] for model in woven[0].models.values()}
    assert len(tops) >= 3


def test_the_example_of_the_readme(woven: tuple[Layered, HeldOut]) -> None:
    mix, _ = woven
    assert mix.predict("At night the", 1)[0][0] == "moon"
    assert mix.with_weights(sea=2).predict("At night the", 1)[0][0] == "tide"
    explanation = mix.with_weights(sea=2).explain("At night the", "tide")
    assert max(explanation.terms, key=lambda term: term.contribution).name == "sea"
    assert all("tide" in str(passage) for passage in explanation.evidence())


def test_each_voice_knows_its_own_held_out_text_best(woven: tuple[Layered, HeldOut]) -> None:
    mix, held_out = woven
    for name, documents in held_out.items():
        scores = {other: model.perplexity(documents) for other, model in mix.models.items()}
        assert min(scores, key=scores.__getitem__) == name
