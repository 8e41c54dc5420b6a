"""Folders that are damaged or mean harm are refused with one clear error, and a save replaces whole folders only."""

import json
import os
import struct
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from polyloom import WordVocabulary
from polyloom.errors import FileError
from polyloom.transformer import model_folder
from polyloom.transformer.huggingface import read_folder, write_folder
from polyloom.transformer.model import TransformerModel
from polyloom.transformer.model_folder import replacing_folder

pytestmark = pytest.mark.long

WORDS = WordVocabulary(["a", "b", "c"])


@pytest.fixture(scope="module")
def model() -> TransformerModel:
    torch.set_num_threads(1)
    return TransformerModel.build("tiny", WORDS)


@pytest.fixture
def folder(model: TransformerModel, tmp_path: Path) -> Path:
    return model.save(tmp_path / "model")


def index(folder: Path, places: Any) -> None:
    """A folder whose weights an index lists."""
    (folder / "model.safetensors").rename(folder / "part.safetensors")
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": places}))


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


class TestRefused:
    def test_weights_cut_short(self, folder: Path) -> None:
        whole = (folder / "model.safetensors").read_bytes()
        for size in (0, 4, 8, 100, len(whole) // 2, len(whole) - 1):
            (folder / "model.safetensors").write_bytes(whole[:size])
            with pytest.raises(FileError, match="damaged or no safetensors file"):
                read_folder(folder)

    def test_a_header_that_lies(self, folder: Path) -> None:
        for header in (b"[]", b'{"a":{"dtype":"F32","shape":[4],"data_offsets":[0,999]}}', b"\xff" * 40):
            (folder / "model.safetensors").write_bytes(struct.pack("<Q", len(header)) + header + bytes(16))
            with pytest.raises(FileError, match="damaged or no safetensors file"):
                read_folder(folder)
        (folder / "model.safetensors").write_bytes(struct.pack("<Q", 2**62))
        with pytest.raises(FileError, match="damaged"):
            read_folder(folder)

    @pytest.mark.parametrize(
        ("text", "fault"),
        [
            ("", "is not JSON"),
            ("{", "is not JSON"),
            ("[" * 100_000, "is not JSON"),
            ("[1]", "expected a JSON object, found list"),
            ('{"rms_norm_eps": NaN}', "NaN is no number of JSON"),
            ("\ud800".encode("utf-8", "surrogatepass").decode("latin-1"), "is not JSON"),
        ],
    )
    def test_a_config_that_is_none(self, text: str, fault: str, folder: Path) -> None:
        (folder / "config.json").write_text(text)
        with pytest.raises(FileError, match=fault):
            read_folder(folder)

    def test_a_config_that_is_too_large(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(model_folder, "LIMIT", 100)
        with pytest.raises(FileError, match="has at most 100"):
            read_folder(folder)

    def test_a_config_of_a_later_version(self, folder: Path) -> None:
        table = json.loads((folder / "config.json").read_text())
        table["polyloom"]["version"] = 2
        (folder / "config.json").write_text(json.dumps(table))
        with pytest.raises(FileError, match=r"of version 2; this Polyloom reads up to 1. Upgrade polyloom"):
            TransformerModel.load(folder)

    def test_tensors_that_no_machine_can_hold(self, folder: Path) -> None:
        table = json.loads((folder / "config.json").read_text())
        del table["polyloom"]
        for fields in (
            {"vocab_size": 2**31 - 1, "hidden_size": 2**31 - 2, "head_dim": 2},
            {"num_hidden_layers": 9_999},
        ):
            (folder / "config.json").write_text(json.dumps(table | fields))
            with pytest.raises(FileError):
                read_folder(folder)

    @pytest.mark.parametrize(
        "place",
        ["../part.safetensors", "/etc/passwd", "a\\b", "..", "", "C:x", "sub/part.safetensors", 7, None, "a\0b"],
    )
    def test_an_index_that_leads_out(self, place: Any, folder: Path) -> None:
        index(folder, {"model.norm.weight": place})
        with pytest.raises(FileError, match="expected the name of a file in the same folder"):
            read_folder(folder)

    def test_links_that_lead_out(self, folder: Path) -> None:
        for name in ("model.safetensors", "config.json"):
            (folder / name).rename(folder.parent / name)
            (folder / name).symlink_to(folder.parent / name)
            with pytest.raises(FileError, match="a link that leads out of its folder"):
                read_folder(folder)

    def test_an_index_that_is_none_or_lists_what_is_not_there(self, folder: Path) -> None:
        index(folder, {"model.norm.weight": "gone.safetensors"})
        with pytest.raises(FileError, match="is missing, though the index lists it"):
            read_folder(folder)
        (folder / "model.safetensors.index.json").write_text(
            json.dumps({"weight_map": {"a": "part.safetensors", "b": "part.safetensors"}})
        )
        with pytest.raises(FileError, match=r"lists 2 tensors that are not there: a \(in part.safetensors\), b"):
            read_folder(folder)
        for content in ({}, {"weight_map": []}, {"weight_map": {}}):
            (folder / "model.safetensors.index.json").write_text(json.dumps(content))
            with pytest.raises(FileError, match="no table `weight_map`"):
                read_folder(folder)

    def test_pickles(self, folder: Path) -> None:
        """They are not even opened: what opens a pickle runs it."""
        (folder / "model.safetensors").unlink()
        with pytest.raises(FileError, match="so it holds no weights"):
            read_folder(folder)
        (folder / "pytorch_model.bin").write_bytes(b"no pickle at all")
        with pytest.raises(FileError, match=r"only pytorch_model.bin, .* can run code.*save_pretrained\(folder\)"):
            read_folder(folder)

    def test_code_is_not_run(self, folder: Path) -> None:
        """Some repositories ask for it by `auto_map`."""
        table = json.loads((folder / "config.json").read_text())
        table["auto_map"] = {"AutoModelForCausalLM": "evil.Evil", "AutoConfig": "evil.Evil"}
        (folder / "config.json").write_text(json.dumps(table))
        (folder / "evil.py").write_text(f"open({str(folder / 'run')!r}, 'w')")
        TransformerModel.load(folder)
        assert not (folder / "run").exists()

    def test_no_model_at_all(self, tmp_path: Path) -> None:
        (tmp_path / "notes.txt").write_text("x")
        with pytest.raises(FileError, match=r"no config.json in .* It holds notes.txt"):
            read_folder(tmp_path)


class TestReplacing:
    def test_a_model_is_replaced_and_other_files_stay(self, model: TransformerModel, folder: Path) -> None:
        save_file({"old": torch.zeros(1)}, folder / "model-00001-of-00002.safetensors")
        (folder / "model.safetensors.index.json").write_text("{}")
        (folder / "tokenizer.json").write_text("{}")
        (folder / "README.md").write_text("mine")
        (folder / "runs").mkdir()
        (folder / "runs" / "config.json").write_text("mine too")
        other = TransformerModel.build("tiny", WORDS, seed=9)
        other.save(folder)
        assert names(folder) == ["README.md", "config.json", "model.safetensors", "runs", "vocabulary.safetensors"]
        assert (folder / "README.md").read_text() == "mine"
        assert (folder / "runs" / "config.json").read_text() == "mine too"
        assert TransformerModel.load(folder).digest == other.digest != model.digest
        assert names(folder.parent) == ["model"]

    def test_over_the_folder_it_was_loaded_from(self, model: TransformerModel, folder: Path) -> None:
        """The old files are still mapped while the new ones are written."""
        loaded = TransformerModel.load(folder)
        loaded.save(folder)
        assert TransformerModel.load(folder).digest == loaded.digest == model.digest

    def test_what_is_no_model_is_not_replaced(self, model: TransformerModel, tmp_path: Path) -> None:
        (tmp_path / "work").mkdir()
        assert names(model.save(tmp_path / "work")) == ["config.json", "model.safetensors", "vocabulary.safetensors"]
        (tmp_path / "thesis").mkdir()
        (tmp_path / "thesis" / "config.json").write_text("of something else")
        with pytest.raises(FileError, match=r"but of no model: it holds config\.json"):
            model.save(tmp_path / "thesis")
        (tmp_path / "file").write_text("x")
        with pytest.raises(FileError, match="is a file, and a model is a folder"):
            model.save(tmp_path / "file")
        with pytest.raises(FileNotFoundError, match="Make it first"):
            model.save(tmp_path / "absent" / "model")
        assert names(tmp_path) == ["file", "thesis", "work"]
        assert names(tmp_path / "thesis") == ["config.json"]

    def test_a_save_that_fails_changes_nothing(self, model: TransformerModel, folder: Path) -> None:
        before = {path.name: path.read_bytes() for path in folder.iterdir()}

        def full(place: Path) -> None:
            assert (place / "model.safetensors").exists()
            raise OSError("the disk is full")

        for place in (folder, folder.parent / "new"):
            with pytest.raises(OSError, match="the disk is full"):
                write_folder(model.decoder, place, full)
        assert names(folder.parent) == ["model"]
        assert {path.name: path.read_bytes() for path in folder.iterdir()} == before

    def test_a_swap_that_fails_puts_the_old_one_back(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        before, rename = names(folder), Path.rename

        def refusing(path: Path, target: Path) -> Path:
            if Path(target) == folder and path.parent == folder.parent:
                raise OSError("no")
            return rename(path, target)

        monkeypatch.setattr(Path, "rename", refusing)
        with pytest.raises(OSError, match="no"), replacing_folder(folder) as fresh:
            (fresh / "config.json").write_text("{}")
        assert names(folder) == before
        assert names(folder.parent) == ["model"]

    def test_through_a_link(self, model: TransformerModel, folder: Path) -> None:
        link = folder.parent / "latest"
        link.symlink_to(folder)
        TransformerModel.build("tiny", WORDS, seed=3).save(link)
        assert link.is_symlink()
        assert TransformerModel.load(folder).digest != model.digest

    def test_others_may_read_it(self, folder: Path) -> None:
        assert os.stat(folder).st_mode & 0o777 == 0o755  # noqa: PTH116 - the mode alone
