"""The benchmark of association models measures what its rows say; how fast they were is the benchmark's affair."""

import json
import math
import subprocess
from collections import Counter
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from polyloom import AssociationModel, Layer, Layered, WordVocabulary
from polyloom.association import (
    bench_child,
    bench_file,
    bench_measure,
    bench_presets,
    bench_quality,
    bench_speed,
    bench_text,
)
from polyloom.association.bench import rows
from polyloom.cli.rows import Row
from polyloom_kernels.mixture import Panel

SMALL = {
    **{"TOKENS": 3000, "NOVEL": 4000, "JUDGED": 800, "HELD_OUT": 400, "DOCUMENT": 20, "SHORT": 100},
    **{"PROMPT": 50, "STEPS": 5, "FEW": 2, "OPENINGS": 1, "STREAM": 4000, "PART": 2000},
}


@pytest.fixture(autouse=True)
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path, voices: dict[str, tuple[str, ...]]) -> None:
    """Little work, and a library of Python that is soon read."""
    for module in (bench_text, bench_speed, bench_file, bench_presets):
        for name in SMALL.keys() & vars(module).keys():
            monkeypatch.setattr(module, name, SMALL[name])
    monkeypatch.setattr(bench_measure, "REPEATS", 1)
    library = tmp_path / "library"
    library.mkdir()
    (library / "one.py").write_text("\n".join(voices["sea"]), encoding="utf-8")
    (library / "two.py").write_text("\n".join(voices["kitchen"]), encoding="utf-8")
    monkeypatch.setattr(bench_text.sysconfig, "get_path", {"stdlib": str(library)}.__getitem__)


@pytest.fixture
def anchors(tmp_path: Path, voices: dict[str, tuple[str, ...]]) -> Path:
    """A folder of shared data with two of the four sets, one of them with published results."""
    shared = tmp_path / "shared"
    for name, voice in (("warandpeace", "sea"), ("pydocs", "kitchen")):
        folder = shared / "anchors" / "ngram" / name
        folder.mkdir(parents=True)
        lines = [" ".join(WordVocabulary.split(text)).replace("\n", "") for text in voices[voice]]
        counts = Counter(token for line in lines[::3] for token in line.split())
        kept = ["<unk>", "</s>", *(word for word, count in counts.most_common() if count > 1)]
        (folder / "vocab.txt").write_text("\n".join(kept) + "\n", encoding="utf-8")
        known = [" ".join(word if word in kept else "<unk>" for word in line.split()) for line in lines]
        for part, n in (("train", 0), ("valid", 1), ("test", 2)):
            (folder / f"{part}.txt").write_text("\n".join(known[n::3]) + "\n", encoding="utf-8")
    published = {"kn5_noUNK": 80.0, "mix_all_noUNK": 70.0, "kn5": 60.0, "mix_all": 50.0}
    published["unigram"] = unigram_perplexity(shared / "anchors" / "ngram" / "warandpeace")
    results = shared / "anchors" / "ngram" / "results.json"
    results.write_text(json.dumps({"warandpeace": published}), encoding="utf-8")
    return shared


def tokens_of(file: Path) -> list[str]:
    return [token for line in file.read_text(encoding="utf-8").splitlines() for token in (*line.split(), "</s>")]


def unigram_perplexity(folder: Path) -> float:
    counts, test = Counter(tokens_of(folder / "train.txt")), tokens_of(folder / "test.txt")
    return math.exp(-sum(math.log(counts[token] / counts.total()) for token in test) / len(test))


def by_name(found: list[Row]) -> dict[str, Row]:
    assert len({row.name for row in found}) == len(found)
    return {row.name: row for row in found}


@pytest.mark.long
def test_every_bar_has_its_row_and_a_figure_or_a_reason() -> None:
    found = by_name(list(rows(None)))
    bars = [row.bar for row in found.values() if row.bar]
    perplexities = [f"value <= {bar}" for given in bench_quality.BARS.values() for bar in given]
    others = ["value >= 1000000", "value <= 10", "value <= 16", "value <= 20", "value <= 2"]
    assert sorted(bars) == sorted([*perplexities, *["value <= 0.005", "value <= 0.02"] * 4, *others])
    for row in found.values():
        assert row.group == "association"
        assert row.reason if row.value is None else row.value > 0
        assert row.peer_value or not row.peer
    without = [row for row in found.values() if row.value is None]
    assert {str(row.reason).split(":")[0] for row in without} == {"needs real text", "takes minutes"}
    assert len(without) == 6 * 4 + 1


