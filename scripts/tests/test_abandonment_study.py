"""What stands beside the abandonment model: transfers, boosting, settings, separated terms."""

import io
import json

import duckdb
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from rich.console import Console
from sklearn.metrics import roc_auc_score
from test_abandonment import BENCHMARK, TURNS, fit, frame_of, noise, run  # noqa: F401
from test_abandonment_hazard import BENCHMARK as GROWTH

from voice_ai_analytics.abandonment.boosting import auc_influence
from voice_ai_analytics.abandonment.estimate import study_abandonment
from voice_ai_analytics.abandonment.frame import feature_query, openings_query
from voice_ai_analytics.abandonment.model import fit_abandonment
from voice_ai_analytics.abandonment.multinomial import fit_multinomial
from voice_ai_analytics.abandonment.sample import ENDS
from voice_ai_analytics.abandonment.sensitivity import compare_settings
from voice_ai_analytics.abandonment.terminal import render
from voice_ai_analytics.statistics.intervals import clustered


def three_ends(seed: int = 4, users: int = 700) -> pd.DataFrame:
    """Return sessions whose transfers depend on errors, and abandonment on confidence."""
    frame = BENCHMARK.simulate(seed, users=users, alike=0.4, truth={"opening_asr_confidence": -5.0})
    chance = np.random.default_rng(seed).random(len(frame))
    errors = frame["opening_error_proportion"]
    return frame.assign(outcome=frame["outcome"].mask(chance < 0.05 + 0.4 * errors, "transferred"))


# --- Transfers --------------------------------------------------------------------------------


def design_and_ends(frame) -> tuple[np.ndarray, np.ndarray]:
    columns = np.column_stack(
        [np.ones(len(frame)), frame["opening_asr_confidence"], frame["has_disability"]]
    ).astype(float)
    return columns, pd.Categorical(frame["outcome"], ENDS).codes


def test_the_multinomial_model_is_that_of_statsmodels_with_the_sandwich_of_the_textbook():
    keys = ["session_key", "user_key", "is_eligible", "outcome"]
    frame = three_ends()[[*keys, "opening_asr_confidence", "has_disability"]]
    rows = fit_multinomial(frame)["coefficients"]
    assert [(row["outcome"], row["term"]) for row in rows] == [
        (end, term)
        for end in ("abandoned", "transferred")
        for term in ("opening_asr_confidence", "has_disability[yes]")
    ]
    columns, codes = design_and_ends(frame)
    free = sm.MNLogit(codes, columns).fit(disp=0, method="newton", tol=1e-12)
    estimates = [row["log_odds"] for row in rows]
    assert estimates == pytest.approx(free.params[1:].T.ravel(), abs=1e-6)

    chance = free.predict()[:, 1:]
    scores = ((codes[:, None] == [1, 2]) - chance)[:, :, None] * columns[:, None, :]
    scores = scores.reshape(len(frame), -1)
    information = sum(
        np.kron(np.diag(p) - np.outer(p, p), np.outer(x, x))
        for p, x in zip(chance, columns, strict=True)
    )
    sums = pd.DataFrame(scores).groupby(frame["user_key"]).sum().to_numpy()
    bread, (users, width) = np.linalg.inv(information), sums.shape
    correction = users / (users - 1) * (len(frame) - 1) / (len(frame) - width)
    covariance = correction * bread @ sums.T @ sums @ bread
    errors = np.sqrt(np.diag(covariance))[[1, 2, 4, 5]]
    assert [row["std_error"] for row in rows] == pytest.approx(errors, rel=1e-5)


