"""The hazard by turn equals counts by hand, and "early" is only claimed if it is true."""

import importlib.util
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from scipy import stats

from voice_ai_analytics.abandonment.hazard import _by_user, _influence, fit_hazard
from voice_ai_analytics.abandonment.words import band_name


def load_benchmark():
    directory = Path(__file__).parents[2] / "benchmarks"
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(directory))
        spec = importlib.util.spec_from_file_location("growth", directory / "abandonment_growth.py")
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
    return module


BENCHMARK = load_benchmark()


def sessions(ends: dict[tuple[str, int], int], users: int | None = None) -> pd.DataFrame:
    """Return sessions, given how many end in which way after how many user turns."""
    rows = [end for end, count in ends.items() for _ in range(count)]
    n = len(rows)
    return pd.DataFrame(rows, columns=["outcome", "user_turn_count"]).assign(
        session_key=range(n),
        user_key=np.arange(n) % (users or n),
        is_eligible=True,
    )


LIFE_TABLE = {
    ("abandoned", 1): 40,
    ("completed", 1): 60,
    ("abandoned", 2): 30,
    ("transferred", 2): 70,
    ("abandoned", 3): 20,
    ("completed", 3): 180,
}


def test_a_life_table_by_hand():
    """Divide events by turns at risk, as in the tables of Singer and Willett (1993).

    400 sessions reach turn 1, 300 turn 2, 200 turn 3.
    """
    result = fit_hazard(sessions(LIFE_TABLE))
    assert [band["n_turns"] for band in result["bands"]] == [400, 300, 200]
    assert [band["n_sessions"] for band in result["bands"]] == [400, 300, 200]
    assert [band["n_events"] for band in result["bands"]] == [40, 30, 20]
    assert [band["hazard"] for band in result["bands"]] == pytest.approx([0.1, 0.1, 0.1])
    assert result["censored"] == {"completed": 240, "transferred": 70}
    assert result["even_p_value"] == pytest.approx(1)
    assert result["log_odds_per_doubling"] == pytest.approx(0, abs=1e-12)
    assert result["finding"] == "none"
    assert "no evidence" in result["verdict"]
    for band in result["bands"]:
        assert band["ci_low"] < 0.1 < band["ci_high"]
    assert [band_name(band) for band in result["bands"]] == ["turn 1", "turn 2", "turn 3 and later"]


def expanded(frame: pd.DataFrame) -> pd.DataFrame:
    """Return one row per session and turn, which a discrete-time model is fitted to."""
    rows = [
        (user, turn, outcome == "abandoned" and turn == last)
        for user, outcome, last in frame[["user_key", "outcome", "user_turn_count"]].to_numpy()
        for turn in range(1, last + 1)
    ]
    return pd.DataFrame(rows, columns=["user", "turn", "event"])


def test_tests_are_those_of_statsmodels_on_a_row_a_turn():
    frame = BENCHMARK.conversations(3, per_doubling=-0.3, users=800, alike=0.5)
    result = fit_hazard(frame)
    rows, firsts = expanded(frame), [band["first_turn"] for band in result["bands"]]
    band = np.searchsorted(firsts, rows["turn"], side="right") - 1
    columns = np.eye(len(firsts))[band]
    fit = sm.GLM(rows["event"].astype(float), columns, sm.families.Binomial()).fit(
        cov_type="cluster", cov_kwds={"groups": rows["user"]}
    )
    hazard = [one["hazard"] for one in result["bands"]]
    assert np.log(np.array(hazard) / (1 - np.array(hazard))) == pytest.approx(fit.params, abs=1e-6)
    apart = np.eye(len(firsts))[1:] - np.eye(len(firsts))[0]
    chi2 = float(fit.wald_test(apart, scalar=True, use_f=False).statistic)
    users = np.bincount(frame["user_key"])
    kish = users.sum() ** 2 / (users**2).sum()
    q = len(firsts) - 1
    # The sandwich is a first-order approximation to leaving users out.
    found = stats.f.isf(result["even_p_value"], q, kish - q)
    assert found == pytest.approx(chi2 * (kish - q) / (q * (kish - 1)), rel=0.05)
    risk, events = _by_user(
        frame["user_turn_count"].to_numpy(),
        (frame["outcome"] == "abandoned").to_numpy(),
        frame["user_key"].to_numpy(),
        firsts,
    )
    moved = _influence(risk, events)
    errors = np.sqrt((moved**2).sum(axis=0))
    assert errors == pytest.approx(fit.bse, rel=0.05)
    for one, error in zip(result["bands"], errors, strict=True):
        low, high = (np.log(end / (1 - end)) for end in (one["ci_low"], one["ci_high"]))
        assert 1.95 < (high - low) / 2 / error < 2.3


