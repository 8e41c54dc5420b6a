"""Text to train on: five voices written for this project, the text every Python carries, and your own files.

::

    from polyloom_datasets import load, names, read

    names()                       # ('sea', 'kitchen', 'contracts', ...)
    print(load("sea").card())     # title, size, words, quotation, licence, source
    mine = tuple(read("diary/*.md"))
"""

from polyloom_datasets.catalogue import load, names
from polyloom_datasets.corpus import Corpus
from polyloom_datasets.errors import DataError
from polyloom_datasets.reading import read

__all__ = ["Corpus", "DataError", "load", "names", "read"]
