"""The errors of polyloom: one small tree, so that one `except` catches what the caller means to catch.

    PolyloomError
    ├── FileError                        a file is damaged, cut short, foreign or of a future version
    ├── MissingPackage (an ImportError)  an optional package is not installed
    ├── TrainingError                    a training cannot go on: a loss or a gradient is no number any more
    └── InputError (also a ValueError)   what came in cannot be used
        ├── VocabularyError              a vocabulary cannot be built or read, or does not hold what was asked of it
        └── VocabularyMismatch           two parts that must speak the same vocabulary do not

A message says what was expected, what came and what to do.  An error is raised once, at the border where the value
enters, in the caller's own words; errors of Python itself (a missing file, a full disk) pass through unchanged.
"""


class PolyloomError(Exception):
    """The root: everything that polyloom raises on purpose."""


class FileError(PolyloomError):
    """A file cannot be read as what it should be; what it was to replace is untouched."""


class MissingPackage(PolyloomError, ImportError):  # noqa: N818 - "missing" already says that it is an error
    """What was asked needs an optional package; the message says how to install it."""


class TrainingError(PolyloomError):
    """A training cannot go on; the weights are those of the step before."""


class InputError(PolyloomError, ValueError):
    """A value from the caller cannot be used."""


class VocabularyError(InputError):
    """A vocabulary cannot be built or restored, or does not hold the piece, id or character asked of it."""


class VocabularyMismatch(InputError):  # noqa: N818 - "mismatch" already says that it is an error
    """Two parts that must share a vocabulary have different ones; the message gives both digests and sizes."""
