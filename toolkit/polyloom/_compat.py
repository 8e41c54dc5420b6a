"""The one place that decides on optional packages: is it there, and if not, what to install.

    tokenizers = need("tokenizers", "torch", "Reading a tokenizer.json")

Nothing else in the house catches an ImportError.  A package that is there but broken says so in its own words.
"""

from importlib import import_module
from typing import Any

from polyloom.errors import MissingPackage


def need(module: str, extra: str, purpose: str) -> Any:
    """The module of this name; MissingPackage naming the extra of polyloom that brings it if it is not installed.

    `purpose` begins the message: what was asked for that needs the package.
    """
    package = module.partition(".")[0]
    try:
        return import_module(module)
    except ModuleNotFoundError as error:
        if error.name is None or error.name.partition(".")[0] != package:  # it is there, and lacks one of its own
            raise
    raise MissingPackage(f'{purpose} needs {package}, which is not installed: pip install "polyloom[{extra}]"')
