"""Transformers from the command line: trained, stopped, gone on with, and used by every command that takes a model."""

import json
import math
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from cli.conftest import adds_up, answer, line_of, run
from polyloom import load
from polyloom.cli.texts import Texts, ended
from polyloom.train.loop import train
from polyloom.train.settings import Training
from polyloom.transformer.build import preset
from polyloom.transformer.config import Experts, TransformerConfig
from polyloom.transformer.model import TransformerModel

SMALL = ("--model", "transformer", "--vocabulary", "bytes", "--batch", "2", "--length", "16", "--steps", "3")
BUILD = sys.modules["polyloom.transformer.build"]  # the face of its package has a function of that name
TINY = TransformerConfig(257, width=16, layers=2, context=64)


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The smallest preset is not small enough for tests."""
    monkeypatch.setattr(BUILD, "PRESETS", {"tiny": TINY, "small": TINY})
    torch.set_num_threads(1)


@pytest.fixture(scope="module")
def folder(made: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A transformer of two steps on bytes, and one with experts; only to be read."""
    place = tmp_path_factory.mktemp("transformers")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(BUILD, "PRESETS", {"tiny": TINY})
        for name, more in (("sea", ()), ("mixed", ("--experts", 4, "--active", 2))):
            done = run("train", made / "sea.txt", *SMALL, "-o", place / name, *more)
            assert done.exit_code == 0, done.output
    return place


def tensors(model: TransformerModel) -> dict[str, torch.Tensor]:
    return dict(model.decoder.named_parameters())


def same(one: TransformerModel, other: TransformerModel) -> bool:
    ours, theirs = tensors(one), tensors(other)
    return ours.keys() == theirs.keys() and all(torch.equal(ours[name], theirs[name]) for name in ours)


def test_it_trains_what_train_trains(made: Path, folder: Path) -> None:
    model = load(folder / "sea")
    assert isinstance(model, TransformerModel)
    texts = ended(Texts([made / "sea.txt"]).documents(), model.vocabulary)
    config = preset("tiny", 257, 257 if model.vocabulary.sentence_end is None else model.vocabulary.sentence_end)
    settings = Training(steps=3, batch=2, length=16)
    found = train(config, list(texts), settings, vocabulary=model.vocabulary, progress=False)
    assert same(found.model, model)


def test_it_says_what_it_made(made: Path, here: Path) -> None:
    told = answer("train", made / "sea.txt", *SMALL, "-o", "sea", "--experts", 4)
    model = load("sea")
    assert isinstance(model, TransformerModel)
    assert told["folder"] == "sea"
    assert (told["steps"], told["tokens"], told["stopped"]) == (3, 3 * 2 * 16, "steps")
    assert told["parameters"] == sum(weight.numel() for weight in tensors(model).values())
    assert told["held_out_loss"] > 0
    assert model.config.experts is not None
    assert (model.config.experts.count, model.config.experts.active) == (4, 2)
    assert told["vocabulary"]["digest"] == model.vocabulary.digest
    assert sorted(path.name for path in here.iterdir()) == ["sea"], "its checkpoints are gone"


def test_the_gate_learns_whom_to_choose_even_if_it_chooses_one(made: Path, here: Path) -> None:
    answer("train", made / "sea.txt", *SMALL, "-o", "sea", "--experts", 4, "--active", 1)
    model = load("sea")
    assert isinstance(model, TransformerModel)
    for layer in model.decoder.mixtures:
        gate = tensors(model)[f"blocks.{layer}.feed_forward.router.weight"]
        assert (gate - gate.mean(0)).abs().max() > 1e-6, "the experts are told apart"


def test_lines_go_to_standard_error_and_the_summary_to_standard_output(made: Path, here: Path) -> None:
    done = run("train", made / "sea.txt", *SMALL, "-o", "sea")
    assert done.exit_code == 0
    assert "step 3/3" in done.stderr
    (line,) = done.stdout.splitlines()
    assert line.startswith("sea: ")
    assert all(word in line for word in ("parameters", "3 steps", "held-out loss", "257 pieces", "bytes"))