def test_the_trend_is_the_slope_of_a_logistic_regression_on_the_turns_logarithm():
    frame = BENCHMARK.conversations(5, per_doubling=-0.5, users=4000)
    result = fit_hazard(frame)
    rows = expanded(frame)
    columns = sm.add_constant(np.log2(rows["turn"]))
    fit = sm.GLM(rows["event"].astype(float), columns, sm.families.Binomial()).fit()
    assert result["log_odds_per_doubling"] == pytest.approx(fit.params["turn"], abs=0.02)
    width = result["log_odds_per_doubling_ci_high"] - result["log_odds_per_doubling_ci_low"]
    assert width / 3.92 == pytest.approx(fit.bse["turn"], rel=0.1)
    assert result["finding"] == "early"
    assert result["verdict"].startswith("Sessions are abandoned early: 8.")
    assert "users who are more likely to leave go first" in result["verdict"]


def test_leaving_out_a_user_is_what_it_says():
    risk, events = np.array([[4, 2], [3, 1], [5, 4]]), np.array([[1, 0], [1, 1], [2, 1]])
    found = _influence(risk, events)
    # Without the second user: 3 of 9 turns in the first band, and 1 of 6 in the second.
    expected = [np.log(4 / 8) - np.log(3 / 6), np.log(2 / 5) - np.log(1 / 5)]
    assert found[1] == pytest.approx(expected)


@pytest.mark.parametrize("scenario", [0, 1, 2])
def test_an_even_hazard_is_hardly_ever_called_early(scenario):
    found = BENCHMARK.hazards(60, **BENCHMARK.SCENARIOS[scenario])["found"]
    # At 2.5 % each, more than 4 of 60 would occur in one of 80 runs.
    assert found.get("early", 0) <= 0.067
    assert found.get("late", 0) <= 0.067
    assert found.get("uneven", 0) <= 0.13


def test_a_hazard_that_is_highest_in_the_middle_is_not_called_early():
    middle = {
        ("abandoned", 1): 180, ("completed", 1): 320,
        ("abandoned", 2): 200, ("completed", 2): 300,
        ("abandoned", 3): 30, ("completed", 3): 470,
        ("abandoned", 4): 10, ("completed", 4): 490,
    }  # fmt: skip
    result = fit_hazard(sessions(middle))
    assert result["even_p_value"] < 0.001
    assert result["trend_p_value"] < 0.05
    assert result["log_odds_per_doubling"] < 0
    assert result["finding"] == "uneven"
    assert result["verdict"].startswith("Sessions are abandoned most often at user turn 2: ")


def test_turns_with_few_abandonments_or_users_are_one_band():
    frame = BENCHMARK.conversations(1, users=300)
    bands = fit_hazard(frame)["bands"]
    share = sum(b["n_events"] for b in bands) / sum(b["n_turns"] for b in bands)
    assert all(band["n_turns"] * share >= 20 for band in bands)
    assert bands[-1]["last_turn"] is None
    assert sum(band["n_events"] for band in bands) == (frame["outcome"] == "abandoned").sum()
    assert sum(band["n_turns"] for band in bands) == frame["user_turn_count"].sum()
    cohorts = fit_hazard(frame, min_cohort_size=250)["bands"]
    assert len(cohorts) < len(bands)
    assert all(band["n_users"] >= 250 for band in cohorts)


def test_one_endless_session_changes_no_band_but_the_last():
    frame = BENCHMARK.conversations(1, users=300)
    endless = frame.assign(user_turn_count=frame["user_turn_count"].where(frame.index > 0, 20_000))
    bands, others = (fit_hazard(one)["bands"] for one in (frame, endless))
    assert [band["first_turn"] for band in bands] == [band["first_turn"] for band in others]
    assert len(bands) > 3


