"""The models that the demo shows, made from the carried texts: a mix and a router at once, the others by and by.

    library = Library(folder)       weaves the voices; begins to train the transformer in the background
    library.transformer()           Waiting, with how far it is, until it is ready

The transformer is learned once, in a quarter of a minute or so, and kept in `folder` (the user's cache, unless told
otherwise) under a name that tells what it was made of.  Models are values: every visitor gets the same ones.
"""

import hashlib
import logging
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import asdict
from functools import cached_property
from pathlib import Path
from threading import Event, Thread
from typing import TYPE_CHECKING, Any, final

from polyloom.compose.layered import Layered
from polyloom.compose.routed import Routed
from polyloom.compose.routing.likelihood import ByLikelihood
from polyloom.compose.routing.router.router import Router
from polyloom.compose.weave import weave
from polyloom.errors import PolyloomError
from polyloom_datasets.catalogue import load
from polyloom_demo.music import Styles
from polyloom_demo.uploads import woven
from polyloom_widgets.mixer.score import HeldOut

if TYPE_CHECKING:
    from polyloom.transformer.model import TransformerModel

VOICES = ("sea", "kitchen", "contracts", "lullabies", "field_guide")
BROUGHT = (VOICES[:2], VOICES[:3])  # as if a visitor had brought these
PIECES = 600  # of the transformer's vocabulary
STEPS, BATCH, LENGTH = 160, 12, 64  # a quarter of a minute on two cores that have nothing else to do
QUESTIONS = {
    "sea": [
        "is it high tide",
        "the ship is at sea",
        "salt and waves",
        "the harbour is full of boats",
        "hoist the sail",
    ],
    "law": [
        "who is liable",
        "the court and the contract",
        "pay the fine",
        "the party shall pay",
        "terminate the lease",
    ],
    "kitchen": [
        *("salt in the soup", "bake bread in the oven", "boil an egg"),
        *("a pinch of salt and butter", "stir the pot"),
    ],
}

log = logging.getLogger("polyloom.demo")


class Waiting(PolyloomError):  # noqa: N818 - it says what there is to do
    """What was asked for is still being made."""


@final
class Library:
    """What every visitor shares."""

    def __init__(self, folder: Path | None = None) -> None:
        self.mix, held_out = weave({name: load(name) for name in VOICES}, progress=False)
        self.held_out = HeldOut.of(self.mix, held_out)
        self._folder = folder
        self._woven: dict[tuple[str, ...], tuple[Layered, HeldOut]] = {}
        self._styles: Styles | None = None
        self._done = 0
        self._trained: TransformerModel | None = None
        self._failure = ""
        self._stopping = Event()
        self._worker: Thread | None = None

    def begin(self, then: Callable[[], object]) -> None:
        """Begin to train what takes its time; `then` is called in that thread, when nothing more is to come."""
        self._worker = Thread(target=self._work, args=(then,), name="polyloom demo: transformer", daemon=True)
        self._worker.start()

    def close(self) -> None:
        """Stop training; what was not finished is not kept."""
        self._stopping.set()
        if self._worker is not None:
            self._worker.join(10)

    @cached_property
    def routed(self) -> Routed:
        """The voices, of which each word is spoken by those that read the text best so far."""
        return Routed(ByLikelihood(), self.mix.models)

    @cached_property
    def router(self) -> Router:
        """Three topics, from five questions each."""
        return Router.fit(QUESTIONS)

    @property
    def state(self) -> str:
        """How far the transformer is, for the health of the demo."""
        return self._failure or ("ready" if self._trained else "learning")

    def woven(self, names: tuple[str, ...]) -> "tuple[Layered, HeldOut]":
        """One of `BROUGHT` and what judges it; Waiting until it is woven."""
        if names not in self._woven:
            raise Waiting("These texts are being woven. The first time that takes up to a minute.")
        return self._woven[names]

    @property
    def styles(self) -> Styles:
        """The music; Waiting until it is woven."""
        if self._styles is None:
            raise Waiting("The tunes are being woven. The first time that takes up to a minute.")
        return self._styles

    def transformer(self) -> "TransformerModel":
        """The transformer; Waiting until it has learned, or saying why it never will."""
        if self._failure:
            raise PolyloomError(f"The small transformer could not be made: {self._failure}")
        if self._trained is None:
            part = round(100 * self._done / STEPS)
            raise Waiting(f"A small transformer is learning from the texts of this demo: {part} %. It is done once.")
        return self._trained

    def _work(self, then: Callable[[], object]) -> None:
        try:
            self.weave()
            self._trained = self._kept() or self._learned()
        except Exception as error:  # a thread has nobody to raise to: the page and the health route say it
            self._failure = str(error) or type(error).__name__
            if not self._stopping.is_set():
                log.exception("the transformer could not be made")
        if not self._stopping.is_set():
            then()

    def weave(self) -> None:
        """Weave what nobody needs at once: where nothing is compiled yet, it waits for that."""
        for names in BROUGHT:
            mix, held_out = woven({name: load(name).text for name in names})
            self._woven[names] = mix, HeldOut.of(mix, held_out)
        self._styles = Styles.woven()

    @cached_property
    def _place(self) -> Path:
        import platformdirs

        from polyloom import __version__

        folder = self._folder or platformdirs.user_cache_path("polyloom", appauthor=False) / "demo"
        made_of: list[Any] = [__version__, [load(name).text for name in VOICES], PIECES, STEPS, BATCH, LENGTH]
        made_of.append(asdict(_config()))
        return folder / hashlib.sha256(repr(made_of).encode()).hexdigest()[:16]

    def _kept(self) -> "TransformerModel | None":
        """The transformer of an earlier day, if it is there and whole."""
        from polyloom.transformer.model import TransformerModel

        if not self._place.is_dir():
            return None
        try:
            return TransformerModel.load(self._place)
        except PolyloomError as error:
            log.warning("%s is learned anew: %s", self._place, error)
            shutil.rmtree(self._place, ignore_errors=True)
            return None

    def _learned(self) -> "TransformerModel":
        from polyloom.tokens.sentencepiece import SentencePieceVocabulary
        from polyloom.train.loop import train
        from polyloom.train.settings import Training

        texts = [text for name in VOICES for text in load(name).text.split("\n\n") if text.strip()]
        training = Training(steps=STEPS, batch=BATCH, length=LENGTH, threads=1)
        vocabulary = SentencePieceVocabulary.train(texts, size=PIECES)
        found = train(_config(), texts, training, callbacks=[self._counted], progress=False, vocabulary=vocabulary)
        if found.stopped == "interrupted":
            raise PolyloomError("The demo is ending.")
        self._keep(found.model)
        return found.model

    def _counted(self, progress: Any) -> None:
        self._done = progress.step
        if self._stopping.is_set():
            raise KeyboardInterrupt

    def _keep(self, model: "TransformerModel") -> None:
        """Whole or not at all; a folder that cannot be written costs a quarter of a minute next time."""
        try:
            self._place.parent.mkdir(parents=True, exist_ok=True)
            with tempfile.TemporaryDirectory(dir=self._place.parent, ignore_cleanup_errors=True) as partial:
                model.save(Path(partial) / "model")
                (Path(partial) / "model").replace(self._place)
        except OSError as error:
            log.warning("the transformer is not kept: %s", error)


def _config() -> Any:
    from polyloom.transformer.config import Attention, TransformerConfig

    return TransformerConfig(PIECES, width=96, layers=4, context=128, attention=Attention(heads=4))