@pytest.mark.long
def test_perplexities_are_those_of_the_models_they_name(anchors: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(bench_quality.BARS, "warandpeace", (1e6, 1e6, 1e6, 2.0))
    found = by_name(list(bench_quality.rows(anchors)))
    data = bench_text.anchor(anchors, "warandpeace")
    assert data is not None
    assert [data.vocabulary.pieces[token] for token in data.test] == tokens_of(
        anchors / "anchors" / "ngram" / "warandpeace" / "test.txt"
    )
    for history, words in ((False, "static"), (True, "with history")):
        model = AssociationModel.fit([data.train], data.vocabulary, held_out=[data.valid], history=history)
        logs = model.log_likelihood(data.test)
        row = found[f"perplexity of all tokens, {words}, warandpeace"]
        assert row.value == pytest.approx(model.perplexity([data.test]))
        assert (row.peer_value, row.met) == ((50, False) if history else (60, True))
        row = found[f"perplexity of known words, {words}, warandpeace"]
        assert row.value == pytest.approx(np.exp(-logs[data.test != 0].mean()))
        assert row.peer_value == (70 if history else 80)
        assert "not measured in this run; moonshot" in str(row.reason)
        assert ", reached" in str(row.reason)
    missing = [row for row in found.values() if row.name.endswith("wikitext2")]
    assert len(missing) == 6
    assert all(row.value is None and "anchors/ngram/wikitext2" in str(row.reason) for row in missing)


def test_without_published_results_there_is_no_peer(anchors: Path) -> None:
    found = by_name(list(bench_quality.rows(anchors)))
    row = found["perplexity of known words, static, pydocs"]
    assert (row.peer, row.peer_value, row.ratio) == ("KenLM order 5", None, None)
    assert row.value
    assert found["unigram perplexity, off the published one, pydocs"].value is None


@pytest.mark.long
def test_a_unigram_that_reads_the_files_otherwise_is_found_out(anchors: Path) -> None:
    def unigram() -> Row:
        return by_name(list(bench_quality.rows(anchors)))["unigram perplexity, off the published one, warandpeace"]

    results = anchors / "anchors" / "ngram" / "results.json"
    given = json.loads(results.read_text(encoding="utf-8"))
    assert unigram().met
    given["warandpeace"]["unigram"] += 0.01
    results.write_text(json.dumps(given), encoding="utf-8")
    assert unigram().met is False


def test_guesses_are_the_likeliest_token_at_each_place(sea: AssociationModel, voices: dict[str, Any]) -> None:
    tokens = sea.vocabulary.encode(voices["sea"][31])
    chances, right = bench_quality._guesses(sea, tokens)
    whole = np.concatenate(list(sea.log_probs(tokens)))
    np.testing.assert_allclose(chances, np.exp(whole.max(1)))
    np.testing.assert_array_equal(right, whole.argmax(1) == tokens)


def test_drawn_text_has_the_words_of_the_text_and_joints_every_six_tokens() -> None:
    text = np.arange(10_000)
    documents = list(bench_text.drawn(text, 100_005))
    assert {len(document) for document in documents[:-1]} == {20}
    assert sum(map(len, documents)) == 100_005
    joined = np.concatenate(documents)
    assert joined.min() >= 0
    assert joined.max() < 10_000
    goes_on = np.concatenate([np.diff(document) % 10_000 == 1 for document in documents]).mean()
    assert goes_on == pytest.approx(5 / 6, abs=0.01)
    np.testing.assert_array_equal(np.concatenate(list(bench_text.drawn(text, 100_005))), joined)
    assert not np.array_equal(np.concatenate(list(bench_text.drawn(text, 100_005, seed=1))), joined)


def test_a_book_is_cut_into_three_parts(anchors: Path) -> None:
    book, data = bench_text.novel(anchors), bench_text.anchor(anchors, "warandpeace")
    assert data is not None
    assert (book.name, len(book.judged), len(book.held_out)) == ("War and Peace", 800, 400)
    whole = np.concatenate([data.train, data.valid, data.test])[:4000]
    np.testing.assert_array_equal(np.concatenate([book.learned, book.held_out, book.judged]), whole)
    assert bench_text.novel(None).name == "Python's library"


def test_raw_text_of_the_shared_folder_comes_before_pythons_library(tmp_path: Path) -> None:
    place = tmp_path / "shared" / "data" / "text" / "warandpeace"
    place.mkdir(parents=True)
    (place / "warandpeace.txt").write_text("To be, TO be; or not?", encoding="utf-8")
    text = bench_text.corpus(tmp_path / "shared")
    assert text.name == "books and exams"
    assert text.vocabulary.pieces == ("<unk>", "</s>", "to", "be")
    assert [text.vocabulary.pieces[token] for token in text.tokens] == (
        ["to", "be", "<unk>", "to", "be", "<unk>", "<unk>", "<unk>", "<unk>"]
    )
    assert bench_text.corpus(tmp_path).name == "Python's library"


def test_real_text_is_drawn_anew_only_where_there_is_too_little() -> None:
    text = bench_text.corpus(None)
    real = bench_text.blocks(text.tokens)
    enough, what = bench_speed._learned(real, text)
    assert what == "Python's library"
    np.testing.assert_array_equal(np.concatenate(enough), text.tokens[:3000])
    drawn, what = bench_speed._learned(real[:10], text)
    assert what == "Python's library in snippets"
    assert sum(map(len, drawn)) == 3000


def test_a_step_is_a_token_more_and_the_likeliest_after_it() -> None:
    done: list[tuple[str, int]] = []
    place: Any = SimpleNamespace(
        advance=lambda token: done.append(("advance", token)), top=lambda k: done.append(("top", k))
    )
    spent = bench_measure.running(place, np.array([4, 7]))
    assert done == [("advance", 4), ("top", 10), ("advance", 7), ("top", 10)]
    assert spent.shape == (2,)
    assert (spent > 0).all()


def test_nothing_is_measured_before_compiled_code_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse() -> None:
        raise RuntimeError("no compiler")

    done: list[str] = []
    there: Any = SimpleNamespace(wait=lambda: done.append("there"))
    monkeypatch.setattr(bench_measure, "COMPILED", (there,))
    bench_measure.ready(lambda: done.append("work"))
    assert done == ["there", "work"]
    monkeypatch.setattr(bench_measure, "COMPILED", (SimpleNamespace(wait=refuse),))
    with pytest.raises(RuntimeError, match="no compiler"):
        bench_measure.ready(lambda: done.append("more"))
    assert done == ["there", "work"]


def test_the_slow_peer_gives_the_same_answer(sea: AssociationModel, voices: dict[str, tuple[str, ...]]) -> None:
    others = AssociationModel.fit(voices["kitchen"], sea.vocabulary, order=4)
    tokens = sea.vocabulary.encode(voices["sea"][32])
    found = bench_speed.full_distribution(Panel([sea.voice, others.voice]), [sea, others], tokens)
    mix = Layered(sea, {"kitchen": Layer(others)})
    np.testing.assert_allclose(found, np.exp(mix.begin(tokens).distribution()), rtol=1e-9)


def test_bytes_are_those_of_the_file_less_the_vocabulary(sea: AssociationModel, tmp_path: Path) -> None:
    file = AssociationModel.save(sea, tmp_path / "sea.psam")
    row = next(bench_file._file_rows(sea, file))
    words = sum(array.nbytes for array in sea.vocabulary.state()[1].values())
    assert row.value == pytest.approx((file.stat().st_size - words) / sea.entries)


def test_a_process_tells_what_it_measured_or_why_it_did_not(sea: AssociationModel, tmp_path: Path) -> None:
    file = sea.save(tmp_path / "sea.psam")
    found = bench_child.opened(str(file), "At night the")
    assert 0 < found["seconds"] < 60
    told = bench_file._child("open", str(tmp_path / "none.psam"), "At night the")
    assert isinstance(told, str)
    assert "no model at" in told
    slow = subprocess.TimeoutExpired("python", 1)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bench_file.subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(slow))
        assert bench_file._child("open", "x", "y") == "took longer than 360 s"


