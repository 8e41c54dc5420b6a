"""Which names the files of a package may have: such as stand for the same file below one folder on every system.

A name is a path with `/` between its parts.  Refused are those that lead out of the folder or to the root, that a
system reads differently (a backslash, a colon, control characters, a dot or a space at the end, the devices of
Windows), and two that a file system may take for one: by case, by Unicode form, or a file that another needs as a
folder.
"""

import re
import unicodedata
from collections.abc import Iterable

DEVICES = re.compile(r"(con|prn|aux|nul|com\d|lpt\d)(\.|$)", re.I)
FORBIDDEN = re.compile(r'[\x00-\x1f\x7f\\:*?"<>|]')
LONGEST = 240  # characters of a path; most systems take 255
PICKLES = (".bin", ".ckpt", ".dill", ".joblib", ".pickle", ".pkl", ".pt", ".pth")


def wrong(name: str) -> str:
    """What is wrong with a name; empty if nothing is."""
    parts = name.split("/")
    if not name or len(name.encode("utf-8", "surrogatepass")) > LONGEST:
        return f"a name takes 1 to {LONGEST} bytes"
    if ".." in parts or name.startswith("/"):
        return "the name leads out of its folder"
    if any(part in ("", ".") or part[-1] in ". " or part[0] == " " or DEVICES.match(part) for part in parts):
        return "the name is not one file on every system"
    if FORBIDDEN.search(name) or any(unicodedata.category(character) in ("Cs", "Cf") for character in name):
        return "the name has a character that not every system takes as it is"
    return ""


def clashes(names: Iterable[str]) -> list[tuple[str, str]]:
    """Pairs of names that one file system or another cannot hold side by side."""
    seen: dict[str, str] = {}
    found: list[tuple[str, str]] = []
    given = list(names)
    for name in given:
        key = _folded(name)
        if key in seen:
            found.append((seen[key], name))
        seen.setdefault(key, name)
    for name in given:
        parts = _folded(name).split("/")
        above = ("/".join(parts[:depth]) for depth in range(1, len(parts)))
        found += [(seen[folder], name) for folder in above if folder in seen]
    return found


def is_pickle(name: str, start: bytes) -> bool:
    """Whether a file looks like one that would run code when it is loaded: by its name, or by how it begins."""
    return name.lower().endswith(PICKLES) or (len(start) > 1 and start[0] == 0x80 and 2 <= start[1] <= 5)


def _folded(name: str) -> str:
    return unicodedata.normalize("NFKC", unicodedata.normalize("NFKC", name).casefold())
