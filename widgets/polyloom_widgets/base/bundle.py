"""One ES module from many.

A notebook's front end takes one module as text, so the modules of a widget are put one after the other: each once,
after those that it imports. What is understood is little, and is checked: statements stand at the beginning of a line,
everything inside them is indented; imports read `import { a, b } from "./x.js";`; exports stand before `const`, `let`,
`class` or `function`, and only the entry has `export default`. Anything else is refused, because a bundle that is
almost right fails in a reader's browser. Style sheets are joined likewise, and may fetch nothing.
"""

import re
from collections.abc import Iterable
from pathlib import Path

IMPORT = re.compile(r'^import \{([^}]*)\} from "(\.\.?/[\w./-]+\.js)";\n', re.M)
DECLARATION = re.compile(r"^(export )?(?:const|let|class|function\*?|async function) ([A-Za-z_$][\w$]*)", re.M)
COMMENT = re.compile(r"/\*.*?\*/|^\s*//.*", re.M | re.S)  # their types may read import("./x.js").Name
NOT_UNDERSTOOD = re.compile(
    r"^import\b.*|\bimport *\(.*|^export (?!const |let |class |function|async function |default ).*"
    r"|^(?:export )?(?:const|let) *[\[{].*|^(?:export )?var\b.*",
    re.M,
)
STRANGE_CSS = re.compile(r"@import\b.*|\burl\(.*", re.I)


class BundleError(ValueError):
    """A module or style sheet that the bundler does not understand; the message names file and reason."""


def bundle(path: Path) -> str:
    """Return the module at `path` with everything it imports, as the text of one ES module."""
    parts: list[str] = []
    exports: dict[Path, set[str]] = {}
    owners: dict[str, Path] = {}
    _add(path.resolve(), (), parts, exports, owners)
    return "\n".join(parts)


def bundle_css(paths: Iterable[Path]) -> str:
    """Return the style sheets one after the other; `@import` and `url(` are refused, they would fetch."""
    parts: list[str] = []
    for path in paths:
        text = path.read_text(encoding="utf-8")
        if found := STRANGE_CSS.search(text):
            raise BundleError(f"{path.name}: {found[0].strip()!r} would fetch something. Write it into the sheet.")
        parts.append(text)
    return "\n".join(parts)


def _add(
    path: Path, above: tuple[Path, ...], parts: list[str], exports: dict[Path, set[str]], owners: dict[str, Path]
) -> None:
    """Append the module at `path` after its imports; `above` are the modules that are waiting for it."""
    if path in above:
        raise BundleError("modules import one another in a circle: " + " -> ".join(p.name for p in (*above, path)))
    if path in exports:
        return
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        raise BundleError(f"{above[-1].name if above else 'bundle'}: there is no module {path}") from None
    for names, where in IMPORT.findall(text):
        target = (path.parent / where).resolve()
        _add(target, (*above, path), parts, exports, owners)
        for name in filter(None, (name.strip() for name in names.split(","))):
            if name not in exports[target]:
                known = ", ".join(sorted(exports[target])) or "nothing"
                raise BundleError(f"{path.name}: {target.name} does not export {name!r}; it exports {known}")
    body = IMPORT.sub("", text)
    if found := NOT_UNDERSTOOD.search(COMMENT.sub("", body)):
        raise BundleError(f"{path.name}: not understood: {found[0].strip()!r}")
    if above and re.search(r"^export default ", body, re.M):
        raise BundleError(f"{path.name}: only the entry may have a default export")
    declared = DECLARATION.findall(body)
    for _, name in declared:
        if name in owners:
            raise BundleError(f"{path.name}: {name!r} is declared in {owners[name].name} too. Rename one of them.")
        owners[name] = path
    exports[path] = {name for export, name in declared if export}
    stripped = re.sub(r"^export (?!default )", "", body, flags=re.M) if above else body
    parts.append(f"// {path.name}\n{stripped.strip()}\n")
