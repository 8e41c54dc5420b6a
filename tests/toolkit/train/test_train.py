"""A whole training: it learns, keeps its hands off what it was given, and can be stopped and resumed anywhere."""

import json
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from polyloom import InputError, VocabularyMismatch, WordVocabulary
from polyloom.errors import FileError, TrainingError
from polyloom.train.checkpoint import BEST, LAST
from polyloom.train.history import History, Progress
from polyloom.train.infill import FillInTheMiddle
from polyloom.train.interruption import Interruption
from polyloom.train.loop import Trained, train
from polyloom.train.settings import Training
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.model import TransformerModel
from polyloom_kernels.jit import Compiled

Documents = list[np.ndarray]


@pytest.fixture
def model(config: TransformerConfig, vocabulary: WordVocabulary) -> TransformerModel:
    return TransformerModel.build(config, vocabulary)


def same(one: Trained, other: Trained) -> bool:
    """Whether weights and history are equal, bit for bit, but for the clock."""
    pairs = ((one.last, other.last), (one.model, other.model))
    tensors = [zip(a.decoder.state_dict().values(), b.decoder.state_dict().values(), strict=True) for a, b in pairs]
    return timeless(one.history) == timeless(other.history) and all(
        torch.equal(a, b) for two in tensors for a, b in two
    )


def timeless(history: History) -> tuple[Any, ...]:
    loads = [None if one.load is None else one.load.tolist() for one in history.evaluations]
    steps = [replace(step, seconds=0.0) for step in history.steps]
    return steps, [replace(one, seconds=0.0) for one in history.evaluations], loads


def test_it_learns(model: TransformerModel, documents: Documents) -> None:
    """After two tokens the rest of a document is settled but for its end: far below what single tokens tell."""
    trained = train(model, documents, Training(steps=120, batch=8, learning_rate=0.01, sample_tokens=0), progress=False)
    tokens = np.bincount(np.concatenate(documents)) / sum(map(len, documents))
    unigram = -(tokens[tokens > 0] * np.log(tokens[tokens > 0])).sum()
    assert trained.history.evaluations[-1].loss < 0.45 * unigram
    assert trained.history.column("loss")[-20:].mean() < 0.45 * unigram
    assert trained.model.perplexity(documents[:20]) < np.exp(0.5 * unigram)
    assert trained.stopped == "steps"


def test_the_model_that_was_given_stays_as_it_was(
    model: TransformerModel, documents: Documents, training: Training
) -> None:
    before = {name: tensor.clone() for name, tensor in model.decoder.state_dict().items()}
    torch.set_num_threads(2)
    dice, handler = torch.get_rng_state(), signal.getsignal(signal.SIGINT)
    trained = train(model, documents, replace(training, threads=1), progress=False)
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.decoder.state_dict().items())
    assert not any(weight.requires_grad for weight in trained.model.decoder.parameters())
    assert not trained.model.decoder.training
    assert torch.equal(torch.get_rng_state(), dice)
    assert (torch.get_num_threads(), signal.getsignal(signal.SIGINT)) == (2, handler)
    assert not torch.equal(trained.last.decoder.norm.weight, model.decoder.norm.weight)


def test_the_best_and_the_last_are_kept(model: TransformerModel, documents: Documents, training: Training) -> None:
    """A rate that ruins the model late: the best is an early one."""
    ruinous = replace(training, steps=30, learning_rate=3.0, matrix_learning_rate=3.0, warm_up=1.0, clip=None)
    trained = train(model, documents, ruinous, progress=False)
    best = trained.history.best
    assert best is not None
    assert best.step < 30
    again = train(model, documents, replace(ruinous, evaluate_every=best.step, patience=1), progress=False)
    assert again.stopped == "patience"
    judged = documents[:30]
    assert trained.model.perplexity(judged) < trained.last.perplexity(judged)


def test_without_held_out_text_the_last_is_the_best(
    model: TransformerModel, documents: Documents, training: Training
) -> None:
    trained = train(model, documents, training, held_out=[], progress=False)
    assert trained.history.evaluations == []
    assert trained.model is trained.last


