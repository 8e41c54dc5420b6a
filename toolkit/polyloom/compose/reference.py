"""Members of a composite as files beside it.

    mix.psamc                                   the recipe, and for each member: path, size, digest
    mix.members/sea-3f2a91c04d5e.psam           a member, under its name and the head of its model's digest

The name holds the digest, so a file is only ever replaced by one that holds the same, and a crash while saving a
changed mix leaves the mix that was there with all that it refers to.  Reading is the matter of `files.referenced`,
which trusts none of this.
"""

import re
from collections.abc import Mapping
from pathlib import Path

from polyloom.files import Manifest, folder_of, identity, write
from polyloom.model import LanguageModel

STRANGE = re.compile(r"[^A-Za-z0-9_]+")
LONGEST = 40  # characters of a layer's name in the name of its file


def write_references(path: Path, models: Mapping[str, tuple[LanguageModel, str]]) -> list[Manifest]:
    """Write each different model (with the ending of its file) beside the composite at `path`; what refers to them."""
    folder = folder_of(path) / f"{path.stem}.members"
    folder.mkdir(exist_ok=True)
    written: dict[str, Manifest] = {}
    for name, (model, ending) in models.items():
        if model.digest not in written:
            slug = STRANGE.sub("-", name)[:LONGEST].strip("-") or "layer"
            file = write(folder / f"{slug}-{model.digest[:12]}{ending}", *model.state())  # one file, whatever it is
            size, digest = identity(file)
            place = f"{folder.name}/{file.name}"
            written[model.digest] = {"kind": "reference", "path": place, "size": size, "sha256": digest}
    return [written[model.digest] for model, _ in models.values()]
