"""What visitors bring: texts to weave, models to put under faders; checked, and no larger than a demo can bear.

    composed([Upload("notes.txt", content), Upload("law.psam", content)])     a desk over both

Texts alone are woven as `polyloom.weave` does.  Beside models they learn the vocabulary of the first one, so that all
can be mixed.  A mix alone opens with its own faders; beside others it is one layer.  Nothing that was uploaded is kept
on a disk, and of a model every array is compared with its digest before it is used.
"""

import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePath
from typing import TypeVar

from polyloom.compose.layered import Layer, Layered
from polyloom.compose.weave import HeldOut, weave
from polyloom.errors import FileError, InputError
from polyloom.files import verify
from polyloom.kinds import load
from polyloom.model import LanguageModel
from polyloom_widgets.mixer.mixer import Mixer

FILES = 8
TEXT = 1_000_000  # characters of all texts together: they are woven in seconds
MODEL = 32_000_000  # bytes of a model
ALL = 64_000_000  # bytes of a request
JUDGED = 20_000  # characters, at most, that are held out to judge the mix
ENDINGS = (".txt", ".psam", ".psamc")
WORDS = 3  # of the first text, to begin with

Found = TypeVar("Found")


@dataclass(frozen=True)
class Upload:
    """A file as it came: its name, which is not trusted, and what is in it."""

    name: str
    content: bytes

    def ending(self, known: Sequence[str] = ENDINGS) -> str:
        """Which of the known endings its name has; InputError if it has none of them."""
        if self._suffix not in known:
            raise InputError(f"{self.shown}: expected a file that ends in {', '.join(known)}.")
        return self._suffix

    @property
    def shown(self) -> str:
        """Its name for people."""
        return PurePath(self.name.replace("\\", "/")).name[:60] or "a file without a name"

    def text(self) -> str:
        """Its text; InputError if it is none in UTF-8."""
        try:
            found = self.content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise InputError(f"{self.shown}: byte {error.start} is not UTF-8. Save the text as UTF-8.") from None
        if "\0" in found:
            raise InputError(f"{self.shown}: this is no text, it has a NUL character.")
        if not found.strip():
            raise InputError(f"{self.shown}: there is nothing in it.")
        return found

    def model(self) -> LanguageModel:
        """The model in it; InputError if it is damaged, was changed, or is too large."""
        if len(self.content) > MODEL:
            raise InputError(f"{self.shown}: a model may have {MODEL // 1_000_000} MB here.")
        return self.read(_whole)

    def read(self, reader: Callable[[Path], Found]) -> Found:
        """What is read of it as a file, which is there for so long; InputError by its name if it is no good."""
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            path = Path(folder) / f"file{self._suffix}"
            path.write_bytes(self.content)
            try:
                return reader(path)
            except (FileError, InputError) as error:
                raise InputError(f"{self.shown}: {str(error).replace(str(path), 'it')}") from None

    @property
    def _suffix(self) -> str:
        return PurePath(self.name).suffix.lower()


def _whole(path: Path) -> LanguageModel:
    verify(path)
    return load(path)


def composed(uploads: Sequence[Upload]) -> Mixer:
    """A desk over the files; InputError naming the one that is at fault."""
    if not 0 < len(uploads) <= FILES:
        raise InputError(f"Expected 1 to {FILES} files, got {len(uploads)}.")
    texts, models = _read(uploads)
    prompt = opening(texts)
    if not models:
        mix, held_out = woven(texts)
        return Mixer(mix, prompt, held_out)
    if len(uploads) == 1:
        return Mixer(next(iter(models.values())), prompt)
    mix, held_out = _layered(models, texts)
    return Mixer(mix, prompt, held_out)


def opening(texts: Mapping[str, str]) -> str:
    """The first words of the first text, if there is one."""
    return " ".join(next(iter(texts.values())).split()[:WORDS]) if texts else ""


def _read(uploads: Sequence[Upload]) -> tuple[dict[str, str], dict[str, LanguageModel]]:
    """Texts and models by name."""
    names = _named(uploads)
    texts = {name: one.text() for name, one in names.items() if one.ending() == ".txt"}
    if (size := sum(map(len, texts.values()))) > TEXT:
        raise InputError(f"Texts may have {TEXT:,} characters together here; these have {size:,}.")
    return texts, {name: one.model() for name, one in names.items() if one.ending() != ".txt"}


def _named(uploads: Sequence[Upload]) -> dict[str, Upload]:
    """The files by the name that their fader gets: each once."""
    found: dict[str, Upload] = {}
    for one in uploads:
        name = PurePath(one.shown).stem[:24] or "layer"
        while name in found:
            name += "'"
        found[name] = one
    return found


def woven(texts: Mapping[str, str], beside: LanguageModel | None = None) -> tuple[Layered, HeldOut]:
    """A mix of texts by name, and what was held out to judge it; in the vocabulary of `beside`, if given."""
    share = min(0.1, JUDGED / sum(map(len, texts.values())))
    return weave(texts, beside and beside.vocabulary, held_out=share, progress=False)


def _layered(models: Mapping[str, LanguageModel], texts: Mapping[str, str]) -> tuple[Layered, HeldOut | None]:
    """A layer for each model and each text."""
    (first, base), *_ = models.items()
    for name, model in models.items():
        if model.vocabulary != base.vocabulary:
            raise InputError(
                f"{name} speaks {model.vocabulary!r}, {first} speaks {base.vocabulary!r}: models that are mixed need "
                f"the same vocabulary. Train the second with --vocabulary {first}.psam."
            )
    mix, held_out = woven(texts, base) if texts else (None, None)
    layers = {**models, **(mix.models if mix else {})}
    others = {name: Layer(model) for name, model in layers.items() if name != first}
    return Layered(base, others, name=first), held_out