def test_a_table_of_six_cells_gives_its_odds_ratios():
    # Completed, abandoned, transferred: 100, 60, 40 with the flag, 150, 30, 20 without.
    counts = [("completed", 100, 150), ("abandoned", 60, 30), ("transferred", 40, 20)]
    ends = [end for end, having, without in counts for _ in range(having + without)]
    flag = [i < having for _, having, without in counts for i in range(having + without)]
    frame = frame_of([0] * 400, has_disability=flag).assign(outcome=ends)
    rows = fit_multinomial(frame)["coefficients"]
    ratios = [row["odds_ratio"] for row in rows]
    assert ratios == pytest.approx([60 * 150 / (100 * 30), 40 * 150 / (100 * 20)])
    woolf = np.sqrt(1 / 60 + 1 / 150 + 1 / 100 + 1 / 30)
    assert rows[0]["std_error"] == pytest.approx(woolf * np.sqrt(400 / 399 * 399 / 396))


def test_transfers_find_what_goes_with_transfers_and_not_with_abandonment():
    result = fit_multinomial(three_ends())
    named = {
        row["outcome"]: [r["term"] for r in result["coefficients"]
                         if r["outcome"] == row["outcome"] and r["q_value"] < 0.01]
        for row in result["coefficients"]
    }  # fmt: skip
    assert named == {
        "abandoned": ["opening_asr_confidence"],
        "transferred": ["opening_error_proportion"],
    }
    assert result["cluster_wald_p_value"] < 0.001
    assert "with transferred rather than completed: opening_error_proportion" in result["verdict"]


def test_without_an_effect_hardly_any_transfer_model_names_a_feature():
    named = GROWTH.transfers(40, users=200, sessions_a_user=4, alike=0.6)
    assert named["share_naming_a_feature"] <= 5 / 40


def test_a_single_low_q_names_no_feature_while_the_whole_is_not_significant():
    result = fit_multinomial(GROWTH.with_transfers(11, users=100, sessions_a_user=6, alike=0.6))
    assert min(row["q_value"] for row in result["coefficients"]) < 0.05
    assert result["cluster_wald_p_value"] > 0.05
    assert "there is no evidence of any feature" in result["verdict"]
    assert "odds ratio" not in result["verdict"]


@pytest.mark.parametrize(
    ("frame", "missing"),
    [
        (noise(), "no session that could be modelled was transferred"),
        (three_ends().assign(user_key="one"), "1 users are fewer than the 30"),
        (three_ends().assign(outcome="completed"), "was abandoned"),
        (three_ends()[["session_key", "user_key", "outcome", "is_eligible"]], "no feature varies"),
        (noise().head(0), "was completed"),
    ],
    ids=["no transfers", "one user", "one class", "no feature", "no rows"],
)
def test_a_transfer_model_that_cannot_be_estimated_says_what_is_missing(frame, missing):
    result = fit_multinomial(frame)
    assert result["coefficients"] == []
    assert missing in result["verdict"]


@pytest.mark.parametrize(("users", "is_told"), [(10, False), (120, True)])
def test_an_end_that_few_users_carry_names_no_feature(users, is_told):
    """The sandwich sees 300 users, but all transfers come from these few."""
    frame = noise(1500).assign(user_key=np.arange(1500) % 300)
    of_few = (frame["user_key"] < users) & (frame["user_key"] % 2 == 0)
    result = fit_multinomial(frame.assign(outcome=frame["outcome"].mask(of_few, "transferred")))
    assert bool(result["coefficients"]) == is_told
    if not is_told:
        assert "transferred are effectively 5; 20 are needed" in result["verdict"]


def test_sessions_without_asr_confidence_leave_the_transfer_model_and_are_counted():
    frame = three_ends().assign(opening_user_turns=3)
    frame.loc[:9, "opening_asr_confidence"] = None
    frame.loc[10:14, "opening_user_turns"] = 0
    result = fit_multinomial(frame)
    assert result["excluded"] == {
        "no user turns": 5,
        "no ASR confidence in the first 3 user turns": 10,
    }
    assert sum(result[f"n_{end}"] for end in ENDS) == len(frame) - 15


# --- Boosting ---------------------------------------------------------------------------------


