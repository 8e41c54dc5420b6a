"""Presets: settings of `AssociationModel.fit` that belong together, by name.

    model = AssociationModel.fit(documents, vocabulary, **PRESETS["fast"])

What each costs and gives is measured in `docs/association.md`.
"""

from typing import Any

from polyloom_kernels.history import Memory

PRESETS: dict[str, dict[str, Any]] = {
    "fast": {"order": 3, "skips": False, "history": False},
    "balanced": {},  # the defaults
    "accurate": {
        "order": 6,
        "skips": [(1,), (1, 2), (1, 2, 4), (1, 3), (1, 3, 4), (2,), (2, 3), (3,), (4,), (5,)],
        "history": Memory(orders=(1, 2, 3, 4, 5, 6, 8)),
    },
    "tiny": {"order": 3, "skips": [(2,)], "history": Memory(orders=(1, 2, 4)), "prune": 2, "cap": 64},
}
