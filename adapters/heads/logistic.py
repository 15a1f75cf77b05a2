"""Logistic regression with a ridge, by Newton's method: small, exact, and without a dependency in the decode path."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

__all__ = ["Logistic"]

FloatArray = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Logistic:
    """The probability of an event, from standardised features.

    Attributes
    ----------
    weight : ndarray of shape (features,)
        For raw features: the standardisation is folded in.
    bias : float
        Intercept.
    """

    weight: FloatArray
    bias: float

    @classmethod
    def fit(cls, features: npt.ArrayLike, event: npt.ArrayLike, *, ridge: float = 1.0, steps: int = 30) -> Logistic:
        """Fit to observations; rows with a feature that is not finite are left out.

        Parameters
        ----------
        features : array_like of shape (n, features)
            One row for each observation.
        event : array_like of bool of shape (n,)
            Whether it happened.
        ridge : float, default 1.0
            Penalty on the squared weights of standardised features; one pseudo-observation's worth.
        steps : int, default 30
            Newton steps at most.

        Returns
        -------
        Logistic
            The fit; constant where only one outcome occurs.
        """
        x, y = np.asarray(features, dtype=np.float64), np.asarray(event, dtype=np.float64)
        kept = np.isfinite(x).all(axis=1)
        x, y = x[kept], y[kept]
        n = len(y)
        share = (y.sum() + 0.5) / (n + 1.0)
        base = float(np.log(share / (1.0 - share)))
        if n == 0 or y.min() == y.max():
            return cls(np.zeros(x.shape[1]), base)
        centre, spread = x.mean(axis=0), x.std(axis=0)
        spread = np.where(spread > 0, spread, 1.0)
        z = np.column_stack(((x - centre) / spread, np.ones(n)))
        penalty = np.r_[np.full(x.shape[1], ridge), 0.0]
        beta = np.r_[np.zeros(x.shape[1]), base]
        for _ in range(steps):
            p = 1.0 / (1.0 + np.exp(-np.clip(z @ beta, -35.0, 35.0)))
            # Newton step of the penalised likelihood (McCullagh & Nelder 1989, sec. 2.5).
            hessian = (z * (p * (1.0 - p))[:, None]).T @ z + np.diag(penalty + 1e-9)
            step = np.linalg.solve(hessian, z.T @ (y - p) - penalty * beta)
            beta = beta + step
            if np.abs(step).max() < 1e-9:
                break
        weight = beta[:-1] / spread
        return cls(weight, float(beta[-1] - weight @ centre))

    def score(self, features: Any) -> Any:
        """Log-odds, for an array or tensor of shape (..., features)."""
        return features @ self.weight + self.bias
