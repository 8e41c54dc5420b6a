"""Optional packages: there, missing, or there and broken."""

import sys
from pathlib import Path

import pytest

from polyloom._compat import need
from polyloom.errors import MissingPackage, PolyloomError


def test_what_is_there_is_imported() -> None:
    assert need("json.decoder", "torch", "Reading") is sys.modules["json.decoder"]


def test_what_is_missing_says_what_to_install() -> None:
    with pytest.raises(
        MissingPackage, match=r'^Flying needs no_such_wings, which is not installed: pip install "polyloom\[air\]"$'
    ):
        need("no_such_wings.left", "air", "Flying")
    for kind in (PolyloomError, ImportError):
        with pytest.raises(kind):
            need("no_such_wings", "air", "Flying")


def test_what_is_there_and_broken_speaks_for_itself(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "broken_wings.py").write_text("import no_such_feathers\n")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="no_such_feathers") as caught:
        need("broken_wings", "air", "Flying")
    assert not isinstance(caught.value, PolyloomError)
