"""What the report says about how outcomes settle."""

import numpy as np
import pandas as pd

from voice_ai_analytics.report.sections.settling import (
    NOT_YET,
    immature_from,
    plots,
    sentences,
)


def history(settled, mature) -> dict[str, pd.DataFrame]:
    """Return two tables: settled shares by age, and days as (start, sessions, share, mature)."""
    ages = pd.DataFrame(
        {
            "age_days": range(len(settled)),
            "sessions": 1000,
            "sessions_at_horizon": 400,
            "changed_sessions": 50,
            "settled_proportion": settled,
        }
    )
    columns = ["started_on", "sessions", "expected_change_proportion", "is_mature"]
    days = pd.DataFrame(mature, columns=columns)
    shuffled = ages.sample(frac=1, random_state=1)
    return {"voice_ai_outcome_settling": shuffled, "voice_ai_outcome_maturity": days}


SETTLED = [np.nan, 0.9, 0.97, 0.995]
DAYS = [
    ("2026-03-01", 50, 0.005, True),
    ("2026-03-03", 100, 0.10, False),
    ("2026-03-02", 300, 0.03, False),
    ("2026-03-04", 7, np.nan, None),
]


def test_fresh_days_are_marked_and_their_expected_changes_weighted():
    first, second = sentences(history(SETTLED, DAYS))
    assert "At the age of 1 day, 90.0% of outcomes were settled" in first
    assert "until 4 days (n 1,000 sessions, 400 of them" in first
    # (100 * 0.10 + 300 * 0.03) / 400
    assert "Days from 2 Mar 2026 on are not mature: of 400 outcomes, 4.8% are still" in second
    assert second.endswith("For 1 day, too few sessions of that age were followed to tell.")
    assert immature_from(history(SETTLED, DAYS)) == pd.Timestamp("2026-03-02")


def test_the_figure_shows_what_is_known_and_the_table_all():
    (plot,) = plots(history(SETTLED, DAYS))
    assert "2 days · n 1,000" in plot.svg and "0 days" not in plot.svg
    assert [row[1] for row in plot.rows] == ["too few sessions", "90.0%", "97.0%", "99.5%"]


def test_too_little_history_is_said_and_marks_nothing():
    unknown = history([np.nan] * 4, [("2026-03-01", 50, np.nan, None)])
    (sentence,) = sentences(unknown)
    assert "isn't known yet" in sentence and "at most 400 sessions" in sentence
    (plot,) = plots(unknown)
    assert plot.svg is None and "Too few sessions" in plot.note
    assert immature_from(unknown) is None


def test_mature_days_are_said_and_mark_nothing():
    mature = history(SETTLED, DAYS[:1])
    assert (
        sentences(mature)[1]
        == "Mature: 1 day of sessions; few of their outcomes will still change."
    )
    assert immature_from(mature) is None


def test_without_history_it_says_what_to_do():
    assert sentences(None) == [NOT_YET]
    assert plots(None) == []
    assert immature_from(None) is None
