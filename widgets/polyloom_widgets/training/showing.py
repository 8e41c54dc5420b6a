"""Where a widget stands in a notebook, so that what the file keeps of it can be written anew when all is over.

A notebook stores the forms that a widget had when it was displayed.  One that is displayed first and filled afterwards
would be kept empty; `refresh` puts its present forms in the place of the stored ones.  Without a notebook nothing is
shown and nothing is said.
"""

# pyright: reportUnknownMemberType=false, reportUnknownVariableType=false, reportMissingTypeStubs=false
# IPython's displays are only partly typed.

from collections.abc import Callable
from typing import Any, final

Forms = dict[str, Any]  # by MIME type


@final
class Showing:
    """The outputs in which one widget was displayed; true if there are any."""

    def __init__(self) -> None:
        self._places: list[Any] = []

    def __bool__(self) -> bool:
        return bool(self._places)

    def show(self, forms: Callable[[], Forms]) -> None:
        """Display the forms in the cell that is running."""
        from IPython.core.getipython import get_ipython
        from IPython.display import display

        if get_ipython() is not None:
            self._places.append(display(forms(), raw=True, display_id=True))

    def refresh(self, forms: Callable[[], Forms]) -> None:
        """Put these forms in the place of those that were displayed."""
        for place in self._places:
            place.update(forms(), raw=True)
