"""Memory that stays level: what the house owns is set apart, and what visitors leave behind is gathered each minute.

A closed view is a knot: the widget, its handlers and the class that anywidget makes for each instance hold one another,
and only Python's full collection undoes them.  Python holds that back until what is new outnumbers a quarter of what
has lived long, and beside Gradio, torch and numba that is 100,000 objects, however many megabytes hang on them.  So the
demo asks for it.  `gc.freeze` makes it short, 0.01 s instead of 0.5: what is there while nobody visits stays for good.
"""

import gc

from polyloom_demo.visitors import Views


def tidy(views: Views) -> None:
    """Free what closed views left; while nobody is here, set apart all that remains."""
    if not len(views):
        gc.unfreeze()
    gc.collect()
    if not len(views):
        gc.freeze()
        gc.collect()  # it counts anew what has lived long: nothing
