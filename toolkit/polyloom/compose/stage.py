"""A stage: a model, and how long it speaks.

A stage ends after so many `tokens`, or after the token that completes the text `until`, or after the first of the two.
A text is looked for in what was written in the stage alone: in the last tokens, as many as it has bytes and one more,
which is where any text stands that its last token completes.  `until` may also be the name of a piece, such as `</s>`,
which no text shows.
"""

from dataclasses import dataclass

from polyloom.compose.composite import a_model
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.model import LanguageModel
from polyloom.tokens.checks import unicode_text
from polyloom.whole import whole


@dataclass(frozen=True)
class Stage:
    """`Stage(model, tokens=200)`, `Stage(model, until=".")`, or both: until the text comes, after 200 at the latest.

    A stage without either has no end.  `name` is what receipts call it, by default "stage 1" and so on.  Raises
    InputError for what is no model, no number of tokens of 1 or more, or no text.
    """

    model: LanguageModel
    tokens: int | None = None
    until: str | None = None
    name: str | None = None

    def __post_init__(self) -> None:
        a_model("The stage", self.model)
        if self.tokens is not None:
            object.__setattr__(self, "tokens", whole("The tokens of a stage", self.tokens, 1))
        for what, text in (("until", self.until), ("name", self.name)):
            if text is not None and not (isinstance(text, str) and text):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise InputError(f"The {what} of a stage must be a text that is not empty, got {text!r}.")
            unicode_text(text or "", f"the {what} of a stage")

    @property
    def ends(self) -> bool:
        """Whether it has an end."""
        return self.tokens is not None or self.until is not None

    def end(self, ids: Ids, start: int, read: int) -> int | None:
        """After how many of these tokens the stage has ended that began after `start`, None if it goes on.

        It is known to have gone on after `read` of them.
        """
        latest = None if self.tokens is None else start + self.tokens
        last = len(ids) if latest is None else min(latest, len(ids))
        if self.until is not None:
            for here in range(max(start, read) + 1, last + 1):
                if self._completed(self.until, ids[start:here]):
                    return here
        return latest if latest == last else None

    def _completed(self, until: str, written: Ids) -> bool:
        """Whether the last of the tokens written in the stage is the piece, or completes the text."""
        vocabulary = self.model.vocabulary
        if vocabulary.pieces[written[-1]] == until:
            return True
        return until in vocabulary.decode(written[-1 - len(until.encode()) :])

    def __repr__(self) -> str:
        how = [f"{self.tokens} tokens"] * (self.tokens is not None) + [f"until {self.until!r}"] * bool(self.until)
        return f"{self.name or 'stage'}: {', '.join(how) or 'to the end'}"
