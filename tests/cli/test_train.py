import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from cli.conftest import answer, line_of, run
from polyloom import AssociationModel, ByteVocabulary, SentencePieceVocabulary, WordVocabulary, load, verify
from polyloom.cli.texts import Cut, Texts, ended
from polyloom.tokens.vocabulary import Vocabulary


def encoded(path: Path, vocabulary: Vocabulary, cut: Cut = Cut.PARAGRAPHS) -> Iterator[np.ndarray]:
    return ended(Texts([path], cut).documents(), vocabulary)


def test_it_trains_what_fit_trains(made: Path, here: Path) -> None:
    told = answer("train", made / "sea.txt", "-o", "sea.psam", "--order", 3, "--keep-text")
    words = WordVocabulary.train(Texts([made / "sea.txt"]).documents())
    model = AssociationModel.fit(encoded(made / "sea.txt", words), words, order=3, keep_text=True)
    verify("sea.psam")
    assert load("sea.psam").digest == model.digest
    assert told == {
        "file": "sea.psam",
        "bytes": (here / "sea.psam").stat().st_size,
        "tokens": model.tokens_counted,
        "entries": model.entries,
        "vocabulary": {"kind": "words", "size": words.size, "digest": words.digest},
    }


@pytest.mark.parametrize("cut", list(Cut))
def test_every_choice_reaches_the_model(made: Path, here: Path, cut: Cut) -> None:
    shared, text, aside = made / "sea.psam", made / "law.txt", made / "sea.txt"
    options = ("--no-skips", "--no-history", "--held-out", aside, "--documents", cut, "--vocabulary", shared)
    assert run("train", text, "-o", "law.psam", "--order", 2, *options).exit_code == 0
    vocabulary = load(shared).vocabulary
    held_out = list(encoded(aside, vocabulary, cut))
    settings = {"order": 2, "skips": False, "history": False, "held_out": held_out}
    model = AssociationModel.fit(encoded(text, vocabulary, cut), vocabulary, **settings)
    assert load("law.psam").digest == model.digest


def test_it_says_what_it_made(made: Path, here: Path) -> None:
    done = run("train", made / "sea.txt", "-o", "sea.psam")
    assert done.stderr == ""
    assert done.stdout.startswith("sea.psam: ")
    assert all(unit in done.stdout for unit in ("tokens", "counts", "words", "bytes"))


@pytest.mark.parametrize(
    ("options", "kind", "size"),
    [
        ((), WordVocabulary, None),
        (("--size", "40"), WordVocabulary, 40),
        (("--size", "100000"), WordVocabulary, None),
        (("--vocabulary", "bytes"), ByteVocabulary, 257),
        (("--vocabulary", "sentencepiece", "--size", "320"), SentencePieceVocabulary, 320),
        (("--vocabulary", "sentencepiece"), SentencePieceVocabulary, None),
    ],
)
def test_vocabularies(
    made: Path, here: Path, options: tuple[str, ...], kind: type[Vocabulary], size: int | None
) -> None:
    assert run("train", made / "sea.txt", "-o", "sea.psam", *options).exit_code == 0
    vocabulary = load("sea.psam").vocabulary
    assert isinstance(vocabulary, kind)
    assert size is None or vocabulary.size == size
    if kind is WordVocabulary:
        words = WordVocabulary.train(Texts([made / "sea.txt"]).documents()).pieces
        assert vocabulary.pieces == words[:size]


def test_standard_input_is_a_text(made: Path, here: Path) -> None:
    answer("train", made / "sea.txt", "-o", "a.psam")
    answer("train", "-", "-o", "b.psam", given=(made / "sea.txt").read_bytes())
    assert (here / "a.psam").read_bytes() == (here / "b.psam").read_bytes()


def test_nothing_is_replaced_unasked(made: Path, here: Path) -> None:
    (here / "mine.psam").write_text("mine")
    words = ("train", made / "sea.txt", "-o", "mine.psam")
    assert line_of(run(*words)) == (
        "mine.psam is there already and stays. Write to another name, or replace it with --force."
    )
    assert (here / "mine.psam").read_text() == "mine"
    assert run(*words, "--force").exit_code == 0
    verify("mine.psam")


@pytest.mark.parametrize(
    ("output", "said"),
    [
        ("no/where.psam", "There is no folder no to write where.psam in. Make it first."),
        (".", "is a folder. Name a file in it"),
        ("-", "cannot go to standard output"),
    ],
)
def test_a_place_that_takes_no_file_is_refused_before_the_work(made: Path, here: Path, output: str, said: str) -> None:
    assert said in line_of(run("train", made / "sea.txt", "-o", output, "--force"))


@pytest.mark.parametrize("name", ["poem.txt", "./poem.txt", "held.txt"])
def test_a_model_never_takes_the_place_of_its_text(here: Path, name: str) -> None:
    (here / "poem.txt").write_text("a sea")
    (here / "held.txt").write_text("a moon")
    said = line_of(run("train", "poem.txt", "--held-out", "held.txt", "-o", name, "--force"))
    assert "is one of the files to read" in said
    assert (here / "poem.txt").read_text() == "a sea"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--vocabulary", "wrods"), "got 'wrods'. Did you mean words?"),
        (("--vocabulary", "bytes", "--size", "300"), "--size goes with words and sentencepiece, not with bytes."),
        (("--size", "2"), "Invalid value for '--size'"),
        (("--order", "five"), "Invalid value for '--order'"),
        (("--documents", "words"), "Invalid value for '--documents'"),
        (("--ordre", "3"), "--order"),
    ],
)
def test_wrong_usage(made: Path, here: Path, options: tuple[str, ...], said: str) -> None:
    assert said in line_of(run("train", made / "sea.txt", "-o", "sea.psam", *options), 2)
    assert list(here.iterdir()) == []


def test_a_missing_output_and_a_missing_text_are_named(made: Path, here: Path) -> None:
    assert "Missing option '-o'" in line_of(run("train", made / "sea.txt"), 2)
    assert "Missing argument 'FILE'" in line_of(run("train", "-o", "x.psam"), 2)


def test_a_vocabulary_that_does_not_fit_is_the_inputs_fault(made: Path, here: Path) -> None:
    options = ("--vocabulary", "sentencepiece", "--size", "10")
    assert "size=10 is too small" in line_of(run("train", made / "sea.txt", "-o", "sea.psam", *options))
    said = line_of(run("train", made / "sea.txt", "-o", "sea.psam", "--vocabulary", made / "law.txt"))
    assert "law.txt is a text, no model." in said


def test_a_bar_is_drawn_on_a_terminal_only(made: Path, here: Path) -> None:
    pty = pytest.importorskip("pty")
    words = ["-c", "from polyloom.cli.main import main; main()", "train", str(made / "sea.txt"), "-o", "sea.psam"]
    seen = _on_a_terminal(pty, words)
    assert "counting" in seen
    assert "sea.psam: " in seen


def _on_a_terminal(pty: object, words: list[str]) -> str:
    import sys

    child, terminal = pty.fork()  # type: ignore[attr-defined]
    if not child:
        os.execv(sys.executable, [sys.executable, *words])
    seen = b""
    while True:
        try:
            got = os.read(terminal, 4096)
        except OSError:  # Linux says so when the last end is closed
            break
        if not got:
            break
        seen += got
    os.close(terminal)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0, seen.decode()
    return seen.decode()
