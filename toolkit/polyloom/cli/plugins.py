"""What packages register under `polyloom.commands` and `polyloom.benchmarks`: found, described and loaded by name.

Found means listed in the metadata of an installed package: nothing is imported.  Described means that the docstring is
read in the source, again without importing, so a list of commands costs as much with torch installed as without.
Loaded means imported, when it is run.  Whatever a plug-in raises while it is loaded becomes one line that names it.
"""

import ast
import re
from importlib.abc import InspectLoader
from importlib.machinery import ModuleSpec, PathFinder
from importlib.metadata import EntryPoint, entry_points
from typing import Any

from polyloom.errors import PolyloomError

OURS = "polyloom"


def found(group: str) -> dict[str, EntryPoint]:
    """The entry points of `group` by name; where two packages use one name, ours wins."""
    table: dict[str, EntryPoint] = {}
    points = entry_points(group=group)
    ours = {dist for dist in {point.dist for point in points} if dist and dist.name == OURS}  # a name is slow to read
    for point in sorted(points, key=lambda point: (point.dist not in ours, point.name)):
        table.setdefault(point.name, point)
    return table


def package(point: EntryPoint) -> str:
    """The package that registered it."""
    return point.dist.name if point.dist else "an unknown package"


def summary(point: EntryPoint) -> str:
    """The first line of the docstring of what it names, or of its module; read in the source, not imported."""
    try:
        tree = ast.parse(_source(point.module))
    except (ImportError, OSError, SyntaxError):
        return f"(cannot be read; registered by {package(point)})"
    named = [node for node in tree.body if isinstance(node, ast.FunctionDef) and node.name == point.attr]
    text = ast.get_docstring(named[0] if named else tree) or ""
    return text.partition("\n")[0]


def load(point: EntryPoint) -> Any:
    """What the entry point names.  Raises PolyloomError with one line if it cannot be imported, for any reason."""
    try:
        return point.load()
    except Exception as error:  # other people's modules, which may raise anything
        raise PolyloomError(_line(point, error)) from error


def _source(module: str) -> str:
    spec: ModuleSpec | None = None
    path = None
    for depth in range(1, module.count(".") + 2):
        name = ".".join(module.split(".")[:depth])
        spec = PathFinder.find_spec(name, path)
        if spec is None:
            raise ModuleNotFoundError(name)
        path = spec.submodule_search_locations
    source = spec.loader.get_source(module) if spec and isinstance(spec.loader, InspectLoader) else None
    if source is None:
        raise OSError(f"{module} has no source")  # it is compiled
    return source


def _line(point: EntryPoint, error: Exception) -> str:
    missing = (error.name or "").partition(".")[0] if isinstance(error, ModuleNotFoundError) else ""
    extra = _extra(point, missing)
    if extra:
        return f'{point.name} needs {missing}, which is not installed: pip install "{package(point)}[{extra}]"'
    return f"{point.name} ({point.value} of {package(point)}) cannot be loaded: {type(error).__name__}: {error}"


def _extra(point: EntryPoint, missing: str) -> str | None:
    """The optional part of the plug-in's package that would bring the missing module, as its metadata says."""
    for requirement in (point.dist.requires or []) if point.dist and missing else []:
        bought = re.match(rf"{re.escape(missing)}\b[^;]*;.*\bextra\s*==\s*['\"]([\w-]+)['\"]", requirement)
        if bought:
            return bought[1]
    return None
