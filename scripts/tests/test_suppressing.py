"""What a service with --suppress tells a client can't be subtracted to a few people."""

from __future__ import annotations

import random
from datetime import date, datetime, timedelta
from itertools import combinations

import pyarrow as pa
import pytest

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.query import MetricQuery
from voice_ai_analytics.metrics.suppression import COHORT_SIZE
from voice_ai_analytics.serving import suppressing
from voice_ai_analytics.serving.suppressing import Suppression

MINIMUM = 5
CHANNEL, REGION, DAY = "s__channel", "s__region", "metric_time__day"
WEEK = "metric_time__week"


def sessions_of(draw: random.Random) -> list[dict]:
    """Draw sessions of 60 users on ten days; some channels and days have next to nobody."""
    return [
        {
            "user": user,
            CHANNEL: draw.choices(("voice", "chat", "ivr"), (20, 10, 1))[0],
            REGION: ("rural", "urban")[user % 7 > 0],
            DAY: datetime(2024, 1, 1) + timedelta(min(draw.randrange(12), 9)),
        }
        for user in range(60)
        for _ in range(draw.randrange(1, 4))
    ]


def asked(draw: random.Random) -> tuple[MetricQuery, set[str]]:
    """Draw a question and the channels that its condition leaves."""
    group_by = tuple(name for name in (CHANNEL, REGION, DAY) if draw.random() < 0.3)
    channels, where = {"voice", "chat", "ivr"}, ()
    if draw.random() < 0.5:
        left_out = draw.choice(sorted(channels))
        channels -= {left_out}
        where = (f"{CHANNEL} <> '{left_out}'",)
    days = sorted(date(2024, 1, 1) + timedelta(draw.randrange(12)) for _ in range(2))
    start, end = (day if draw.random() < 0.5 else None for day in days)
    query = MetricQuery(metrics=("sessions",), group_by=group_by, where=where, start=start, end=end)
    return query, channels


def answer(query: MetricQuery, channels: set[str], sessions: list[dict]) -> dict[tuple, list]:
    """Return the sessions of each group."""
    groups = {}
    for one in sessions:
        day = one[DAY].date()
        if one[CHANNEL] in channels and (query.start or day) <= day <= (query.end or day):
            groups.setdefault(tuple(one[name] for name in query.group_by), []).append(one)
    return groups


def table(query: MetricQuery, groups: dict[tuple, list]) -> pa.Table:
    columns = {
        name: [values[number] for values in groups] for number, name in enumerate(query.group_by)
    }
    columns["sessions"] = [len(group) for group in groups.values()]
    columns[COHORT_SIZE] = [len({one["user"] for one in group}) for group in groups.values()]
    return pa.table(columns)


@pytest.mark.parametrize("seed", range(20))
def test_no_two_answers_differ_by_a_few_users(seed) -> None:
    draw = random.Random(seed)
    sessions, suppression, told = sessions_of(draw), Suppression(MINIMUM), []
    for _ in range(40):
        query, channels = asked(draw)
        groups = answer(query, channels, sessions)
        rows = suppression.apply(query, table(query, groups), "someone", "a build").to_pylist()
        for row in rows:
            group = groups[tuple(row[name] for name in query.group_by)]
            if row["is_suppressed"]:
                assert row["sessions"] is None
            else:
                assert row["sessions"] == len(group)
                told.append({id(one): one["user"] for one in group})
    assert len(told) > 10
    for one, other in combinations(told, 2):
        for larger, smaller in ((one, other), (other, one)):
            if smaller.keys() < larger.keys():
                left = {larger[session] for session in larger.keys() - smaller.keys()}
                assert len(left) >= MINIMUM


def told(suppression: Suppression, size: int, client: str = "a", build: str = "1", **question):
    query = MetricQuery(metrics=("sessions",), **question)
    values = pa.table({"sessions": [size], COHORT_SIZE: [size]})
    for name in query.group_by:
        values = values.append_column(name, pa.array([datetime(2024, 1, 8)]))
    return not suppression.apply(query, values, client, build)["is_suppressed"][0].as_py()


def test_another_client_and_another_build_begin_anew() -> None:
    suppression = Suppression(MINIMUM)
    near = {"where": ("c = 'x'",)}
    assert told(suppression, 100)
    assert not told(suppression, 98, **near)
    assert told(suppression, 95, where=("c = 'y'",))
    assert told(suppression, 98, "b", **near)
    assert told(suppression, 98, build="2", **near)
    # As it was written otherwise.
    assert told(suppression, 98, build="2", where=("c  =  'x'",))


def test_a_week_and_a_range_of_days_are_the_same_time() -> None:
    suppression = Suppression(MINIMUM)
    assert told(suppression, 50, group_by=(WEEK,))
    assert not told(suppression, 48, start=date(2024, 1, 8), end=date(2024, 1, 13))
    assert told(suppression, 48, start=date(2024, 1, 15), end=date(2024, 1, 21))
    assert told(suppression, 47, start=date.min, end=date(2024, 1, 7))


def test_what_can_not_be_remembered_is_not_told(monkeypatch) -> None:
    monkeypatch.setattr(suppressing, "MOST_GROUPS", 1)
    suppression = Suppression(MINIMUM)
    assert told(suppression, 50)
    with pytest.raises(UserError, match="ask again after the next build"):
        told(suppression, 100)
