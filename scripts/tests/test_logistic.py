"""The fast logistic regression gives the same numbers as statsmodels."""

import numpy as np
import pytest
import statsmodels.api as sm

from voice_ai_analytics.statistics import logistic
from voice_ai_analytics.statistics.logistic import fit_logistic


def rows(n: int, seed: int = 1, alike: float = 1.0) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Return columns, outcomes and users; the sessions of a user are alike."""
    rng = np.random.default_rng(seed)
    columns = np.column_stack([np.ones(n), rng.normal(size=(n, 3)), rng.random((n, 2)) < 0.2])
    user = np.unique(rng.integers(0, n // 4, n), return_inverse=True)[1]
    log_odds = columns @ [-1, 0.5, 0, -0.3, 0.4, 0] + rng.normal(0, alike, n)[user]
    return columns, (rng.random(n) < 1 / (1 + np.exp(-log_odds))).astype(float), user


def statsmodels_fit(columns, outcome, user=None, offset=None):
    options = {"tol": 1e-10, "tol_criterion": "params", "maxiter": 50}
    if user is not None:
        options |= {"cov_type": "cluster", "cov_kwds": {"groups": user}}
    return sm.GLM(outcome, columns, sm.families.Binomial(), offset=offset).fit(**options)


# Less than a block, blocks with a remainder, and enough rows that some are fitted first.
@pytest.mark.parametrize("large", [200_000, 10_000])
def test_estimates_and_clustered_errors_equal_those_of_statsmodels(monkeypatch, large):
    monkeypatch.setattr(logistic, "LARGE", large)
    columns, outcome, user = rows(30_000)
    fit, expected = fit_logistic(columns, outcome, user), statsmodels_fit(columns, outcome, user)
    assert fit.converged
    assert fit.params == pytest.approx(expected.params, abs=1e-8)
    assert fit.covariance == pytest.approx(expected.cov_params(), abs=1e-10)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(expected.bse, abs=1e-8)
    assert fit.llf == pytest.approx(expected.llf, rel=1e-10)


def test_errors_without_clusters_and_offsets_equal_those_of_statsmodels():
    columns, outcome, _ = rows(2000)
    offset = np.linspace(-1, 1, 2000)
    fit = fit_logistic(columns, outcome, offset=offset)
    expected = statsmodels_fit(columns, outcome, offset=offset)
    assert fit.params == pytest.approx(expected.params, abs=1e-8)
    assert np.sqrt(np.diag(fit.covariance)) == pytest.approx(expected.bse, abs=1e-8)


def test_the_order_of_rows_and_the_numbers_of_clusters_do_not_matter():
    columns, outcome, user = rows(3000)
    order = np.random.default_rng(2).permutation(3000)
    other = user.max() - user
    fits = [
        fit_logistic(columns, outcome, user),
        fit_logistic(columns[order], outcome[order], other[order]),
    ]
    assert fits[0].params == pytest.approx(fits[1].params, abs=1e-10)
    assert fits[0].covariance == pytest.approx(fits[1].covariance, abs=1e-12)


def test_a_part_that_cannot_be_fitted_does_not_stop_the_whole(monkeypatch):
    """Every hundredth row was abandoned; the others were not."""
    monkeypatch.setattr(logistic, "LARGE", 1000)
    columns, outcome, _ = rows(5000)
    outcome[::100] = 1.0
    fit, expected = fit_logistic(columns, outcome), statsmodels_fit(columns, outcome)
    assert fit.converged
    assert fit.params == pytest.approx(expected.params, abs=1e-8)


def test_separation_does_not_converge_and_goes_far():
    x = np.linspace(-1, 1, 200)
    fit = fit_logistic(np.column_stack([np.ones(200), x]), (x > 0).astype(float))
    assert not fit.converged
    assert np.abs(fit.params[1] * x).max() > 15
    assert np.isfinite(fit.params).all()
