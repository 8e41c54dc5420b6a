from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from cli.conftest import answer, line_of, run
from polyloom import Sampling, TransformerModel, int8, load
from polyloom.cli import generate as verb
from polyloom.cli.generate import settled
from polyloom.compose.recipe import replay
from polyloom.transformer.config import Attention, TransformerConfig

SETTINGS = {
    "temperature": 0.7,
    "max_tokens": 25,
    "seed": 5,
    "top_k": 40,
    "top_p": 0.95,
    "min_p": 0.01,
    "repetition_penalty": 1.1,
}


@pytest.mark.parametrize("name", ["sea.psam", "bytes.psam", "mix.psamc"])
@pytest.mark.parametrize("settings", [{}, {"seed": 3, "max_tokens": 200}, SETTINGS])
def test_it_writes_what_generate_writes(made: Path, name: str, settings: dict[str, float]) -> None:
    expected = load(made / name).generate("the sea", Sampling(**settings))  # type: ignore[arg-type]
    words = [f"--{option.replace('_', '-')}={value}" for option, value in settings.items()]
    assert run("generate", made / name, "the sea", *words).stdout == f"{expected.text}\n"
    told = answer("generate", made / name, "the sea", *words)
    assert (told["text"], told["prompt"]) == (expected.text, "the sea")
    assert told["recipe"] == expected.recipe
    assert replay(told["recipe"], load(made / name)).text == expected.text
    assert [step["token"] for step in told["steps"]] == [step.token for step in expected.steps]
    assert all(abs(sum(step["shares"].values()) - 1) < 1e-9 for step in told["steps"])


@pytest.mark.parametrize("draft", ["lookup", "law.psam"])
def test_guessing_ahead(made: Path, draft: str) -> None:
    given = draft if draft == "lookup" else str(made / draft)
    words = ("generate", made / "sea.psam", "the sea", "--max-tokens", 30)
    plain = run(*words, "--temperature", 0)
    done = run(*words, "--temperature", 0, "--draft", given)
    assert done.stdout == plain.stdout
    assert "guesses accepted" in done.stderr
    told = answer(*words, "--seed", 3, "--draft", given, "--ahead", 2)
    assert run(*words, "--seed", 3, "--draft", given).stdout == f"{told['text']}\n"
    assert 0 <= told["speculation"]["accepted"] <= told["speculation"]["drafted"]
    assert replay(told["recipe"], load(made / "sea.psam")).text == told["text"]
    assert "speculation" not in answer(*words)
    assert "vocabulary" in line_of(run(*words, "--draft", made / "bytes.psam"))
    assert "nowhere.psam" in line_of(run(*words, "--draft", "nowhere.psam"))


@pytest.mark.long
def test_in_whole_numbers(made: Path, tmp_path: Path) -> None:
    words = load(made / "bytes.psam").vocabulary
    config = TransformerConfig(words.size, width=32, layers=2, attention=Attention(2))
    TransformerModel.build(config, words).save(tmp_path / "story")
    expected = int8(TransformerModel.load(tmp_path / "story")).generate("the sea", Sampling(max_tokens=20))
    told = answer("generate", tmp_path / "story", "the sea", "--max-tokens", 20, "--int8")
    assert (told["text"], told["recipe"]) == (expected.text, expected.recipe)
    assert "got a AssociationModel" in line_of(run("generate", made / "sea.psam", "the sea", "--int8"))


def test_a_stop_text_is_never_printed(made: Path) -> None:
    model, sampling = load(made / "bytes.psam"), Sampling(stop=("he", "\n"), seed=1, max_tokens=300)
    expected = model.generate("the sea", sampling).text
    words = ("generate", made / "bytes.psam", "the sea", "--seed", 1, "--max-tokens", 300)
    done = run(*words, "--stop", "he", "--stop", r"\n")
    assert done.stdout == f"{expected}\n"
    assert "he" not in expected


def test_text_is_printed_while_it_is_written(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    printed: list[str] = []
    monkeypatch.setattr(verb.typer, "echo", lambda text="", nl=True: printed.append(text + "\n" * nl))
    run("generate", made / "sea.psam", "the", "--seed", 1)
    assert len([text for text in printed if text.strip()]) > 3


@given(st.text("abc\ufffd", max_size=12), st.lists(st.text("abc", min_size=1, max_size=4), max_size=3).map(tuple))
def test_what_was_printed_never_has_to_be_taken_back(text: str, stops: tuple[str, ...]) -> None:
    grown = [text[:end] for end in range(len(text) + 1)]
    stop_at = next((end for end, part in enumerate(grown) if any(stop in part for stop in stops)), len(text))
    cuts = [text[:stop_at].find(stop) for stop in stops if stop in text[:stop_at]]
    final = text[: min(cuts, default=stop_at)]
    printed = [settled(part, stops) for part in grown[: stop_at + 1]]
    assert all(final.startswith(part) for part in printed)
    assert sorted(printed, key=len) == printed or cuts
    assert not any(stop in part for stop in stops for part in printed)


def test_what_cannot_change_is_printed_at_once() -> None:
    assert settled("abc", ()) == "abc"
    assert settled("abc", ("cd",)) == "ab"
    assert settled("abc", ("x", "bcd")) == "a"
    assert settled("ab\ufffd", ()) == "ab"


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (("--temperature", "-1"), "temperature must be 0 or more, got -1.0."),
        (("--top-p", "0"), "top_p must be more than 0 and at most 1, got 0.0."),
        (("--seed", "x"), "Invalid value for '--seed'"),
        (("--stop", ""), "stop must be"),
        (("--tmperature", "1"), "--temperature"),
    ],
)
def test_settings_out_of_range_are_wrong_usage(made: Path, words: tuple[str, ...], said: str) -> None:
    assert said in line_of(run("generate", made / "sea.psam", "the", *words), 2)


def test_ctrl_c_keeps_what_was_printed(made: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(verb, "generate", interrupted)
    done = run("generate", made / "sea.psam", "the")
    assert (done.exit_code, done.stdout, done.stderr) == (130, "\n", "polyloom: interrupted.\n")