def test_held_out_text_is_judged_and_not_learned_from(
    model: TransformerModel, documents: Documents, training: Training
) -> None:
    learned, aside = documents[:150], documents[150:]
    one = train(model, learned, training, held_out=aside, progress=False)
    other = train(model, learned, training, held_out=aside[:3], progress=False)
    assert [step.loss for step in one.history.steps] == [step.loss for step in other.history.steps]
    assert [e.step for e in one.history.evaluations] == [5, 10, 12]
    assert one.history.evaluations[0].loss != other.history.evaluations[0].loss


def test_the_validation_loss_is_that_of_the_model(
    model: TransformerModel, documents: Documents, training: Training
) -> None:
    """Where every document fits into a row of its own, packing changes nothing."""
    aside = [document[:15] for document in documents[:8]]
    aside = [np.append(row, np.zeros(15 - len(row), np.int64)) for row in aside]  # each 15 long, 16 with its begin
    trained = train(model, documents, replace(training, length=16), held_out=aside, progress=False)
    expected = np.log(trained.last.perplexity(aside))
    # Rows of 16 overlap by one token, so documents drift through them and are cut: compare where they are not.
    assert trained.history.evaluations[-1].loss == pytest.approx(expected, rel=0.25)
    one = train(model, documents, replace(training, length=15), held_out=aside[:1], progress=False)
    assert one.history.evaluations[-1].loss == pytest.approx(np.log(one.last.perplexity(aside[:1])), rel=1e-6)


def test_a_new_model_needs_a_vocabulary(
    config: TransformerConfig, vocabulary: WordVocabulary, documents: Documents, training: Training
) -> None:
    trained = train("tiny", documents, replace(training, steps=1, length=8), vocabulary=vocabulary, progress=False)
    assert trained.model.config.width == 128
    with pytest.raises(InputError, match="needs a vocabulary"):
        train(config, documents, training)
    with pytest.raises(VocabularyMismatch, match="Leave `vocabulary` out"):
        train(TransformerModel.build(config, vocabulary), documents, training, vocabulary=WordVocabulary(["a"]))
    with pytest.raises(InputError, match="got WordVocabulary"):
        train(vocabulary, documents, training)  # type: ignore[arg-type]


def test_arguments_that_do_not_fit(model: TransformerModel, documents: Documents, training: Training) -> None:
    with pytest.raises(InputError, match="nothing to make batches of"):
        train(model, [], training)
    with pytest.raises(InputError, match="patience needs text"):
        train(model, documents, replace(training, patience=1), held_out=[])
    with pytest.raises(InputError, match="length must be at most 16"):
        train(model, documents, replace(training, length=17))
    with pytest.raises(InputError, match="Token 99"):
        train(model, documents, replace(training, infill=FillInTheMiddle(99, 98, 97, rate=1.0)))


def test_a_stream_is_opened_anew(model: TransformerModel, documents: Documents, training: Training) -> None:
    opened: list[int] = []

    def stream() -> Iterator[np.ndarray]:
        opened.append(1)
        yield from documents[:20]

    trained = train(model, stream, training, held_out=documents[20:25], progress=False)
    assert len(opened) > 1
    assert trained.history.steps[-1].loss < trained.history.steps[0].loss


def test_infill_reaches_the_model(model: TransformerModel, documents: Documents, training: Training) -> None:
    marks = FillInTheMiddle(13, 14, 15, rate=1.0, end=0)
    plain = train(model, documents, training, progress=False)
    told = train(model, documents, replace(training, infill=marks), progress=False)
    assert told.history.steps[0].loss != plain.history.steps[0].loss


def test_who_watches_is_told(model: TransformerModel, documents: Documents, training: Training) -> None:
    seen: list[Progress] = []
    logged: list[tuple[int, dict[str, Any]]] = []

    class Tracker:
        def log(self, data: dict[str, Any], *, step: int) -> None:
            logged.append((step, data))

    spoken = replace(training, sample="w1 w2", sample_tokens=5)
    trained = train(model, documents, spoken, callbacks=[seen.append], log=Tracker(), progress=False)
    assert [progress.step for progress in seen] == [*range(1, 13), 12]
    assert [progress.step for progress in seen if progress.evaluated] == [5, 10, 12]
    assert all((progress.sample or "w1 w2").startswith("w1 w2") for progress in seen)
    assert [progress.sample is None for progress in seen] == [not progress.evaluated for progress in seen]
    assert [progress.stopped for progress in seen] == [None] * 12 + ["steps"]
    assert seen[-1].share == 1
    assert [step for step, _ in logged] == list(range(1, 13))
    assert [step for step, data in logged if "validation" in data] == [5, 10, 12]
    assert logged[-1][1]["loss"] == trained.history.steps[-1].loss


