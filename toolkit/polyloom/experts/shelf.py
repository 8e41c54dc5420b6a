"""The shelf: where the files of installed experts stand, in a folder each, whole or not at all.

    folder/NAME-VERSION-DIGEST/

Files go to a folder that nobody looks at, are flushed, and take their name in one step.  A folder counts when the
registry has a row for it; one without is what a process left that was stopped, or what was replaced, and is swept away.
One process at a time writes here: the registry sees to that.
"""

import contextlib
import os
import shutil
import tempfile
from collections.abc import Callable, Collection, Generator
from pathlib import Path
from typing import final

from polyloom.experts.package import Package


@final
class Shelf:
    """Folders of files below one folder, which is made with the first of them."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    @contextlib.contextmanager
    def adding(self) -> Generator[Callable[[Package], str]]:
        """A function that puts the files of a package here and gives the name of their folder.

        If the block raises, all that it put here is gone again.
        """
        written: list[Path] = []
        try:
            yield lambda package: self._add(package, written)
        except BaseException:
            for place in written:
                shutil.rmtree(place, ignore_errors=True)
            raise

    def sweep(self, kept: Collection[str]) -> None:
        """Remove every folder but those of these names."""
        for place in self.folder.iterdir() if self.folder.is_dir() else ():
            if place.name not in kept:
                shutil.rmtree(place, ignore_errors=True)

    def _add(self, package: Package, written: list[Path]) -> str:
        self.folder.mkdir(exist_ok=True)
        staged = Path(tempfile.mkdtemp(prefix=".new-", dir=self.folder))
        written.append(staged)
        package.extract(staged)
        staged.chmod(0o755)
        manifest = package.manifest
        place = self.folder / f"{manifest.name}-{manifest.version}-{package.digest[:16]}"
        staged.rename(place)
        written[-1] = place
        _flush(self.folder)
        return place.name


def _flush(folder: Path) -> None:
    """Have the disk keep the names in a folder, on systems where that has to be asked for."""
    if os.name == "posix":
        handle = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(handle)
        finally:
            os.close(handle)