def delong(outcome, first, second) -> tuple[float, float]:
    """Return the difference of two areas and its variance, pair by pair as DeLong defines it."""
    event = outcome == 1
    m, n = event.sum(), (~event).sum()
    places = []
    for score in (first, second):
        apart = score[event][:, None] - score[~event][None, :]
        wins = (apart > 0) + 0.5 * (apart == 0)
        places.append((wins.mean(axis=1), wins.mean(axis=0)))
    (v10, v01), (w10, w01) = places
    contrast = np.array([1, -1])
    s10, s01 = np.cov(v10, w10), np.cov(v01, w01)
    return v10.mean() - w10.mean(), contrast @ (s10 / m + s01 / n) @ contrast


def test_the_error_of_a_difference_of_areas_is_that_of_delong():
    rng = np.random.default_rng(1)
    outcome = (rng.random(600) < 0.3).astype(float)
    first = np.round(rng.normal(size=600) + outcome, 1)
    second = np.round(0.5 * first + rng.normal(size=600) + 0.5 * outcome, 1)
    (a, one), (b, other) = auc_influence(outcome, first), auc_influence(outcome, second)
    assert a == pytest.approx(roc_auc_score(outcome, first))
    difference, variance = delong(outcome, first, second)
    found = clustered(a - b, one - other, np.arange(600))
    assert a - b == pytest.approx(difference)
    # DeLong divides by each class's size minus one; here, the divisor is all rows.
    assert found["std_error"] == pytest.approx(np.sqrt(variance), rel=0.005)


def test_what_a_session_contributes_to_an_area_is_what_its_leaving_changes():
    rng = np.random.default_rng(3)
    outcome = (rng.random(200) < 0.3).astype(float)
    score = np.round(rng.normal(size=200) + outcome, 1)
    area, influence = auc_influence(outcome, score)
    for i in range(200):
        rest = np.arange(200) != i
        of_its_class = (outcome == outcome[i]).sum()
        changed = area - roc_auc_score(outcome[rest], score[rest])
        expected = influence[i] * of_its_class / (of_its_class - 1)
        assert changed == pytest.approx(expected, abs=1e-12)


def test_an_area_of_copied_sessions_has_the_error_of_one_copy():
    rng = np.random.default_rng(2)
    outcome = (rng.random(500) < 0.4).astype(float)
    score = rng.normal(size=500) + outcome
    area, once = auc_influence(outcome, score)
    _, copied = auc_influence(np.tile(outcome, 3), np.tile(score, 3))
    errors = [
        clustered(area, influence, np.tile(np.arange(500), copies))["std_error"]
        for influence, copies in ((once, 1), (copied, 3))
    ]
    assert errors[1] == pytest.approx(errors[0])


def test_boosting_finds_a_curve_and_nothing_where_there_is_none():
    assert GROWTH.boosted(3, curved=True)["share_finding_more"] == 1
    assert GROWTH.boosted(3, curved=False)["share_finding_more"] == 0


def test_boosting_takes_a_sample_of_users_where_sessions_are_many(monkeypatch):
    monkeypatch.setattr("voice_ai_analytics.abandonment.boosting.MOST_SESSIONS", 500)
    result = fit_abandonment(BENCHMARK.simulate(1), bootstrap=100, boosting=True).result
    assert 300 < result["boosting"]["n_sessions"] < 700 < result["n_sessions"]


def test_boosting_of_few_users_claims_nothing():
    frame = BENCHMARK.simulate(1, users=29, sessions_a_user=30)
    boosting = fit_abandonment(frame, bootstrap=100, boosting=True).result["boosting"]
    assert boosting["ci_low"] is boosting["p_value"] is None
    assert boosting["verdict"].startswith("There are too few users to compare boosting")


