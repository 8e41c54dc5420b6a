import json
import os
from pathlib import Path

import pytest

from cli.conftest import adds_up, answer, line_of, run
from polyloom import load, verify


def test_it_says_what_predict_says(made: Path) -> None:
    told = answer("predict", made / "mix.psamc", "the sea", "-k", 4)
    found = [(row["piece"], row["probability"]) for row in told["predictions"]]
    assert found == load(made / "mix.psamc").predict("the sea", 4)
    assert (told["prompt"], told["unknown"]) == ("the sea", [])


def test_ten_lines_with_bars(made: Path) -> None:
    lines = run("predict", made / "sea.psam", "the").stdout.splitlines()
    assert len(lines) == 10
    (piece, p), *_ = load(made / "sea.psam").predict("the")
    assert lines[0].split() == [f"{p:.6f}", "█" * 20, piece]


def test_a_prompt_comes_from_the_command_line_or_from_a_pipe(made: Path) -> None:
    expected = answer("predict", made / "sea.psam", "the tide")
    for words in ((), ("-",)):
        assert answer("predict", made / "sea.psam", *words, given="the tide\n") == expected
    assert answer("predict", made / "sea.psam", given="")["prompt"] == ""
    assert answer("predict", made / "sea.psam", "typed", given="piped")["prompt"] == "typed"


def test_unknown_words_and_emoji_are_told_on_the_side(made: Path) -> None:
    done = run("predict", made / "sea.psam", "zyx the 🌊 zyx q1 q2 q3 q4", "--json")
    assert json.loads(done.stdout)["unknown"] == ["zyx", "🌊", "q1", "q2", "q3", "q4"]
    said = "polyloom: note: not in the vocabulary, read as <unk>: 'zyx', '🌊', 'q1', 'q2', 'q3' and 1 more\n"
    assert done.stderr == said
    assert answer("predict", made / "bytes.psam", "🌊")["unknown"] == []


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (
            ("predict", "text.txt", "hello"),
            "text.txt is a text, no model. Train one on it: polyloom train text.txt -o ",
        ),
        (("predict", "umlaut.txt"), "umlaut.txt is a text, no model."),
        (("inspect", "text.txt"), "text.txt is a text, no model."),
        (("evaluate", "text.txt", "text.txt"), "text.txt is a text, no model."),
        (("predict", "."), ". is a folder without a config.json, so it holds no model."),
        (("predict", "txet.txt"), "There is no file txet.txt. Did you mean text.txt?"),
        (("predict", "picture.psam"), "picture.psam is no Polyloom file"),
        (("predict", "sea.psam", "-"), "standard input: expected UTF-8 text, got the byte 0xfc."),
    ],
)
def test_what_is_no_model_is_one_line(made: Path, here: Path, words: tuple[str, ...], said: str) -> None:
    (here / "text.txt").write_text("hello")
    (here / "umlaut.txt").write_text("ä" * 600, encoding="utf-8")
    (here / "picture.psam").write_bytes(b"\x89PNG\r\n\x1a\n\0\0" + b"\xff" * 99)
    (here / "sea.psam").write_bytes((made / "sea.psam").read_bytes())
    assert line_of(run(*words, given=b"S\xfcden")).startswith(said)


@pytest.mark.parametrize("k", ["0", "-1", "many"])
def test_k_is_a_number_from_one(made: Path, k: str) -> None:
    assert line_of(run("predict", made / "sea.psam", "the", f"--k={k}"), 2).startswith("Invalid value for '-k'")


def test_a_prompt_of_two_arguments_is_asked_for_in_quotes(made: Path) -> None:
    said = line_of(run("predict", made / "sea.psam", "the", "sea"), 2)
    assert "unexpected extra argument" in said
    assert "Put a text of several words in quotes." in said


@pytest.mark.skipif(os.name == "nt", reason="arguments are bytes on POSIX")
def test_a_prompt_in_another_encoding_is_the_inputs_fault(made: Path) -> None:
    said = line_of(run("predict", made / "sea.psam", os.fsdecode(b"caf\xe9")))
    assert said.startswith("the prompt: expected UTF-8 text, got the byte 0xe9.")


def test_it_explains_what_explain_explains(made: Path) -> None:
    told = answer("explain", made / "mix.psamc", "the", "sea")
    found = load(made / "mix.psamc").explain("the", "sea")
    assert (told["total"], told["scale"], told["piece"]) == (found.total, found.scale, "sea")
    assert [term["name"] for term in told["terms"]] == ["sea", "law"]
    assert adds_up(told)


def test_a_difference(made: Path) -> None:
    told = answer("explain", made / "sea.psam", "the", "sea", "--against", "and")
    found = load(made / "sea.psam").explain("the", "sea", "and")
    assert (told["against"], told["total"]) == ("and", found.total)
    assert "sea rather than and" in run("explain", made / "sea.psam", "the", "sea", "--against", "and").stdout


def test_lines_are_shown_when_asked_for(made: Path) -> None:
    quiet, loud = (run("explain", made / "sea.psam", "the", "sea", *more).stdout for more in ((), ("--lines",)))
    assert "seen: …" not in quiet
    assert loud.startswith(quiet.rstrip("\n"))
    assert "[sea]" in loud
    told = answer("explain", made / "sea.psam", "the", "sea", "--lines")
    assert {passage["token"] for passage in told["lines"]} == {"sea"}
    assert "lines" not in answer("explain", made / "sea.psam", "the", "sea")


def test_without_kept_text_asking_for_lines_says_how_to_keep_it(made: Path) -> None:
    seen = load(made / "law.psam").predict("the", 1)[0][0]
    said = line_of(run("explain", made / "law.psam", "the", seen, "--lines"))
    assert said == "There are no training lines: the model kept no text. Train it again with --keep-text."


def test_a_token_that_no_line_shows_is_told_on_the_side(made: Path) -> None:
    done = run("explain", made / "law.psam", "the", "sea", "--lines")
    assert done.exit_code == 0
    assert done.stderr == "polyloom: note: there are no training lines to show: the largest term counted none.\n"


def test_a_token_is_named_by_its_piece_or_as_predict_shows_it(made: Path) -> None:
    assert answer("explain", made / "bytes.psam", "the", "·")["piece"] == " "
    assert answer("explain", made / "bytes.psam", "the", "↵")["piece"] == "<0x0A>"
    assert "has no piece 'seaa'. Nearest: 'sea'" in line_of(run("explain", made / "sea.psam", "the", "seaa"))


def test_a_damaged_model_is_named(made: Path, here: Path) -> None:
    whole = (made / "sea.psam").read_bytes()
    (here / "cut.psam").write_bytes(whole[:-8])
    assert "cut.psam is cut short" in line_of(run("predict", "cut.psam", "the"))
    verify(made / "sea.psam")
