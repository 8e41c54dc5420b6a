"""`gate` compiled: place by place, skipping the features that are zero."""
# pyright: basic
# numba has no types

import numpy as np
from numba import njit, types


@njit(nogil=True, cache=True)
def slope(gate, floor, parts, known, places, found):
    """Into found (F, K), which is zero."""
    features, components = gate.shape
    shares, pulled = np.empty(components), np.empty(components)
    for place in places:
        shares[:] = 0.0
        for f in range(features):
            value = known[place, f]
            if value != 0.0:
                for k in range(components):
                    shares[k] += value * gate[f, k]
        most, total, mixed = shares.max(), 0.0, 0.0
        for k in range(components):
            shares[k] = np.exp(shares[k] - most)
            total += shares[k]
        for k in range(components):
            shares[k] /= total
            pulled[k] = (1 - floor) * shares[k] * parts[place, k]
            mixed += pulled[k] + floor / components * parts[place, k]
        pull = 0.0
        for k in range(components):
            pulled[k] /= mixed
            pull += pulled[k]
        for k in range(components):
            pulled[k] = (pulled[k] - shares[k] * pull) / len(places)
        for f in range(features):
            value = known[place, f]
            if value != 0.0:
                for k in range(components):
                    found[f, k] += value * pulled[k]


GRID = types.Array(types.float64, 2, "C", readonly=True)
PLACES = types.Array(types.int64, 1, "C", readonly=True)
KERNELS = ((slope, (GRID, types.float64, GRID, GRID, PLACES, types.float64[:, ::1])),)
