"""The linear witness: a support vector machine for each expert against all others, over all features.

    f_k(text) = b_k + Σ_j x_j w_jk

It is fitted by scikit-learn (Fan et al., "LIBLINEAR", 2008) and read with NumPy alone.  Weights are float32 (F, K):
a text needs some hundred rows of them.
"""

import warnings
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from polyloom._compat import need
from polyloom.compose.routing.router.features import Vector
from polyloom.documents import Ids
from polyloom.errors import InputError
from polyloom.model import Arrays, Floats

COST = 0.6  # of a text on the wrong side; the best on the validation part of CLINC150
PASSES = 5000


@dataclass(frozen=True)
class Linear:
    """Weights float32 (F, K) and biases float64 (K,)."""

    weights: NDArray[np.float32]
    bias: Floats

    @classmethod
    def fit(cls, texts: Sequence[Vector], of: Ids, experts: int, features: int) -> "Linear":
        """Fitted to texts that are each `of` an expert, and every expert has one.

        Raises MissingPackage without scikit-learn.
        """
        svm, sparse = (need(module, "experts", "Fitting a router") for module in ("sklearn.svm", "scipy.sparse"))
        starts = np.cumsum([0, *(len(one.ids) for one in texts)])
        values, ids = np.concatenate([one.values for one in texts]), np.concatenate([one.ids for one in texts])
        table = sparse.csr_matrix((values, ids, starts), shape=(len(texts), features))
        machine: Any = svm.LinearSVC(C=COST, random_state=0, max_iter=PASSES)
        with warnings.catch_warnings():  # experts of one text each are no regression
            warnings.filterwarnings("ignore", "The number of unique classes", UserWarning)
            machine.fit(table, of)
        weights, bias = machine.coef_, machine.intercept_
        if experts == 2:  # one machine tells both apart
            weights, bias = np.concatenate([-weights, weights]), np.concatenate([-bias, bias])
        return cls(np.ascontiguousarray(weights.T, np.float32), bias.astype(np.float64))

    def scores(self, text: Vector) -> Floats:
        """How far on its side of the border each expert sees a text, float64 (K,)."""
        return self.bias + text.values @ self.weights[text.ids].astype(np.float64)

    def terms(self, text: Vector, expert: int) -> Floats:
        """What each feature of the text adds to the score of an expert, float64 (n,)."""
        return text.values * self.weights[text.ids, expert].astype(np.float64)

    def state(self) -> Arrays:
        """The arrays."""
        return {"linear": self.weights, "bias": self.bias}

    @classmethod
    def from_state(cls, arrays: Arrays) -> "Linear":
        """As `state` gave it."""
        weights, bias = arrays["linear"], arrays["bias"]
        if weights.ndim != 2 or bias.shape != weights.shape[1:]:
            raise InputError(
                f"Weights of shape {weights.shape} and biases of shape {bias.shape} do not belong together."
            )
        return cls(weights, bias)
