"""The files of a memory: what comes back, who may open them, and what is said when something is wrong with them."""

import sqlite3
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import polyloom
from polyloom import ByteVocabulary, FileError, InputError, SentencePieceVocabulary, Vocabulary, VocabularyMismatch
from polyloom.memory import MemoryStore, Settings, database
from toolkit.memory.talk import SAID, START, STEP, WORDS, filled, same

FILE = "memory.sqlite"


def test_turns_come_back_as_they_were(tmp_path: Path) -> None:
    with MemoryStore(tmp_path / "deep" / "folder", WORDS) as memory:
        given = memory.remember("The cat is well.", "s", "cats", role="agent", importance=2.5, at=START)
        memory.remember("The flight.")
    with MemoryStore(tmp_path / "deep" / "folder") as memory:
        assert memory.vocabulary == WORDS
        first, second = memory.turns()
        assert first == given
        np.testing.assert_array_equal(first.tokens, np.append(WORDS.encode("The cat is well."), WORDS.sentence_end))
        assert str(first) == "2001-09-09 01:46 [s, cats] agent: The cat is well."
        assert (second.session, second.topic, second.role, second.importance) == ("main", None, "user", 1.0)
        assert memory.turns("s") == [first] == memory.turns(topic="cats")
        assert "2 turns of 10 tokens, 2 sessions" in repr(memory)


def test_sessions_and_topics_say_what_they_hold(tmp_path: Path) -> None:
    with filled(tmp_path) as memory:
        assert list(memory.sessions()) == ["monday", "tuesday", "friday"]
        assert list(memory.topics()) == ["travel", "kitchen"]
        kitchen = memory.topics()["kitchen"]
        assert (kitchen.turns, kitchen.first, kitchen.last) == (2, START + 4 * STEP, START + 5 * STEP)
        assert kitchen.tokens == sum(len(turn.tokens) for turn in memory.turns(topic="kitchen"))


@pytest.mark.parametrize(
    "words", [ByteVocabulary(), SentencePieceVocabulary.train([t for *_, t in SAID] * 9, size=300)]
)
def test_any_vocabulary_comes_back(tmp_path: Path, words: Vocabulary) -> None:
    with MemoryStore(tmp_path, words) as memory:
        memory.remember("The cat is well.")
    with MemoryStore(tmp_path) as memory:
        assert memory.vocabulary == words
        assert words.decode(memory.turns()[0].tokens) == "The cat is well."
        assert memory.layer() is not None


def test_models_kept_in_files_are_used_only_for_their_turns(tmp_path: Path) -> None:
    with filled(tmp_path / "a") as memory:
        paths = memory.compact()
        assert paths
        for path in paths:
            polyloom.verify(path)
            assert isinstance(polyloom.load(path), polyloom.AssociationModel)
        assert memory.compact() == paths
        memory.remember("The cat, again.", at=START)
    (tmp_path / "a" / "blocks" / "rubbish.tmp").write_bytes(b"?")
    paths[-1].write_bytes(paths[-1].read_bytes()[:100])
    with MemoryStore(tmp_path / "a") as memory, filled(tmp_path / "b") as other:
        other.remember("The cat, again.", at=START)
        same(memory, other)
        assert {path.name for path in memory.compact()} == {path.name for path in (tmp_path / "a" / "blocks").iterdir()}
    with MemoryStore(tmp_path / "a") as memory, MemoryStore(tmp_path / "b") as other:
        same(memory, other)


def test_a_copy_that_went_on_differently_is_told_apart(tmp_path: Path) -> None:
    """The file of turns is taken from a backup, the models are not: same number of turns, same ids."""
    with filled(tmp_path / "a", [0, 1]) as memory:
        memory.remember("The cat is well.", at=START)
        memory.compact()
    with filled(tmp_path / "b", [0, 1]) as other:
        other.remember("Buy bread.", at=START)
    (tmp_path / "a" / FILE).write_bytes((tmp_path / "b" / FILE).read_bytes())
    with MemoryStore(tmp_path / "a") as memory, MemoryStore(tmp_path / "b") as other:
        same(memory, other)


