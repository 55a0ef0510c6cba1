"""The report: suppression, intervals, escaping, missing data, and its look in a browser."""

import json
import re
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from semantic import METRICS, SEMANTICS

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.files import write_whole
from voice_ai_analytics.metrics.suppression import suppress
from voice_ai_analytics.report.analyses import SETTLING
from voice_ai_analytics.report.catalog import LATENCY, RATES
from voice_ai_analytics.report.data import gather
from voice_ai_analytics.report.page import render
from voice_ai_analytics.report.sections.settling import TABLES as HISTORY
from voice_ai_analytics.statistics.intervals import newcombe, wilson

HOSTILE = '<script>alert("1")</script>&amp; $x^2$ \u202eעברית 😀\n\x00'
MODEL = {
    "verdict": "There is no evidence of a predictor of abandonment in 900 sessions <of 300 users>.",
    "strongest_predictor": None,
    "n_sessions": 900,
    "n_events": 210,
    "n_users": 300,
    "excluded": {"transferred": 77},
    "coefficients": [
        {
            "term": "opening_asr_confidence",
            "log_odds": -0.5,
            "std_error": 0.4,
            "odds_ratio_per_sd": float(np.exp(-0.1)),
            "ci_low": -1.284,
            "ci_high": 0.284,
            "p_value": 0.211,
            "q_value": 0.422,
            "average_marginal_effect": -0.08,
        },
        {
            "term": "channel[ivr]",
            "log_odds": 0.9,
            "std_error": 0.25,
            "odds_ratio_per_sd": float(np.exp(0.36)),
            "ci_low": 0.41,
            "ci_high": 1.39,
            "p_value": 0.0003,
            "q_value": 0.0006,
            "average_marginal_effect": 0.14,
        },
    ],
    "likelihood_ratio_p_value": 0.04,
    "auc": {"estimate": 0.51, "ci_low": 0.47, "ci_high": 0.55},
    "calibration": {"slope": 0.4, "intercept": 0.01, "brier": 0.18},
}


