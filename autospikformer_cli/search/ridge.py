"""Ridge regression with its posterior: what a number probably is, and other values that the data leave possible.

Shapes: N rows, F columns, M rows to predict.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]
_LOGARITHMS = (-700.0, 700.0)
"""Of what float64 holds."""


@dataclass(frozen=True)
class RidgePosterior:
    """The normal posterior of a linear model, in the units of its outcome.

    y = a + w x + e,   e ~ N(0, 1/alpha),   w ~ N(0, 1/lambda I)                    (MacKay, 1992)

    so w given the data is N(m, S) with S = (lambda I + alpha X^T X)^-1 and m = alpha S X^T y, for centred X and y.
    Scikit-learn's BayesianRidge chooses alpha and lambda by the evidence. So the noise of the outcome is learned, too.
    weights_F: m. root_FF: R with R R^T = S. centre_F: means of the columns. mean: a. is_log: the outcome is exp(y).
    """

    weights_F: Floats
    root_FF: Floats
    centre_F: Floats
    mean: float
    is_log: bool

    def expected(self, x_MF: Floats) -> Floats:
        """The outcomes under the mean weights."""
        return self._outcomes(x_MF, self.weights_F)

    def drawn(self, x_MF: Floats, generator: np.random.Generator) -> Floats:
        """The outcomes under weights that are drawn from the posterior, the same for all rows."""
        noise_F = generator.standard_normal(len(self.weights_F))
        return self._outcomes(x_MF, self.weights_F + self.root_FF @ noise_F)

    def _outcomes(self, x_MF: Floats, weights_F: Floats) -> Floats:
        y_M: Floats = self.mean + (x_MF - self.centre_F) @ weights_F
        return np.exp(np.clip(y_M, *_LOGARITHMS)) if self.is_log else y_M


def fit_ridge(x_NF: Floats, y_N: Floats, is_log: bool = False) -> RidgePosterior:
    """The posterior of a linear model of y, or of its logarithm. Outcomes that are all equal are predicted as they are.

    The outcome is scaled to standard deviation 1 for the fit, so that scikit-learn's weak priors fit any unit.
    """
    from sklearn.linear_model import BayesianRidge

    y_N = np.log(y_N) if is_log else y_N
    centre_F, mean, scale = x_NF.mean(axis=0), float(y_N.mean()), float(y_N.std())
    num_columns = x_NF.shape[1]
    if scale <= 1e-12 * abs(mean) or not num_columns:
        nothing = np.zeros((num_columns, num_columns))
        return RidgePosterior(np.zeros(num_columns), nothing, centre_F, mean, is_log)
    centred_NF = x_NF - centre_F
    fitted = BayesianRidge(fit_intercept=False).fit(centred_NF, (y_N - mean) / scale)
    precision_FF = fitted.lambda_ * np.eye(num_columns) + fitted.alpha_ * (centred_NF.T @ centred_NF)
    values_F, vectors_FF = np.linalg.eigh(precision_FF)
    root_FF = vectors_FF / np.sqrt(np.maximum(values_F, fitted.lambda_))
    return RidgePosterior(fitted.coef_ * scale, root_FF * scale, centre_F, mean, is_log)
