"""Firth's estimates equal published ones."""

import numpy as np
import pytest

from voice_ai_analytics.statistics.firth import fit_firth, profile

# Neovasculation, pulsatility index, endometrium height, histology grade of 79 women: Heinze and
# Schemper, Statistics in Medicine 21 (2002) 2409-2419, as listed by Agresti in "Foundations of
# Linear and Generalized Linear Models" (2015). Columns NV PI EH HG.
ENDOMETRIAL = """
0 13 1.64 0;0 16 2.26 0;0 8 3.14 0;0 34 2.68 0;0 20 1.28 0;0 5 2.31 0;0 17 1.8 0;0 10 1.68 0
0 26 1.56 0;0 17 2.31 0;0 8 2.01 0;0 7 1.89 0;0 20 3.15 0;0 10 1.23 0;0 18 1.27 0;0 16 1.76 0
0 18 2 0;0 8 2.64 1;0 29 0.88 1;0 12 1.27 1;0 20 1.37 1;1 38 0.97 1;1 22 1.14 1;1 7 0.88 1
1 25 0.91 1;1 15 0.58 1;0 7 0.97 1;0 28 1.5 0;0 11 1.33 0;0 19 2.37 0;0 10 1.82 0;0 10 3.13 0
0 18 1.31 0;0 14 1.92 0;0 21 1.64 0;0 11 2.01 0;0 17 1.88 0;0 25 1.93 0;0 16 2.11 0;0 19 1.29 0
0 15 1.72 0;0 33 0.75 0;0 24 1.92 0;0 48 1.84 1;0 12 1.11 1;0 19 1.61 1;0 2 1.18 1;1 22 1.44 1
1 40 1.18 1;1 5 0.93 1;1 0 1.17 1;0 21 1.19 1;0 15 1.06 1;0 29 2.02 0;0 15 2.29 0;0 12 2.33 0
0 3 2.9 0;0 20 1.7 0;0 23 1.41 0;0 12 2.25 0;0 22 1.54 0;0 42 1.97 0;0 15 1.75 0;0 13 2.16 0
0 14 2.57 0;0 19 1.37 0;0 12 3.61 0;0 13 2.04 0;0 10 2.17 0;0 12 1.69 1;1 49 0.27 1;0 6 1.84 1
0 5 1.3 1;0 17 0.96 1;1 11 1.01 1;1 21 0.98 1;0 5 0.35 1;1 19 1.02 1;0 33 0.85 1
"""


@pytest.fixture(scope="module")
def endometrial() -> tuple[np.ndarray, np.ndarray]:
    rows = [row.split() for row in ENDOMETRIAL.strip().replace("\n", ";").split(";")]
    data = np.array(rows, dtype=float)
    return np.column_stack([np.ones(len(data)), data[:, :3]]), data[:, 3]


def test_published_estimates_of_heinze_and_schemper(endometrial):
    """Compare with table II (2.93 for neovasculation), to the digits of R's brglm2 and logistf."""
    fit = fit_firth(*endometrial)
    assert fit.converged
    assert fit.params == pytest.approx([3.77456, 2.92927, -0.03475, -2.60416], abs=5e-6)
    errors = np.sqrt(np.diag(fit.covariance))
    assert errors == pytest.approx([1.48869, 1.55076, 0.03958, 0.77602], abs=5e-6)


def test_published_profile_intervals(endometrial):
    fit = fit_firth(*endometrial)
    expected = [(1.0825, 7.2093), (0.60972, 7.85464), (-0.12446, 0.04046), (-4.36518, -1.23272)]
    for column, ends in enumerate(expected):
        found = profile(fit, column, *endometrial)
        assert [found["ci_low"], found["ci_high"]] == pytest.approx(ends, abs=5e-5)


def test_a_table_of_four_cells_is_as_if_each_had_a_half_more():
    # None of 20 without the flag, 7 of 30 with it: odds ratio (7.5 / 23.5) / (0.5 / 20.5).
    flag = np.r_[np.zeros(20), np.ones(30)]
    outcome = np.r_[np.zeros(20), np.ones(7), np.zeros(23)]
    fit = fit_firth(np.column_stack([np.ones(50), flag]), outcome)
    assert fit.params == pytest.approx(
        [np.log(0.5 / 20.5), np.log(7.5 * 20.5 / (23.5 * 0.5))], abs=1e-7
    )


def test_the_profile_is_where_the_penalised_likelihood_has_fallen_by_half_of_384(endometrial):
    columns, outcome = endometrial
    fit = fit_firth(columns, outcome)
    found = profile(fit, 1, columns, outcome)

    def best(value):
        """Find the maximum of the penalized likelihood independently, on a grid of offsets."""
        from scipy import optimize

        def negative(rest):
            params = np.r_[rest[0], value, rest[1:]]
            chance = 1 / (1 + np.exp(-columns @ params))
            information = columns.T @ (columns * (chance * (1 - chance))[:, None])
            llf = np.sum(np.where(outcome == 1, np.log(chance), np.log1p(-chance)))
            return -llf - 0.5 * np.log(np.linalg.det(information))

        return -optimize.minimize(
            negative,
            np.delete(fit.params, 1),
            method="Nelder-Mead",
            options={"xatol": 1e-8, "fatol": 1e-10, "maxiter": 4000},
        ).fun

    top = best(fit.params[1])
    for end in ("ci_low", "ci_high"):
        assert 2 * (top - best(found[end])) == pytest.approx(3.841459, abs=1e-4)
