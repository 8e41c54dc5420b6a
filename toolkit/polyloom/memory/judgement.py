"""What a model wrote, as a turn to count: the tokens it chose, and the end of the prompt that it chose them after."""

from polyloom.documents import Ids
from polyloom.errors import InputError, VocabularyMismatch
from polyloom.generate.trace import Generation
from polyloom.tokens.vocabulary import Vocabulary


def judged(given: Generation | str, vocabulary: Vocabulary, reach: int) -> tuple[str, Ids, Ids]:
    """The text, at most `reach` tokens of context, and the tokens that were written.

    Of a generation that knows where it began these are the very tokens of its steps; else the text is encoded anew.
    Raises VocabularyMismatch if a model of another vocabulary wrote it, InputError if nothing was written.
    """
    if isinstance(given, str):
        text, context, tokens = given, vocabulary.encode(""), vocabulary.encode(given)
    elif isinstance(given, Generation):  # pyright: ignore[reportUnnecessaryIsInstance] - callers may be untyped
        text, context, tokens = given.text, *_parts(given, vocabulary)
    else:
        raise InputError(f"Expected a generation, or its text, got {type(given).__name__}.")
    if not len(tokens):
        raise InputError("Nothing was written, so there is nothing to accept or reject.")
    return text, context[max(0, len(context) - reach) :], tokens


def _parts(given: Generation, vocabulary: Vocabulary) -> tuple[Ids, Ids]:
    if given.origin is None:
        return vocabulary.encode(given.prompt), vocabulary.encode(given.text)
    spoken = given.origin.model.vocabulary
    if spoken != vocabulary:
        raise VocabularyMismatch(
            f"The generation speaks {spoken!r}, the memory {vocabulary!r}. Give its text: accept(generation.text)."
        )
    written = given.scrub(len(given.steps)).tokens
    return written[: len(written) - len(given.steps)], written[len(written) - len(given.steps) :]