def test_every_choice_reaches_the_training(made: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    seen: dict[str, Any] = {}

    def stand_in(config: Any, documents: Any, training: Any, held_out: Any, *rest: Any, **named: Any) -> Any:
        seen.update(config=config, training=training, held_out=held_out, documents=list(documents))
        raise KeyboardInterrupt

    monkeypatch.setattr("polyloom.train.loop.train", stand_in)
    options = ("--minutes", "2.5", "--batch", "3", "--length", "32", "--learning-rate", "0.001", "--seed", "7")
    words = ("--preset", "small", "--experts", "8", "--active", "3", "--vocabulary", made / "sea.psam")
    aside = ("--held-out", made / "law.txt")
    run("train", made / "sea.txt", "--model", "transformer", *options, *words, *aside, "-o", "sea")
    training, usual = seen["training"], Training()
    assert (training.minutes, training.steps, training.batch, training.length) == (2.5, None, 3, 32)
    assert (training.learning_rate, training.seed) == (0.001, 7)
    scale = training.matrix_learning_rate / usual.matrix_learning_rate
    assert scale == pytest.approx(training.learning_rate / usual.learning_rate)
    assert seen["config"].experts == Experts(8, 3, size=seen["config"].experts.size)
    assert seen["config"].vocabulary_size == load(made / "sea.psam").vocabulary.size
    assert len(seen["held_out"]) == len(list(Texts([made / "law.txt"]).documents()))


def test_sentencepiece_unless_said(made: Path, here: Path) -> None:
    words = ("--model", "transformer", "--batch", "2", "--length", "16", "--steps", "1", "--size", "310")
    told = answer("train", made / "sea.txt", *words, "-o", "sea")
    assert (told["vocabulary"]["kind"], told["vocabulary"]["size"]) == ("sentencepiece", 310)


def test_ctrl_c_keeps_what_was_learned_and_resume_ends_where_it_would_have(
    made: Path, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from polyloom.train import terminal

    whole = ("train", made / "sea.txt", *SMALL[:-1], "6")
    assert run(*whole, "-o", "whole").exit_code == 0
    shown = terminal.Lines.__call__

    def stopping(self: terminal.Lines, progress: Any) -> None:
        shown(self, progress)
        if progress.step == 2 and not progress.stopped:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(terminal.Lines, "__call__", stopping)
        done = run(*whole, "-o", "sea")
    assert done.exit_code == 130
    assert "sea.training" in done.stderr
    assert "2 steps" in done.stdout
    half = load("sea")
    assert sorted(path.name for path in here.iterdir()) == ["sea", "sea.training", "whole"]
    refused = line_of(run(*whole, "-o", "sea", "--resume", "--batch", "3"))
    assert "is of another training: its batch is 2, now it is 3" in refused
    assert "sea is there already" in line_of(run(*whole, "-o", "sea"))
    done = run(*whole, "-o", "sea", "--resume")
    assert done.exit_code == 0, done.output
    model, expected = load("sea"), load("whole")
    assert isinstance(half, TransformerModel)
    assert isinstance(model, TransformerModel)
    assert isinstance(expected, TransformerModel)
    assert same(model, expected)
    assert not (here / "sea.training").exists()


def test_a_stopped_training_is_not_forgotten_unasked(made: Path, here: Path) -> None:
    (here / "sea.training").mkdir()
    said = line_of(run("train", made / "sea.txt", *SMALL, "-o", "sea"))
    assert said == "sea.training holds a training that was stopped. Go on with --resume, or begin anew with --force."
    assert run("train", made / "sea.txt", *SMALL, "-o", "sea", "--force").exit_code == 0


def test_resume_with_nothing_to_go_on_from_begins(made: Path, here: Path) -> None:
    assert run("train", made / "sea.txt", *SMALL, "-o", "sea", "--resume").exit_code == 0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (("--model", "transfromer"), "expected association or transformer, got 'transfromer'."),
        (("--steps", "5"), "Invalid value for --steps: belongs to --model transformer."),
        (("--experts", "5"), "Invalid value for --experts: belongs to --model transformer."),
        (("--resume",), "Invalid value for --resume: belongs to --model transformer."),
        (("--model", "transformer", "--order", "3"), "Invalid value for --order: belongs to --model association."),
        (("--model", "transformer", "--keep-text"), "--keep-text: belongs to --model association."),
        (("--model", "transformer", "--scoring", "position"), "--scoring: belongs to --model association."),
        (("--model", "transformer", "--preset", "fast"), "no preset 'fast'; there are tiny, small, medium, large."),
        (("--preset", "large"), "no preset 'large'; there are fast, balanced, accurate, tiny."),
        (("--model", "transformer", "--active", "2"), "--active: needs --experts"),
        (("--model", "transformer", "--experts", "2", "--active", "4"), "expected at most the 2 --experts, got 4."),
        (("--model", "transformer", "--learning-rate", "-1"), "learning_rate must be"),
        (("--model", "transformer", "--steps", "0"), "Invalid value for '--steps'"),
    ],
)
def test_wrong_usage(made: Path, here: Path, options: tuple[str, ...], said: str) -> None:
    assert said in line_of(run("train", made / "sea.txt", "-o", "sea", *options), 2)
    assert list(here.iterdir()) == []


