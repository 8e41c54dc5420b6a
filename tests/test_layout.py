"""The rules of the layout that no linter knows: what stands where, who may import whom, what a face holds.

Each rule reads the tracked files and their syntax trees and imports nothing.  A rule gives one line for each fault.
The rules are tested too: on a tree that keeps them all, and on trees that break each of them once.
"""

import ast
import re
import subprocess
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[1]
Rule = Callable[[Path, Sequence[PurePosixPath]], Iterator[str]]

REQUIRED = {
    *("notebooks", "toolkit", "widgets", "cuda_kernels", "datasets", "tests", "environment.yml", "pyproject.toml"),
    *("README.md", "LICENSE", "CHANGELOG.md", "CONTRIBUTING.md", "Makefile", "constraints.txt", ".ci", ".gitignore"),
}
OPTIONAL = {"docs", "benchmarks"}  # when they have content
REQUIRED_PACKAGES = {
    "cuda_kernels": ["polyloom_kernels"],
    "datasets": ["polyloom_datasets"],
    "toolkit": ["polyloom"],
    "widgets": ["polyloom_widgets"],
}
PACKAGES = REQUIRED_PACKAGES | {"widgets": ["polyloom_widgets", "polyloom_demo"]}
MAY_IMPORT = {
    "polyloom_kernels": set[str](),
    "polyloom_datasets": set[str](),
    "polyloom": {"polyloom_kernels"},
    "polyloom_widgets": {"polyloom"},
    "polyloom_demo": {"polyloom_widgets", "polyloom", "polyloom_datasets"},
}
SIZES = {".ipynb": 400_000}
SIZE = 2_000_000  # the README's moving picture
MACHINE = re.compile(rb"(?<![\w.~:/-])/(?:root|work|(?:home|Users)/\w+)/\w|\b[A-Z]:\\+Users\\+\w")
OPERATION = re.compile(r"polyloom_kernels\.\w+$")
PICTURES = {".png", ".gif", ".webp", ".jpg", ".mp4"}
FACES_HOLD = (ast.Import, ast.ImportFrom)
FACE_NAMES = {"__all__", "__version__", "__getattr__", "__dir__"}


def top_level(root: Path, files: Sequence[PurePosixPath]) -> Iterator[str]:
    there = {path.parts[0] for path in files}
    yield from (f"{name}: not one of the top level" for name in sorted(there - REQUIRED - OPTIONAL))
    yield from (f"{name}: missing" for name in sorted(REQUIRED - there))


def roles(root: Path, files: Sequence[PurePosixPath]) -> Iterator[str]:
    for role, packages in PACKAGES.items():
        for path in files:
            if path.parts[0] == role and path.parts[1] not in packages:
                yield f"{path}: {role}/ holds {' and '.join(packages)}, nothing else"
        for package in packages:
            mine = [path for path in files if path.parts[:2] == (role, package)]
            for name in ("__init__.py", "py.typed"):
                if (mine or package in REQUIRED_PACKAGES[role]) and PurePosixPath(role, package, name) not in mine:
                    yield f"{role}/{package}/{name}: missing"


def arrows(root: Path, files: Sequence[PurePosixPath]) -> Iterator[str]:
    for path in modules(files):
        package = path.parts[1]
        for name in sorted({name.partition(".")[0] for name in imported(parsed(root, path))} & set(MAY_IMPORT)):
            if name != package and name not in MAY_IMPORT[package]:
                yield f"{path}: imports {name}"


def faces(root: Path, files: Sequence[PurePosixPath]) -> Iterator[str]:
    for path in modules(files):
        if path.name != "__init__.py":
            continue
        tree = parsed(root, path)
        if not ast.get_docstring(tree):
            yield f"{path}: says nothing"
        for node in tree.body[1:]:
            if not belongs(node):
                yield f"{path}:{node.lineno}: a face only re-exports"


def through_faces(root: Path, files: Sequence[PurePosixPath]) -> Iterator[str]:
    """Inside the house a module imports from where a thing is defined; only faces import from faces.

    An operation of `polyloom_kernels` is the exception: it is called by its folder, never by one of its back ends.
    """
    homes = {".".join(path.parent.parts[1:]): path.parent for path in modules(files) if path.name == "__init__.py"}
    for path in modules(files):
        if path.name == "__init__.py":
            continue
        for node in ast.walk(parsed(root, path)):
            if isinstance(node, ast.ImportFrom) and node.level:
                yield f"{path}:{node.lineno}: a relative import"
            elif isinstance(node, ast.ImportFrom) and node.module in homes and not OPERATION.match(node.module):
                home = homes[node.module]
                for alias in node.names:
                    inside = root / home / alias.name
                    submodule = inside.with_suffix(".py").is_file() or inside.is_dir()
                    if not submodule and alias.name not in FACE_NAMES:
                        yield f"{path}:{node.lineno}: {alias.name} comes through the face {node.module}"