def test_lines_are_printed_where_there_is_no_terminal(
    model: TransformerModel, documents: Documents, training: Training, capsys: pytest.CaptureFixture[str]
) -> None:
    train(model, documents, training)
    shown = capsys.readouterr().out.splitlines()
    assert shown[0].startswith("step 1/12")
    assert "stopped by steps" in shown[-1]
    train(model, documents, training, progress=False)
    assert capsys.readouterr().out == ""


def test_minutes_end_it(model: TransformerModel, documents: Documents, training: Training) -> None:
    trained = train(model, documents, replace(training, steps=None, minutes=0.002), progress=False)
    assert trained.stopped == "minutes"
    assert trained.history.steps
    assert trained.history.evaluations[-1].step == len(trained.history.steps)
    rates = trained.history.column("rate")
    assert rates[-1] < rates.max() or len(rates) < 3


def test_a_loss_that_is_no_number_ends_it(
    model: TransformerModel, documents: Documents, training: Training, tmp_path: Path
) -> None:
    wild = replace(
        training, learning_rate=1e3, weight_decay=1e3, optimiser="adamw", warm_up=0.0, steps=60, save_every=1
    )
    with pytest.raises(TrainingError, match=r"Step \d+ was not taken: .* It was reading the texts that begin 'w"):
        train(model, documents, wild, held_out=[], folder=tmp_path / "run", progress=False)


