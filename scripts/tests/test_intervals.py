"""Intervals of clustered estimates."""

import numpy as np
import pytest
import statsmodels.api as sm

from voice_ai_analytics.statistics.intervals import clustered


def test_a_clustered_difference_has_the_error_of_statsmodels():
    rng = np.random.default_rng(0)
    user, treated = rng.integers(60, size=400), rng.integers(2, size=400)
    y = (rng.random(400) < 0.3 + 0.1 * treated).astype(float)
    rates = [y[treated == arm].mean() for arm in (0, 1)]
    influence = np.where(
        treated == 1, (y - rates[1]) / treated.sum(), (rates[0] - y) / (1 - treated).sum()
    )
    ours = clustered(rates[1] - rates[0], influence, user)
    theirs = sm.OLS(y, sm.add_constant(treated)).fit(cov_type="cluster", cov_kwds={"groups": user})
    # statsmodels also multiplies the variance by (N - 1) / (N - 2).
    assert ours["std_error"] == pytest.approx(theirs.bse[1] * np.sqrt(398 / 399), rel=1e-9)
    assert ours["clusters"] == 60
    assert ours["ci_low"] < rates[1] - rates[0] < ours["ci_high"]


def test_clusters_of_equal_weight_are_worth_their_number():
    influence = np.tile([0.01, -0.01, 0.02], 20)
    assert clustered(0.1, influence, np.repeat(np.arange(20), 3))["effective_clusters"] == (
        pytest.approx(20)
    )


@pytest.mark.parametrize("influence", [[0.0, 0.0, 0.0], [0.1, -0.2, 0.0]])
def test_one_cluster_has_no_interval(influence):
    result = clustered(0.1, influence, [0, 0, 1])
    assert np.isnan([result["ci_low"], result["ci_high"], result["p_value"]]).all()
