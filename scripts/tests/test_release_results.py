"""The verdicts on an ASR release: what they rest on, and when there are none."""

import datetime
import importlib.util
import io
import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pandas as pd
import pytest
from little_warehouse import ENGINES, little_warehouse
from rich.console import Console
from semantic import SEMANTICS, with_rates

from voice_ai_analytics.analysis import Source
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.rates import COMPLETION, TRANSFER
from voice_ai_analytics.releases import frame
from voice_ai_analytics.releases.estimate import _judged, compare_releases
from voice_ai_analytics.releases.frame import read_releases
from voice_ai_analytics.releases.results import CHECKS, EFFECTS
from voice_ai_analytics.releases.terminal import render
from voice_ai_analytics.report.sections.releases import NOT_YET, plots, sentences

METRICS = ["completion", "abandonment", "transfer", "error turns", "word errors"]


def load_benchmark():
    path = Path(__file__).parents[2] / "benchmarks" / "asr_release.py"
    spec = importlib.util.spec_from_file_location("asr_release", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


BENCHMARK = load_benchmark()
NOTHING = pd.DataFrame()


def simulated(seed=1, **options) -> tuple[pd.DataFrame, pd.DataFrame]:
    return BENCHMARK.deployment(np.random.default_rng(seed), **options)


def compare(frames, min_cohort_size=5):
    return compare_releases(*frames, "asr-1", "asr-2", min_cohort_size)


def verdicts(result) -> dict[str, str]:
    return {effect["metric"]: effect["verdict"] for effect in result.primary}


def effect_of(result, metric, estimate=None) -> dict:
    found = [
        effect
        for effect in result.effects
        if effect["metric"] == metric
        and (effect["estimate"] == estimate if estimate else effect["is_primary"])
    ]
    assert len(found) == 1
    return found[0]


def check_of(result, check, metric=None) -> dict:
    return next(c for c in result.checks if (c["check"], c["metric"]) == (check, metric))


@pytest.fixture(scope="module")
def better():
    return compare(simulated(effect=0.12))


def test_a_known_effect_is_found_and_nothing_else(better):
    found = verdicts(better)
    assert list(found) == METRICS
    assert (found["completion"], found["abandonment"]) == ("improved", "improved")
    assert (found["error turns"], found["word errors"]) == ("no evidence", "no evidence")
    completion = effect_of(better, "completion")
    assert completion["estimate"] == "adjusted"
    assert completion["ci_low"] < 0.12 < completion["ci_high"]
    assert max(completion["q_value"], completion["primary_q_value"]) < 0.05
    assert better.exit_code == 0


def test_less_completion_and_more_abandonment_are_worse():
    found = verdicts(compare(simulated(effect=-0.12)))
    assert (found["completion"], found["abandonment"]) == ("worsened", "worsened")


def test_a_release_that_changes_nothing_raises_no_alarm():
    """Run a short version of benchmarks/asr_release.py: two alarms in 8 runs are unlikely."""
    assert BENCHMARK.false_alarms(8, 3, users=300)["with_a_claim"] <= 1 / 8


def test_a_shift_of_the_mix_alone_is_no_evidence():
    frames = simulated(shift=0.6, users=1200)
    result = compare(frames)
    raw = effect_of(result, "completion", "raw")
    assert raw["p_value"] < 0.001
    assert verdicts(result)["completion"] == "no evidence"
    shift = check_of(result, "mix in the raw difference", "completion")
    assert shift["ci_high"] < 0
    adjusted = effect_of(result, "completion")
    assert shift["value"] == pytest.approx(raw["difference"] - adjusted["difference"])


def test_a_trend_that_may_be_all_cannot_be_told():
    result = compare(simulated(trend=0.01, users=3000))
    assert check_of(result, "trend", "completion")["result"] == "failed"
    completion = effect_of(result, "completion")
    assert (completion["verdict"], completion["ci_low"] > 0) == ("cannot be told", True)
    assert "week by week" in result.verdict


def test_where_groups_kept_the_earlier_release_they_are_the_comparison():
    result = compare(simulated(effect=0.1, kept=("hi", "ta"), trend=0.008, users=2500))
    completion = effect_of(result, "completion")
    assert (completion["estimate"], completion["verdict"]) == (
        "difference in differences",
        "improved",
    )
    assert completion["ci_low"] < 0.1 < completion["ci_high"]
    # Languages that kept the earlier release have no stratum with both releases.
    assert "a release's sessions are in" in effect_of(result, "completion", "adjusted")["declined"]
    assert check_of(result, "trends of groups", "completion")["result"] == "passed"


def test_groups_with_other_trends_cannot_be_told_and_nothing_takes_their_place():
    result = compare(simulated(effect=0.15, kept=("hi", "ta"), kept_trend=-0.03, users=2000))
    assert verdicts(result)["completion"] == "cannot be told"
    assert "a different trend" in effect_of(result, "completion")["declined"]
    assert effect_of(result, "completion")["q_value"] is None


def with_pairs(users: int) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Return evaluations in which both releases transcribed some users' turns."""
    sessions, evaluations = simulated()
    numbers = np.flatnonzero(evaluations["user_key"].astype(int) < users)
    for arm, share in (("before", 0.3), ("after", 0.2)):
        errors = 20 * share + np.arange(len(numbers)) % (3 if arm == "after" else 2) - 0.5
        evaluations.loc[numbers, f"paired_words_{arm}"] = 20.0
        evaluations.loc[numbers, f"paired_errors_{arm}"] = errors
    return sessions, evaluations


def test_word_errors_rest_on_turns_that_both_transcribed():
    effect = effect_of(compare(with_pairs(200)), "word errors")
    assert (effect["estimate"], effect["verdict"]) == ("paired", "improved")
    assert effect["difference"] == pytest.approx(-0.075, abs=0.005)
    few = compare(with_pairs(25))
    assert effect_of(few, "word errors")["estimate"] == "adjusted"
    pair = effect_of(few, "word errors", "paired")
    assert "an interval needs 30" in pair["declined"]
    assert (pair["difference"], pair["ci_low"]) == (pytest.approx(-0.075, abs=0.01), None)


def test_verdicts_need_a_q_value_over_all_estimates_and_over_the_primary_ones():
    """Compare with Benjamini and Hochberg (1995), section 3.2: four of 15 p values pass at 0.05."""
    p_values = [0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240]
    p_values += [0.4262, 0.5719, 0.6528, 0.7590, 1.0]
    common = {"metric": "completion", "estimate": "adjusted", "difference": 0.1, "declined": ""}
    common |= {"more_is_better": True, "q_value": None, "primary_q_value": None}
    made = [common | {"p_value": p, "is_primary": True} for p in p_values]
    judged = _judged(made, [])
    assert [effect["verdict"] for effect in judged] == ["improved"] * 4 + ["no evidence"] * 11
    assert judged[3]["q_value"] == pytest.approx(15 * 0.0095 / 4)
    # Raw differences that are significant only because of the mix don't lower the bar.
    primary = [common | {"p_value": p, "is_primary": True} for p in (0.02, 0.5, 0.6, 0.7, 0.8)]
    raw = [common | {"p_value": 1e-9, "is_primary": False} for _ in range(5)]
    judged = _judged(primary + raw, [])
    assert judged[0]["q_value"] < 0.05 < judged[0]["primary_q_value"]
    assert judged[0]["verdict"] == "no evidence"


def test_without_references_the_rest_stands():
    result = compare((simulated()[0], NOTHING))
    assert effect_of(result, "word errors")["verdict"] == "cannot be told"
    assert "neither has a turn with a reference" in result.verdict
    assert (result.exit_code, verdicts(result)["completion"]) == (0, "no evidence")


def test_several_normalizers_do_not_compare():
    sessions, evaluations = simulated()
    result = compare((sessions, evaluations.assign(last_normalizer="whisper")))
    assert "several normalizers" in effect_of(result, "word errors")["declined"]


def test_fewer_than_30_users_have_no_interval():
    sessions, _ = simulated()
    few = sessions[(sessions["is_after"] == 0) | (sessions["user_key"].astype(int) < 25)]
    result = compare((few, NOTHING))
    assert result.exit_code == 3
    assert set(verdicts(result).values()) == {"cannot be told"}
    raw = effect_of(result, "completion", "raw")
    assert raw["difference"] is not None
    assert raw["ci_low"] is raw["p_value"] is raw["q_value"] is None
    assert "an interval needs 30" in result.verdict


def test_sessions_without_a_user_are_clusters_of_their_own():
    sessions, _ = simulated(users=20, sessions_of_a_user=10)
    assert compare((sessions, NOTHING)).exit_code == 3
    result = compare((sessions.assign(user_key=None), NOTHING))
    assert result.exit_code == 0
    assert effect_of(result, "completion", "raw")["users_before"] == 0


def test_a_release_of_fewer_users_than_a_cohort_is_suppressed():
    sessions, _ = simulated()
    few = sessions[(sessions["is_after"] == 0) | (sessions["user_key"].astype(int) < 4)]
    result = compare((few, NOTHING))
    for effect in result.effects[:-1]:
        assert "fewer than 5 users; suppressed" in effect["declined"]
        assert {effect[name] for name in ("rate_after", "difference", "n_after")} == {None}
    shown = result.tables()[EFFECTS]
    assert shown[["n_after", "sessions_after", "users_after", "rate_after"]].isna().all().all()


def test_releases_of_different_languages_share_nothing():
    sessions, _ = simulated()
    alone = np.where(sessions["is_after"] == 1, "xx", sessions["language"])
    result = compare((sessions.assign(language=alone), NOTHING))
    assert verdicts(result)["completion"] == "cannot be told"
    assert "only 0%" in effect_of(result, "completion")["declined"]


def test_one_language_is_not_adjusted_for_and_said():
    sessions, _ = simulated()
    result = compare((sessions.assign(language="en"), NOTHING))
    assert (
        "All sessions have the same language, so there is nothing to adjust for" in result.notes[0]
    )
    assert verdicts(result)["completion"] == "no evidence"


def test_releases_side_by_side_are_adjusted_and_no_series():
    sessions, _ = simulated()
    result = compare((sessions.assign(is_after=np.arange(len(sessions)) % 2), NOTHING))
    assert "side by side" in effect_of(result, "completion", "series, at the release")["declined"]
    assert verdicts(result)["completion"] == "no evidence"
    assert check_of(result, "served side by side")["value"] == 20


def test_what_is_said_of_cause_depends_on_who_was_served_when(better):
    sessions, _ = simulated()
    mixed = compare((sessions.assign(is_after=np.arange(len(sessions)) % 2), NOTHING))
    assert "assuming that chance assigned them" in mixed.verdict
    assert "different times" not in mixed.verdict
    assert "the sessions are from different times" in better.verdict


@pytest.mark.parametrize("strays", [0, 5])
def test_releases_the_wrong_way_round_are_refused(strays):
    sessions, _ = simulated()
    turned = (1 - sessions["is_after"]).mask(sessions.index < strays, sessions["is_after"])
    with pytest.raises(UserError, match=r"asr-1 took over from asr-2.* --before asr-2"):
        compare((sessions.assign(is_after=turned), NOTHING))


def test_a_p_value_too_small_for_a_number_is_a_verdict():
    sessions, _ = simulated(users=40_000, sessions_of_a_user=2, weeks=1)
    is_done = np.random.default_rng(1).random(len(sessions)) < np.where(
        sessions["is_after"] == 1, 0.9, 0.1
    )
    result = compare((sessions.assign(**{COMPLETION.numerator: is_done.astype(int)}), NOTHING))
    completion = effect_of(result, "completion")
    assert (completion["p_value"], completion["q_value"]) == (0.0, 0.0)
    assert completion["verdict"] == "improved"


def test_a_user_with_half_of_the_sessions_allows_no_interval():
    sessions, evaluations = with_pairs(200)
    heavy = (sessions["is_after"] == 1) & (np.arange(len(sessions)) % 2 == 0)
    result = compare((sessions.assign(user_key=sessions["user_key"].mask(heavy, "0")), NOTHING))
    completion = effect_of(result, "completion")
    assert (completion["ci_low"], completion["verdict"]) == (None, "cannot be told")
    assert "effectively" in completion["declined"]
    paired = evaluations["paired_words_before"] > 0
    evaluations.loc[np.flatnonzero(paired)[:5], "paired_words_before"] = 5000.0
    pair = effect_of(compare((sessions, evaluations)), "word errors", "paired")
    assert (pair["ci_low"], pair["is_primary"]) == (None, False)
    assert "effectively" in pair["declined"]


def test_weeks_that_go_well_or_badly_widen_the_interval_from_3_weeks_on():
    frames = simulated(users=2000, weeks=3, shock=0.15)
    assert effect_of(compare(frames), "completion")["clustered_by"] == "week"
    assert not any("whole week" in note for note in compare(frames).notes)
    two = simulated(users=2000, weeks=2, shock=0.15)
    assert effect_of(compare(two), "completion")["clustered_by"] == "user"
    assert any(
        "no interval covers events that affect a whole week" in note for note in compare(two).notes
    )


def test_no_eligible_session_cannot_be_told():
    sessions, _ = simulated()
    none = {metric.rate.denominator: 0 for metric in frame.METRICS[:3]}
    result = compare((sessions.assign(**none), NOTHING))
    assert "no eligible sessions with asr-1" in effect_of(result, "completion")["declined"]
    assert verdicts(result)["error turns"] == "no evidence"


def test_an_outcome_that_never_varies_is_no_number():
    sessions, _ = simulated()
    result = compare((sessions.assign(**{TRANSFER.numerator: 0}), NOTHING))
    assert verdicts(result)["transfer"] == "cannot be told"
    json.dumps(result.to_json(), allow_nan=False)


def test_row_order_does_not_matter(better):
    sessions, evaluations = simulated(effect=0.12)
    shuffled = sessions.sample(frac=1, random_state=1), evaluations.sample(frac=1, random_state=1)
    for one, other in zip(better.effects, compare(shuffled).effects, strict=True):
        assert one["difference"] == pytest.approx(other["difference"])
        assert one["p_value"] == pytest.approx(other["p_value"])


def test_tables_hold_what_the_json_holds(better):
    tables = better.tables()
    effects, checks = tables[EFFECTS], tables[CHECKS]
    assert len(effects) == len(better.to_json()["effects"])
    assert effects["is_primary"].sum() == 5
    assert (effects["difference"].dtype, effects["is_primary"].dtype) == (float, bool)
    # Every number has its n, and every estimate an interval or a reason why not.
    known = effects[effects["difference"].notna()]
    assert known[["n_before", "n_after"]].notna().all().all()
    assert (known["ci_low"].notna() | (known["declined"] != "")).all()
    assert (effects["difference"].notna() | (effects["declined"] != "")).all()
    assert set(checks["result"]) <= {"", "passed", "failed"}
    json.dumps(better.to_json(), allow_nan=False)


def rare(events: int, of: int) -> pd.DataFrame:
    """Return 1,425 sessions, 28 of them abandoned, and then others; one user each, one stratum."""
    n = 1425 + of
    abandoned = np.zeros(n, dtype=int)
    abandoned[: 28 * 50 : 50] = 1
    abandoned[1425 : 1425 + events] = 1
    day = pd.Timestamp("2026-01-05") + pd.to_timedelta(np.arange(n) % 21, "D")
    sessions = pd.DataFrame(
        {
            "session_key": np.arange(n).astype(str),
            "user_key": np.arange(n).astype(str),
            "started_on": day,
            "is_after": (np.arange(n) >= 1425).astype(int),
            "language": "en",
            "channel": "voice",
            **dict.fromkeys(("region", "has_disability", "is_first_time_digital_user")),
            "is_eligible": True,
            "is_completed": abandoned == 0,
            "is_abandoned": abandoned == 1,
            "is_transferred": False,
            "turn_count": 5,
            "error_turn_count": np.arange(n) % 2,
        }
    )
    return with_rates(sessions, [metric.rate for metric in frame.METRICS])


def test_a_rare_end_that_few_sessions_happened_to_lack_is_no_improvement():
    # If 2 % are abandoned, 22 % of samples of 75 have none.
    result = compare_releases(rare(0, 75), pd.DataFrame(), "asr-1", "asr-2", 5)
    assert verdicts(result)["abandonment"] == "cannot be told"
    (adjusted,) = (e for e in result.primary if e["metric"] == "abandonment")
    assert "too rare" in adjusted["declined"] and adjusted["difference"] is None
    enough = compare_releases(rare(15, 700), pd.DataFrame(), "asr-1", "asr-2", 5)
    assert verdicts(enough)["abandonment"] == "no evidence"


def test_a_release_of_too_few_users_shows_no_count_in_its_checks():
    result = compare_releases(rare(1, 4), pd.DataFrame(), "asr-1", "asr-2", 5)
    assert result.checks == [] and result.exit_code == 3


def test_the_terminal_shows_all_in_80_columns(better):
    stream = io.StringIO()
    render(better, Console(file=stream, width=80))
    text = stream.getvalue()
    assert max(map(len, text.splitlines())) <= 80
    assert all(metric in text for metric in METRICS)
    assert " ".join(better.verdict.split()) in " ".join(text.split())
    # A release's name may look like rich's markup.
    stream = io.StringIO()
    render(replace(better, after="[bold]2"), Console(file=stream, width=80))
    assert "[bold]2 minus asr-1" in stream.getvalue()


def test_the_sentence_says_what_time_may_have_done(better):
    assert better.verdict.startswith("From asr-1 to asr-2, completion improved, +")
    assert better.verdict.count("95% interval") == 5
    assert "not what it caused" in better.verdict
    kept = compare(simulated(effect=0.15, kept=("hi", "ta"), users=2000))
    assert "not what it caused" not in kept.verdict.split("word errors")[0]


def test_the_report_draws_what_verdicts_rest_on(better):
    (plot,) = plots(better.tables())
    assert plot.question == "What changed from asr-1 to asr-2?"
    assert plot.svg.count("<title") == 1
    assert len(plot.rows) == len(better.effects)
    assert sentences(better.tables()) == [better.verdict]
    assert (plots(None), sentences(None)) == ([], [NOT_YET])
    nothing = compare((simulated(users=10)[0], NOTHING))
    (plot,) = plots(nothing.tables())
    assert len(sentences(nothing.tables())) == 1


SESSIONS = """
create table sessions as
select
    v.session_key, v.user_key, cast(v.started_at as timestamp) as started_at, v.asr_model,
    v.is_eligible, v.outcome = 'completed' as is_completed, v.outcome = 'abandoned' as is_abandoned,
    v.outcome = 'transferred' as is_transferred, 4 as turn_count, 1 as error_turn_count,
    'en' as language, 'voice' as channel, cast(null as text) as region,
    true as has_disability, cast(null as boolean) as is_first_time_digital_user
from (values
    ('a', 'u1', '2026-01-07 23:30:00', 'it''s 1', true, 'completed'),
    ('b', null, '2026-01-08 10:00:00', 'two', true, 'abandoned'),
    ('c', 'u2', '2026-02-01 10:00:00', 'three', false, 'in_progress'),
    ('d', 'u2', '2026-02-02 10:00:00', null, true, 'completed')
) as v (session_key, user_key, started_at, asr_model, is_eligible, outcome)
"""
# Both transcribed turn t1. Turn t2 names no model, so its session's model applies.
EVALUATIONS = """
create table evaluations as
select v.*, 'word' as unit, 0 as deletions, 0 as insertions from (values
    ('t1-it''s 1', 'a', 'it''s 1', 'basic', 2, 10),
    ('t1-two', 'a', 'two', 'basic', 1, 10),
    ('t2', 'b', cast(null as text), 'basic', 3, 6),
    ('t3-three', 'c', 'three', 'none', 1, 2)
) as v (
    evaluation_key, session_key, evaluated_asr_model, normalizer, substitutions, reference_words
)
"""


@pytest.fixture(scope="module", params=ENGINES)
def warehouse(request):
    """Return the two little tables on an engine."""
    with little_warehouse(request.param, SESSIONS, EVALUATIONS) as warehouse:
        yield warehouse


def source(warehouse, sessions="sessions", evaluations="evaluations") -> Source:
    """Return a stand-in for the project that an analysis reads."""
    found = Source(SimpleNamespace(semantics=SEMANTICS), warehouse, sessions)
    found.relation = {"fact_voice_ai_asr_evaluations": evaluations}.get
    return found


def test_the_warehouse_gives_sessions_and_word_errors_of_two_releases(warehouse):
    sessions, evaluations = read_releases(source(warehouse), "it's 1", "two")
    assert sessions["session_key"].tolist() == ["a", "b"]
    assert sessions["is_after"].tolist() == [0, 1]
    assert pd.Timestamp(sessions["started_on"][0]).date() == datetime.date(2026, 1, 7)
    assert sessions[COMPLETION.numerator].tolist() == [1, 0]
    assert sessions["has_disability"].tolist() == ["true", "true"]
    numbers = evaluations.set_index("session_key").filter(regex="errors|words")
    expected = {
        "errors_before": [2, np.nan], "words_before": [10, np.nan],
        "errors_after": [1, 3], "words_after": [10, 6],
        "paired_errors_before": [2, np.nan], "paired_words_before": [10, np.nan],
        "paired_errors_after": [1, np.nan], "paired_words_after": [10, np.nan],
    }  # fmt: skip
    expected = pd.DataFrame(expected, index=["a", "b"], dtype=float)
    pd.testing.assert_frame_equal(numbers, expected, check_names=False, check_index_type=False)
    # Not enough data for anything, but no reason to fail.
    assert compare_releases(sessions, evaluations, "it's 1", "two", 5).exit_code == 3


@pytest.mark.parametrize(
    ("before", "after", "told"),
    [
        ("two", "two", "both 'two': name two"),
        ("too", "three", "--before 'too': no session has this asr_model; there are it's 1, two,"),
        ("too", "three", "did you mean two?"),
        ("two", "x' or '1'='1", "--after \"x' or '1'='1\": no session has"),
        ("three", "two", "use --before two --after three"),
    ],
)
def test_a_mistake_in_the_releases_is_one_line(warehouse, before, after, told):
    with pytest.raises(UserError) as error:
        read_releases(source(warehouse, evaluations=None), before, after)
    assert told in str(error.value)
    assert error.value.exit_code == 2


def test_a_warehouse_that_names_no_model_has_nothing_to_estimate(warehouse):
    unnamed = "(select * from sessions where asr_model is null)"
    with pytest.raises(UserError, match="no session in the warehouse has an asr_model") as error:
        read_releases(source(warehouse, unnamed, None), "a", "b")
    assert error.value.exit_code == 3