@pytest.mark.skipif(not bench_child.STATUS.is_file(), reason="only Linux tells how much memory a process had at most")
def test_memory_is_that_of_the_process_alone(tmp_path: Path) -> None:
    np.save(tmp_path / "tokens.npy", np.arange(500) % 50)
    held = np.ones(50_000_000)  # 400 MB, which the other process must not be blamed for
    found = bench_file._child("fit", str(tmp_path / "tokens.npy"), "50", "2000", str(bench_file.REFUSED))
    assert isinstance(found, dict), found
    assert found["entries"] > 0
    assert 1e7 < found["bytes"] < held.nbytes
    assert bench_child.peak() > held.nbytes
    refused = bench_file._child("fit", str(tmp_path / "tokens.npy"), "50", "2000", str(10_000_000))
    assert isinstance(refused, str)


LITTLE = {"bytes": 1e9, "seconds": 1.0, "entries": 3000.0}


@pytest.mark.parametrize(
    ("part", "patient", "value", "reason"),
    [
        (LITTLE, True, 1.0, "4,000 tokens/s, 0.75 counts a token"),
        (LITTLE, False, None, "takes minutes"),
        (LITTLE | {"bytes": 3e9}, True, None, "a tenth of it takes more than the bar allows already"),
        (LITTLE | {"seconds": 100.0}, True, None, "would take more than 180 s"),
        ("ended with MemoryError", True, None, "ended with MemoryError"),
    ],
)
def test_the_long_stream_is_measured_only_where_that_makes_sense(
    monkeypatch: pytest.MonkeyPatch, part: dict[str, float] | str, patient: bool, value: float | None, reason: str
) -> None:
    monkeypatch.setattr(bench_file, "_fit", lambda tokens, vocabulary, size: part)
    short, long = bench_file._memory_rows(Path("tokens.npy"), 50, patient)
    assert (short.bar, long.bar) == (None, "value <= 2")
    assert short.name == "peak memory of fit, 0.002M tokens streamed"
    assert (short.value, long.value) == (None if isinstance(part, str) else part["bytes"] / 1e9, value)
    assert reason in str(long.reason)


@pytest.mark.long
def test_every_preset_is_measured_on_the_same_text() -> None:
    found = by_name(list(bench_presets.rows(None)))
    assert len(found) == 5 * len(bench_presets.SETTINGS)
    book = bench_text.novel(None)
    for name, settings in bench_presets.SETTINGS.items():
        model: Any = AssociationModel.fit([book.learned], book.vocabulary, held_out=[book.held_out], **settings)
        assert found[f"{name}: perplexity, {book.name}"].value == pytest.approx(model.perplexity([book.judged]))
