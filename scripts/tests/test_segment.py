"""Gaps and segments are named where there is evidence, and not where there is none."""

import importlib.util
import io
import json
import sys
from pathlib import Path

import matplotlib
import numpy as np
import pandas as pd
import pytest
import statsmodels.api as sm
from little_warehouse import ENGINES, little_warehouse
from rich.console import Console
from scipy import stats
from semantic import SEMANTICS, with_rates

from voice_ai_analytics import rates
from voice_ai_analytics.rates import rate_columns
from voice_ai_analytics.report.figures import STYLE
from voice_ai_analytics.report.sections.segments import NOT_YET, plots, sentences
from voice_ai_analytics.segments.discovery import find_segments, reached, search
from voice_ai_analytics.segments.estimate import segment
from voice_ai_analytics.segments.frame import openings_query, sessions_query
from voice_ai_analytics.segments.gaps import (
    MEASURES,
    compare,
    compare_cohorts,
    with_q_values,
)
from voice_ai_analytics.segments.results import RESULTS
from voice_ai_analytics.segments.terminal import render
from voice_ai_analytics.statistics.intervals import user_clusters

COMPLETION = rates.COMPLETION.metric


def load_benchmark():
    path = Path(__file__).parents[2] / "benchmarks" / "segments.py"
    spec = importlib.util.spec_from_file_location("segments", path)
    module = importlib.util.module_from_spec(spec)
    # A dataclass looks its module up by name.
    sys.modules["segments"] = module
    spec.loader.exec_module(module)
    return module


BENCHMARK = load_benchmark()
World = BENCHMARK.World


def by_comparison(gaps) -> dict:
    return {(row["dimension"], row["level"], row["measure"]): row for row in gaps}


def gaps_of(sessions, min_cohort_size=5) -> dict:
    return by_comparison(compare_cohorts(sessions, min_cohort_size)[0])


@pytest.fixture(scope="module")
def world():
    return BENCHMARK.simulate(World(900, rural=-0.8, tamil=-0.5), 1)


@pytest.fixture(scope="module")
def planted():
    return BENCHMARK.simulate(World(1500, planted=-2.0), 3)


@pytest.fixture(scope="module")
def result(planted):
    return segment(*planted, 5)


