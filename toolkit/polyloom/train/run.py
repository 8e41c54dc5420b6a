"""A run: the network, the optimiser, the data and the history on their way through the steps.

    until steps, minutes or patience are used up:
        learn from the next batches; every so often evaluate; tell who watches; every so often save

All that a run is lies in these four, so a checkpoint is their states, and going on is putting them back.  Each step
seeds torch from the seed and its own number: what dropout forgets at step 70 does not depend on what came before, nor
on what callbacks draw.
"""

import contextlib
import copy
import math
import time
from collections.abc import Iterable, Sequence
from typing import final

import numpy as np
import torch

from polyloom.documents import Ids
from polyloom.errors import TrainingError
from polyloom.generate.sampling import Sampling
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.train.batches import Batches, Stream
from polyloom.train.checkpoint import BEST, LAST, Checkpoint, Store, restore_weights, weights_of
from polyloom.train.history import Callback, Evaluation, History, Log, Progress, Step
from polyloom.train.interruption import Interruption
from polyloom.train.optimisers import Optimiser
from polyloom.train.schedule import factor, share_of_steps
from polyloom.train.settings import Training
from polyloom.train.step import failure, learn
from polyloom.train.validation import Validation
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.model import TransformerModel

WARMTH = 0.8  # temperature of the sample texts
PACE = 0.1  # how much the latest step counts in the tokens a second


