"""Packages that exist only as metadata and a module on the path: plug-ins for the tests of the command."""

from pathlib import Path


def plug(folder: Path, package: str, entry_points: str, requires: tuple[str, ...] = (), **modules: str) -> None:
    """Lay out a package in `folder` as an installer would; modules are given as name="source"."""
    information = folder / f"{package}-1.0.dist-info"
    information.mkdir(parents=True)
    metadata = f"Metadata-Version: 2.1\nName: {package}\nVersion: 1.0\n"
    metadata += "".join(f"Requires-Dist: {requirement}\n" for requirement in requires)
    (information / "METADATA").write_text(metadata, encoding="utf-8")
    (information / "entry_points.txt").write_text(entry_points, encoding="utf-8")
    for name, source in modules.items():
        (folder / f"{name}.py").write_text(source, encoding="utf-8")