def test_boosting_where_one_user_has_half_of_the_sessions_claims_nothing():
    frame = BENCHMARK.simulate(1, users=200, sessions_a_user=8)
    frame.loc[: len(frame) // 2, "user_key"] = frame["user_key"][0]
    boosting = fit_abandonment(frame, bootstrap=100, boosting=True).result["boosting"]
    assert (boosting["ci_low"], boosting["p_value"]) == (None, None)


# --- Separation -------------------------------------------------------------------------------


def test_a_separated_term_gets_a_penalised_estimate_and_is_never_the_strongest():
    """All 40 sessions with the flag were abandoned: Firth adds a half to each of four cells."""
    flag = [True] * 40 + [False] * 360
    outcome = [1] * 40 + [1] * 90 + [0] * 270
    result = fit(frame_of(outcome, has_disability=flag, x=np.arange(400) % 2 * 1.0))
    (row,) = result["firth"]
    assert row["term"] == "has_disability[yes]"
    expected = np.log(40.5 * 270.5 / (90.5 * 0.5))
    assert row["log_odds"] == pytest.approx(expected, rel=0.01)
    assert row["ci_low"] > 1
    assert row["p_value"] < 0.001
    assert row["n_sessions"] == 400
    assert "sessions as independent" in row["interval"]
    assert result["strongest_predictor"] is None
    assert "has_disability[yes]" not in [r["term"] for r in result["coefficients"]]


def test_without_separation_nothing_is_penalised():
    assert fit(noise())["firth"] == []


# --- Languages --------------------------------------------------------------------------------


def test_rare_variants_of_a_language_count_as_it_before_anything_is_pooled_as_other():
    language = np.repeat(
        ["en", "en-US", "en-GB", "en-IN", "hi", "ta", "sw"], [500, 300, 20, 25, 300, 30, 25]
    )
    result = fit(noise(language=np.random.default_rng(1).permutation(language)))
    assert [r["term"] for r in result["coefficients"]] == [
        "x",
        "language[en-US]",
        "language[hi]",
        "language[ta]",
    ]
    assert any("en-GB, en-IN count as their base language" in n for n in result["notes"])
    assert result["excluded"]["language of fewer than 30 sessions or 10 users"] == 25


def test_users_of_several_languages_are_counted():
    language = np.array(["en"] * 600 + ["hi"] * 600)
    user = np.r_[np.arange(600), np.arange(570, 1170)]
    result = fit(noise(language=language).assign(user_key=user))
    assert any(note.startswith("30 users (60 sessions) used several") for note in result["notes"])
    assert not any("several languages" in note for note in fit(noise(language=language))["notes"])


# --- Settings ---------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def studied() -> tuple:
    frame = three_ends().assign(opening_user_turns=3)
    frame["user_turn_count"] = GROWTH.conversations(1, users=700)["user_turn_count"].reindex(
        frame.index, fill_value=2
    )
    frame.loc[:39, "opening_user_turns"] = 0
    measures = [name for name in frame if name.startswith("opening_")]
    openings = pd.concat(
        [frame[measures].add_suffix(f"_{k}") for k in (1, 2, 3, 5)], axis=1
    ).assign(session_key=frame["session_key"])
    openings["opening_asr_confidence_1"] = np.random.default_rng(1).random(len(frame))
    return frame, openings, study_abandonment(frame, openings)


def test_each_setting_is_the_model_of_its_own_frame(studied):
    frame, _, model = studied
    settings = {row["setting"]: row for row in model.result["sensitivity"]["settings"]}
    assert list(settings) == [
        "main, k 3",
        "k 1",
        "k 2",
        "k 5",
        "abandoned against any other",
        "failed, timed out as abandoned",
        "with silent sessions",
    ]
    main = settings["main, k 3"]
    assert main["strongest_predictor"] == model.result["strongest_predictor"]
    assert main["n_sessions"] == model.result["n_sessions"]
    assert main["auc_ci_low"] == model.result["auc"]["ci_low"]
    # At k = 2 and 5 the openings are the same; at k = 1 confidence is noise.
    for name in ("k 2", "k 5"):
        ratio = settings[name]["asr_confidence_odds_ratio"]
        assert ratio == pytest.approx(main["asr_confidence_odds_ratio"])
    assert settings["k 1"]["strongest_predictor"] != "opening_asr_confidence"
    by_hand = frame.assign(outcome=frame["outcome"].replace("transferred", "completed"))
    expected = fit(by_hand)
    other = settings["abandoned against any other"]
    assert other["n_sessions"] == expected["n_sessions"] > main["n_sessions"]
    assert other["n_events"] == expected["n_events"] == main["n_events"]
    term = next(r for r in expected["coefficients"] if r["term"] == "opening_asr_confidence")
    assert other["asr_confidence_odds_ratio_ci_low"] == term["odds_ratio_per_sd_ci_low"]
    same = settings["failed, timed out as abandoned"]
    assert same["declined"] == "no session makes it differ"
    assert same["asr_confidence_odds_ratio"] is None
    silent = settings["with silent sessions"]
    target = frame["outcome"].isin(["completed", "abandoned"])
    assert silent["n_sessions"] == target.sum()
    assert main["n_sessions"] == (target & (frame["opening_user_turns"] > 0)).sum()


def test_failed_and_timed_out_sessions_count_as_abandoned_where_asked():
    frame = noise()
    frame.loc[:99, "outcome"], frame.loc[100:149, "outcome"] = "failed", "timed_out"
    frame.loc[140:149, "is_eligible"] = False
    main = fit_abandonment(frame, bootstrap=100)
    settings = {row["setting"]: row for row in compare_settings(main, frame)["settings"]}
    broken = settings["failed, timed out as abandoned"]
    assert broken["n_sessions"] == main.result["n_sessions"] + 140
    assert broken["n_events"] == main.result["n_events"] + 140
    rest = settings["abandoned against any other"]
    assert rest["n_events"] == main.result["n_events"]
    assert rest["n_sessions"] == main.result["n_sessions"] + 140


def test_silent_sessions_move_no_slope_of_the_openings():
    """They have their own term, so everything else is the same as without them."""
    rng = np.random.default_rng(8)
    n = 1500
    frame = noise(n, opening_asr_confidence=rng.random(n), opening_user_turns=3)
    frame.loc[:99, ["opening_user_turns", "opening_asr_confidence"]] = [0, np.nan]
    frame = frame.drop(columns="x")
    main = fit_abandonment(frame, bootstrap=100)
    rows = compare_settings(main, frame)["settings"]
    silent = next(row for row in rows if row["setting"] == "with silent sessions")
    (term,) = main.result["coefficients"]
    slope = np.log(silent["asr_confidence_odds_ratio"])
    # Its standard deviation is over all rows, 100 of which are at the mean.
    assert slope / np.sqrt(1400 / 1500) == pytest.approx(
        term["log_odds"] * term["standard_deviation"], rel=1e-3
    )
    assert silent["n_sessions"] == 1500


@pytest.mark.parametrize(("abandoned", "n"), [(95, 1500), (100, None)])
def test_that_a_session_is_silent_is_never_what_predicts(abandoned, n):
    """If all silent sessions were abandoned, not just most, the setting equals the main one."""
    rng = np.random.default_rng(8)
    frame = noise(1500, opening_asr_confidence=rng.random(1500), opening_user_turns=3)
    frame.loc[:99, ["opening_user_turns", "opening_asr_confidence"]] = [0, np.nan]
    frame.loc[:99, "outcome"] = np.where(np.arange(100) < abandoned, "abandoned", "completed")
    frame = frame.drop(columns="x")
    found = compare_settings(fit_abandonment(frame, bootstrap=100), frame)
    silent = next(row for row in found["settings"] if row["setting"] == "with silent sessions")
    assert silent["strongest_predictor"] is None
    assert (silent["n_sessions"] or None) == n
    if n is None:
        assert silent["declined"] == "no session makes it differ"


def test_openings_of_several_k_are_those_of_one_k(run):  # noqa: F811
    wide = run(openings_query('"turns"')).set_index("session_key")
    assert sorted(wide.index) == ["four", "one"]
    for k in (1, 2, 3, 5):
        one = run(feature_query('"sessions"', '"turns"', k)).set_index("session_key")
        for name in (c for c in one if c.startswith("opening_")):
            expected = one[name].reindex(wide.index).astype(float)
            assert wide[f"{name}_{k}"].astype(float).to_list() == pytest.approx(
                expected.to_list(), nan_ok=True
            )
    assert all(isinstance(v, float) for v in wide["opening_error_proportion_1"])


# --- The whole --------------------------------------------------------------------------------


def test_the_study_keeps_the_model_and_its_json_has_no_nan(studied):
    frame, _, model = studied
    alone = fit_abandonment(frame).to_json()
    kept = {key: model.to_json()[key] for key in alone if key != "boosting"}
    assert kept == {key: value for key, value in alone.items() if key != "boosting"}
    text = json.dumps(model.to_json(), allow_nan=False)
    assert json.loads(text) == model.to_json()


def test_tables_hold_all_parts_in_types_a_warehouse_takes(studied):
    *_, model = studied
    tables = model.tables()
    assert set(tables) == {
        f"voice_ai_abandonment_{part}"
        for part in ("model", "coefficients", "firth", "hazard", "multinomial", "sensitivity")
    }
    empty = study_abandonment(studied[0].head(0)).tables()
    with duckdb.connect() as connection:
        for name, table in tables.items():
            assert list(table.columns) == list(empty[name].columns)
            connection.register("frame", table)
            connection.execute(f"create table {name} as select * from frame")
        types = dict(
            connection.execute(
                "select table_name || '.' || column_name, data_type from information_schema.columns"
            ).fetchall()
        )
    prefix = "voice_ai_abandonment_"
    assert types[f"{prefix}hazard.hazard"] == types[f"{prefix}sensitivity.auc_ci_low"] == "DOUBLE"
    assert types[f"{prefix}model.boosting_ci_low"] == "DOUBLE"
    assert types[f"{prefix}model.hazard_verdict"] == "VARCHAR"
    assert types[f"{prefix}sensitivity.strongest_predictor"] == "VARCHAR"


def test_the_terminal_shows_all_parts_in_80_columns(studied):
    *_, model = studied
    text = io.StringIO()
    render(model, Console(file=text, width=80))
    shown = " ".join(text.getvalue().split())
    assert "…" not in shown
    for part in ("hazard", "multinomial", "boosting", "sensitivity"):
        assert model.result[part]["verdict"] in shown
    assert shown.endswith(model.result["verdict"])


def test_what_can_be_estimated_stands_where_the_model_cannot():
    frame = GROWTH.conversations(1)
    model = study_abandonment(frame)
    assert model.result["coefficients"] == []
    assert model.result["hazard"]["bands"]
    assert model.exit_code == 0
    nothing = study_abandonment(frame.assign(outcome="completed"))
    assert nothing.exit_code == 3
    for part in ("hazard", "multinomial", "boosting", "sensitivity"):
        assert nothing.result[part]["verdict"].endswith(".")


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"language": "en"}, "language, constant"),
        ({"opening_asr_confidence": 0.8}, "opening_asr_confidence, constant: 0.8"),
    ],
    ids=["one language", "all confidences equal"],
)
def test_what_does_not_vary_is_dropped_and_the_rest_stands(studied, changed, said):
    frame = studied[0].assign(**changed)
    model = study_abandonment(frame)
    assert model.exit_code == 0
    for part in (model.result, model.result["multinomial"]):
        assert any(said in f"{d['term']}, {d['reason']}" for d in part["dropped"])