def promises(root: Path, files: Sequence[PurePosixPath]) -> Iterator[str]:
    """No module without code, no package without modules."""
    for path in modules(files):
        if path.name == "__init__.py":
            if not [
                other for other in files if path.parent in other.parents and other.name not in (path.name, "py.typed")
            ]:
                yield f"{path.parent}: an empty package"
        elif all(isinstance(node, (ast.Expr, ast.Pass, *FACES_HOLD)) for node in parsed(root, path).body):
            yield f"{path}: a module without code"
    for path in files:
        if path.name != "py.typed" and not (root / path).stat().st_size:
            yield f"{path}: an empty file"


def sizes(root: Path, files: Sequence[PurePosixPath]) -> Iterator[str]:
    for path in files:
        size, most = (root / path).stat().st_size, SIZES.get(path.suffix, SIZE)
        if size > most:
            yield f"{path}: {size:,} bytes, more than {most:,}"


def machine_paths(root: Path, files: Sequence[PurePosixPath]) -> Iterator[str]:
    for path in files:
        if path.suffix in PICTURES:
            continue
        for number, line in enumerate((root / path).read_bytes().splitlines(), 1):
            found = MACHINE.search(line)
            if found:
                yield f"{path}:{number}: a path of one machine, {found[0].decode()}"


RULES: list[Rule] = [top_level, roles, arrows, faces, through_faces, promises, sizes, machine_paths]


def modules(files: Sequence[PurePosixPath]) -> list[PurePosixPath]:
    """The Python files of the packages."""
    return [path for path in files if path.suffix == ".py" and path.parts[1] in PACKAGES.get(path.parts[0], [])]


def parsed(root: Path, path: PurePosixPath) -> ast.Module:
    return ast.parse((root / path).read_text(encoding="utf-8"))