def tidy(n=400, **columns) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return sessions, one per user, with nothing known but what is given."""
    sessions = pd.DataFrame(
        {
            "session_key": np.arange(n),
            "user_key": np.arange(n),
            "is_eligible": True,
            "is_completed": np.arange(n) % 2 == 0,
            "is_abandoned": np.arange(n) % 2 == 1,
            "turn_count": 4,
            "error_turn_count": np.arange(n) % 3,
            "channel": "voice",
            "language": "en",
            "platform": "p",
            "asr_model": "1",
            "region": None,
            "has_disability": None,
            "is_first_time_digital_user": None,
            "started_hour": 10.0,
        }
        | columns
    )
    openings = pd.DataFrame(
        {
            "session_key": np.arange(n),
            "opening_errors": (np.arange(n) % 3).astype(float),
            "opening_interruptions": np.nan,
            "opening_asr_confidence": np.nan,
            "opening_intent_confidence": np.nan,
        }
    )
    return with_rates(sessions, MEASURES), openings


# --- Gaps ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "rate",
    [rates.COMPLETION, rates.ERROR_TURN],
    ids=lambda rate: rate.metric,
)
def test_a_gap_is_the_clustered_regression_of_statsmodels(world, rate):
    sessions, part, whole = world[0], rate.numerator, rate.denominator
    row = gaps_of(sessions)["region", "rural", rate.metric]
    both = sessions[sessions["region"].isin(["rural", "urban"]) & (sessions[whole] > 0)]
    x = sm.add_constant((both["region"] == "rural").astype(float))
    weight = both[whole].astype(float)
    theirs = sm.WLS(both[part].astype(float) / weight, x, weights=weight).fit(
        cov_type="cluster", cov_kwds={"groups": both["user_key"].to_numpy()}
    )
    sums = both.groupby("region")[[part, whole]].sum().astype(float)
    shares = sums[part] / sums[whole]
    assert row["gap"] == pytest.approx(shares["rural"] - shares["urban"], abs=1e-12)
    assert row["gap"] == pytest.approx(theirs.params["region"], abs=1e-9)
    # statsmodels also multiplies the variance by (N - 1) / (N - 2).
    n = len(both)
    error = theirs.bse["region"] * np.sqrt((n - 2) / (n - 1))
    side = weight.groupby(both["region"]).transform("sum")
    of_users = (np.where(x["region"], 1, -1) * weight * theirs.resid / side).groupby(
        both["user_key"]
    )
    squares = of_users.sum() ** 2
    t = stats.t(squares.sum() ** 2 / (squares**2).sum() - 1).ppf(0.975)
    assert row["ci_high"] - row["ci_low"] == pytest.approx(2 * t * error, rel=1e-9)
    assert row["n"] == both[whole][both["region"] == "rural"].sum()
    assert row["reference_users"] == both["user_key"][both["region"] == "urban"].nunique()


def test_a_gap_is_adjusted_for_the_other_dimensions_where_no_user_is_named_too():
    """Tamil fails more, and most of Tamil is rural: region has no gap of its own."""
    rng = np.random.default_rng(3)
    tamil = rng.random(4000) < 0.5
    rural = rng.random(4000) < np.where(tamil, 0.8, 0.2)
    sessions, _ = tidy(
        4000,
        language=np.where(tamil, "ta", "en"),
        region=np.where(rural, "Rural", "Urban"),
        is_completed=rng.random(4000) < np.where(tamil, 0.4, 0.8),
    )
    for given in (sessions, sessions.assign(user_key=None)):
        row = gaps_of(given)["region", "Rural", COMPLETION]
        assert row["gap"] < -0.15
        assert row["adjusted_gap"] == pytest.approx(0, abs=0.05)


def test_an_adjusted_gap_is_the_coefficient_given_the_other_dimensions(world):
    sessions = world[0]
    row = gaps_of(sessions)["is_first_time_digital_user", "true", COMPLETION]
    some = sessions[sessions[rates.COMPLETION.denominator] > 0].fillna(
        {"region": "none", "has_disability": "none"}
    )
    others = ["region", "has_disability", "channel", "language"]
    dummies = pd.get_dummies(some[others], drop_first=True, dtype=float)
    dummies.insert(0, "first", (some["is_first_time_digital_user"] == "true").astype(float))
    theirs = sm.OLS(some[rates.COMPLETION.numerator], sm.add_constant(dummies)).fit()
    assert row["adjusted_gap"] == pytest.approx(theirs.params["first"], abs=1e-9)
    assert row["adjusted_ci_low"] < row["adjusted_gap"] < row["adjusted_ci_high"]


def test_q_values_are_those_of_benjamini_and_hochberg():
    # Benjamini and Hochberg (1995), section 3.2: fifteen p values, of which four are rejected.
    p = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344]
    p += [0.0459, 0.3240, 0.4262, 0.5719, 0.6528, 0.7590, 1.0000]
    rows = with_q_values([{"p_value": value} for value in reversed(p)])
    q = [row["q_value"] for row in reversed(rows)]
    assert sum(value < 0.05 for value in q) == 4
    assert q[:4] == pytest.approx([0.0015, 0.003, 0.0095, 0.035625])


def test_levels_are_compared_as_the_gap_metrics_compare_them():
    regions = np.resize(["rural", "urban", "peri_urban"], 600)
    channels = np.resize(["voice", "ivr", "chat", None], 600)
    sessions, _ = tidy(600, region=regions, channel=channels, language=channels)
    rows, notes = compare_cohorts(sessions, 5)
    pairs = {(row["dimension"], row["level"], row["reference"]) for row in rows}
    assert {pair for pair in pairs if pair[0] == "region"} == {
        ("region", "rural", "urban"),
        ("region", "peri_urban", "urban"),
    }
    assert ("channel", "voice", "others") in pairs
    voice = by_comparison(rows)["channel", "voice", COMPLETION]
    known = sessions[sessions["channel"].notna()]
    shares = known.groupby(known["channel"] == "voice")["is_completed"].mean()
    assert voice["gap"] == pytest.approx(shares[True] - shares[False])
    # Unknown is a group, but isn't compared with anything.
    unknown = by_comparison(rows)["channel", None, COMPLETION]
    assert (unknown["n"], unknown["gap"], unknown["reference"]) == (150, None, None)
    assert voice["n"] + voice["reference_n"] == 450
    assert "No session has a known has_disability, so there is no gap by it." in notes


def test_small_cohorts_are_suppressed_and_cannot_be_computed():
    languages = ["xx"] * 3 + ["sw"] * 60 + ["en"] * 337
    rows = gaps_of(tidy(400, language=languages)[0])
    # sw would reveal xx, which is the total minus en and sw.
    for level in ("xx", "sw"):
        row = rows["language", level, COMPLETION]
        assert row["suppressed"]
        assert row["n"] is row["rate"] is row["gap"] is row["users"] is None
    assert rows["language", "en", COMPLETION]["n"] == 337


@pytest.mark.parametrize("heavy", [False, True])
def test_few_users_have_no_interval(heavy):
    # 29 users, or 100 of which one has nine tenths of the sessions.
    user = np.arange(400) if not heavy else np.where(np.arange(400) < 300, np.arange(400), 300)
    group = np.arange(400) < 29 if not heavy else np.arange(400) >= 270
    part = (np.arange(400) % 2).astype(float)
    row = compare(part, np.ones(400), group, user_clusters(pd.Series(user)))
    assert row["gap"] is not None and row["n"] == group.sum()
    assert row["ci_low"] is row["p_value"] is None
    assert row["declined"] == "one side has effectively fewer than 30 users"


def test_a_rate_of_nought_has_no_interval():
    group = np.arange(400) < 100
    part = np.where(group, 0.0, np.arange(400) % 2)
    row = compare(part, np.ones(400), group, np.arange(400))
    assert row["rate"] == 0 and row["ci_low"] is None
    assert row["declined"].startswith("too rare or too common")


def test_order_of_rows_does_not_matter(planted, result):
    shuffled = [frame.sample(frac=1, random_state=1) for frame in planted]
    again = segment(*shuffled, 5)
    assert again.found == result.found
    for one, other in zip(again.gaps, result.gaps, strict=True):
        assert one.keys() == other.keys()
        assert [v for v in one.values() if isinstance(v, float)] == pytest.approx(
            [v for v in other.values() if isinstance(v, float)], abs=1e-9
        )


# --- Segments --------------------------------------------------------------------------------


def test_the_tree_splits_where_the_eye_does():
    # One in ten ivr sessions with two or more errors is completed; of all others, nine in ten.
    n = 3000
    errors, channel = np.arange(n) % 4, np.resize(["ivr", "chat", "voice"], n)
    bad = (errors >= 2) & (channel == "ivr")
    completed = np.where(bad, np.arange(n) // 12 % 10 == 0, np.arange(n) // 12 % 10 > 0)
    sessions, openings = tidy(n, channel=channel, is_completed=completed)
    openings["opening_errors"] = errors.astype(float)
    rules = search(reached(sessions, openings), 0)
    texts = [" & ".join(map(str, sorted(map(str, rule)))) for rule in rules]
    expected = "channel: ivr & errors in the first 3 user turns: 2 or more"
    assert expected in texts
    rule = rules[texts.index(expected)]
    assert (np.logical_and.reduce([c.holds(sessions.merge(openings)) for c in rule]) == bad).all()
    (worst, *_) = find_segments(sessions, openings, 5)["segments"]
    assert worst["rate"] == pytest.approx(0.1, abs=0.05)
    assert worst["reference_rate"] == pytest.approx(0.9, abs=0.05)


def test_a_planted_segment_is_found_with_its_held_out_estimate(planted, result):
    worst = result.found["segments"][0]
    assert "channel: ivr" in worst["rule"]
    assert "errors in the first 3 user turns: 1 or more" in worst["rule"]
    assert worst["q_value"] < 0.05
    assert worst["ci_low"] < worst["gap"] < worst["ci_high"] < 0
    held_out = worst["n"] + worst["reference_n"]
    assert held_out == result.found["held_out_sessions"]
    # Each user is on one side only.
    sample = reached(*planted)
    assert held_out + result.found["search_sessions"] == len(sample)
    users = result.found["search_users"] + result.found["held_out_users"]
    assert users == sample["user_key"].nunique()


def test_unknown_numbers_go_where_the_rule_says():
    n = 2000
    confidence = np.where(np.arange(n) % 4 == 0, np.nan, np.arange(n) % 4 / 10)
    low = ~(confidence >= 0.2)
    completed = np.where(low, np.arange(n) // 4 % 10 == 0, np.arange(n) // 4 % 10 > 0)
    sessions, openings = tidy(n, is_completed=completed)
    openings = openings.assign(opening_asr_confidence=confidence, opening_errors=0.0)
    (row,) = find_segments(sessions, openings, 5)["segments"]
    # The cut is halfway between 0.1 and 0.2.
    label = "mean ASR confidence of the first 3 user turns"
    assert row["rule"] in (f"{label}: below 0.15 or not known", f"{label}: 0.15 or more")


def test_sessions_that_ended_in_their_opening_are_not_looked_at():
    sessions, openings = tidy()
    assert len(reached(sessions, openings[:150])) == 150


# --- Nulls -----------------------------------------------------------------------------------


def test_little_is_named_where_there_is_nothing():
    # If 1 in 20 is named, 4 or more of 20 occur by chance once in 63 runs.
    nulls = BENCHMARK.nulls(World(250, tail=2.5), 20)
    assert nulls["named_a_gap"] * 20 < 4
    assert nulls["showed_a_segment"] * 20 < 4
    assert nulls["mean_comparisons"] > 5 and nulls["mean_segments_tested"] > 0.5


def test_no_evidence_is_said_so():
    found = segment(*BENCHMARK.simulate(World(600), 4), 5)
    assert found.verdict.startswith("There is no evidence of a gap between cohorts in ")
    assert "there is no evidence of segments: of " in found.verdict
    assert found.exit_code == 0


# --- Bad input -------------------------------------------------------------------------------


def no_user(n=400):
    return tidy(n, user_key=None)


@pytest.mark.parametrize(
    ("frames", "told", "exit_code"),
    [
        (tidy(), "The only known channel is voice, so there is no gap by it.", 0),
        (tidy(), "No session has a known region, so there is no gap by it.", 0),
        (
            tidy(is_completed=True, is_abandoned=False),
            "Completed: all of the eligible sessions, so there is no gap.",
            3,
        ),
        (tidy(is_completed=True), "all 400 sessions with at least 3 user turns were completed", 3),
        (tidy(40), "40 users are too few; 30 are needed to search and as many to test", 3),
        (tidy(0), "no eligible session has 3 user turns", 3),
        (tidy(is_eligible=False), "no eligible session has 3 user turns", 3),
        ((tidy()[0], None), "set the var voice_ai_fact_turns to true and run dbt build", 3),
        (no_user(), "400 sessions have no known user: each counts as its own user", 0),
    ],
)
def test_bad_input_is_told_in_a_sentence(frames, told, exit_code):
    found = segment(*frames, 5)
    assert told in " ".join([*found.notes, found.verdict])
    assert found.exit_code == exit_code
    json.dumps(found.to_json(), allow_nan=False)
    assert set(found.tables()) == set(RESULTS)
    render(found, Console(file=io.StringIO()))


def test_gaps_stand_without_turns(world):
    found = segment(world[0], None, 5)
    assert found.exit_code == 0
    assert "show a gap" in found.verdict and "no segment was searched" in found.verdict


def test_everything_suppressed_leaves_nothing_to_say(world):
    found = segment(*world, 10_000)
    assert found.exit_code in (0, 3)
    assert all(row["suppressed"] and row["n"] is None for row in found.gaps)
    assert not found.found["segments"]
    with matplotlib.rc_context(STYLE):
        (plot,) = plots(found.tables())
    assert plot.svg is None


# --- What is written and shown ---------------------------------------------------------------


def test_terminal_fits_80_columns(result):
    file = io.StringIO()
    render(result, Console(file=file, width=80))
    text = file.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert "channel: ivr" in " ".join(text.split())
    assert " ".join(text.split()).endswith(result.verdict)


def test_report_shows_what_the_tables_hold(result):
    tables = result.tables()
    with matplotlib.rc_context(STYLE):
        (plot,) = plots(tables)
    assert "Segment 1" in plot.svg and "voice − other channels" in plot.svg
    assert result.found["segments"][0]["rule"] in plot.note
    told = [sentence[1:-1] for sentence in sentences(tables)]
    assert told == [text[1:] for text in result.verdicts.values()]
    assert (plots(None), sentences(None)) == ([], [NOT_YET])


SESSIONS = """
create table sessions as select
    's' as session_key, 'u' as user_key, true as is_eligible, false as is_completed,
    true as is_abandoned, 4 as turn_count, 1 as error_turn_count, 'ivr' as channel,
    'en' as language, 'p' as platform, '1' as asr_model, 'rural' as region,
    true as has_disability, cast(null as boolean) as is_first_time_digital_user,
    true as is_started_at_time_known, timestamp '2026-01-05 18:30:00' as started_at
