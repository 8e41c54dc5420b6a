"""Training: a model and documents in, a better model out.

    trained = train(model, documents, Training(minutes=5), folder="run")
    trained.model.generate("It was")

The model that is given stays what it was; training works on a copy in float32.  Documents are taken as they are, each
after its begin token, and cut to pieces of `length` tokens: end each in `</s>` if the model is to know where texts end.

Every step follows from the seed, its number and the state before it, so a run that was interrupted or killed, and is
started again with the same arguments, ends with the weights it would have had, bit for bit, on the same machine with
the same number of threads.  Ctrl-C ends it after the step it is in, with all that there is; a second one at once.
"""

import copy
import hashlib
import os
from collections.abc import Callable, Generator, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch

from polyloom.association.aside import set_aside
from polyloom.documents import Ids, checked_ids
from polyloom.errors import InputError, VocabularyMismatch
from polyloom.tokens.vocabulary import Vocabulary
from polyloom.train.batches import Stream
from polyloom.train.checkpoint import Identity, Store, weights_of
from polyloom.train.history import Callback, History, Log
from polyloom.train.infill import infilled
from polyloom.train.interruption import Interruption
from polyloom.train.lesson import Lessons, told
from polyloom.train.packing import ONLY_READ
from polyloom.train.run import Run, opening
from polyloom.train.settings import Training
from polyloom.train.terminal import watching
from polyloom.train.validation import Validation
from polyloom.transformer.config import TransformerConfig
from polyloom.transformer.decoder import Decoder
from polyloom.transformer.model import TransformerModel


@dataclass(frozen=True)
class Trained:
    """What a training ended with.

    `model` is the one with the smallest held-out loss, or the last if nothing was held out; `last` the one after the
    last step.  `stopped` is "steps", "minutes", "patience" or "interrupted".
    """

    model: TransformerModel
    last: TransformerModel
    history: History = field(repr=False)
    stopped: str
    training: Training


def train(
    model: TransformerModel | TransformerConfig | str,
    documents: Lessons | Callable[[], Lessons],
    training: Training | None = None,
    held_out: Lessons | None = None,
    folder: str | os.PathLike[str] | None = None,
    callbacks: Iterable[Callback] = (),
    log: Log | None = None,
    progress: bool | None = None,
    vocabulary: Vocabulary | None = None,
) -> Trained:
    """Train a model; a config, or the name of a preset, with a vocabulary stands for a new one.

    `documents` are held in memory, each a text, ids or a `Lesson`; more than fits is given as a function that opens the
    same stream anew, epoch by epoch.  `held_out` documents are judged and not learned from; without them one document
    in twenty is, chosen by its content, unless they come as a stream, or so few would be too little.  In `folder` the
    run keeps its checkpoints and goes on from them.  After every step each of `callbacks` gets a `Progress`
    (KeyboardInterrupt from one of them stops the training as Ctrl-C does) and `log` its numbers.  `progress` shows a
    line that moves in a terminal, and prints one now and then elsewhere; False shows nothing, and leaves the screen to
    the callbacks.

    Raises InputError for arguments that do not fit together, TrainingError if a loss is no number any more, FileError
    if a checkpoint is damaged, OSError if the disk is full; the checkpoints stay good then.
    """
    training = training or Training()
    start = _begun(model, vocabulary, training)
    found = moved(
        start, partial(trainable, start.plain), documents, training, held_out, folder, callbacks, log, progress
    )
    last = TransformerModel(found.last, start.vocabulary)
    better = last if found.best is found.last else TransformerModel(found.best, start.vocabulary)
    return Trained(better, last, found.history, found.stopped, found.training)


@dataclass(frozen=True)
class Moved:
    """What `moved` ended with: the decoder of the smallest held-out loss, and the one after the last step."""

    best: Decoder
    last: Decoder
    history: History = field(repr=False)
    stopped: str
    training: Training


def moved(
    start: TransformerModel,
    network: Callable[[Training], Decoder],
    documents: Lessons | Callable[[], Lessons],
    training: Training,
    held_out: Lessons | None = None,
    folder: str | os.PathLike[str] | None = None,
    callbacks: Iterable[Callback] = (),
    log: Log | None = None,
    progress: bool | None = None,
) -> Moved:
    """The loop below `train`: move those weights of `network(training)` that ask for a gradient.

    `start` is the model that the network was made of; the other arguments and the errors are those of `train`.
    """
    training = training.of_length(start.config.context)
    learned, aside = _parted(start, documents, held_out, training)
    with _surroundings(training, start.decoder) as interruption, watching(progress) as shown:
        decoder = network(training)
        store = None if folder is None else Store(Path(folder), _identity(start, decoder, training, learned, aside))
        validation = Validation(aside, opening(start.config), training)
        run = Run(decoder, start.vocabulary, training, learned, validation, store)
        stopped = run.go(interruption, [*shown, *callbacks], log)
    best = run.best_network()
    return Moved(run.network if best is None else best, run.network, run.history, stopped, training)


