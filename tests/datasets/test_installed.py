"""The text every Python carries: real, of this Python, bounded, and read without importing what it describes."""

import ast
import inspect
import os
import platform
import pydoc_data.topics
import subprocess
import sys
from types import SimpleNamespace

import pytest

from polyloom_datasets import DataError, installed, load, stdlib

# With a form feed (\f), which editors may show as a line but Python does not count as one.
MODULE = '''"""Head."""
import os
LIMIT = 1
\f
# Why one exists.
# And how.
@property
def one(self):
    """One."""
    def inner():
        "Inner."

STRAY = 2
class Two:
    """Two.

        Indented.
    Not.
    """
    async def method(self):
        """Method."""

if __name__ == "__main__":
    one()
'''


def test_pieces_are_definitions_with_what_belongs_to_them():
    head, one, two = stdlib.pieces(MODULE)
    assert head == '"""Head."""\nimport os\nLIMIT = 1'
    assert one.startswith("# Why one exists.\n# And how.\n@property\ndef one(self):")
    assert one.endswith("STRAY = 2")
    assert two.startswith("class Two:")
    assert two.endswith("    one()")


def test_docstrings_come_in_source_order_without_indentation():
    assert list(stdlib.docstrings(MODULE)) == ["Head.", "One.", "Inner.", "Two.\n\n    Indented.\nNot.", "Method."]


@pytest.mark.parametrize("module", stdlib.SOURCE_MODULES)
def test_pieces_hold_every_line_of_a_module(module):
    source = stdlib.source(module)
    together = "\n".join(stdlib.pieces(source))
    assert [line for line in together.split("\n") if line.strip()] == [
        line for line in source.split("\n") if line.strip()
    ]


def test_source_is_what_inspect_finds():
    import heapq
    import textwrap

    assert stdlib.source("heapq") == inspect.getsource(heapq)
    assert inspect.getsource(textwrap.dedent).strip() in load("python_source").text
    assert any("def heappush(" in document for document in load("python_source"))


def test_docstrings_are_what_the_objects_carry():
    import argparse

    documents = set(load("docstrings"))
    assert inspect.getdoc(argparse.ArgumentParser) in documents
    assert inspect.cleandoc(ast.parse.__doc__ or "") in documents


def test_python_docs_are_the_topics_of_help():
    documents = load("python_docs").documents
    topics = pydoc_data.topics.topics
    assert set(documents) == {text.strip("\n") for text in topics.values()}
    assert documents[0] == topics["assert"].strip("\n")


def test_topics_come_in_alphabetical_order_each_text_once(monkeypatch):
    topics = {"while": "Loop.\n", "def": "Define.\n", "for": "Loop.\n"}
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", SimpleNamespace(topics=topics))
    assert installed.python_docs("python_docs").documents == ("Define.", "Loop.")


@pytest.mark.parametrize("name", ["python_docs", "python_source", "docstrings"])
def test_card_names_licence_and_python(name):
    corpus = load(name)
    assert corpus.licence == "PSF-2.0"
    assert platform.python_version() in corpus.source
    assert 300_000 < corpus.size < 1_000_000, "about as long as each other, and bounded"


def test_lists_are_disjoint_and_without_repeats():
    modules = stdlib.SOURCE_MODULES + stdlib.DOCSTRING_MODULES
    assert len(set(modules)) == len(modules)


DIGESTS = """
import sys
from polyloom_datasets import load
print(load("python_docs").digest, load("python_source").digest, load("docstrings").digest)
assert not {"turtle", "doctest", "unittest.mock", "imaplib", "graphlib", "sched"} & set(sys.modules)
"""


@pytest.mark.parametrize("seed", ["0", "1"])
def test_text_is_the_same_in_another_process_and_imports_nothing(seed):
    environment = os.environ | {"PYTHONHASHSEED": seed}
    command = [sys.executable, "-W", "error", "-c", DIGESTS]
    done = subprocess.run(command, env=environment, check=True, capture_output=True, text=True)
    assert done.stdout.split() == [load(name).digest for name in ("python_docs", "python_source", "docstrings")]


def test_python_without_its_source_says_so(monkeypatch, tmp_path):
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path))
    with pytest.raises(DataError, match=r"expected the source of the standard module 'bisect', got none.*full Python"):
        installed.python_source("python_source")


def test_python_without_its_topics_says_so(monkeypatch):
    monkeypatch.setitem(sys.modules, "pydoc_data.topics", None)
    with pytest.raises(DataError, match=r"expected the module pydoc_data\.topics, got none.*full Python"):
        installed.python_docs("python_docs")
