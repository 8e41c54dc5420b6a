"""Every lesson runs, shows what it showed when it was written, and its exercises have solutions that pass."""

import re
import shutil
import subprocess
import sys
import time
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient
from nbformat import NotebookNode

ROOT = Path(__file__).parents[2]
LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))
SOLUTION = re.compile(r"<summary>Solution</summary>\s*```python\n(.*?)```", re.S)
lessons = pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.stem)


def read(path: Path) -> NotebookNode:
    return nbformat.read(path, as_version=4)


def code(lesson: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in lesson.cells if cell.cell_type == "code"]


def limit(cell: NotebookNode) -> int:
    """Lines of a cell that a reader takes in at a glance; a file that a cell writes may be a page."""
    return 32 if cell.source.startswith("%%writefile ") else 8


def test_there_is_a_tour_and_a_first_lesson() -> None:
    assert [path.name for path in LESSONS][:2] == ["00_tour.ipynb", "01_weave.ipynb"]


@lessons
def test_it_reads_as_a_lesson(path: Path) -> None:
    lesson = read(path)
    nbformat.validate(lesson)
    assert lesson.metadata.kernelspec.name == "python3"
    assert "widgets" not in lesson.metadata, "strip metadata.widgets before committing"
    assert lesson.cells[0].source.startswith("# ")
    assert len([cell for cell in lesson.cells if cell.cell_type == "markdown"]) >= len(code(lesson))
    assert all(len(cell.source.splitlines()) <= limit(cell) for cell in code(lesson))
    assert path.stat().st_size < 400_000


@lessons
def test_it_was_saved_as_run(path: Path) -> None:
    counts = [cell.execution_count for cell in code(read(path))]
    assert counts == list(range(1, len(counts) + 1))
    assert not [output for cell in code(read(path)) for output in cell.outputs if output.output_type == "error"]


@pytest.mark.lesson
@lessons
def test_it_shows_what_it_showed(path: Path, tmp_path: Path) -> None:
    shutil.copy(path, tmp_path)
    options = [
        "--nbval",
        "--nbval-sanitize-with",
        str(Path(__file__).with_name("sanitize.cfg")),
        "-q",
        "-p",
        "no:cacheprovider",
    ]
    started = time.perf_counter()
    done = subprocess.run(
        [sys.executable, "-m", "pytest", *options, "-c", "/dev/null", f"--rootdir={tmp_path}", path.name],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-6000:] + done.stderr[-2000:]
    print(f"{path.name}: {time.perf_counter() - started:.1f} s")


@pytest.mark.lesson
@lessons
def test_every_solution_passes(path: Path, tmp_path: Path) -> None:
    lesson = read(path)
    answers: list[int] = []
    for at, cell in enumerate(lesson.cells):
        if cell.cell_type == "markdown" and (found := SOLUTION.search(cell.source)):
            exercise = max(n for n in range(at) if lesson.cells[n].cell_type == "code")
            lesson.cells[exercise].source = re.sub(r"\A.*\n", found[1], lesson.cells[exercise].source)
            answers.append(exercise)
    assert answers, "a lesson has exercises"
    run = NotebookClient(lesson, resources={"metadata": {"path": str(tmp_path)}}).execute()
    for exercise in answers:
        assert run.cells[exercise].outputs[-1].data["text/plain"].startswith("✓"), run.cells[exercise].source
    before = [cell.outputs[-1].data["text/plain"] for n, cell in enumerate(read(path).cells) if n in answers]
    assert all(text.startswith("Not yet") for text in before), "an exercise is unsolved when a reader meets it"
