"""Ask damaged stores through compiled code; run as `python damaged.py NUMBER`, says how many it asked.

The directory, the discounts and the unigrams are those of a sound store, since opening a file checks them; every other
byte may be anything.  What comes out means nothing: it must come out, from inside the arrays,
and the next question to a sound store must be answered as ever.
"""

import dataclasses
import sys
import warnings

import numpy as np

from cuda_kernels.mixture.stores import Drawn, drawn, looks, voice_of
from polyloom_kernels.history import Memory
from polyloom_kernels.mixture import Panel, Store, chances
from polyloom_kernels.mixture.store import DISCOUNTS

MEMORY = Memory((1, 2), 4, 3)


EXTREMES = {"u": [0, 0, 1, 2**15, 2**16 - 1], "f": [0.0, np.inf, -np.inf, np.nan, 5e-324, 1e308]}


def damaged(dice: np.random.Generator, store: Store) -> Store:
    """Some or all bytes of the tapes drawn anew, or numbers made extreme, or in another order, or a little off."""
    kept = DISCOUNTS * len(store.tables) + store.vocabulary_size
    tapes = store.pieces.copy(), store.numbers.copy(), store.reals.copy()
    how, part = int(dice.integers(4)), dice.random() * dice.random()
    for tape in (*tapes[:2], tapes[2][kept:]):
        raw, whole = tape.view(np.uint8), dice.random(len(tape)) < part
        if how == 0:
            hit = dice.random(len(raw)) < part
            raw[hit] = dice.integers(0, 256, int(hit.sum()))
        elif how == 1:
            tape[whole] = dice.choice(EXTREMES[tape.dtype.kind], int(whole.sum()))
        elif how == 2:
            dice.shuffle(tape)
        else:
            tape[whole] += dice.integers(0, 3, int(whole.sum())).astype(tape.dtype)
    return dataclasses.replace(store, pieces=tapes[0], numbers=tapes[1], reals=tapes[2])


def ask(dice: np.random.Generator, some: Drawn, store: Store) -> None:
    """Every way in: a text, the whole of a place, the likeliest of a place; beside a sound voice."""
    size = store.vocabulary_size
    seen, text = looks(dice, some, 8), dice.integers(0, size, 8)
    chances(store, seen, text, backend="cpu")
    sound = voice_of(dice, some, MEMORY)
    panel = Panel([dataclasses.replace(sound, store=store), sound])
    look = np.ascontiguousarray(seen[:, :2].T)
    for k in (1, size):
        panel.dense(text, look, np.ones(2), backend="cpu")
        panel.top(text, look, np.ones(2), k, backend="cpu")
        panel.above(text, look, np.ones(2), k, (0.1, dice.random()), text, backend="cpu")
    Panel(panel.voices[:1]).confidence(text, look[:1], backend="cpu")
    found = panel.dense(text, look, np.array([0.0, 1.0]), backend="cpu")
    np.testing.assert_array_equal(found, Panel([sound]).dense(text, look[1:], np.ones(1), backend="cpu"))


def main(number: int) -> None:
    warnings.simplefilter("ignore", RuntimeWarning)  # of arithmetic that means nothing
    dice = np.random.default_rng(0)
    for n in range(number):
        size = int(dice.choice([2, 9, 60, 2**16])) if n % 20 == 0 else int(dice.choice([2, 9, 60]))
        some = drawn(dice, size, 3, ((1, 3), (2,)), children=6, width=50, most=2 ** int(dice.integers(1, 32)) - 1)
        ask(dice, some, damaged(dice, some.store))
    print(number)


if __name__ == "__main__":
    main(int(sys.argv[1]))