# who may open it


def test_settings_that_shape_counts_stay(tmp_path: Path) -> None:
    made = Settings(order=3, skips=((2,),), bucket=3600, half_life=100.0, working=3)
    filled(tmp_path, settings=made).close()
    with MemoryStore(tmp_path) as memory:
        assert memory.settings == made
    with MemoryStore(tmp_path, WORDS, Settings(order=3, skips=((2,),), bucket=3600)) as memory:
        assert memory.settings.half_life == Settings().half_life
    for others in (Settings(order=4, skips=((2,),), bucket=3600), Settings(order=3, bucket=3600), Settings(order=3)):
        with pytest.raises(InputError, match="which its counts depend on"):
            MemoryStore(tmp_path, None, others)


@pytest.mark.parametrize(
    "wrong",
    [
        *({"order": 0}, {"order": 17}, {"order": 2.0}, {"working": 0}, {"working": True}),
        *({"bucket": 0}, {"bucket": float("inf")}, {"bucket": "day"}, {"half_life": float("nan")}, {"half_life": -1}),
        *({"skips": "2"}, {"skips": ((2,), (2,))}, {"skips": ((0,),)}),
    ],
)
def test_what_cannot_be_a_setting(wrong: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Settings(**wrong)


def test_another_vocabulary_is_refused(tmp_path: Path) -> None:
    filled(tmp_path).close()
    with pytest.raises(VocabularyMismatch, match=r"Open it without a vocabulary"):
        MemoryStore(tmp_path, ByteVocabulary())
    with MemoryStore(tmp_path) as memory:
        assert len(memory.turns()) == len(SAID)


def test_where_there_is_none(tmp_path: Path) -> None:
    with pytest.raises(FileError, match=r"There is no memory at .* give its vocabulary"):
        MemoryStore(tmp_path / "nowhere")
    assert not (tmp_path / "nowhere").exists()
    (tmp_path / FILE).write_bytes(b"")
    with pytest.raises(FileError, match="There is no memory in"):
        MemoryStore(tmp_path)
    with MemoryStore(tmp_path, WORDS) as memory:
        assert memory.turns() == []


def test_two_may_have_it_open(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with filled(tmp_path, [0]) as memory, MemoryStore(tmp_path, WORDS) as other:
        other.remember("The cat is well.")
        assert [turn.text for turn in memory.turns()] == [SAID[0][2], "The cat is well."]
        same(memory, other)
        memory._database.change("PRAGMA busy_timeout = 10")
        with other._database.writing(), pytest.raises(FileError, match="another process has been writing to it"):
            memory.remember("Never.")
        memory.remember("Now.")
        assert len(other.turns()) == 3


def test_threads_may_share_it(tmp_path: Path) -> None:
    with MemoryStore(tmp_path, WORDS) as memory:

        def talk(n: int) -> None:
            for m in range(20):
                memory.remember(f"The cat is well {m}.", f"thread {n}")
                memory.recall("the cat")

        threads = [threading.Thread(target=talk, args=(n,)) for n in range(4)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert {part.turns for part in memory.sessions().values()} == {20}
        assert len(memory.recall("cat", 100)) == 80


# what is wrong with a file


def test_a_file_that_is_none(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database, but longer than a header of SQLite, which takes a hundred bytes" * 9)
    with pytest.raises(FileError, match="is no SQLite file"):
        MemoryStore(tmp_path, WORDS)
    (tmp_path / FILE).unlink()
    with sqlite3.connect(tmp_path / FILE) as foreign:
        foreign.execute("CREATE TABLE other (x)")
    foreign.close()
    with pytest.raises(FileError, match="an SQLite file, but no memory"):
        MemoryStore(tmp_path, WORDS)


def test_a_file_of_the_future(tmp_path: Path) -> None:
    memory = filled(tmp_path)
    memory._database.change("PRAGMA user_version = 7")
    memory.close()
    with pytest.raises(FileError, match="is of version 7; this Polyloom reads up to 1"):
        MemoryStore(tmp_path)


def test_a_damaged_file(tmp_path: Path) -> None:
    filled(tmp_path, [n % 8 for n in range(200)]).close()
    whole = (tmp_path / FILE).read_bytes()
    (tmp_path / FILE).write_bytes(whole[:8192] + bytes(len(whole) - 8192))
    with pytest.raises(FileError, match="damaged"), MemoryStore(tmp_path) as memory:
        memory.verify()


def test_a_damaged_turn_is_named(tmp_path: Path) -> None:
    with filled(tmp_path) as memory:
        memory.verify()
        memory._database.change("UPDATE turn SET text = 'The dog needs food.' WHERE id = 3")
        with pytest.raises(FileError, match=r"Turn 3 is damaged.*forget\(turn=3\)"):
            memory.verify()
        with pytest.raises(FileError, match="Turn 3 is damaged"):
            memory.layer()
        memory.forget(3)
        memory.verify()


@pytest.mark.parametrize("name", ["vocabulary", "vocabulary/words"])
def test_a_damaged_vocabulary(tmp_path: Path, name: str) -> None:
    memory = filled(tmp_path)
    memory._database.change("UPDATE setting SET value = ? WHERE name = ?", [b"{}", name])
    memory.close()
    with pytest.raises(FileError, match="its vocabulary cannot be read"):
        MemoryStore(tmp_path)


def flood(memory: MemoryStore) -> None:
    for _ in range(200):
        memory.remember("The flight to Oslo was late. " * 50, "full")


@pytest.mark.parametrize(
    ("pragma", "said"), [("max_page_count = 1", "the disk is full"), ("query_only = ON", "it cannot be written")]
)
def test_a_disk_that_takes_nothing_loses_nothing(tmp_path: Path, pragma: str, said: str) -> None:
    with filled(tmp_path / "a") as memory, filled(tmp_path / "b") as other:
        memory._database.change(f"PRAGMA {pragma}")
        with pytest.raises(FileError, match=said):
            flood(memory)
        memory._database.change("PRAGMA query_only = OFF")
        memory._database.change("PRAGMA max_page_count = 1000000")
        if memory.turns("full"):
            memory.forget(session="full")
        same(memory, other)
        memory.verify()
        memory.remember("The cat is well.")


def test_a_folder_that_cannot_be_made(tmp_path: Path) -> None:
    (tmp_path / FILE).mkdir()
    with pytest.raises(FileError, match="cannot be opened"):
        MemoryStore(tmp_path, WORDS)


def test_a_closed_memory_says_so(tmp_path: Path) -> None:
    memory = filled(tmp_path)
    memory.close()
    memory.close()
    for asked in (memory.turns, memory.layers, lambda: memory.remember("The cat."), lambda: memory.recall("cat")):
        with pytest.raises(InputError, match="was closed: open it again"):
            asked()


# what is refused


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"text": 5}, "Expected the text to be a str"),
        ({"text": ""}, "holds no token"),
        ({"text": "\ud800"}, "lone surrogate"),
        ({"session": ""}, "session needs a name"),
        ({"session": None}, "Expected the session to be a str"),
        ({"topic": ""}, "topic needs a name"),
        ({"topic": 3}, "Expected the topic to be a str"),
        ({"role": "\udfff"}, "lone surrogate"),
        ({"importance": 0.0}, "importance must be above 0"),
        ({"importance": float("nan")}, "importance must be a finite number"),
        ({"importance": "high"}, "importance must be a finite number"),
        ({"importance": True}, "importance must be a finite number"),
        ({"at": -1.0}, "at must be a finite number"),
        ({"at": float("inf")}, "at must be a finite number"),
        ({"at": 1e12}, "at must be a finite number from 0 to"),
    ],
)
def test_what_cannot_be_remembered(tmp_path: Path, given: dict[str, Any], said: str) -> None:
    with MemoryStore(tmp_path, WORDS) as memory:
        with pytest.raises(InputError, match=said):
            memory.remember(**{"text": "The cat.", **given})
        assert memory.turns() == []


def test_every_error_of_sqlite_is_told() -> None:
    assert all(said.endswith((".", "readable.")) for said in database.CAUSES.values())
