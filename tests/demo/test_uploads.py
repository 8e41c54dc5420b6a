"""What visitors bring: woven as `weave` does, checked as `verify` does, refused by name and in plain words."""

from collections.abc import Callable
from pathlib import Path

import pytest

import polyloom
from polyloom.errors import InputError
from polyloom_datasets import load
from polyloom_demo import uploads
from polyloom_demo.library import Library
from polyloom_demo.uploads import Upload, composed

SEA, KITCHEN = (load(name).text for name in ("sea", "kitchen"))


def text(name: str, content: str) -> Upload:
    return Upload(f"{name}.txt", content.encode())


@pytest.fixture(scope="session")
def saved(library: Library, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], bytes]:
    folder = tmp_path_factory.mktemp("models")
    library.mix.models["sea"].save(folder / "sea.psam")
    library.mix.models["contracts"].save(folder / "law.psam")
    library.mix.with_weights(sea=0.5).save(folder / "mix.psamc")
    return lambda name: (folder / name).read_bytes()


def test_texts_are_woven(library: Library) -> None:
    desk = composed([text("sea", SEA), text("kitchen", KITCHEN)])
    woven, held_out = polyloom.weave({"sea": SEA, "kitchen": KITCHEN}, progress=False)
    assert list(desk.mix.layers) == ["sea", "kitchen"]
    assert desk.mix.digest == woven.digest
    assert desk.exact["perplexity"] == pytest.approx(woven.perplexity(held_out))
    assert desk.prompt == " ".join(SEA.split()[:3])


def test_a_model_opens_with_its_faders(library: Library, saved: Callable[[str], bytes]) -> None:
    mix = composed([Upload("night.psamc", saved("mix.psamc"))])
    assert mix.weights == library.mix.with_weights(sea=0.5).weights
    one = composed([Upload("sea.psam", saved("sea.psam"))])
    assert list(one.weights) == ["model"]
    assert one.mix.models["model"].digest == library.mix.models["sea"].digest


def test_models_and_texts_stand_side_by_side(saved: Callable[[str], bytes]) -> None:
    files = [text("kitchen", KITCHEN), Upload("sea.psam", saved("sea.psam")), Upload("SEA.PSAM", saved("law.psam"))]
    desk = composed([*files, Upload("sea.txt", SEA.encode())])
    assert list(desk.mix.layers) == ["sea", "SEA", "kitchen", "sea'"]
    assert desk.exact["perplexity"] > 1


def test_models_of_two_vocabularies_are_not_mixed(saved: Callable[[str], bytes], tmp_path: Path) -> None:
    mix, _ = polyloom.weave({"x": KITCHEN}, progress=False)
    mix.models["x"].save(tmp_path / "x.psam")
    other = Upload("other.psam", (tmp_path / "x.psam").read_bytes())
    with pytest.raises(InputError, match=r"other speaks .*, sea speaks .* need the same vocabulary"):
        composed([Upload("sea.psam", saved("sea.psam")), other])


@pytest.mark.parametrize(
    ("upload", "why"),
    [
        (Upload("notes.pdf", b"x"), "notes.pdf: expected a file that ends in .txt, .psam, .psamc."),
        (Upload("", b"x"), "a file without a name: expected a file that ends in .txt, .psam, .psamc."),
        (Upload("../../etc/x.py", b"x"), "x.py: expected a file"),
        (Upload("C:\\a\\b.txt", b"a\xffb"), "b.txt: byte 1 is not UTF-8."),
        (Upload("a.txt", b"a\0b"), "a.txt: this is no text, it has a NUL character."),
        (Upload("a.txt", b"\xef\xbb\xbf \n"), "a.txt: there is nothing in it."),
        (Upload("a.txt", b"One sentence alone."), "Voice 'a' has 1 of the 2 different sentences"),
        (Upload("a.txt", b"A word. " * 125_001), "Texts may have 1,000,000 characters together here; these have 1,"),
        (Upload("a.psam", b"nothing"), "a.psam: "),
        (Upload("a.psamc", b""), "a.psamc: "),
    ],
)  # fmt: skip
def test_what_is_no_good_is_refused_by_name(upload: Upload, why: str) -> None:
    with pytest.raises(InputError) as error:
        composed([upload])
    assert str(error.value).startswith(why)
    assert "/tmp" not in str(error.value)


def test_a_model_that_was_changed_is_refused(saved: Callable[[str], bytes]) -> None:
    whole = saved("sea.psam")
    for place in (20, len(whole) // 2, len(whole) - 9):
        changed = bytearray(whole)
        changed[place] ^= 1
        with pytest.raises(InputError, match=r"sea\.psam: "):
            composed([Upload("sea.psam", bytes(changed))])
    with pytest.raises(InputError, match=r"sea\.psam: "):
        composed([Upload("sea.psam", whole[: len(whole) // 2])])


def test_a_model_that_is_too_large_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(uploads, "MODEL", 1_000_000)
    with pytest.raises(InputError, match=r"a\.psam: a model may have 1 MB here"):
        composed([Upload("a.psam", bytes(1_000_001))])


@pytest.mark.parametrize("count", [0, 9])
def test_so_many_files_and_no_more(count: int) -> None:
    with pytest.raises(InputError, match=f"Expected 1 to 8 files, got {count}"):
        composed([text("a", SEA)] * count)