def simulated(n: int = 6000, weeks: int = 14, seed: int = 1) -> pd.DataFrame:
    """Return sessions with cohort differences, fewer errors over time, small cohorts and nulls."""
    rng = np.random.default_rng(seed)
    user = rng.integers(0, n // 4, n)
    region = np.array(["rural", "urban", "suburban", None])[np.minimum(user % 7, 3)]
    first = np.where(user % 11 == 0, None, user % 5 == 0)
    disabled = np.where(user % 13 == 0, None, user % 17 == 1)
    language = rng.choice(
        ["hi-IN", "en-IN", "ta-IN", "bn-IN", "mr-IN"], n, p=[0.4, 0.3, 0.15, 0.1, 0.05]
    )
    language = np.where(user < 3, "sat-IN", language)
    channel = rng.choice(["voice", "ivr", "chat"], n, p=[0.55, 0.25, 0.2])
    day = rng.integers(0, weeks * 7 - 4, n)
    release = np.where(day + rng.integers(-20, 20, n) > weeks * 3.5, "asr-2.1", "asr-2.0")
    turns = 2 + rng.poisson(6, n)
    rate = 0.16 - 0.004 * day / 7 + 0.06 * (language == "ta-IN")
    errors = rng.binomial(turns, rate)
    misunderstood = rng.binomial(errors, 0.5)
    silent = rng.binomial(errors - misunderstood, 0.5)
    noisy = rng.binomial(errors - misunderstood - silent, 0.8)
    score = 1.0 - 0.35 * (region == "rural") - 0.3 * (first == True) - 0.15 * errors  # noqa: E712
    score += 0.2 * (channel == "chat") + 0.02 * day / 7
    done = rng.random(n) < 1 / (1 + np.exp(-score))
    other = rng.choice(
        ["abandoned", "transferred", "failed", "not_connected"], n, p=[0.6, 0.3, 0.07, 0.03]
    )
    outcome = np.where(done, "completed", other)
    outcome[:3] = "voicemail"
    confidence = np.clip(rng.beta(8, 2.5, n) - 0.1 * (language == "ta-IN"), 0, 0.999)
    spoken = channel != "chat"
    user_turns = turns // 2
    band = np.array([f"{b / 10:.1f} to {(b + 1) / 10:.1f}" for b in range(10)])[
        (confidence * 10).astype(int)
    ]
    return pd.DataFrame(
        {
            "day": pd.Timestamp("2025-02-03") + pd.to_timedelta(day, "D"),
            "user": [f"u{u}" if u % 19 else None for u in user],
            "region": region,
            "is_first_time_digital_user": first,
            "has_disability": disabled,
            "language": language,
            "channel": channel,
            "asr_model": np.where(spoken, release, None),
            "asr_confidence_band": np.where(spoken, band, None),
            "outcome": outcome,
            "turns": turns,
            "error_turns": errors,
            "misunderstanding_turns": misunderstood,
            "no_input_turns": silent,
            "noise_turns": noisy,
            "asr_confidence_sum": np.where(spoken, confidence * user_turns, np.nan),
            "asr_confidence_count": np.where(spoken, user_turns, 0),
            "low_asr_confidence_turns": np.where(
                spoken, rng.binomial(user_turns, 0.35 * (1 - confidence)), 0
            ),
            "duration_seconds": 40 + turns * rng.normal(14, 3, n) * np.where(spoken, 1, 0.7),
            "cost_usd": np.nan,
            "rated_sessions": 0,
            "csat_top_box_sessions": 0,
        }
    )


class FakeClient:
    """Answers like the semantic layer, by its own definitions, over a frame of sessions."""

    def __init__(self, sessions: pd.DataFrame) -> None:
        outcome = sessions["outcome"]
        eligible = ~outcome.isin(["not_connected", "voicemail", "in_progress", "unknown"])
        reported = sessions["error_turns"].notna()
        order = sessions.groupby("user")["day"].rank(method="first")
        self.sessions = sessions.assign(
            sessions=1,
            eligible_sessions=eligible,
            completed_sessions=outcome == "completed",
            abandoned_sessions=outcome == "abandoned",
            transferred_sessions=outcome == "transferred",
            contained_sessions=eligible & (outcome != "transferred"),
            outcome_known_sessions=outcome != "unknown",
            error_known_turns=sessions["turns"].where(reported),
            error_known_sessions=reported.where(reported),
            channel_known_sessions=sessions["channel"].notna(),
            sessions_with_error=(sessions["error_turns"] > 0).where(reported),
            recovered_sessions=((sessions["error_turns"] > 0) & (outcome == "completed")).where(
                reported
            ),
            voice_sessions=sessions["channel"] == "voice",
            repeat=sessions["user"].where(order > 1),
            called_back_sessions=sessions["user"].notna() & (order % 9 == 1),
            callback_known_sessions=sessions["user"].notna(),
            known_user_abandonments=(outcome == "abandoned") & sessions["user"].notna(),
            returns_after_abandonment_7d=(outcome == "abandoned") & (order % 4 == 1),
            duration_count=sessions["duration_seconds"].notna(),
            costed_completed_sessions=sessions["cost_usd"].notna() & (outcome == "completed"),
        )

    def query(self, metrics, group_by=(), where=(), order_by=()) -> pd.DataFrame:
        keys = [self._dimension(name) for name in group_by]
        if not keys:
            values = [self._value(self.sessions, metric) for metric in metrics]
            return pd.DataFrame([values], columns=metrics, dtype=object)
        if list(metrics) == ["voice_ai_weekly_active_users"]:
            return self._active()
        groups = self.sessions.groupby(keys, dropna=False, sort=False)
        rows = [[*key, *(self._value(part, m) for m in metrics)] for key, part in groups]
        # In no reliable order, like a database without an order by.
        frame = pd.DataFrame(rows[::-1], columns=[*group_by, *metrics])
        return frame.astype({m: object for m in metrics})

    def _active(self) -> pd.DataFrame:
        """Return distinct users in the seven days up to each week's last day with data."""
        day, rows = self.sessions["day"], []
        for monday in sorted(self._dimension("metric_time__week").unique()):
            last = min(monday + pd.Timedelta(days=6), day.max())
            recent = (day <= last) & (day > last - pd.Timedelta(days=7))
            rows.append((monday, self.sessions["user"][recent].nunique()))
        rows = [row for row in reversed(rows) if row[1]]
        return pd.DataFrame(rows, columns=["metric_time__week", "voice_ai_weekly_active_users"])

    def _dimension(self, name: str) -> pd.Series:
        if name == "metric_time__week":
            return self.sessions["day"].dt.to_period("W-SUN").dt.start_time
        if name == "metric_time__day":
            return self.sessions["day"]
        return self.sessions[name.removeprefix("voice_ai_session__")]

    def _value(self, part: pd.DataFrame, metric: str):
        if metric == "voice_ai_users":
            return part["user"].nunique()
        if metric == "voice_ai_repeat_users":
            return part["repeat"].nunique()
        if METRICS[metric]["type"] == "ratio":
            asked = METRICS[metric]["type_params"]
            over, under = (
                self._value(part, asked[k]["name"]) for k in ("numerator", "denominator")
            )
            return None if over is None or not under else over / under
        value = part[metric.removeprefix("voice_ai_")].sum(min_count=1)
        return None if pd.isna(value) else value


class FakeWarehouse:
    def __init__(self, reason: str = "duplicate") -> None:
        self.reason = reason

    def relation(self, model_name: str) -> str:
        return f'"db"."voice_ai"."{model_name}"'

    def query(self, sql: str, params=()) -> pd.DataFrame:
        if "row_accounting" in sql:
            rows = [
                ("sessions", 6012, 6000, 12),
                ("turns", 48100, 48000, 100),
                ("users", 1500, 1500, 0),
            ]
            return pd.DataFrame(
                rows, columns=["table_name", "raw_rows", "staged_rows", "quarantined_rows"]
            )
        rows = [("sessions", self.reason, 12), ("turns", "confidence above 1", 100)]
        return pd.DataFrame(rows, columns=["table_name", "reason", "quarantined_rows"])


def gathered(
    sessions: pd.DataFrame, tmp_path: Path, reason: str = "duplicate", model=MODEL, metrics=()
):
    target = tmp_path / "target"
    target.mkdir(exist_ok=True)
    tests = {
        "test.p.unmapped": ("warn", 3, "An outcome without a mapping counts as unknown."),
        "test.p.unique": ("pass", 0, ""),
    }
    results = [{"unique_id": k, "status": s, "failures": n} for k, (s, n, _) in tests.items()]
    results.append({"unique_id": "model.p.fact", "status": "success"})
    nodes = {
        k: {"name": k.split(".")[2], "description": d, "attached_node": "model.p.candidate"}
        for k, (_, _, d) in tests.items()
    }
    run = {"metadata": {"generated_at": "2025-05-11T04:05:06.123456Z"}, "results": results}
    (target / "run_results.json").write_text(json.dumps(run))
    path = tmp_path / "model.json"
    path.write_text(json.dumps(model))
    project = project_in(tmp_path, nodes, metrics)
    return gather(project, FakeWarehouse(reason), FakeClient(sessions).query, path)


def project_in(directory: Path, nodes=None, metrics=()) -> SimpleNamespace:
    """Return a built project that measures only the given latencies."""
    measured = [METRICS[name] for name in METRICS if name in metrics or name not in LATENCY]
    semantics = SEMANTICS | {"metrics": measured}
    manifest = {"nodes": nodes or {}}
    return SimpleNamespace(
        directory=directory, semantics=semantics, manifest=manifest, min_cohort_size=5
    )


def some(n: int, **columns) -> pd.DataFrame:
    """Return n sessions that differ only in what is given, each with its own user."""
    row = {
        **dict.fromkeys(["region", "is_first_time_digital_user", "has_disability", "language"]),
        **dict.fromkeys(["asr_model", "asr_confidence_band"]),
        **{"day": pd.Timestamp("2025-03-03"), "channel": "voice", "outcome": "completed"},
        **dict.fromkeys(["turns", "error_turns", "misunderstanding_turns"], 4),
        **dict.fromkeys(["no_input_turns", "noise_turns", "asr_confidence_count"], 0),
        **dict.fromkeys(["low_asr_confidence_turns", "rated_sessions", "csat_top_box_sessions"], 0),
        **dict.fromkeys(["asr_confidence_sum", "duration_seconds", "cost_usd"], np.nan),
    }
    frame = pd.DataFrame(
        {name: pd.Series([value] * n, dtype=object) for name, value in row.items()}
    )
    frame = frame.assign(**{"user": [f"{columns}{i}" for i in range(n)]} | columns)
    numbers = [name for name, value in row.items() if isinstance(value, int | float)]
    return frame.astype(dict.fromkeys(numbers, float) | {"day": "datetime64[ns]"})


class Page(HTMLParser):
    """The tags, ids, references and text of a document."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.tags, self.ids, self.attributes, self.texts = [], [], [], []
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs
        self.ids += [value for name, value in attrs if name == "id"]

    def handle_data(self, data):
        self.texts.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())


def text_of(data) -> str:
    return Page(render(data)).text


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return gathered(simulated(), tmp_path_factory.mktemp("report"))


@pytest.fixture(scope="module")
def html(data):
    return render(data)


# --- intervals


def test_wilson_gives_the_published_intervals():
    # Newcombe, Statistics in Medicine 17 (1998) 857-872, table I, method 3.
    low, high = wilson([81, 15, 0, 1], [263, 148, 20, 29])
    assert low == pytest.approx([0.2553, 0.0624, 0.0, 0.0061], abs=5e-5)
    assert high == pytest.approx([0.3662, 0.1605, 0.1611, 0.1718], abs=5e-5)


def test_wilson_of_nothing_is_unknown_and_no_warning():
    low, high = wilson([0, np.nan, 3, 5], [0, 5, np.nan, 4])
    assert np.isnan(low).all() and np.isnan(high).all()


@pytest.mark.parametrize(
    ("counts", "interval"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((10, 10, 0, 20), (0.6791, 1.0)),
    ],
)
def test_newcombe_gives_the_published_intervals(counts, interval):
    # Newcombe, Statistics in Medicine 17 (1998) 873-890, table II, method 10.
    assert newcombe(*counts) == pytest.approx(interval, abs=5e-5)


def test_newcombe_of_an_empty_side_is_unknown():
    assert np.isnan(newcombe(1, 2, 0, 0)).all()


def test_interval_counts_are_the_metrics_own(data):
    for rate in RATES:
        defined = METRICS[rate.metric]["type_params"]
        for side in ("numerator", "denominator"):
            column, count = getattr(rate, side), defined[side]["name"]
            assert data.totals[column] == data.totals[count]


# --- suppression


def cohorts(*rows) -> pd.DataFrame:
    frame = pd.DataFrame(rows, columns=["cohort", "voice_ai_users", "voice_ai_sessions"])
    return frame.astype({"voice_ai_users": float, "voice_ai_sessions": float})


def hidden(frame: pd.DataFrame, **options) -> dict:
    suppressed = suppress(frame, 5, **options).set_index("cohort")["suppressed"]
    return suppressed[suppressed != ""].to_dict()


SMALL, PROTECTING = "suppressed: fewer than 5 users", "suppressed: protects a smaller cohort"


@pytest.mark.parametrize(
    ("rows", "expected"),
    [
        ([("a", 5, 9), ("b", 50, 90)], {}),
        ([("a", 4, 90), ("b", 50, 90), ("c", 30, 60)], {"a": SMALL, "c": PROTECTING}),
        # Two small cohorts together still have fewer than five users.
        ([("a", 1, 1), ("b", 1, 1), ("c", 9, 9)], {"a": SMALL, "b": SMALL, "c": PROTECTING}),
        ([("a", 1, 1), ("b", 2, 2)], {"a": SMALL, "b": SMALL}),
        # If no user is known, sessions are counted.
        ([("a", 0, 300), ("b", 50, 90)], {}),
        ([("a", 0, 3), ("b", 50, 90)], {"a": SMALL, "b": PROTECTING}),
        # Unknown is a cohort, too.
        ([(None, 2, 9), ("b", 50, 90)], {None: SMALL, "b": PROTECTING}),
        ([], {}),
    ],
)
def test_small_cohorts_are_hidden_and_cannot_be_subtracted(rows, expected):
    found = hidden(cohorts(*rows))
    assert {None if pd.isna(k) else k: v for k, v in found.items()} == expected


def test_a_rate_over_fewer_sessions_than_users_wanted_is_hidden():
    frame = cohorts(("a", 50, 90), ("b", 60, 90)).assign(voice_ai_eligible_sessions=[3.0, 90.0])
    assert hidden(frame) == {"a": SMALL, "b": PROTECTING}


def test_results_shown_in_the_headline_are_not_hidden():
    frame = cohorts(("completed", 3, 3), ("failed", 50, 90), ("voicemail", 1, 1))
    assert hidden(frame, results=["completed"]) == {"voicemail": SMALL, "failed": PROTECTING}


def test_the_report_holds_no_number_of_a_small_cohort(tmp_path):
    sessions = pd.concat(
        [
            some(900, language="en"),
            some(77, language="fr"),
            some(61, language="fr", outcome="abandoned"),
            some(4, language="cy"),
        ]
    )
    data = gathered(sessions, tmp_path)
    shown = data.languages.set_index("cohort").filter(like="voice_ai_").notna().any(axis=1)
    assert shown.to_dict() == {"cy": False, "en": True, "fr": False}
    text = text_of(data)
    assert "cy suppressed: fewer than 5 users" in text
    assert "fr suppressed: protects a smaller cohort" in text
    assert "n: 900 eligible sessions" in text and "138" not in text


def test_everyone_is_hidden_where_all_users_are_too_few(tmp_path):
    text = text_of(gathered(pd.concat([some(4)] * 200), tmp_path))
    assert "All sessions together are suppressed: fewer than 5 users." in text
    assert "800" not in text and "100.0%" not in text


def test_a_gap_is_shown_only_where_nothing_hidden_follows_from_it(tmp_path):
    voice, ivr = some(70, channel="voice"), some(80, channel="ivr")
    chat, unknown = some(3, channel="chat"), some(2, channel=None)

    def gap(*parts) -> str:
        gaps = gathered(pd.concat(parts), tmp_path).gaps.set_index("label")
        assert gaps["group_eligible"].isna()["Voice − other channels"] == bool(
            gaps["suppressed"]["Voice − other channels"]
        )
        return gaps["suppressed"]["Voice − other channels"]

    assert gap(voice, ivr) == ""
    # Both hidden channels are among the others, whose sum is the total minus voice.
    assert gap(voice, voice.assign(user="more"), ivr[:60], chat) == ""
    # Unknown is hidden together with ivr, because voice and the others would reveal it.
    assert gap(voice, voice, ivr[:60], chat, unknown) == SMALL
    assert gap(voice[:3], ivr) == SMALL
    assert gap(voice[:10], ivr, chat) == SMALL


# --- numbers


def test_headline_shows_the_rate_with_its_wilson_interval(tmp_path):
    sessions = pd.concat([some(81), some(182, outcome="abandoned"), some(9, outcome="voicemail")])
    text = text_of(gathered(sessions, tmp_path))
    assert "Completed 30.8% 25.5% to 36.6% 81 of 263 eligible sessions" in text
    assert "Of 263 eligible sessions from 3 Mar 2025 to 3 Mar 2025" in text


def test_gap_is_the_metrics_and_its_interval_newcombes(tmp_path):
    sessions = pd.concat(
        [
            some(56, region="rural"),
            some(14, region="rural", outcome="failed"),
            some(48, region="urban"),
            some(32, region="urban", outcome="abandoned"),
        ]
    )
    text = text_of(gathered(sessions, tmp_path))
    assert "Rural − urban +20.0 +5.2 to +33.4 80.0% of 70 60.0% of 80" in text


def test_containment_is_not_shown_without_completion(data):
    assert "Contained" in text_of(data)
    totals = data.totals.copy()
    totals["voice_ai_completion_rate"] = np.nan
    text = text_of(replace(data, totals=totals))
    assert "Contained" not in text.replace("Not known in this data: Completed; Contained", "")


def test_latency_is_shown_where_the_project_measures_it(tmp_path):
    sessions = some(50, response_latency_p50_ms=0.0, response_latency_p95_ms=0.0)
    sessions.loc[0, ["response_latency_p50_ms", "response_latency_p95_ms"]] = 812.0, 2345.0
    assert "Median response latency 812 ms" not in text_of(gathered(sessions, tmp_path))
    text = text_of(gathered(sessions, tmp_path, metrics=LATENCY))
    assert "Median response latency 812 ms 95th percentile of latency 2,345 ms" in text


def test_weeks_that_data_do_not_cover_are_marked(tmp_path):
    days = pd.date_range("2025-03-05", "2025-03-18")
    text = text_of(gathered(pd.concat([some(9, day=day) for day in days]), tmp_path))
    assert "3 Mar 2025 (partial)" in text and "17 Mar 2025 (partial)" in text
    assert "10 Mar 2025 63 100.0%" in text
    assert "The last week is partial: the data ends on 18 Mar 2025." in text


def test_weeks_whose_outcomes_still_change_are_marked(tmp_path):
    days = pd.date_range("2025-03-03", "2025-03-16")
    data = gathered(pd.concat([some(9, day=day) for day in days]), tmp_path)
    ages = {"sessions": 400, "sessions_at_horizon": 300, "changed_sessions": 20}
    settling = pd.DataFrame([{"age_days": 0, "settled_proportion": 0.95} | ages])
    started = {"started_on": [days[9], days[10]], "sessions": [9, 9], "is_mature": [True, False]}
    maturity = pd.DataFrame(started | {"expected_change_proportion": [0.01, 0.05]})
    history = dict(zip(HISTORY, (settling, maturity), strict=True))
    text = text_of(replace(data, analyses={SETTLING: history}))
    assert "10 Mar 2025 (not mature) 63 100.0%" in text
    assert "3 Mar 2025 63 100.0%" in text
    assert "Outcomes from 13 Mar 2025 on aren't mature: they may still change." in text
    # Only in one figure's description and table: an error turn's rate can't change later.
    assert text.count("10 Mar 2025 (not mature)") == 2


def test_weeks_are_in_order(data, html):
    assert data.weeks["cohort"].is_monotonic_increasing
    assert data.active["cohort"].is_monotonic_increasing
    assert "The last week is partial: the data ends on 7 May 2025." in Page(html).text


def test_model_is_drawn_per_standard_deviation_with_its_verdict_verbatim(html):
    text = Page(html).text
    assert MODEL["verdict"] in text
    # By hand: SD 0.2; exp(-1.284 * 0.2) and exp(0.284 * 0.2).
    assert "0.90 (0.77 to 1.06)" in text and "1.43 (1.18 to 1.74)" in text
    assert "strongest" not in text


def test_a_model_that_declines_says_only_why(data):
    nothing = {"estimate": None, "ci_low": None, "ci_high": None}
    verdict = "There is no evidence either way, because nothing could be estimated: no session."
    model = MODEL | {"verdict": verdict, "coefficients": [], "auc": nothing}
    model |= {"likelihood_ratio_p_value": None}
    model |= {"calibration": {"slope": None, "intercept": None, "brier": None}}
    text = text_of(replace(data, model=model))
    assert verdict in text and "The model has no estimate." in text
    assert "odds ratio per standard deviation" not in text


def test_a_term_without_a_finite_estimate_does_not_break_the_plot(data):
    coefficients = [
        MODEL["coefficients"][0] | {"term": "b", "log_odds": 0.0, "odds_ratio_per_sd": 1}
    ]
    coefficients += [dict.fromkeys(MODEL["coefficients"][0]) | {"term": "c"}]
    coefficients += [
        MODEL["coefficients"][0] | {"term": "d", "ci_low": -90.0, "ci_high": 90.0},
    ]
    text = text_of(replace(data, model=MODEL | {"coefficients": coefficients}))
    assert "b: see the table; c: see the table; d: 0.90 (0.00 to" in text


def test_rows_and_tests_are_accounted_for(html, data):
    text = Page(html).text
    assert "sessions 6,012 6,000 12 0" in text and "neither staged" not in text
    assert "1 of 2 tests of the last dbt run passed" in text
    assert "▲ warn , 3 rows: An outcome without a mapping counts as unknown." in text
    lost = data.accounting.assign(staged_rows=data.accounting["staged_rows"] - 1)
    assert "Rows of sessions, turns, users are neither staged" in text_of(
        replace(data, accounting=lost)
    )


# --- what is absent or odd


def test_no_session_at_all(tmp_path):
    data = gathered(simulated()[:0], tmp_path)
    text = text_of(data)
    assert "There is no certified session yet." in text and "nan" not in text
    assert MODEL["verdict"] in text and "sessions 6,012" in text


def test_metrics_without_rows_read_as_no_session(tmp_path):
    class Silent:
        def query(self, metrics, group_by=(), where=(), order_by=()):
            return pd.DataFrame(columns=[*group_by, *metrics])

    data = gather(project_in(tmp_path), FakeWarehouse(), Silent().query, None)
    text = text_of(data)
    assert "There is no certified session yet." in text
    assert "No model has been fitted yet" in text and "There are no test results" in text


def test_errors_that_no_platform_reports_are_not_known_rather_than_none(tmp_path):
    unreported = dict.fromkeys(
        ["error_turns", "misunderstanding_turns", "no_input_turns", "noise_turns"], np.nan
    )
    text = text_of(gathered(some(50, **unreported), tmp_path))
    assert "nan" not in text.lower()
    assert "0 turns have another error" not in text


def test_nothing_is_known_but_the_sessions(tmp_path):
    text = text_of(
        gathered(some(50, user=None, channel=None, turns=0.0, error_turns=0.0), tmp_path)
    )
    for reason in (
        "No session has a known language.",
        "No session has a known mean ASR confidence.",
        "No session has a known channel.",
        "No language was served by two ASR releases",
        "No gap can be shown.",
        "There is nothing to count.",
    ):
        assert reason in text
    assert "nan" not in text.lower().replace("nannan", "") and "Low ASR confidence" in text
    assert "Not known in this data:" in text


def test_no_session_is_eligible(tmp_path):
    text = text_of(gathered(some(50, outcome="voicemail"), tmp_path))
    assert "is eligible: none was connected" in text and "voicemail · n 50" in text


def test_one_language_and_one_week(tmp_path):
    text = text_of(gathered(some(50, language="en"), tmp_path))
    assert "en · n 50 100.0% (92.9 to 100.0)" in text and "3 Mar 2025 (partial) 50" in text


def test_sixty_languages_are_all_in_the_table_and_the_largest_are_drawn(tmp_path):
    sessions = pd.concat([some(10 + i, language=f"l{i:02}") for i in range(60)])
    data = gathered(sessions, tmp_path)
    html = render(data)
    text = Page(html).text
    assert "Shown: 12 of 60; the table has all." in text
    assert "l59 · n 69" in text and "l48 · n 58" in text and "l47 · n" not in text
    assert "l00 10 100.0%" in text
    assert len(html) < 400_000


def test_hostile_text_is_text_everywhere(tmp_path):
    parts = [some(40, language=HOSTILE, channel=HOSTILE, asr_model=m) for m in (HOSTILE, "b")]
    parts += [some(40, asr_confidence_band='"><img src=x onerror=alert(1)>', region="<b>")]
    parts += [some(40, language="$x^2$", channel="ivr")]
    model = MODEL | {"verdict": HOSTILE, "excluded": {HOSTILE: 1}}
    model["coefficients"] = [MODEL["coefficients"][1] | {"term": HOSTILE}]
    html = render(gathered(pd.concat(parts), tmp_path, reason=HOSTILE, model=model))
    page = Page(html)
    assert not {"script", "img", "b>"} & set(page.tags)
    assert not [name for name, _ in page.attributes if name.startswith("on")]
    shown = '<script>alert("1")</script>&amp; $x^2$ עברית 😀'
    assert page.text.count(shown) > 6
    # Drawn labels are cut, but remain text: no formula, no tag.
    assert any(text.startswith("<script>ale…") for text in page.texts)
    assert any(text.startswith("$x^2$ · n 40") for text in page.texts)
    assert not {"\x00", "\u202e"} & set(html)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("model.json", "{", "model.json: isn't valid JSON"),
        ("model.json", "[]", "model.json: has no verdict"),
        ("target/run_results.json", "", "run_results.json: isn't valid JSON"),
    ],
)
def test_a_broken_file_is_named_in_one_line(tmp_path, name, content, told):
    gathered(some(9), tmp_path)
    (tmp_path / name).write_text(content)
    with pytest.raises(UserError, match=re.escape(told)) as error:
        gather(
            project_in(tmp_path),
            FakeWarehouse(),
            FakeClient(some(9)).query,
            tmp_path / "model.json",
        )
    assert "\n" not in str(error.value)


# --- the page


def test_the_page_is_one_light_file_that_loads_nothing(html, data):
    page = Page(html)
    assert len(html.encode()) < 400_000
    assert "script" not in page.tags and "link" in page.tags
    references = [value for name, value in page.attributes if name in ("src", "href", "xlink:href")]
    assert all(value.startswith(("#", "data:")) for value in references)
    assert {value[1:] for value in references if value.startswith("#")} <= set(page.ids)
    assert not re.search(r"url\((?!#)|@import", html) and html.count("<style") == 1
    assert len(page.ids) == len(set(page.ids))
    assert html == render(data)


def test_every_plot_can_be_read_without_seeing_it(html):
    plots = re.findall(r'<svg class="plot".*?</svg>', html, re.DOTALL)
    assert len(plots) == 14
    for plot in plots:
        assert 'role="img"' in plot and "<title" in plot and "<desc" in plot
        labelled = re.search(r'aria-labelledby="([^"]+)"', plot)[1].split()
        assert all(f'id="{name}"' in plot for name in labelled)
    for figure in re.findall(r"<figure.*?</figure>", html, re.DOTALL):
        assert figure.count("<h3>") == 1 and "<details>" in figure and "<table>" in figure


def test_the_page_in_a_browser(html, tmp_path):
    chromium = shutil.which("chromium")
    if chromium is None:
        pytest.skip("Chromium is not installed: apt-get install chromium")
    playwright = pytest.importorskip("playwright.sync_api")
    path = tmp_path / "report.html"
    write_whole(path, html)
    with playwright.sync_playwright() as browsers:
        browser = browsers.chromium.launch(executable_path=chromium, args=["--no-sandbox"])
        for width in (360, 1280):
            page, told, asked = browser.new_page(viewport={"width": width, "height": 800}), [], []
            page.on("console", lambda message, told=told: told.append(message.text))
            page.on("pageerror", lambda error, told=told: told.append(str(error)))
            page.on("request", lambda request, asked=asked: asked.append(request.url))
            page.on("requestfailed", lambda request, told=told: told.append(request.url))
            page.goto(path.as_uri())
            boxes = [plot.bounding_box() for plot in page.locator("figure svg[role=img]").all()]
            assert len(boxes) == 14
            assert all(box["width"] > 250 and box["height"] > 60 for box in boxes)
            # Tables scroll inside their own box, closed or open.
            for _ in range(2):
                across = page.evaluate("document.documentElement.scrollWidth")
                assert across == width
                page.evaluate("document.querySelectorAll('details').forEach(d => d.open = true)")
            # The two texts of a line don't overlap, whatever the font.
            assert page.evaluate(OVERLAPS) == []
            assert told == [] and asked == [path.as_uri()]
        browser.close()


OVERLAPS = """() => [...document.querySelectorAll('svg.plot')].flatMap(plot => {
    const texts = [...plot.querySelectorAll('text')];
    const boxes = texts.map(t => [t.textContent, t.getBoundingClientRect()]);
    const cross = (p, q) => p.left < q.right - 1 && q.left < p.right - 1
        && p.top < q.bottom - 3 && q.top < p.bottom - 3;
    return boxes.flatMap(([a, p], i) =>
        boxes.slice(i + 1).filter(([, q]) => cross(p, q)).map(([b]) => `${a} | ${b}`));
})"""