def imported(tree: ast.Module) -> Iterator[str]:
    """Every absolute name that is imported anywhere, also by `import_module("name")`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from (str(word.value) for word in node.args if isinstance(word, ast.Constant))


def belongs(node: ast.stmt) -> bool:
    """Whether a statement may stand in a face: imports, also for type checkers only, and the names of FACE_NAMES."""
    if isinstance(node, ast.If):
        return ast.unparse(node.test).endswith("TYPE_CHECKING") and all(map(belongs, node.body)) and not node.orelse
    if isinstance(node, ast.Assign):
        return all(isinstance(target, ast.Name) and target.id in FACE_NAMES for target in node.targets)
    return isinstance(node, FACES_HOLD) or (isinstance(node, ast.FunctionDef) and node.name in FACE_NAMES)


def faults(root: Path, files: Sequence[PurePosixPath]) -> list[str]:
    return [fault for rule in RULES for fault in rule(root, files)]


def test_the_checkout_keeps_the_rules() -> None:
    if not (ROOT / ".git").exists():
        pytest.skip("this is no git checkout, so no file is tracked")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    tracked = [PurePosixPath(name) for name in listed.split("\0") if name and (ROOT / name).is_file()]
    assert faults(ROOT, tracked) == []


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    """A small checkout that keeps every rule."""
    for name in REQUIRED:
        (tmp_path / name).write_text("x\n") if "." in name[1:] or name in ("LICENSE", "Makefile") else None
    write(tmp_path, ".gitignore", "x\n")
    write(tmp_path, ".ci/run", "make test\n")
    write(tmp_path, "notebooks/01_first.ipynb", "{}\n")
    write(tmp_path, "tests/test_nothing.py", "import polyloom, polyloom_widgets, polyloom_datasets\n")
    for role, packages in REQUIRED_PACKAGES.items():
        for package in packages:
            write(tmp_path, f"{role}/{package}/__init__.py", f'"""{package}."""\n\nfrom {package}.part import part\n')
            write(tmp_path, f"{role}/{package}/part.py", "part = 1\n")
            write(tmp_path, f"{role}/{package}/py.typed", "")
    write(tmp_path, "toolkit/polyloom/model.py", "import numpy\nfrom polyloom_kernels import part\nx = 1\n")
    write(tmp_path, "widgets/polyloom_widgets/view.py", "from polyloom.part import part\nx = part\n")
    return tmp_path


def write(root: Path, name: str, text: str) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_text(text, encoding="utf-8")


def seen(root: Path) -> list[PurePosixPath]:
    return [PurePosixPath(path.relative_to(root).as_posix()) for path in sorted(root.rglob("*")) if path.is_file()]


def test_a_good_tree_has_no_faults(tree: Path) -> None:
    lazy = '"""p."""\nfrom typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import numpy\n'
    lazy += '__all__ = ["a"]\n__version__ = "1"\ndef __getattr__(name): ...\n'
    write(tree, "toolkit/polyloom/inner/__init__.py", lazy)
    write(tree, "toolkit/polyloom/inner/code.py", "from polyloom import __version__\nx = __version__\n")
    write(tree, "docs/page.md", "See https://example.org/home/someone/page and ~/notes/x, a relative work/y.\n")
    assert faults(tree, seen(tree)) == []


HOME = "/" + "home/someone/x"
BROKEN = [
    ("setup.cfg", "x", "setup.cfg: not one of the top level"),
    ("toolkit/helpers.py", "x = 1", "toolkit/helpers.py: toolkit/ holds polyloom, nothing else"),
    (
        "widgets/__init__.py",
        "x",
        "widgets/__init__.py: widgets/ holds polyloom_widgets and polyloom_demo, nothing else",
    ),
    ("datasets/more/__init__.py", "x", "datasets/more/__init__.py: datasets/ holds polyloom_datasets, nothing else"),
    ("toolkit/polyloom/a.py", "import polyloom_widgets.x\nb = 1", "toolkit/polyloom/a.py: imports polyloom_widgets"),
    (
        "toolkit/polyloom/a.py",
        "def f():\n    import polyloom_datasets",
        "toolkit/polyloom/a.py: imports polyloom_datasets",
    ),
    (
        "toolkit/polyloom/a.py",
        "import importlib\na = importlib.import_module('polyloom_widgets.x')",
        "toolkit/polyloom/a.py: imports polyloom_widgets",
    ),
    (
        "cuda_kernels/polyloom_kernels/a.py",
        "import polyloom.x\nb = 1",
        "cuda_kernels/polyloom_kernels/a.py: imports polyloom",
    ),
    (
        "toolkit/polyloom/__init__.py",
        '"""p."""\nLIMIT = 3',
        "toolkit/polyloom/__init__.py:2: a face only re-exports",
    ),
    (
        "toolkit/polyloom/__init__.py",
        '"""p."""\ndef f(): ...',
        "toolkit/polyloom/__init__.py:2: a face only re-exports",
    ),
    (
        "toolkit/polyloom/__init__.py",
        '"""p."""\nif 1:\n    import numpy',
        "toolkit/polyloom/__init__.py:2: a face only re-exports",
    ),
    ("toolkit/polyloom/__init__.py", "from polyloom.part import part", "toolkit/polyloom/__init__.py: says nothing"),
    (
        "toolkit/polyloom/a.py",
        "from polyloom import part, x\ny = x",
        "toolkit/polyloom/a.py:1: x comes through the face polyloom",
    ),
    ("toolkit/polyloom/a.py", "from . import part\nx = part", "toolkit/polyloom/a.py:1: a relative import"),
    ("toolkit/polyloom/a.py", '"""Soon."""\n', "toolkit/polyloom/a.py: a module without code"),
    ("toolkit/polyloom/soon/__init__.py", '"""Soon."""\n', "toolkit/polyloom/soon: an empty package"),
    ("tests/test_soon.py", "", "tests/test_soon.py: an empty file"),
    ("notebooks/02_big.ipynb", "x" * 400_001, "notebooks/02_big.ipynb: 400,001 bytes, more than 400,000"),
    ("docs/film.webp", "x" * 2_000_001, "docs/film.webp: 2,000,001 bytes, more than 2,000,000"),
    ("tests/test_a.py", f"x\ny = '{HOME}'", f"tests/test_a.py:2: a path of one machine, {HOME}"),
]


@pytest.mark.parametrize(("path", "text", "fault"), BROKEN, ids=[fault for *_, fault in BROKEN])
def test_each_fault_is_found(tree: Path, path: str, text: str, fault: str) -> None:
    write(tree, path, text)
    assert faults(tree, seen(tree)) == [fault]


@pytest.mark.parametrize(
    ("path", "fault"),
    [
        ("LICENSE", "LICENSE: missing"),
        ("notebooks/01_first.ipynb", "notebooks: missing"),
        ("cuda_kernels/polyloom_kernels/__init__.py", "cuda_kernels/polyloom_kernels/__init__.py: missing"),
        ("datasets/polyloom_datasets/py.typed", "datasets/polyloom_datasets/py.typed: missing"),
    ],
)
def test_what_is_missing_is_found(tree: Path, path: str, fault: str) -> None:
    (tree / path).unlink()
    assert fault in faults(tree, seen(tree))