"""
TURNS = """
create table turns as select * from (values
    ('s', 1, true, 0.5, null, cast(null as boolean)), ('s', 2, false, 0.7, null, true),
    ('s', 3, false, null, 0.9, false), ('s', 4, true, 0.1, 0.1, true),
    ('s', null, true, 0.1, 0.1, true), ('t', 1, true, 0.1, 0.1, true)
) as turns(session_key, user_turn_number, is_error, asr_confidence, intent_confidence,
    is_interruption)
"""


@pytest.fixture(params=ENGINES)
def run(request):
    """Query the two little tables on an engine."""
    with little_warehouse(request.param, SESSIONS, TURNS) as warehouse:
        yield warehouse.query


def test_queries_read_the_certified_tables(run):
    sessions, openings = (
        run(sessions_query('"sessions"', rate_columns(SEMANTICS, MEASURES))),
        run(openings_query('"turns"', 3)),
    )
    (session,), (opening,) = (frame.to_dict("records") for frame in (sessions, openings))
    assert (session["has_disability"], session["started_hour"]) == ("true", 18.0)
    assert pd.isna(session["is_first_time_digital_user"])
    # The opening excludes a fourth user turn and other speakers' turns; t ended during its own.
    assert opening == pytest.approx(
        {
            "session_key": "s",
            "opening_errors": 1,
            "opening_asr_confidence": 0.6,
            "opening_intent_confidence": 0.9,
            "opening_interruptions": 1,
        }
    )
    assert segment(sessions, openings, 5).exit_code == 3
