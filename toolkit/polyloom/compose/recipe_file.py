"""A recipe as a file, and inside the files that music is written to.

    x.recipe.json    the recipe, as JSON
    x.mid            the text event `@polyloom {…}`, before all others of the first track
    x.wav            the same text as the comment, ICMT, of a LIST/INFO chunk behind the samples

In MIDI a text event may say whatever its writer wants to; a sequencer's own event would need a number that its maker
has been given.  The @ is how files of karaoke mark what is not sung.  A comment of WAV is shown by players, and ffmpeg
takes it along; behind the samples it leaves them where simple readers expect them.  Neither says how its text is
encoded, so the JSON is written in ASCII.
"""

import json
import os
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import IO, Any, cast

from polyloom.errors import FileError, InputError
from polyloom.files import replacing

FORMAT = 1
LONGEST = 2**25  # bytes of a file that is searched for a recipe, or of a comment in WAV
CARRIED = 900_000  # bytes of a recipe inside a file of music: readers of MIDI give up on an event of 1,000,000
CHUNKS = 10_000  # of a WAV file
MARK = "@polyloom "
EVENT = re.compile(rb"\xff\x01([\x80-\xff]{0,3}[\x00-\x7f])" + MARK.encode())
SHOWN = 24  # characters of what came instead
CUT = "it is cut short. Fetch or save the file again."

Recipe = dict[str, Any]


def checked(recipe: object) -> Mapping[str, Any]:
    """A recipe from outside: InputError, saying what is wrong, if it is none or a part is of the wrong kind."""
    given = cast("Mapping[str, Any]", recipe) if isinstance(recipe, Mapping) else dict[str, Any]()
    if (what := given.get("polyloom")) != "recipe":
        raise InputError(
            f"Expected a recipe of format {FORMAT}, as a generation's recipe, to_recipe() or the desk's Recipe button "
            f"gives it: 'polyloom' is 'recipe' there, here {repr(what)[:SHOWN]}."
        )
    if (format := given.get("format")) != FORMAT:
        raise InputError(f"Expected a recipe of format {FORMAT}, got {repr(format)[:SHOWN]}. Upgrade polyloom.")
    if not all(isinstance(given.get(name, {}), Mapping) for name in ("weights", "models")):
        raise InputError("The recipe is damaged: weights and models must be mappings.")
    if not all(isinstance(given.get(name, []), list) for name in ("muted", "soloed", "tokens", "kept")):
        raise InputError("The recipe is damaged: muted, soloed, tokens and kept must be lists.")
    if not isinstance(prompt := given.get("prompt"), str | None):
        raise InputError(f"The prompt of the recipe must be text, got {type(prompt).__name__}.")
    return given


def save_recipe(recipe: Mapping[str, Any], path: str | os.PathLike[str]) -> Path:
    """Write a recipe as a JSON file, by convention `x.recipe.json`, whole or not at all; returns its path.

    Raises InputError if it is none, or holds what JSON cannot.
    """
    text = _json(recipe, ensure_ascii=False, indent=2)
    with replacing(Path(path)) as file:
        file.write(f"{text}\n".encode("utf-8", "surrogatepass"))  # as `json.loads` reads it
    return Path(path)


def open_recipe(path: str | os.PathLike[str]) -> Recipe:
    """The recipe in a `.recipe.json`, or the one that a `.mid` or `.wav` carries; FileError if there is none."""
    found = carried_recipe(path)
    if found is None:
        raise FileError(
            f"{path} carries no recipe. Expected music written with one, write_midi(score, path, generation.recipe), "
            f"and not saved by other software since."
        )
    return found


def carried_recipe(path: str | os.PathLike[str]) -> Recipe | None:
    """The recipe in a file, or None for music without; FileError if it is damaged, or of no such file."""
    place = Path(path)
    with place.open("rb") as file:
        try:
            raw = _found(file)
            return None if raw is None else dict(checked(json.loads(raw)))
        except (ValueError, RecursionError) as error:
            raise FileError(f"{place} holds no recipe that can be read: {error}") from None


def carried_text(recipe: Mapping[str, Any]) -> str:
    """A recipe as files of music carry it; InputError if it is none, or too long for an event of MIDI."""
    text = MARK + _json(recipe, separators=(",", ":"))
    if len(text) > CARRIED:
        raise InputError(
            f"The recipe takes {len(text):,} bytes, music carries at most {CARRIED:,}. Write the music without, and "
            f"the recipe beside it: generation.save_recipe(path)."
        )
    return text


def wav_chunk(recipe: Mapping[str, Any]) -> bytes:
    """A recipe as the chunk to append to a WAV file."""
    return _chunk(b"LIST", b"INFO" + _chunk(b"ICMT", carried_text(recipe).encode("ascii") + b"\0"))


def _json(recipe: Mapping[str, Any], **layout: Any) -> str:
    given = checked(recipe)
    try:
        return json.dumps(given, allow_nan=False, **layout)
    except (ValueError, TypeError, RecursionError) as error:
        raise InputError(f"The recipe holds what JSON cannot: {error}. Use finite numbers, texts and lists.") from None


def _chunk(name: bytes, body: bytes) -> bytes:
    return name + len(body).to_bytes(4, "little") + body + b"\0" * (len(body) % 2)


def _found(file: IO[bytes]) -> bytes | None:
    """The JSON in a file, or None if it is music that carries none."""
    size, start = os.fstat(file.fileno()).st_size, file.read(12)
    if start[:4] == b"RIFF" and start[8:] == b"WAVE":
        return _in_wav(file, size)
    raw = start + _read(file, size - len(start))
    return _in_midi(raw) if start[:4] == b"MThd" else raw


def _in_midi(raw: bytes) -> bytes | None:
    found = EVENT.search(raw)
    if found is None:
        return None
    size = 0
    for byte in found[1]:
        size = size << 7 | byte & 127
    text = raw[found.end(1) :][:size]
    if len(text) < size:
        raise ValueError(CUT)
    return text[len(MARK) :]


def _in_wav(file: IO[bytes], size: int) -> bytes | None:
    for name, start, length in _chunks(file, 12, size):
        if name == b"LIST":
            for inner, place, taken in _chunks(file, start + 4, min(start + length, size)):
                file.seek(place)
                if inner == b"ICMT" and file.read(len(MARK)) == MARK.encode():
                    return _read(file, taken - len(MARK)).rstrip(b"\0")
        if start + length > size:
            raise ValueError(CUT)
    return None


def _chunks(file: IO[bytes], at: int, end: int) -> Iterator[tuple[bytes, int, int]]:
    """Of the first chunks of a part of a RIFF file the name, where the body starts, and its length."""
    for _ in range(CHUNKS):
        if at + 8 > end:
            return
        file.seek(at)
        head = file.read(8)
        length = int.from_bytes(head[4:], "little")
        yield head[:4], at + 8, length
        at += 8 + length + length % 2


def _read(file: IO[bytes], size: int) -> bytes:
    """So many of the next bytes."""
    if size > LONGEST:
        raise ValueError(f"it takes {size:,} bytes, more than {LONGEST:,}.")
    if len(raw := file.read(max(0, size))) < size:
        raise ValueError(CUT)
    return raw
