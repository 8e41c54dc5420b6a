import math
from pathlib import Path

import numpy as np
import pytest

from cli.conftest import answer, line_of, run
from polyloom import load
from polyloom.cli.texts import Cut, Texts, ended
from polyloom.evaluate.report import Tally


@pytest.mark.parametrize("cut", list(Cut))
@pytest.mark.parametrize("name", ["sea.psam", "mix.psamc", "bytes.psam"])
def test_the_figures_are_those_of_the_definition(made: Path, name: str, cut: Cut) -> None:
    model = load(made / name)
    documents = list(ended(Texts([made / "law.txt"], cut).documents(), model.vocabulary))
    found = np.concatenate([model.log_likelihood(tokens) for tokens in documents])
    known = np.concatenate(documents) != model.vocabulary.unknown
    told = answer("evaluate", made / name, made / "law.txt", "--documents", cut)
    assert (told["tokens"], told["unknown"], told["documents"]) == (len(found), int((~known).sum()), len(documents))
    assert math.isclose(told["perplexity"], model.perplexity(documents), rel_tol=1e-12)
    assert math.isclose(told["perplexity_without_unknown"], math.exp(-found[known].mean()), rel_tol=1e-12)
    assert math.isclose(2 ** told["bits_per_token"], told["perplexity"], rel_tol=1e-12)


def test_several_texts_and_all_together(made: Path) -> None:
    told = answer("evaluate", made / "sea.psam", made / "sea.txt", made / "law.txt")
    alone = [answer("evaluate", made / "sea.psam", made / name) for name in ("sea.txt", "law.txt")]
    assert [row["perplexity"] for row in told["files"]] == [one["perplexity"] for one in alone]
    assert told["tokens"] == sum(one["tokens"] for one in alone)
    bits = sum(one["bits_per_token"] * one["tokens"] for one in alone) / told["tokens"]
    assert math.isclose(told["bits_per_token"], bits, rel_tol=1e-12)
    lines = run("evaluate", made / "sea.psam", made / "sea.txt", made / "law.txt").stdout.splitlines()
    assert [line.split()[-1] for line in lines[1:3]] == [str(made / "sea.txt"), str(made / "law.txt")]
    assert lines[3].endswith("all together")


@pytest.mark.parametrize("name", ["mix.psamc", "bytes.psam"])
def test_the_report_is_that_of_evaluate(made: Path, name: str) -> None:
    documents = list(Texts([made / "sea.txt", made / "law.txt"]).documents())
    tally = Tally(load(made / name))
    for text, tokens in zip(documents, ended(iter(documents), tally.model.vocabulary), strict=True):
        tally.add(tokens, len(text.encode()))
    expected = tally.report()
    told = answer("evaluate", made / name, made / "sea.txt", made / "law.txt")
    assert told["top5"] == pytest.approx(vars(expected.top5))
    assert told["calibration_error"] == pytest.approx(vars(expected.calibration_error))
    assert told["bits_per_byte"] == pytest.approx(vars(expected.bits_per_byte))
    assert told["perplexity_interval"] == pytest.approx([expected.perplexity.low, expected.perplexity.high])
    assert (told["bytes"], told["intervals_over"]) == (expected.bytes, f"{len(documents)} documents")
    printed = run("evaluate", made / name, made / "sea.txt", made / "law.txt").stdout.splitlines()
    assert printed[4:] == ["", *str(expected).splitlines()]


def test_quick_gives_the_same_perplexity_alone(made: Path) -> None:
    words = ("evaluate", made / "sea.psam", made / "law.txt")
    quick, whole = answer(*words, "--quick"), answer(*words)
    assert set(whole) - set(quick) == {
        *("bytes", "perplexity_interval", "bits_per_byte", "top1", "top5", "calibration_error", "intervals_over"),
    }
    assert quick["perplexity"] == pytest.approx(whole["perplexity"], rel=1e-9)
    lines = run(*words).stdout.splitlines()
    assert run(*words, "--quick").stdout.splitlines() == lines[:2]


def test_standard_input_and_a_text_of_unknown_words(made: Path) -> None:
    done = run("evaluate", made / "sea.psam", "-", "--documents", "lines", given="zyx\n🌊\n")
    assert done.stdout.splitlines()[1].split()[3:] == ["4", "2", "2", "standard", "input"]


def test_where_no_token_is_known_there_is_no_figure_without_the_unknown(
    made: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polyloom.cli.evaluate import Score

    assert Score(1, 2, 2, -1.0, -1.0).json()["perplexity_without_unknown"] is None


def test_faults_of_the_input(made: Path, here: Path) -> None:
    (here / "empty.txt").write_text("")
    assert "empty.txt holds no text" in line_of(run("evaluate", made / "sea.psam", "empty.txt"))
    assert "There is no file nowhere.txt" in line_of(run("evaluate", made / "sea.psam", "nowhere.txt"))
    assert "Missing argument 'FILE'" in line_of(run("evaluate", made / "sea.psam"), 2)