class TestResuming:
    """The same arguments again go on where the run stood."""

    @pytest.fixture
    def start(self, mixed: TransformerConfig, vocabulary: WordVocabulary) -> TransformerModel:
        return TransformerModel.build(mixed, vocabulary)

    @pytest.mark.parametrize("optimiser", ["muon", "adamw"])
    @pytest.mark.parametrize("stop", [3, 7, 10])
    def test_interrupted_and_resumed_is_uninterrupted(
        self,
        start: TransformerModel,
        documents: Documents,
        training: Training,
        tmp_path: Path,
        stop: int,
        optimiser: str,
    ) -> None:
        training = replace(training, optimiser=optimiser)  # type: ignore[arg-type]

        def press(progress: Progress) -> None:
            if progress.step == stop and not progress.stopped:
                signal.raise_signal(signal.SIGINT)
            torch.rand(3)  # what callbacks draw changes nothing

        whole = train(start, documents, training, progress=False)
        part = train(start, documents, training, folder=tmp_path / "run", callbacks=[press], progress=False)
        assert (part.stopped, len(part.history.steps)) == ("interrupted", stop)
        rest = train(start, documents, training, folder=tmp_path / "run", progress=False)
        assert (rest.stopped, len(rest.history.steps)) == ("steps", 12)
        assert same(rest, whole)

    def test_nothing_is_asked_of_code_that_becomes_ready_on_the_way(
        self, start: TransformerModel, documents: Documents, training: Training, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Its last bits differ from those of what serves until then, and it is ready sooner in one run than another."""

        def asked(*_: object) -> None:
            raise AssertionError("a compiled back end was asked for")

        monkeypatch.setattr(Compiled, "now", asked)
        monkeypatch.setattr(Compiled, "chosen", asked)
        trained = train(start, documents, training, documents[:9], progress=False)
        assert len(trained.history.evaluations) == 3

    def test_a_callback_can_stop_it(self, start: TransformerModel, documents: Documents, training: Training) -> None:
        def stop(progress: Progress) -> None:
            if progress.step == 4 and not progress.stopped:
                raise KeyboardInterrupt

        trained = train(start, documents, training, callbacks=[stop], progress=False)
        assert (trained.stopped, len(trained.history.steps)) == ("interrupted", 4)

    def test_a_finished_run_is_finished(
        self, start: TransformerModel, documents: Documents, training: Training, tmp_path: Path
    ) -> None:
        first = train(start, documents, training, folder=tmp_path / "run", progress=False)
        assert sorted(path.name for path in (tmp_path / "run").iterdir()) == [BEST, LAST]
        assert same(train(start, documents, training, folder=tmp_path / "run", progress=False), first)

    def test_another_run_is_refused(
        self, start: TransformerModel, documents: Documents, training: Training, tmp_path: Path
    ) -> None:
        train(start, documents, training, folder=tmp_path / "run", progress=False)
        for arguments in (
            (start, documents, replace(training, clip=2.0)),
            (start, documents[1:], training),
            (TransformerModel.build(start.config, start.vocabulary, seed=1), documents, training),
        ):
            with pytest.raises(InputError, match=r"of another training: its (clip|documents|first weights) is"):
                train(*arguments, folder=tmp_path / "run", progress=False)
        (tmp_path / "run" / LAST).write_bytes(b"nothing")
        with pytest.raises(FileError):
            train(start, documents, training, folder=tmp_path / "run", progress=False)


# One process imports everything; each life of the run is a fork of it, which is killed when its time is over.
SCRIPT = """
import json, os, random, signal, sys, time
import numpy as np
import torch
import torch._dynamo  # which torch imports at the first step of an optimiser: once, and not in every life

torch.set_num_threads(1)
signal.signal(signal.SIGINT, signal.default_int_handler)
from polyloom import WordVocabulary
from polyloom.train.loop import train
from polyloom.train.settings import Training
from polyloom.transformer.config import Attention, Experts, TransformerConfig

folder, kinds = sys.argv[1], [getattr(signal, name) for name in sys.argv[2:]]
vocabulary = WordVocabulary(["</s>", *(f"w{n}" for n in range(15))])
config = TransformerConfig(16, 16, 2, 16, attention=Attention(2), experts=Experts(4, 2, size=16), dropout=0.1, begin=0)
documents = [(n + np.arange(5 + n % 9)) % 15 + 1 for n in range(80)]
training = Training(steps=24, batch=4, evaluate_every=7, save_every=2, sample_tokens=0)

def run(place, told):
    trained = train(config, documents, training, documents[:9], place, vocabulary=vocabulary, progress=False,
                    callbacks=[lambda progress: os.write(told, b".")])
    return trained.stopped

def life(place, kind=None):
    heard, told = os.pipe()
    child = os.fork()
    if not child:
        status = 1
        try:
            status = {"steps": 0, "interrupted": 3}[run(place, told)]
        finally:
            os._exit(status)
    if kind is not None:
        for _ in range(dice.randint(1, 5)):  # steps that it may take
            os.read(heard, 1)
        time.sleep(dice.uniform(0, 0.05))  # and a part of what comes then
        os.kill(child, kind)
    return os.waitpid(child, 0)[1]

dice = random.Random(0)
ends = [life(f"{folder}/whole"), *(life(f"{folder}/parts", kind) for kind in kinds), life(f"{folder}/parts")]
print(json.dumps(ends))
"""


@pytest.mark.long
def test_killed_at_any_moment_it_ends_the_same(tmp_path: Path) -> None:
    arguments = [sys.executable, "-c", SCRIPT, str(tmp_path), "SIGKILL", "SIGINT", "SIGKILL"]
    done = subprocess.run(arguments, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == [0, signal.SIGKILL, 3 << 8, signal.SIGKILL, 0]
    assert sorted(path.name for path in (tmp_path / "parts").iterdir()) == [BEST, LAST]
    for name in (LAST, BEST):
        whole, parts = (read_all(tmp_path / run / name) for run in ("whole", "parts"))
        assert whole == parts


def read_all(path: Path) -> dict[str, Any]:
    """Everything in a checkpoint but the clock."""
    from polyloom.files import read

    manifest, arrays = read(path)
    del manifest["sha256"]
    found = {name: np.array(array) for name, array in arrays.items()}
    found["history.steps"][:, -1] = found["history.evaluations"][:, -1] = 0
    return {**manifest, **{name: (array.shape, array.tobytes()) for name, array in found.items()}}


def test_a_second_ctrl_c_is_obeyed_at_once() -> None:
    with Interruption() as interruption:
        signal.raise_signal(signal.SIGINT)
        assert interruption.asked
        with pytest.raises(KeyboardInterrupt):
            signal.raise_signal(signal.SIGINT)


def test_a_handler_of_somebody_else_stays() -> None:
    heard: list[int] = []
    before = signal.signal(signal.SIGINT, lambda number, frame: heard.append(number))
    try:
        with Interruption() as interruption:
            signal.raise_signal(signal.SIGINT)
            assert not interruption.asked
        assert heard == [signal.SIGINT]
    finally:
        signal.signal(signal.SIGINT, before)
