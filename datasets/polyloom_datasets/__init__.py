"""Text to train on: five voices written for this project, the text every Python carries, and your own files.

::

    from polyloom_datasets import fetch, load, names, read, recipes

    names()                       # ('sea', 'kitchen', 'contracts', ...)
    print(load("sea").card())     # title, size, words, quotation, licence, source
    mine = tuple(read("diary/*.md"))

Well-known public corpora can be fetched; nothing else here, or anywhere in the project, uses the network::

    [recipe.name for recipe in recipes()]      # ['tinyshakespeare', 'warandpeace', ...]
    theirs = tuple(read(fetch("tinyshakespeare")))
"""

from polyloom_datasets.catalogue import load, names
from polyloom_datasets.corpus import Corpus
from polyloom_datasets.errors import DataError
from polyloom_datasets.fetching import fetch, fetched
from polyloom_datasets.public import recipes
from polyloom_datasets.reading import read
from polyloom_datasets.recipe import Recipe

__all__ = ["Corpus", "DataError", "Recipe", "fetch", "fetched", "load", "names", "read", "recipes"]