def test_copies_of_a_users_sessions_are_no_new_evidence():
    frame = BENCHMARK.conversations(2, users=400, alike=0.5)
    copies = pd.concat([frame] * 4, ignore_index=True)
    firsts = [band["first_turn"] for band in fit_hazard(copies)["bands"]]
    trends = [fit_hazard(one) for one in (frame, copies)]
    widths = [
        one["log_odds_per_doubling_ci_high"] - one["log_odds_per_doubling_ci_low"] for one in trends
    ]
    assert len(firsts) >= len(trends[0]["bands"])
    assert widths[1] == pytest.approx(widths[0], rel=0.1)


@pytest.mark.parametrize(
    ("frame", "missing"),
    [
        (sessions(LIFE_TABLE).drop(columns="user_turn_count"), "no user_turn_count"),
        (sessions({("completed", 2): 90}), "none of 90 sessions was abandoned"),
        (sessions({("abandoned", 0): 90}), "no eligible session with a known end has a user turn"),
        (sessions(LIFE_TABLE, users=29), "29 users are fewer than the 30"),
        (sessions(LIFE_TABLE).head(0), "no eligible session"),
    ],
    ids=["no turns column", "one class", "no user turns", "few users", "no rows"],
)
def test_what_cannot_be_estimated_is_said(frame, missing):
    result = fit_hazard(frame)
    assert result["bands"] == []
    assert result["finding"] is None
    assert missing in result["verdict"]


def test_few_abandonments_give_a_hazard_and_no_test():
    result = fit_hazard(sessions({("abandoned", 1): 5, ("completed", 3): 95}))
    (band,) = result["bands"]
    assert band["hazard"] == pytest.approx(5 / 290)
    assert result["even_p_value"] is None
    assert result["finding"] is None
    assert result["verdict"].startswith("Too few users abandoned to compare turns")


def test_every_session_is_at_risk_or_counted_by_reason():
    frame = sessions(LIFE_TABLE)
    frame.loc[0:4, "is_eligible"] = False
    frame.loc[5:7, "outcome"] = None
    frame.loc[8:9, "user_turn_count"] = 0
    result = fit_hazard(frame)
    assert result["excluded"] == {"not eligible": 5, "outcome unknown": 3, "no user turns": 2}
    assert result["n_sessions"] == len(frame) - 10


def test_turns_are_not_compared_where_few_users_carry_all_abandonments():
    """With a constant hazard, any pattern among three heavy users of 300 is chance."""
    heavy = sessions({("abandoned", turn): 40 for turn in range(1, 7)}, users=3)
    others = sessions({("completed", turn): 400 for turn in range(1, 7)}, users=297)
    frame = pd.concat([heavy, others.assign(user_key=others["user_key"] + 3)], ignore_index=True)
    found = fit_hazard(frame.assign(session_key=range(len(frame))))
    assert (len(found["bands"]), found["finding"], found["even_p_value"]) == (1, None, None)
    assert found["verdict"].startswith("Too few users abandoned to compare turns")


def hazards(shares: list[float], users: int = 500) -> pd.DataFrame:
    """Return sessions; after each turn, a share of those left is abandoned."""
    ends, left = {}, 6000
    for turn, share in enumerate(shares, start=1):
        ends["abandoned", turn] = round(left * share)
        left -= ends["abandoned", turn]
    return sessions(ends | {("completed", len(shares)): left}, users)


def test_a_worst_turn_is_named_only_where_it_is_told_apart_from_all_others():
    alone = fit_hazard(hazards([0.03, 0.12, 0.03, 0.03]))
    assert alone["peak_p_value"] < 0.001
    assert alone["verdict"].startswith("Sessions are abandoned most often at user turn 2:")
    shared = fit_hazard(hazards([0.03, 0.12, 0.122, 0.03]))
    assert (shared["finding"], shared["even_p_value"] < 0.001) == ("uneven", True)
    assert shared["peak_p_value"] > 0.05
    assert "no turn stands out from all others" in shared["verdict"]


def test_a_band_of_few_abandoning_users_has_no_interval():
    frame = sessions({("abandoned", 1): 8, ("completed", 1): 400})
    (band,) = fit_hazard(frame)["bands"]
    assert (band["n_events"], band["ci_low"], band["ci_high"]) == (8, None, None)