def trainable(decoder: Decoder, training: Training) -> Decoder:
    """A copy in float32 whose weights may move."""
    network = copy.deepcopy(decoder).float().requires_grad_(True)
    network.recompute = training.checkpointing
    return network.train()


def _begun(
    model: TransformerModel | TransformerConfig | str, vocabulary: Vocabulary | None, training: Training
) -> TransformerModel:
    """The model to start from."""
    if not isinstance(model, TransformerModel | TransformerConfig | str):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise InputError(f"Expected a TransformerModel, a config or the name of a preset, got {type(model).__name__}.")
    if not isinstance(model, TransformerModel):
        if vocabulary is None:
            raise InputError("A new model needs a vocabulary: train(config, documents, vocabulary=…).")
        return TransformerModel.build(model, vocabulary, training.seed)
    if vocabulary is not None and vocabulary != model.vocabulary:
        raise VocabularyMismatch(f"The model speaks {model.vocabulary!r}, not {vocabulary!r}. Leave `vocabulary` out.")
    return model


def _parted(
    model: TransformerModel,
    documents: Lessons | Callable[[], Lessons],
    held_out: Lessons | None,
    training: Training,
) -> tuple[list[Ids] | Stream, list[Ids]]:
    """Documents to learn from, in the form they are told in, and those to judge by."""
    vocabulary = model.vocabulary
    vocabulary.encode(training.sample)  # raises now rather than after an hour
    aside = [] if held_out is None else list(told(held_out, vocabulary))
    learned: list[Ids] | Stream
    if callable(documents):
        learned = partial(_opened, documents, vocabulary, training)
    else:
        given = [ids for ids in told(documents, vocabulary) if len(ids)]
        kept, aside = set_aside(given) if held_out is None else (given, aside)
        learned = list(_filled(kept, vocabulary, training))
    least = 2 if opening(model.config) is None else 1  # the first token is predicted only after a begin token
    judged = [ids for ids in aside if (ids[least - 1 :] < ONLY_READ).any()]
    if training.patience is not None and not judged:
        raise InputError("patience needs text to judge by, and nothing was held out. Give held_out=[…] or no patience.")
    return learned, judged


def _opened(documents: Callable[[], Lessons], vocabulary: Vocabulary, training: Training) -> Iterator[Ids]:
    return _filled(told(documents(), vocabulary), vocabulary, training)


def _filled(documents: Iterable[Ids], vocabulary: Vocabulary, training: Training) -> Iterator[Ids]:
    """Some of them with their middle at the end, if that is asked for."""
    found = documents if training.infill is None else infilled(documents, training.infill)
    return (checked_ids(ids & (ONLY_READ - 1), vocabulary) | (ids & ONLY_READ) for ids in found)


@contextmanager
def _surroundings(training: Training, decoder: Decoder) -> Generator[Interruption]:
    """Threads, dice and Ctrl-C as training needs them, and afterwards as they were."""
    threads, device = torch.get_num_threads(), decoder.embedding.weight.device
    if training.threads is not None:
        torch.set_num_threads(training.threads)
    try:
        mine = [device] if device.type == "cuda" else list[torch.device]()
        with torch.random.fork_rng(mine), Interruption() as interruption:  # pyright: ignore[reportUnknownMemberType]
            yield interruption
    finally:
        torch.set_num_threads(threads)


def _identity(
    model: TransformerModel, network: Decoder, training: Training, learned: list[Ids] | Stream, aside: list[Ids]
) -> Identity:
    """What makes this run this run."""
    weights = weights_of(network)
    return {
        "settings": training.to_json(),
        "config": model.config.to_json(),
        "vocabulary": model.vocabulary.digest,
        "first weights": _digest(weights[name].cpu().numpy().tobytes() for name in sorted(weights)),
        "documents": "a stream" if callable(learned) else _digest(ids.tobytes() for ids in learned),
        "held-out text": _digest(ids.tobytes() for ids in aside),
    }


def _digest(parts: Iterable[bytes]) -> str:
    found = hashlib.sha256()
    for part in parts:
        found.update(len(part).to_bytes(8, "little") + part)
    return found.hexdigest()
