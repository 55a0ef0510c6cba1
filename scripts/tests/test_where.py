"""Where-clauses from strangers: what is allowed, and that nothing else passes."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.where import metricflow_filter

CHANNEL = "{{ Dimension('voice_ai_session__channel') }}"
WEEK = "{{ TimeDimension('metric_time', 'week') }}"
DISABILITY = "{{ Dimension('voice_ai_session__has_disability') }}"
DIMENSIONS = {
    "voice_ai_session__channel": CHANNEL,
    "metric_time__week": WEEK,
    "voice_ai_session__has_disability": DISABILITY,
}


def read(clause: str) -> str:
    return metricflow_filter(clause, DIMENSIONS)


@pytest.mark.parametrize(
    ("clause", "expected"),
    [
        ("voice_ai_session__channel = 'voice'", f"{CHANNEL} = 'voice'"),
        ("{{ Dimension('voice_ai_session__channel') }} = 'voice'", f"{CHANNEL} = 'voice'"),
        ("{{ TimeDimension('metric_time', 'week') }} < '2026-01-05'", f"{WEEK} < '2026-01-05'"),
        ("VOICE_AI_SESSION__CHANNEL <> 'it''s'", f"{CHANNEL} <> 'it''s'"),
        ("voice_ai_session__channel in ('a', 'b')", f"{CHANNEL} in ('a', 'b')"),
        ("voice_ai_session__channel not in ('a')", f"not ({CHANNEL} in ('a'))"),
        ("voice_ai_session__channel is null", f"{CHANNEL} is null"),
        ("voice_ai_session__channel is not null", f"not ({CHANNEL} is null)"),
        ("voice_ai_session__channel like 'v%'", f"{CHANNEL} like 'v%'"),
        ("voice_ai_session__channel not like 'v%'", f"not ({CHANNEL} like 'v%')"),
        ("voice_ai_session__has_disability is not true", f"not ({DISABILITY} is true)"),
        ("voice_ai_session__has_disability", DISABILITY),
        ("voice_ai_session__has_disability is true", f"{DISABILITY} is true"),
        (
            "metric_time__week between date '2026-01-05' and timestamp '2026-02-02 00:00:00'",
            f"{WEEK} between cast('2026-01-05' as date)"
            " and cast('2026-02-02 00:00:00' as timestamp)",
        ),
        (
            "voice_ai_session__channel = 'a' or metric_time__week > -1.5",
            f"({CHANNEL} = 'a') or ({WEEK} > -1.5)",
        ),
        ("voice_ai_session__channel = 'a' -- or everything", f"{CHANNEL} = 'a'"),
    ],
)
def test_what_is_allowed_is_written_anew(clause, expected) -> None:
    assert read(clause) == expected


@pytest.mark.parametrize(
    "clause",
    [
        "",
        "'a'",
        "true",
        "1 = 1; drop table fact",
        "voice_ai_session__channel = 'a'; drop table fact",
        "voice_ai_session__channel in (select user_key from fact)",
        "exists (select 1)",
        "1 = 1 union select 1",
        "pg_sleep(10) = 1",
        "pg_read_file('/etc/passwd') = 'x'",
        "voice_ai_session__channel = current_user",
        "voice_ai_session__channel || 'x' = 'y'",
        "voice_ai_session__channel = 'a' limit 1",
        "voice_ai_session__channel = cast('x' as regclass)",
        "fact.user_key = 'x'",
        "metric_time__week between symmetric 1 and 2",
        "voice_ai_session__channel like 'x' escape '!'",
        "voice_ai_session__channel = '{{ 7 * 7 }}'",
        "voice_ai_session__channel = '{% raw %}'",
        "{{ Metric('voice_ai_users', group_by=['x']) }} > 1",
        "{{ self.__class__ }} = 'x'",
        "voice_ai_session__channel = 'a\0b'",
        "voice_ai_session__channel = '\ud800'",
        "metric_time__week > 1e999",
        "voice_ai_session__channel = -'a secret'",
        "metric_time__week > cast('2026-01-01' as timestamp(0))",
        "(" * 200 + "voice_ai_session__has_disability" + ")" * 200,
        "not " * 5000 + "voice_ai_session__has_disability",
        "voice_ai_session__channel = '" + "a" * 20_000 + "'",
    ],
)
def test_everything_else_is_refused_in_one_line(clause) -> None:
    with pytest.raises(UserError) as told:
        read(clause)
    assert str(told.value).startswith("where: ")
    assert "\n" not in str(told.value)
    assert len(str(told.value)) < 400


def test_a_misspelt_dimension_is_answered_with_the_nearest() -> None:
    with pytest.raises(UserError, match="did you mean voice_ai_session__channel"):
        read("voice_ai_session__chanel = 'voice'")


@given(st.text())
@example("' or 1 = 1 --")
@example("\\' or 1 = 1 --")
def test_a_text_stays_a_text(text) -> None:
    """A value can hold anything: quotes are doubled, and nothing else is special."""
    clause = "voice_ai_session__channel = '" + text.replace("'", "''") + "'"
    try:
        written = read(clause)
    except UserError:
        return
    assert written == f"{CHANNEL} = '" + text.replace("'", "''") + "'"
    assert "{" not in text


@given(st.text())
def test_no_text_breaks_the_parser(clause) -> None:
    try:
        read(clause)
    except UserError as told:
        assert str(told).startswith("where: ")