@final
class Run:
    """Settings with a length, a network to change, and documents to learn from."""

    def __init__(
        self,
        network: Decoder,
        vocabulary: Vocabulary,
        training: Training,
        documents: Sequence[Ids] | Stream,
        validation: Validation,
        store: Store | None,
    ) -> None:
        self.network, self.history = network, History()
        self._vocabulary, self._training, self._validation, self._store = vocabulary, training, validation, store
        self._optimiser = Optimiser(network, training)
        begin = opening(network.config)
        self._source = Batches(documents, begin, training.length or 1, training.batch, training.seed)
        self._best: dict[str, torch.Tensor] | None = None
        self._saved, self._pace, self._before, self._started = 0, 0.0, 0.0, time.monotonic()
        if store is not None and (found := store.load(LAST)) is not None:
            self._restore(found, store)

    @property
    def step(self) -> int:
        """How many steps are done."""
        return len(self.history.steps)

    def go(self, interruption: Interruption, callbacks: Sequence[Callback], log: Log | None) -> str:
        """Train until something says to stop, and say what it was."""
        self._started = time.monotonic()
        stopped = self._over()
        while stopped is None:
            self._learn()
            stopped = self._over()
            due = self._validation and (stopped or self.step % self._training.evaluate_every == 0)
            improved = bool(due) and self._evaluate()
            stopped = stopped or self._over()
            if improved or self.step % self._training.save_every == 0:
                self._save()
            try:
                self._tell(callbacks, log, bool(due), None)
            except KeyboardInterrupt:
                interruption.asked = True
            if interruption.asked:
                stopped = stopped or "interrupted"
        self._save()
        with contextlib.suppress(KeyboardInterrupt):  # what stopped it may say so again
            self._tell(callbacks, None, False, stopped)
        return stopped

    def best_network(self) -> Decoder | None:
        """A copy with the weights of the best evaluation; None if those are the network's own, or there was none."""
        best = self.history.best
        if self._best is None or best is None or best.step == self.step:
            return None
        found = copy.deepcopy(self.network)
        restore_weights(found, self._best)
        return found

    def _over(self) -> str | None:
        training = self._training
        if training.steps is not None and self.step >= training.steps:
            return "steps"
        if training.minutes is not None and self._seconds() >= 60 * training.minutes:
            return "minutes"
        if training.patience is not None and self.history.since_best >= training.patience:
            return "patience"
        return None

    def _learn(self) -> None:
        training, started, rate = self._training, time.monotonic(), self._rate()
        seed = np.random.SeedSequence((training.seed, self.step)).generate_state(1, np.uint64)[0] >> np.uint64(1)
        torch.manual_seed(int(seed))  # pyright: ignore[reportUnknownMemberType] - untyped
        batches = [self._source.next() for _ in range(training.accumulate)]
        try:
            learned = learn(self.network, self._optimiser, batches, training, rate)
        except FloatingPointError as error:
            self._save()
            raise failure(self.step + 1, str(error), batches, self._vocabulary) from None
        pace = learned.tokens / max(time.monotonic() - started, 1e-9)
        self._pace = pace if not self._pace else (1 - PACE) * self._pace + PACE * pace
        tokens = learned.tokens + (self.history.steps[-1].tokens if self.step else 0)
        step = Step(self.step + 1, tokens, learned.loss, learned.gradient, rate, self._seconds())
        self.history.steps.append(step)

    def _rate(self) -> float:
        """What the learning rates of the next step are multiplied by."""
        training = self._training
        by_steps = 0.0 if training.steps is None else share_of_steps(self.step, training.steps)
        by_time = 0.0 if training.minutes is None else self._seconds() / (60 * training.minutes)
        return factor(training.schedule, min(1.0, max(by_steps, by_time)), training.warm_up, training.decay or 0.0)

    def _evaluate(self) -> bool:
        """Judge the held-out text; whether it was never explained better."""
        loss, load = self._validation.judge(self.network)
        if not math.isfinite(loss):
            raise TrainingError(f"The held-out loss is {loss} after step {self.step}. Try a smaller learning rate.")
        evaluation = Evaluation(self.step, self.history.steps[-1].tokens, loss, self._seconds(), load)
        self.history.evaluations.append(evaluation)
        improved = self.history.best is evaluation
        if improved:
            self._best = {name: weight.clone() for name, weight in weights_of(self.network).items()}
        return improved

    def _tell(self, callbacks: Iterable[Callback], log: Log | None, evaluated: bool, stopped: str | None) -> None:
        watched = tuple(callbacks)
        progress = self._progress(evaluated, self._sample() if evaluated and watched else None, stopped)
        for callback in watched:
            callback(progress)
        if log is not None:
            validation = {"validation": progress.validation} if evaluated else {}
            noted = ("loss", "rate", "gradient", "tokens", "tokens_per_second")
            log.log({**{name: getattr(progress, name) for name in noted}, **validation}, step=progress.step)

    def _progress(self, evaluated: bool, sample: str | None, stopped: str | None) -> Progress:
        last, seconds, share = self.history.steps[-1], self._seconds(), self._share()
        latest, best = (self.history.evaluations or [None])[-1], self.history.best
        return Progress(
            step=last.number, steps=self._training.steps, share=share, loss=last.loss,
            validation=None if latest is None else latest.loss, evaluated=evaluated,
            best=None if best is None else best.loss, rate=last.rate, gradient=last.gradient,
            tokens=last.tokens, tokens_per_second=self._pace, seconds=seconds,
            left=None if stopped or not share else seconds * (1 - share) / share,
            sample=sample, load=None if latest is None else latest.load, stopped=stopped,
        )  # fmt: skip

    def _share(self) -> float:
        """How much of the training is done."""
        training = self._training
        by_steps = 0.0 if training.steps is None else self.step / training.steps
        by_time = 0.0 if training.minutes is None else self._seconds() / (60 * training.minutes)
        return min(1.0, max(by_steps, by_time))

    def _sample(self) -> str | None:
        """A text that the network as it is now goes on with."""
        training = self._training
        if not training.sample_tokens:
            return None
        model = TransformerModel(copy.deepcopy(self.network), self._vocabulary)
        sampling = Sampling(temperature=WARMTH, max_tokens=training.sample_tokens, seed=self.step)
        written = [step.token for step in model.generate(training.sample, sampling).steps]
        return self._vocabulary.decode([*model.ids(training.sample).tolist(), *written])

    def _seconds(self) -> float:
        return self._before + time.monotonic() - self._started

    def _save(self) -> None:
        if self._store is None or self._saved == self.step or not self.step:
            return
        best = self.history.best
        if best is not None and best.step == self.step:
            self._store.save(BEST, self._state())  # first, so that `last` never speaks of a best that is not there
        self._store.save(LAST, self._state())
        self._saved = self.step

    def _state(self) -> Checkpoint:
        weights, optimiser = weights_of(self.network), self._optimiser.state()
        return Checkpoint(self.step, weights, optimiser, self.history, self._source.state(), torch.get_num_threads())

    def _restore(self, found: Checkpoint, store: Store) -> None:
        restore_weights(self.network, found.weights)
        self._optimiser.restore(found.optimiser)
        self._source.restore(found.data)
        self.history, self._saved = found.history, found.step
        self._before = self.history.steps[-1].seconds
        torch.set_num_threads(found.threads)  # sums of another number of threads round differently
        best, kept = self.history.best, store.load(BEST)
        if best is not None and kept is not None and kept.step == best.step:
            self._best = dict(kept.weights)


def opening(config: TransformerConfig) -> int | None:
    """The id before every document, or None."""
    return config.begin if config.opens else None
