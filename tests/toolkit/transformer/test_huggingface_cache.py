"""Models by repository id, from the cache of `huggingface_hub`, which is only ever read."""

from pathlib import Path

import pytest

from polyloom.errors import FileError
from polyloom.tokens.word import WordVocabulary
from polyloom.transformer.huggingface_cache import resolve
from polyloom.transformer.model import TransformerModel


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home without a cache."""
    for name in ("HF_HUB_CACHE", "HF_HOME", "XDG_CACHE_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(Path, "home", lambda: tmp_path / "home")
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path / "home"


def cached(hub: Path, name: str, revision: str = "0123abcd") -> Path:
    """An empty snapshot in a cache."""
    repository = hub / f"models--{name.replace('/', '--')}"
    snapshot = repository / "snapshots" / revision
    snapshot.mkdir(parents=True)
    (repository / "blobs").mkdir()
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(revision)
    return snapshot


def test_where_it_is_looked_for(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    usual = cached(home / ".cache/huggingface/hub", "org/name")
    assert resolve("org/name") == usual
    moved = cached(tmp_path / "hf/hub", "org/name")
    monkeypatch.setenv("HF_HOME", str(tmp_path / "hf"))
    assert resolve("org/name") == moved
    own = cached(tmp_path / "own", "org/name")
    monkeypatch.setenv("HF_HUB_CACHE", str(tmp_path / "own"))
    assert resolve("org/name") == own
    (tmp_path / "org/name").mkdir(parents=True)
    assert resolve("org/name") == Path("org/name")  # a folder comes first
    assert resolve(tmp_path / "org") == tmp_path / "org"


def test_a_name_without_an_organisation(home: Path) -> None:
    snapshot = cached(home / ".cache/huggingface/hub", "gpt2")
    assert resolve("gpt2") == snapshot


def test_what_is_not_there(home: Path, tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError) as caught:
        resolve("org/name")
    assert str(home / ".cache/huggingface/hub/models--org--name") in str(caught.value)
    assert "hf download org/name" in str(caught.value)
    for name in ("../secret", "a/b/c", "/nowhere", "org/..", str(tmp_path / "absent"), Path("absent")):
        with pytest.raises(FileNotFoundError, match="There is no folder"):
            resolve(name)


@pytest.mark.parametrize("revision", ["../../elsewhere", "x" * 300, "", "gone"])
def test_a_reference_that_leads_nowhere(revision: str, home: Path) -> None:
    snapshot = cached(home / ".cache/huggingface/hub", "org/name")
    (snapshot.parents[1] / "refs" / "main").write_text(revision)
    with pytest.raises(FileNotFoundError, match="hf download"):
        resolve("org/name")


def test_loading_by_name(home: Path, tmp_path: Path) -> None:
    """A snapshot shows links to blobs, which are the only links that may lead out of a folder."""
    model = TransformerModel.build("tiny", WordVocabulary(["a", "b"]))
    snapshot = cached(home / ".cache/huggingface/hub", "org/name")
    for path in sorted(model.save(tmp_path / "model").iterdir()):
        blob = snapshot.parents[1] / "blobs" / path.name.encode().hex()
        path.rename(blob)
        (snapshot / path.name).symlink_to(blob)
    assert TransformerModel.load("org/name").digest == model.digest
    (snapshot / "model.safetensors").unlink()
    (tmp_path / "secret").write_bytes(b"secret")
    (snapshot / "model.safetensors").symlink_to(tmp_path / "secret")
    with pytest.raises(FileError, match="leads out of its folder"):
        TransformerModel.load("org/name")
