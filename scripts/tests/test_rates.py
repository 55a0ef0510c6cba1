"""What each row adds to a rate comes from the semantic models, or is an error."""

import duckdb
import pytest
from semantic import SEMANTICS

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.rates import COMPLETION, Rate, rate_columns
from voice_ai_analytics.report.catalog import REPEAT_USERS, TOP_BOX

SESSIONS = """
    select * from (values
        (1, true, true, 5, true), (2, true, false, 3, false), (3, false, null, null, null)
    ) as sessions (id, is_eligible, is_completed, csat_score, is_csat_top_box) order by id
"""


@pytest.mark.parametrize(
    ("rate", "rows"),
    [
        (COMPLETION, [(1, 1), (0, 1), (0, 0)]),
        # A session counts if it has a rating.
        (TOP_BOX, [(1, 1), (0, 1), (0, 0)]),
    ],
    ids=lambda value: getattr(value, "metric", ""),
)
def test_a_row_adds_to_a_rate_what_its_metrics_count(rate, rows):
    columns = rate_columns(SEMANTICS, [rate])
    found = duckdb.sql(f"select {columns} from ({SESSIONS}) as sessions")
    assert found.columns == [rate.numerator, rate.denominator]
    assert found.fetchall() == rows


@pytest.mark.parametrize(
    ("rate", "told"),
    [
        (REPEAT_USERS, "count_distinct"),
        (Rate("voice_ai_sessions", "Sessions", "sessions"), "not a ratio"),
        (Rate("voice_ai_charm_rate", "Charm", "sessions"), "no such metric"),
    ],
    ids=lambda value: getattr(value, "metric", ""),
)
def test_what_rows_cannot_add_up_to_is_refused(rate, told):
    with pytest.raises(UserError, match=told):
        rate_columns(SEMANTICS, [rate])
