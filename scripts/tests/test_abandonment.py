"""The abandonment model says what the data allow, and "no evidence" otherwise."""

import importlib.util
import io
import json
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from little_warehouse import ENGINES, little_warehouse
from rich.console import Console
from scipy import stats
from sklearn.linear_model import LogisticRegression
from sklearn.metrics import roc_auc_score

from voice_ai_analytics.abandonment.frame import feature_query
from voice_ai_analytics.abandonment.gates import strongest
from voice_ai_analytics.abandonment.model import fit_abandonment
from voice_ai_analytics.abandonment.terminal import render
from voice_ai_analytics.abandonment.validation import area_under_curve
from voice_ai_analytics.errors import UserError

FIXED_KEYS = {
    "verdict",
    "strongest_predictor",
    "n_sessions",
    "n_events",
    "n_users",
    "excluded",
    "coefficients",
    "likelihood_ratio_p_value",
    "auc",
    "calibration",
}
FIXED_COEFFICIENT_KEYS = {
    "term",
    "log_odds",
    "std_error",
    "odds_ratio_per_sd",
    "ci_low",
    "ci_high",
    "p_value",
    "q_value",
    "average_marginal_effect",
}


def load_benchmark():
    path = Path(__file__).parents[2] / "benchmarks" / "abandonment_calibration.py"
    spec = importlib.util.spec_from_file_location("abandonment_calibration", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BENCHMARK = load_benchmark()


def frame_of(outcome, user=None, **features) -> pd.DataFrame:
    """Return a frame of eligible sessions, each with its own user unless users are given."""
    n = len(outcome)
    words = np.where(np.asarray(outcome, dtype=bool), "abandoned", "completed")
    keys = {"session_key": np.arange(n), "user_key": np.arange(n) if user is None else user}
    return pd.DataFrame(keys | {"outcome": words, "is_eligible": True} | features)


def noise(n=1200, seed=1, **features) -> pd.DataFrame:
    """Return sessions whose outcome depends on nothing."""
    rng = np.random.default_rng(seed)
    return frame_of(rng.random(n) < 0.4, x=rng.normal(size=n), **features)


def fit(frame, **options) -> dict:
    return fit_abandonment(frame, **({"bootstrap": 100} | options)).to_json()


def by_term(result) -> dict[str, dict]:
    return {row["term"]: row for row in result["coefficients"]}


@pytest.fixture(scope="module")
def effect_frame():
    return BENCHMARK.simulate(7, users=400, alike=0.5, truth=BENCHMARK.TRUTH)


@pytest.fixture(scope="module")
def effect(effect_frame):
    return fit_abandonment(effect_frame)


def design_by_hand(frame) -> pd.DataFrame:
    levels = {
        "is_first_time_digital_user[yes]": frame["is_first_time_digital_user"],
        "has_disability[yes]": frame["has_disability"],
        "region[rural]": frame["region"] == "rural",
        "channel[ivr]": frame["channel"] == "ivr",
        "language[hi]": frame["language"] == "hi",
        "language[ta]": frame["language"] == "ta",
    }
    numbers = frame[[c for c in frame if c.startswith("opening_")]]
    return pd.concat([numbers, pd.DataFrame(levels)], axis=1).astype(float)


# --- The estimates ---------------------------------------------------------------------------


def test_estimates_equal_those_of_statsmodels(effect_frame, effect):
    x = design_by_hand(effect_frame)
    y = (effect_frame["outcome"] == "abandoned").astype(float)
    model = sm.Logit(y, sm.add_constant(x))
    expected = model.fit(
        disp=0, cov_type="cluster", cov_kwds={"groups": effect_frame["user_key"]}, tol=1e-12
    )
    result = effect.to_json()
    rows = by_term(result)
    assert list(rows) == list(x)
    interval = expected.conf_int()
    for term, row in rows.items():
        ours = [row[name] for name in ("log_odds", "std_error", "p_value", "ci_low", "ci_high")]
        theirs = [expected.params[term], expected.bse[term], expected.pvalues[term]]
        assert ours == pytest.approx([*theirs, *interval.loc[term]], rel=1e-6, abs=1e-9)
    assert result["likelihood_ratio_p_value"] == pytest.approx(expected.llr_pvalue, rel=1e-6)
    assert result["intercept"]["log_odds"] == pytest.approx(expected.params["const"], rel=1e-6)
    # statsmodels leaves a feature's other levels as they are; only language has any.
    effects = expected.get_margeff(dummy=True)
    for term, mean, error in zip(x, effects.margeff, effects.margeff_se, strict=True):
        if not term.startswith("language"):
            low = mean - 1.959963985 * error
            row = rows[term]
            assert row["average_marginal_effect"] == pytest.approx(mean, rel=1e-6)
            assert row["average_marginal_effect_ci_low"] == pytest.approx(low, rel=1e-6)


def test_coefficients_are_unpenalised_and_errors_the_sandwich_of_the_textbook(effect_frame, effect):
    x = design_by_hand(effect_frame).to_numpy()
    y = (effect_frame["outcome"] == "abandoned").to_numpy(dtype=float)
    free = LogisticRegression(C=np.inf, tol=1e-10, solver="newton-cholesky").fit(x, y)
    rows = effect.to_json()["coefficients"]
    assert [row["log_odds"] for row in rows] == pytest.approx(free.coef_[0], rel=1e-6)

    design = np.column_stack([np.ones(len(y)), x])
    p = free.predict_proba(x)[:, 1]
    bread = np.linalg.inv(design.T @ (design * (p * (1 - p))[:, None]))
    scores = pd.DataFrame(design * (y - p)[:, None]).groupby(effect_frame["user_key"]).sum()
    meat = scores.T.to_numpy() @ scores.to_numpy()
    users, n = len(scores), len(y)
    correction = users / (users - 1) * (n - 1) / (n - design.shape[1])
    errors = np.sqrt(np.diag(correction * bread @ meat @ bread))[1:]
    assert [row["std_error"] for row in rows] == pytest.approx(errors, rel=1e-6)


def test_published_example_of_spector_and_mazzeo():
    """Compare with the logit in Greene, Econometric Analysis, on the PSI programme.

    Ten copies of the 32 students have the same coefficients, and ten times the likelihood ratio of
    2 (20.59173 - 12.88963).
    """
    data = sm.datasets.spector.load_pandas().data
    data = pd.concat([data] * 10, ignore_index=True)
    result = fit(frame_of(data["GRADE"], gpa=data["GPA"], tuce=data["TUCE"], psi=data["PSI"]))
    coefficients = [row["log_odds"] for row in result["coefficients"]]
    assert coefficients == pytest.approx([2.82611, 0.09516, 2.37869], abs=1e-5)
    assert result["intercept"]["log_odds"] == pytest.approx(-13.02135, abs=1e-5)
    assert result["likelihood_ratio_p_value"] == pytest.approx(
        stats.chi2.sf(20 * (20.59173 - 12.88963), 3), rel=1e-2
    )


def test_a_table_of_four_cells_gives_its_odds_ratio_its_woolf_error_and_its_risk_difference():
    # 60 of 100 sessions with the flag were abandoned, 30 of 150 without it.
    flag = [True] * 100 + [False] * 150
    outcome = [1] * 60 + [0] * 40 + [1] * 30 + [0] * 120
    (row,) = fit(frame_of(outcome, has_disability=flag))["coefficients"]
    assert row["term"] == "has_disability[yes]"
    assert row["reference_level"] == "no"
    assert row["odds_ratio"] == pytest.approx(60 * 120 / (40 * 30))
    woolf = np.sqrt(1 / 60 + 1 / 40 + 1 / 30 + 1 / 120)
    assert row["std_error"] == pytest.approx(woolf * np.sqrt(250 / 248))
    assert row["average_marginal_effect"] == pytest.approx(0.6 - 0.2)


def test_odds_ratios_are_per_standard_deviation_and_per_tenth_each_with_its_interval(effect):
    rows = by_term(effect.to_json())
    row = rows["opening_asr_confidence"]
    for suffix, log_odds in (("", "log_odds"), ("_ci_low", "ci_low"), ("_ci_high", "ci_high")):
        per_sd = np.exp(row[log_odds] * row["standard_deviation"])
        assert row[f"odds_ratio_per_sd{suffix}"] == pytest.approx(per_sd)
        assert row[f"odds_ratio_per_0_1{suffix}"] == pytest.approx(np.exp(row[log_odds] * 0.1))
    assert row["ci_low"] < row["log_odds"] < row["ci_high"]
    assert rows["channel[ivr]"]["odds_ratio_per_0_1"] is None


def test_q_values_are_those_of_benjamini_and_hochberg(effect):
    rows = sorted(effect.to_json()["coefficients"], key=lambda row: row["p_value"])
    m = len(rows)
    for i, row in enumerate(rows, start=1):
        least = min(m * later["p_value"] / j for j, later in enumerate(rows[i - 1 :], start=i))
        assert row["q_value"] == pytest.approx(min(1, least))


def test_copies_of_a_users_sessions_are_no_new_evidence(effect_frame):
    copies = pd.concat([effect_frame] * 4).assign(session_key=range(4 * len(effect_frame)))
    once, four_times = fit(effect_frame, bootstrap=400), fit(copies, bootstrap=400)
    pairs = zip(once["coefficients"], four_times["coefficients"], strict=True)
    for row, copied in pairs:
        assert copied["std_error"] == pytest.approx(row["std_error"], rel=0.01)
    width = [r["auc"]["ci_high"] - r["auc"]["ci_low"] for r in (once, four_times)]
    assert width[1] == pytest.approx(width[0], rel=0.15)


def test_auc_counts_ties_as_half_and_its_interval_is_that_of_hanley_and_mcneil():
    rng = np.random.default_rng(3)
    y = (rng.random(800) < 0.3).astype(float)
    score = np.round(rng.normal(size=800) + 0.8 * y, 1)
    area = area_under_curve(y, score, np.arange(800), 1000, rng)
    a = roc_auc_score(y, score)
    assert area["estimate"] == pytest.approx(a)
    n1, n0 = y.sum(), (1 - y).sum()
    variance = (
        a * (1 - a) + (n1 - 1) * (a / (2 - a) - a**2) + (n0 - 1) * (2 * a**2 / (1 + a) - a**2)
    )
    expected = 2 * 1.96 * np.sqrt(variance / n1 / n0)
    assert area["ci_high"] - area["ci_low"] == pytest.approx(expected, rel=0.1)


def test_predictions_come_from_fits_that_never_saw_the_user():
    # Each user has their own number and one outcome, so only memorizing users could predict it.
    rng = np.random.default_rng(5)
    user = np.repeat(np.arange(60), 20)
    outcome = (rng.random(60) < 0.5)[user]
    memory = {f"x{i}": rng.normal(size=60)[user] for i in range(15)}
    result = fit(frame_of(outcome, user, **memory))
    assert result["auc"]["estimate"] < 0.65
    assert result["strongest_predictor"] is None


def test_calibration_of_a_true_model_is_near_one_and_zero():
    frame = BENCHMARK.simulate(1, users=4000, truth=BENCHMARK.TRUTH)
    calibration = fit(frame)["calibration"]
    assert calibration["slope"] == pytest.approx(1, abs=0.15)
    assert calibration["intercept"] == pytest.approx(0, abs=0.02)
    share = (frame["outcome"] == "abandoned").mean()
    assert 0 < calibration["brier"] < share * (1 - share)


def test_few_users_get_the_intervals_of_leaving_each_out(effect_frame):
    rng = np.random.default_rng(8)
    user = np.repeat(np.arange(25), 40)
    x = rng.normal(size=1000) + rng.normal(size=25)[user]
    y = rng.random(1000) < 1 / (1 + np.exp(-0.3 * x - rng.normal(size=25)[user]))
    result = fit(frame_of(y, user, x=x))
    design = sm.add_constant(x)
    full = sm.Logit(y, design).fit(disp=0).params[1]
    left = [sm.Logit(y[user != u], design[user != u]).fit(disp=0).params[1] for u in range(25)]
    error = np.sqrt(24 / 25 * np.sum((np.array(left) - full) ** 2))
    (row,) = result["coefficients"]
    assert row["jackknife_std_error"] == pytest.approx(error, rel=0.02)
    t_24 = 2.063899
    assert row["ci_high"] == pytest.approx(full + t_24 * row["jackknife_std_error"], rel=1e-6)
    assert any("fewer than 50" in note for note in result["notes"])


# --- The gates -------------------------------------------------------------------------------


def test_hardly_any_data_set_without_an_effect_names_a_predictor():
    named = BENCHMARK.named_under_null(40, users=200, sessions_a_user=4, alike=0.6)
    # At the promised 5 %, more than 5 of 40 would occur in one of 70 runs.
    assert named["share_naming_a_predictor"] <= 5 / 40
    assert named["estimated"] == 40


def test_intervals_cover_the_true_effects():
    covered = BENCHMARK.coverage(100, users=200, sessions_a_user=4, alike=0.6)["coverage"]
    # 100 data sets pin 95 % down only to within 6.5 points, at three standard errors.
    assert all(covered[term] >= 0.885 for term in BENCHMARK.TRUTH)


def test_the_known_trap_is_no_evidence():
    """A tiny coefficient, an AUC of 0.51 and four shares that sum to one name no predictor."""
    rng = np.random.default_rng(2024)
    n = 3000
    asr = rng.beta(8, 2, n)
    counts = rng.multinomial(10, [0.1, 0.1, 0.1, 0.7], n) / 10
    shares = dict(
        zip(["misunderstanding", "silence", "noise", "understood"], counts.T, strict=True)
    )
    log_odds = -1 + 0.008 * (asr - asr.mean()) / asr.std()
    frame = frame_of(
        rng.random(n) < 1 / (1 + np.exp(-log_odds)),
        rng.integers(0, 900, n),
        opening_asr_confidence=asr,
        **shares,
    )
    result = fit(frame)
    assert result["strongest_predictor"] is None
    assert "no evidence" in result["verdict"]
    assert result["auc"]["estimate"] < 0.55
    (dropped,) = result["dropped"]
    assert dropped["term"] == "understood"
    assert dropped["reason"] == "collinear with misunderstanding, silence, noise"
    asr_row = by_term(result)["opening_asr_confidence"]
    assert asr_row["ci_low"] < 0 < asr_row["ci_high"]


def test_a_true_effect_is_named_with_its_size_and_only_as_an_association(effect_frame):
    frame = BENCHMARK.simulate(3, users=3000, truth={"opening_asr_confidence": -4.0})
    result = fit(frame)
    assert result["strongest_predictor"] == "opening_asr_confidence"
    row = by_term(result)["opening_asr_confidence"]
    verdict = result["verdict"]
    assert "no evidence" not in verdict
    assert "is associated with abandonment" in verdict
    for number in (
        row["odds_ratio_per_sd"],
        row["odds_ratio_per_sd_ci_low"],
        result["auc"]["ci_low"],
    ):
        assert f"{number:.2f}" in verdict
    assert f"{result['n_sessions']:,} sessions" in verdict
    assert not any(word in verdict for word in ("cause", "effect of", "leads to", "because"))


def passing_result() -> dict:
    def row(term, log_odds, q):
        return {
            "term": term,
            "log_odds": log_odds,
            "standard_deviation": 1.0,
            "q_value": q,
            "jackknife_q_value": q,
        }

    return {
        "coefficients": [row("small", 0.2, 0.01), row("large", -0.5, 0.02), row("vast", 2.0, 0.2)],
        "auc": {"estimate": 0.6, "ci_low": 0.55, "ci_high": 0.65},
        "likelihood_ratio_p_value": 0.001,
        "cluster_wald_p_value": 0.001,
    }


def test_the_strongest_is_the_largest_in_absolute_size_of_those_that_are_significant():
    assert strongest(passing_result()) == "large"


@pytest.mark.parametrize(
    "broken",
    [
        {"auc": {"estimate": 0.52, "ci_low": 0.5, "ci_high": 0.54}},
        {"likelihood_ratio_p_value": 0.05},
        {"cluster_wald_p_value": 0.05},
        {"coefficients": [r | {"q_value": 0.05} for r in passing_result()["coefficients"]]},
        {
            "coefficients": [
                r | {"jackknife_q_value": 0.05} for r in passing_result()["coefficients"]
            ]
        },
    ],
    ids=["auc", "likelihood ratio", "clustered test", "q", "q without one user"],
)
def test_each_gate_alone_keeps_a_predictor_from_being_named(broken):
    assert strongest(passing_result() | broken) is None


def test_one_heavy_user_names_nothing():
    rng = np.random.default_rng(4)
    user = np.r_[np.arange(1500), np.full(300, 1500)]
    heavy = user == 1500
    outcome = np.where(heavy, rng.random(1800) < 0.95, rng.random(1800) < 0.4)
    result = fit(
        frame_of(outcome, user, habit=np.where(heavy, 1.0, 0.0) + rng.normal(0, 0.2, 1800))
    )
    assert result["strongest_predictor"] is None
    assert any("effectively" in note for note in result["notes"])


# --- What is in the model, and what is not -----------------------------------------------------


def test_every_session_is_modelled_or_counted_by_reason():
    frame = noise(600, opening_user_turns=3, opening_asr_confidence=np.linspace(0.2, 0.9, 600))
    frame.loc[0:19, "outcome"] = "transferred"
    frame.loc[20:24, "outcome"] = None
    frame.loc[25:27, "outcome"] = "failed"
    frame.loc[28:29, "is_eligible"] = False
    frame.loc[30:33, "opening_user_turns"] = 0
    frame.loc[30:35, "opening_asr_confidence"] = None
    frame.loc[28:33, "outcome"] = "abandoned"
    result = fit(frame)
    assert result["excluded"] == {
        "transferred": 20,
        "failed": 3,
        "not eligible": 2,
        "outcome unknown": 5,
        "no user turns": 4,
        "no ASR confidence in the first 3 user turns": 2,
    }
    assert result["n_sessions"] == 600 - 36
    assert any("20 transferred sessions" in note for note in result["notes"])
    assert any("4 of them were abandoned" in note for note in result["notes"])


def test_transferred_sessions_change_no_estimate():
    frame = noise()
    extra = frame.head(200).assign(outcome="transferred", session_key=range(5000, 5200), x=9.0)
    with_transfers = fit(pd.concat([frame, extra], ignore_index=True))
    assert with_transfers["coefficients"] == fit(frame)["coefficients"]


def test_chat_keeps_its_sessions_though_it_has_no_asr_confidence():
    rng = np.random.default_rng(6)
    channel = rng.choice(["voice", "chat"], 1500)
    asr = np.where(channel == "chat", np.nan, rng.beta(8, 2, 1500))
    outcome = rng.random(1500) < np.where(channel == "chat", 0.2, 0.5)
    frame = frame_of(outcome, opening_asr_confidence=asr, channel=channel)
    result = fit(frame)
    assert result["n_sessions"] == 1500
    voice = frame[frame["channel"] == "voice"]
    expected = sm.Logit(
        voice["outcome"] == "abandoned", sm.add_constant(voice["opening_asr_confidence"])
    ).fit(disp=0)
    row = by_term(result)["opening_asr_confidence"]
    assert row["log_odds"] == pytest.approx(expected.params["opening_asr_confidence"], rel=1e-6)
    slope = expected.get_margeff().margeff[0]
    assert row["average_marginal_effect"] == pytest.approx(slope, rel=1e-6)
    assert row["standard_deviation"] == pytest.approx(voice["opening_asr_confidence"].std())
    assert row["n_sessions"] == len(voice)
    assert any("never recorded in channel chat" in note for note in result["notes"])


def test_what_cannot_be_estimated_is_dropped_and_named():
    rng = np.random.default_rng(9)
    few = np.where(np.arange(1200) < 400, rng.normal(size=1200), np.nan)
    frame = noise(
        platform="demo", half=0.5, nothing=None, few=few, is_first_time_digital_user=[None] * 1200
    )
    frame["twice"] = 2 * frame["x"] + 1
    reasons = {item["term"]: item["reason"] for item in fit(frame)["dropped"]}
    assert reasons == {
        "platform": "constant: demo in every session",
        "half": "constant: 0.5 in every session",
        "nothing": "no session has a value",
        "few": "known in only 400 of 1,200 sessions",
        "is_first_time_digital_user": "no session has a value",
        "twice": "collinear with x",
    }


def test_an_asr_release_that_is_a_channel_is_named_as_such():
    channel = np.random.default_rng(2).choice(["ivr", "voice"], 1200, p=[0.3, 0.7])
    frame = noise(channel=channel, asr_model=np.where(channel == "ivr", "v1", "v2"))
    assert fit(frame)["dropped"] == [
        {"term": "asr_model[v1]", "reason": "collinear with channel[ivr]"}
    ]


def test_unknown_attributes_are_a_level_and_rare_levels_are_pooled_or_left_out():
    language = np.array(["en"] * 800 + ["hi"] * 300 + ["ta"] * 20 + ["sw"] * 20 + [None] * 60)
    region = np.array((["north"] * 500 + ["south"] * 695 + ["isle"] * 5), dtype=object)
    rng = np.random.default_rng(2)
    result = fit(noise(language=rng.permutation(language), region=rng.permutation(region)))
    assert list(by_term(result)) == [
        "x",
        "language[hi]",
        "language[other]",
        "language[unknown]",
        "region[north]",
    ]
    assert result["excluded"]["region of fewer than 30 sessions or 10 users"] == 5
    assert any("sw, ta are pooled as other" in note for note in result["notes"])


def test_whole_session_measures_enter_only_when_asked_for_and_are_marked():
    rng = np.random.default_rng(3)
    frame = noise()
    late = (frame["outcome"] == "abandoned") * -1.5 + rng.normal(size=len(frame))
    frame = frame.assign(duration_seconds=60 + 10 * late, turn_count=rng.poisson(5, len(frame)))
    assert list(by_term(fit(frame))) == ["x"]
    result = fit(frame, include_after_the_fact=True)
    marked = [row["term"] for row in result["coefficients"] if row["is_after_the_fact"]]
    assert marked == ["duration_seconds", "turn_count"]
    assert result["strongest_predictor"] == "duration_seconds"
    assert "measured after the fact" in result["verdict"]


# --- Where there is nothing to estimate ---------------------------------------------------------


def test_a_level_that_was_always_abandoned_is_reported_and_gets_no_estimate():
    rng = np.random.default_rng(12)
    language = rng.choice(["en", "hi", "ta"], 1200, p=[0.5, 0.4, 0.1])
    frame = noise(language=language)
    frame.loc[frame["language"] == "ta", "outcome"] = "abandoned"
    result = fit(frame)
    gone = int((language == "ta").sum())
    assert result["separation"] == [
        {"term": "language[ta]", "kind": "quasi-complete", "n_sessions_predicted": gone}
    ]
    assert result["excluded"]["outcome predicted perfectly (separation)"] == gone
    assert list(by_term(result)) == ["x", "language[hi]"]
    assert "language[ta]" in result["verdict"]
    # The others have their limiting values: the fit to the sessions that are left.
    rest = fit(frame[frame["language"] != "ta"])
    assert result["coefficients"] == rest["coefficients"]


def test_complete_separation_claims_no_estimate():
    frame = noise()
    frame["outcome"] = np.where(frame["x"] > 0.3, "abandoned", "completed")
    model = fit_abandonment(frame)
    result = model.to_json()
    assert model.exit_code == 3
    assert result["coefficients"] == []
    assert result["separation"][0]["kind"] == "complete"
    assert "no evidence" in result["verdict"]
    assert "x separates abandoned from completed" in result["verdict"]


@pytest.mark.parametrize(
    ("frame", "missing"),
    [
        (noise().assign(outcome="completed"), "all 1,200 sessions were completed"),
        (noise().assign(outcome="transferred"), "no eligible session"),
        (noise().head(0), "no eligible session"),
        (noise().assign(x=0.5), "no feature varies"),
        (noise(18, platform="demo"), "too few"),
        (noise().assign(user_key="one"), "1 users"),
    ],
    ids=["one class", "transfers only", "no rows", "no feature", "too few", "one user"],
)
def test_a_model_that_cannot_be_estimated_says_what_is_missing(frame, missing):
    model = fit_abandonment(frame)
    result = model.to_json()
    assert model.exit_code == 3
    assert result["strongest_predictor"] is None
    assert "no evidence" in result["verdict"]
    assert missing in result["verdict"]
    assert set(result) >= FIXED_KEYS
    assert result["n_sessions"] + sum(result["excluded"].values()) == len(frame)
    assert all(len(table.columns) for table in model.tables().values())


def test_a_small_data_set_gives_up_its_last_features_and_names_them():
    rng = np.random.default_rng(1)
    frame = noise(150, region=rng.choice(["a", "b", "c"], 150), late=rng.normal(size=150))
    frame["outcome"] = ["abandoned"] * 35 + ["completed"] * 115
    result = fit(frame)
    assert [row["feature"] for row in result["coefficients"]] == ["x", "region", "region"]
    assert result["dropped"] == [
        {"term": "late", "reason": "too few sessions or users for so many terms"}
    ]


def test_sessions_without_a_user_are_clusters_of_their_own_and_that_is_said():
    frame = noise()
    result = fit(frame.assign(user_key=None))
    assert result["n_users"] == 0
    assert result["n_clusters"] == 1200
    assert result["coefficients"] == fit(frame)["coefficients"]
    assert any("have no known user" in note for note in result["notes"])


# --- The output ---------------------------------------------------------------------------------


def test_json_has_the_fixed_keys_and_no_nan(effect):
    result = effect.to_json()
    assert set(result) >= FIXED_KEYS
    assert all(set(row) >= FIXED_COEFFICIENT_KEYS for row in result["coefficients"])
    assert set(result["auc"]) == {"estimate", "ci_low", "ci_high"}
    assert set(result["calibration"]) == {"slope", "intercept", "brier"}
    assert result["interval_of"] == "log_odds"
    assert json.loads(json.dumps(result, allow_nan=False)) == result


def test_the_same_seed_gives_the_same_model_whatever_the_order_of_rows(effect_frame):
    shuffled = effect_frame.sample(frac=1, random_state=1)
    assert fit(effect_frame, seed=3) == fit(shuffled, seed=3)
    assert fit(effect_frame, seed=3)["auc"] != fit(effect_frame, seed=4)["auc"]


def test_tables_hold_the_model_in_types_a_warehouse_takes(effect):
    tables = effect.tables()
    coefficients = tables["voice_ai_abandonment_coefficients"]
    assert len(coefficients) == len(effect.to_json()["coefficients"])
    with duckdb.connect() as connection:
        for name, table in tables.items():
            connection.register("frame", table)
            connection.execute(f"create table {name} as select * from frame")
        types = dict(
            connection.execute(
                "select column_name, data_type from information_schema.columns"
            ).fetchall()
        )
        assert types["log_odds"] == types["auc_ci_low"] == "DOUBLE"
        assert types["level"] == types["strongest_predictor"] == types["notes"] == "VARCHAR"
        (none,) = connection.execute(
            "select count(*) from voice_ai_abandonment_coefficients where level is null"
        ).fetchone()
    assert none == 3


@pytest.mark.parametrize("width", [80, 200])
def test_the_terminal_shows_every_number_in_80_columns_and_ends_with_the_verdict(effect, width):
    text = io.StringIO()
    render(effect, Console(file=text, width=width))
    shown, result = text.getvalue(), effect.to_json()
    assert "…" not in shown
    assert " ".join(shown.split()).endswith(result["verdict"])
    row = by_term(result)["opening_error_proportion"]
    assert f"({row['odds_ratio_per_0_1_ci_low']:.2f} to" in shown


@pytest.mark.parametrize(
    ("options", "field"),
    [({"k": 0}, "k"), ({"folds": 1}, "folds"), ({"bootstrap": 10}, "bootstrap")],
)
def test_an_option_out_of_range_is_a_users_mistake(options, field):
    with pytest.raises(UserError, match=f"^{field} is"):
        fit_abandonment(noise(), **options)


# --- The features -------------------------------------------------------------------------------

SESSIONS = """
create table sessions as
select v.session_key, v.user_key, v.outcome, v.is_eligible, 'voice' as channel, 'en' as language,
    'demo' as platform, cast(null as boolean) as is_first_time_digital_user,
    true as has_disability, 'rural' as region, 'asr-1' as asr_model,
    9.5 as duration_seconds, v.turn_count, v.turn_count as user_turn_count
from (values ('four', 'u1', 'abandoned', true, 4), ('one', null, 'completed', true, 1),
    ('none', 'u1', 'transferred', false, 0)
) as v (session_key, user_key, outcome, is_eligible, turn_count)
"""
TURNS = """
create table turns as
select v.session_key, v.user_turn_number, v.is_error,
    cast(v.asr as double precision) as asr_confidence,
    cast(v.intent as double precision) as intent_confidence
from (values
    ('four', 1, true, 0.4, 0.5), ('four', 2, false, null, 0.7), ('four', 3, false, 0.8, null),
    ('four', 4, true, 0.0, 0.0), ('four', null, true, 0.1, null), ('one', 1, false, null, 0.9)
) as v (session_key, user_turn_number, is_error, asr, intent)
"""


@pytest.fixture(params=ENGINES)
def run(request):
    """Query the two little tables on an engine."""
    with little_warehouse(request.param, SESSIONS, TURNS) as warehouse:
        yield warehouse.query


def test_features_are_those_of_the_first_k_user_turns(run):
    frame = run(feature_query('"sessions"', '"turns"', 3)).set_index("session_key")
    opening = [c for c in frame if c.startswith("opening_")]
    numbers = frame[opening].astype(float)
    expected = pd.DataFrame(
        {
            "opening_user_turns": {"four": 3.0, "one": 1.0, "none": 0.0},
            "opening_asr_confidence": {"four": 0.6, "one": np.nan, "none": np.nan},
            "opening_error_proportion": {"four": 1 / 3, "one": 0.0, "none": np.nan},
            "opening_intent_confidence": {"four": 0.6, "one": 0.9, "none": np.nan},
        }
    )
    pd.testing.assert_frame_equal(numbers.loc[expected.index], expected, check_names=False)
    # A Decimal would be treated as text, and each of its values as a level.
    assert all(isinstance(v, float) for v in frame["duration_seconds"])
    assert fit_abandonment(frame.reset_index()).exit_code == 3
    first = run(feature_query('"sessions"', '"turns"', 1)).set_index("session_key")
    assert first.loc["four", "opening_error_proportion"] == 1.0


@pytest.mark.parametrize("k", [0, -1, 2.5, True, "3; drop table turns"])
def test_k_is_a_whole_number_of_turns(k):
    with pytest.raises(UserError, match=r"^k is"):
        feature_query("sessions", "turns", k)
