"""A vendor's figures beside ours: what is read from the file, and what a difference comes from."""

from __future__ import annotations

from datetime import date, datetime, timedelta

import pytest

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.reconciling.compare import compare
from voice_ai_analytics.reconciling.expected import read_expected
from voice_ai_analytics.reconciling.ours import Ours

MONDAY = date(2026, 1, 5)


@pytest.fixture
def figures(tmp_path):
    def write_and_read(text: str, encoding="utf-8"):
        (tmp_path / "console.csv").write_bytes(text.encode(encoding))
        return read_expected(tmp_path / "console.csv")

    return write_and_read


def quarter(at, sessions=1, **more):
    return {
        "at": at,
        "sessions": sessions,
        "minutes": 2.0 * sessions,
        "cost": 0.5 * sessions,
        **dict.fromkeys(
            ("not_connected", "in_progress", "loaded_since", "no_duration", "no_cost"), 0
        ),
        **more,
    }


@pytest.mark.parametrize(
    ("text", "days", "ignored"),
    [
        (
            "Date,Calls,Total Minutes,Spend\n2026-01-05,10,20.5,$5.25\n",
            {"sessions": 10, "minutes": 20.5, "cost": 5.25},
            [],
        ),
        (
            "\ufeffagent;day;seconds\n\na;2026-01-05T00:00:00Z;60\nb;2026-01-05;1,230\n",
            {"minutes": 21.5},
            ["agent"],
        ),
        ("day\thours\n2026-01-05\t1.5\n", {"minutes": 90}, []),
    ],
)
def test_a_file_is_read_by_whatever_columns_it_has(figures, text, days, ignored):
    expected = figures(text)
    assert expected.days == {MONDAY: pytest.approx(days)}
    assert expected.ignored == ignored


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("", "is empty"),
        ("day,calls\n", "has no row"),
        ("when,calls\n1,2\n", "no column for the day; name it day or date; it has when, calls"),
        ("day,colour\n2026-01-05,red\n", "no column of sessions, minutes or cost"),
        ("day,calls\n05/01/2026,3\n", "row 2: '05/01/2026' isn't a day"),
        ("day,calls\n2026-01-05,many\n", "row 2, column calls: 'many' isn't a number"),
        ("day,calls\n2026-01-05\n", "row 2 has 1 values, and the header 2"),
    ],
)
def test_what_cannot_be_read_is_one_line(figures, text, told):
    with pytest.raises(UserError) as refused:
        figures(text)
    assert told in str(refused.value)
    assert "\n" not in str(refused.value)


def test_a_difference_has_its_causes(figures):
    expected = figures("day,calls,minutes,cost\n2026-01-05,9,18,4.5\n2026-01-06,2,4,1\n")
    noon = datetime(2026, 1, 5, 12)
    ours = Ours(
        [
            quarter(noon, 6, not_connected=1, loaded_since=2),
            quarter(noon + timedelta(hours=1), 1, no_cost=1, cost=0.0),
            quarter(noon + timedelta(days=1), 2),
            quarter(noon + timedelta(days=9), 50),
        ],
        [
            (noon, "missing_session_id, unreadable_started_at", 3),
            (None, "missing_started_at", 1),
            (noon + timedelta(days=9), "missing_session_id", 7),
        ],
        unbuilt=4,
    )
    result = compare("retell", expected, ours, "UTC")
    first, second = result.days
    assert first["difference"] == {"sessions": -2, "minutes": -4, "cost": -1.5}
    assert first["causes"] == {
        "quarantined": 3,
        "not_connected": 1,
        "loaded_since": 2,
        "no_cost": 1,
    }
    assert second["difference"] == {"sessions": 0, "minutes": 0, "cost": 0}
    assert result.reasons == {
        "missing_session_id": 3,
        "unreadable_started_at": 3,
        "missing_started_at": 1,
    }
    assert result.notes == [
        "1 quarantined rows have no day and may belong to any",
        "4 payloads were loaded after the last build; run dbt build",
    ]
    assert result.exit_code == 0
    assert result.other_zone is None
    assert result.verdict == (
        "retell, 2 days: the vendor counts 11 sessions and we 9 (-2); the vendor counts 22.00"
        " minutes and we 18.00 (-4.00); the vendor counts 5.50 cost and we 4.00 (-1.50); sessions"
        " to look at: 3 quarantined, 1 not connected, 2 loaded since, 1 without a cost."
    )


def test_days_of_another_time_zone_are_recognised(figures):
    # In New York, calls come just before midnight, and one each day just after it.
    days = range(5, 15)
    quarters = [quarter(datetime(2026, 1, day + 1, 4, 30), day) for day in days]
    quarters += [quarter(datetime(2026, 1, day, 5, 30)) for day in days]
    rows = "".join(f"2026-01-{day:02},{day + 1}\n" for day in days)
    expected = figures("day,calls\n" + rows)
    result = compare("retell", expected, Ours(quarters, [], 0), "UTC")
    assert result.other_zone == "UTC-5"
    assert "the vendor's days look like days of UTC-5" in result.verdict
    same = compare("retell", expected, Ours(quarters, [], 0), "America/New_York")
    assert [day["difference"]["sessions"] for day in same.days] == [0] * 10
    assert same.verdict == "retell, 10 days: sessions agree on every day (105)."
    with pytest.raises(UserError, match="Mars/Olympus: no such time zone"):
        compare("retell", expected, Ours(quarters, [], 0), "Mars/Olympus")


def test_what_no_cause_explains_is_said(figures):
    noon = datetime(2026, 1, 5, 12)
    ours = Ours([quarter(noon, 10, loaded_since=1)], [(noon, "missing_session_id", 2)], 0)
    for calls, unexplained in ((15, 3), (12, None), (10, None), (9, None), (4, 5)):
        result = compare("retell", figures(f"day,calls\n2026-01-05,{calls}\n"), ours, "UTC")
        assert result.days[0]["causes"].get("unexplained") == unexplained, calls


def test_nothing_to_compare_is_exit_3(figures):
    result = compare("retell", figures("day,calls\n2026-01-05,3\n"), Ours([], [], 0), "UTC")
    assert result.exit_code == 3
    assert result.verdict.startswith("Nothing can be compared: no certified session of retell")
