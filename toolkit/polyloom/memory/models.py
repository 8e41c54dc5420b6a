"""Models of turns, kept for as long as the turns are the same: in memory, and as `.psam` files.

A kept model carries the `Stamp` of the turns that it counted.  Whoever asks reads the stamp of the turns that are there
now; where the two differ the turns are counted again.  So a model that is kept is never more than a saving of time: the
files can be missing, damaged, of another day or left behind by a process that was killed, and change nothing.  Each is
an ordinary model besides, which `polyloom.load` opens.
"""

from pathlib import Path

from polyloom.association.counts import Shape
from polyloom.association.model import AssociationModel
from polyloom.errors import PolyloomError
from polyloom.files import read, write
from polyloom.memory.blocks import Block
from polyloom.memory.counting import model_of
from polyloom.memory.database import Database
from polyloom.memory.selection import HEARD, Selection, Stamp
from polyloom.tokens.vocabulary import Vocabulary

KEPT = 128  # models in memory; the one that was asked for longest ago goes first


class Models:
    """The models of one memory; `folder` holds the files of blocks of time."""

    def __init__(self, database: Database, vocabulary: Vocabulary, levels: tuple[Shape, ...], folder: Path) -> None:
        self._database, self._vocabulary, self._levels, self._folder = database, vocabulary, levels, folder
        self._kept = dict[Selection, tuple[Stamp, AssociationModel]]()

    def of(self, selection: Selection) -> AssociationModel | None:
        """The model of these turns; None if there are none, or if they say nothing."""
        stamp, kept = selection.stamp(self._database), self._kept.pop(selection, None)
        if kept is None or kept[0] != stamp:
            model = self._from_file(selection, stamp) or self._counted(selection)
            if model is None:
                return None
            kept = stamp, model
        self._kept[selection] = kept
        while len(self._kept) > KEPT:
            self._kept.pop(next(iter(self._kept)))
        return kept[1]

    def save(self, blocks: list[Block]) -> list[Path]:
        """Write the models of these blocks where they are not there yet, and remove all other files."""
        self._folder.mkdir(exist_ok=True)
        files = [self._save(block) for block in blocks]
        for path in self._folder.iterdir():
            if path not in files:
                path.unlink(missing_ok=True)
        return files

    def drop(self, buckets: set[int]) -> None:
        """Give up all that may count turns of these buckets, files first: they are to be forgotten."""
        for path in self._folder.glob("*") if self._folder.is_dir() else ():
            block = _block(path)
            if block is None or _meets(block, buckets):
                path.unlink(missing_ok=True)
        for selection in [one for one in self._kept if one.buckets is None or _meets(one.buckets, buckets)]:
            self._kept.pop(selection)

    def _save(self, block: Block) -> Path:
        selection, path = Selection(HEARD, buckets=block), self._path(block)
        stamp = selection.stamp(self._database)
        if self._from_file(selection, stamp) is None:
            model = self.of(selection)
            assert model is not None
            manifest, arrays = model.state()
            write(path, {**manifest, "turns": list(stamp)}, arrays)
        return path

    def _counted(self, selection: Selection) -> AssociationModel | None:
        turns = [turn for turn in selection.turns(self._database) if len(turn.tokens)]
        return model_of(turns, self._vocabulary, self._levels) if turns else None

    def _from_file(self, selection: Selection, stamp: Stamp) -> AssociationModel | None:
        """The model that was kept of a block, if it is that of these turns."""
        if selection.buckets is None or selection != Selection(HEARD, buckets=selection.buckets):
            return None
        try:
            manifest, arrays = read(self._path(selection.buckets))
            if manifest.get("turns") != list(stamp):
                return None
            model = AssociationModel.from_state(manifest, arrays)
        except (PolyloomError, OSError, KeyError, TypeError, ValueError, IndexError):
            return None  # whatever is wrong with it, the turns are there
        return model if model.vocabulary == self._vocabulary and model.shapes == self._levels else None

    def _path(self, block: Block) -> Path:
        return self._folder / f"{block[0]}-{block[1]}.psam"


def _block(path: Path) -> Block | None:
    """The block of a file; None if it is no such file, or one that was being written."""
    first, _, last = path.stem.partition("-")
    return (int(first), int(last)) if path.suffix == ".psam" and first.isdecimal() and last.isdecimal() else None


def _meets(block: Block, buckets: set[int]) -> bool:
    return any(block[0] <= bucket <= block[1] for bucket in buckets)