def test_places_that_stay(made: Path, here: Path) -> None:
    (here / "mine").mkdir()
    (here / "mine" / "diary.txt").write_text("mine")
    (here / "mine.psam").write_text("mine")
    words = ("train", made / "sea.txt", *SMALL, "--force", "-o")
    assert "mine is a folder of no model, and stays." in line_of(run(*words, "mine"))
    assert "Name a folder: -o mine." in line_of(run(*words, "mine.psam"))
    assert (here / "mine" / "diary.txt").read_text() == (here / "mine.psam").read_text() == "mine"


def test_without_torch_it_says_what_to_install(made: Path, here: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "torch", None)
    said = line_of(run("train", made / "sea.txt", *SMALL, "-o", "sea"))
    assert 'pip install "polyloom[torch]"' in said
    assert list(here.iterdir()) == []


def test_predict_and_explain_and_evaluate_and_generate_take_a_folder(made: Path, folder: Path) -> None:
    model = load(folder / "sea")
    told = answer("predict", folder / "sea", "the sea", "-k", 3)
    assert [(row["piece"], row["probability"]) for row in told["predictions"]] == model.predict("the sea", 3)
    told = answer("explain", folder / "sea", "the sea", "·")
    assert told["scale"] == "logit"
    assert adds_up(told)
    found = answer("evaluate", folder / "sea", made / "law.txt")
    texts = ended(Texts([made / "law.txt"]).documents(), model.vocabulary)
    likelihood = np.concatenate([model.log_likelihood(tokens) for tokens in texts])
    assert found["perplexity"] == pytest.approx(math.exp(-likelihood.mean()), rel=1e-9)
    written = answer("generate", folder / "sea", "the sea", "--max-tokens", 5, "--seed", 2)
    assert len(written["steps"]) <= 5


def test_a_mix_of_a_transformer_and_counts(made: Path, folder: Path, here: Path) -> None:
    words = ("train", made / "sea.txt", "--vocabulary", folder / "sea", "--order", 3, "-o", "counts.psam")
    assert run(*words).exit_code == 0
    assert run("compose", f"learned={folder / 'sea'}", "counted=counts.psam:2", "-o", "mix.psamc").exit_code == 0
    mix = load("mix.psamc")
    (row, *_) = answer("predict", "mix.psamc", "the sea")["predictions"]
    assert (row["piece"], row["probability"]) == mix.predict("the sea", 1)[0]


def test_inspect_says_the_architecture(folder: Path) -> None:
    model = load(folder / "mixed")
    assert isinstance(model, TransformerModel)
    told = answer("inspect", folder / "mixed")
    weights = sum(weight.numel() for weight in tensors(model).values())
    assert (told["kind"], told["parameters"], told["layers"], told["width"]) == ("transformer", weights, 2, 16)
    assert sum(told["parts"].values()) == weights
    assert sum(a["bytes"] for a in told["arrays"]) == 4 * weights
    experts = model.config.experts
    assert experts is not None
    assert told["read"] == weights - 2 * 2 * 3 * experts.size * 16
    assert told["experts"].startswith("2 of 4, ")
    shown = run("inspect", folder / "mixed").stdout
    assert all(word in shown for word in ("attention", "routers", "feed-forward", "embedding", "257 pieces, bytes"))
    assert "q.weight" in run("inspect", folder / "sea", "--arrays").stdout


def test_inspect_with_a_text_says_where_heads_look(folder: Path) -> None:
    told = answer("inspect", folder / "mixed", "--text", "the tide, the tide")
    assert [(row["layer"], row["head"]) for row in told["heads"]] == [(l, h) for l in range(2) for h in range(4)]
    assert all(0 <= row["previous"] <= 1 and row["induction"] is not None for row in told["heads"])
    assert [len(one["load"]) for one in told["routing"]] == [4, 4]
    shown = run("inspect", folder / "mixed", "--text", "ab").stdout
    assert "layer head  previous induction" in shown
    assert "–" in shown, "nothing is repeated"


def test_inspect_refuses_what_a_folder_has_not(made: Path, folder: Path, here: Path) -> None:
    assert "a folder has no digests" in line_of(run("inspect", folder / "sea", "--verify"), 2)
    assert "which has heads" in line_of(run("inspect", made / "sea.psam", "--text", "the"), 2)
    (here / "empty").mkdir()
    assert "empty is a folder without a config.json" in line_of(run("inspect", "empty"))
    (here / "empty" / "config.json").write_text(json.dumps({"model_type": "bert"}))
    assert run("predict", "empty").exit_code == 1
