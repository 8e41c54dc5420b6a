"""The five voices as files: their size, their characters, their openers, and nothing said twice."""

import re
import tomllib
from collections import Counter
from importlib.resources import files
from pathlib import Path

import pytest

from polyloom_datasets import DataError, load, voice

VOICES = ("sea", "kitchen", "contracts", "lullabies", "field_guide")
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
FOLDER = Path(str(files("polyloom_datasets"))) / "voices"
each_voice = pytest.mark.parametrize("name", VOICES)
each_opener = pytest.mark.parametrize("opener", OPENERS)


def words_after(name: str, opener: str) -> Counter[str]:
    """The words that follow an opener where a sentence or a line begins."""
    return Counter(re.findall(rf"(?:^|[.!?] )['\"]?{opener} ([A-Za-z]+)", load(name).text, re.MULTILINE))


@each_voice
def test_size_and_characters(name):
    content = (FOLDER / f"{name}.txt").read_bytes()
    assert 19_000 <= len(content) <= 22_000
    assert content.isascii()
    assert content == f"{load(name).text}\n".encode(), "one blank line between documents, one line end at the last"
    assert not re.search(rb"[ \t]\n|[^\n ]  |\t", content), "trailing, doubled or tab white space"


@each_voice
def test_documents_are_whole_paragraphs(name):
    for document in load(name):
        assert 30 <= len(document.split()) <= 90
        assert re.search(r"""[.!?]["']?$""", document), f"not a sentence at the end: {document[-40:]!r}"
        assert document[0].isupper() or document[0] in "\"'"
        assert ("\n" in document) == (name == "lullabies"), "verses have lines, paragraphs have none"


@each_voice
def test_says_nothing_twice(name):
    repeated = [sentence for sentence, times in Counter(load(name).sentences).items() if times > 1]
    assert not repeated


def test_no_sentence_belongs_to_two_voices():
    sentences = [sentence for name in VOICES for sentence in load(name).sentences]
    assert len(set(sentences)) == len(sentences)


@each_voice
@each_opener
def test_every_opener_opens_about_eight_sentences(name, opener):
    assert 7 <= words_after(name, opener).total() <= 9


@each_opener
def test_voices_continue_an_opener_differently(opener):
    favourites = {words_after(name, opener).most_common(1)[0][0] for name in VOICES}
    assert len(favourites) == len(VOICES)


@each_voice
@each_opener
def test_an_opener_has_a_favourite_and_some_variety(name, opener):
    counts = words_after(name, opener)
    assert counts.most_common(1)[0][1] >= counts.total() / 2
    assert len(counts) >= 2
    beginnings = re.findall(rf"{opener}(?:\W+[\w']+){{4}}", load(name).text)
    assert len(set(beginnings)) == len(beginnings), "two of its sentences go on with the same four words"


@each_voice
def test_card(name):
    corpus = load(name)
    card = tomllib.loads((FOLDER / f"{name}.toml").read_text("utf-8"))
    assert (corpus.licence, corpus.source, corpus.language) == ("Apache-2.0", "Written for Polyloom", "en")
    assert card == {entry: getattr(corpus, entry) for entry in card}
    assert corpus.quotation is not None
    assert len(corpus.quotation) <= 140
    assert " ".join(corpus.quotation.split()) in corpus.sentences, "the quotation is a sentence of the text"


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A package with one small voice, to be damaged."""
    (tmp_path / "voices").mkdir()
    (tmp_path / "voices/me.txt").write_text("One.\n\nTwo.\n", "utf-8")
    fields = ("title", "description", "licence", "source", "language", "quotation")
    (tmp_path / "voices/me.toml").write_text("".join(f'{field} = "{field} of it"\n' for field in fields), "utf-8")
    monkeypatch.setattr(voice, "files", lambda package: tmp_path)
    return tmp_path


def test_a_voice_is_its_two_files(package):
    me = voice.voice("me")
    assert me.documents == ("One.", "Two.")
    assert (me.name, me.title, me.quotation) == ("me", "title of it", "quotation of it")


@pytest.mark.parametrize(
    ("card", "message"),
    [
        (None, r"me\.toml: expected a card in TOML, got .*No such file"),
        ("title = ", r"expected a card in TOML, got Invalid value"),
        ('title = "It"', r"a difference in description, language, licence, quotation, source\. Mend"),
        ('+mood = "blue"', r"expected text for exactly .*, got a difference in mood"),
        ("+year = 1", r"a difference in year"),
    ],
)
def test_a_damaged_card_is_named(package, card, message):
    path = package / "voices/me.toml"
    whole = path.read_text("utf-8")
    path.unlink()
    if card is not None:
        path.write_text(card.replace("+", whole) if card[0] == "+" else card, "utf-8")
    with pytest.raises(DataError, match=message):
        voice.voice("me")


def test_a_blank_entry_and_a_missing_text_are_named(package):
    path = package / "voices/me.toml"
    path.write_text(path.read_text("utf-8").replace("title of it", " "), "utf-8")
    with pytest.raises(DataError, match="a difference in title"):
        voice.voice("me")
    (package / "voices/me.txt").unlink()
    with pytest.raises(DataError, match=r"me\.txt: expected a file, a folder or a pattern, got No such file"):
        voice.voice("me")
