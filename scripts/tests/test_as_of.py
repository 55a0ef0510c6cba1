"""Moments of the past, and metric queries over them."""

from contextlib import contextmanager
from datetime import UTC, datetime
from types import SimpleNamespace

import duckdb
import pyarrow as pa
import pytest
from rich.console import Console

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.history.as_of import as_of_moment
from voice_ai_analytics.history.query import MetricAnswer, metric_query, render
from voice_ai_analytics.history.rewrite import as_of_statement
from voice_ai_analytics.metrics.certification import CertifiedBuild
from voice_ai_analytics.warehouse import Transaction

BUILD = CertifiedBuild("b1", datetime(2026, 3, 9, 4, 5, 6))
NOW = datetime(2026, 3, 10, 12, tzinfo=UTC)
END_OF_DAY = (23, 59, 59, 999999)


@pytest.mark.parametrize(
    ("text", "moment"),
    [
        ("2026-03-04", datetime(2026, 3, 4, *END_OF_DAY)),
        ("2026-03-10", datetime(2026, 3, 10, *END_OF_DAY)),
        ("2026-03-04T12:00:00Z", datetime(2026, 3, 4, 12)),
        ("2026-03-04T12:00+05:30", datetime(2026, 3, 4, 6, 30)),
        ("2026-03-04 00:00", datetime(2026, 3, 4)),
        ("2026-03-10T12:00:00Z", datetime(2026, 3, 10, 12)),
    ],
)
def test_a_day_means_its_end_and_an_instant_itself(text, moment):
    assert as_of_moment(text, NOW) == moment


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("2026-03-11", "in the future"),
        ("2026-03-10T12:00:00.000001Z", "in the future"),
        ("04/03/2026", "isn't a date or an instant; write 2026-03-04"),
        ("0001-01-01T00:00+14:00", "isn't a date or an instant"),
        ("' or true --", "isn't a date or an instant"),
    ],
)
def test_what_is_no_moment_of_the_past_is_told(text, told):
    with pytest.raises(UserError, match=told):
        as_of_moment(text, NOW)


class Project:
    """The part of a project that queries of the past need."""

    directory, connection = "here", SimpleNamespace(type="duckdb")

    def __init__(self) -> None:
        spine = {"schema": "s", "alias": "days", "time_spine": {"standard_granularity_column": "d"}}
        versions = {"schema": "s", "alias": "versions", "relation_name": '"memory"."s"."versions"'}
        self.manifest = {
            "nodes": {
                "model.voice_ai_analytics.days": spine,
                "snapshot.voice_ai_analytics.voice_ai_session_outcomes": versions,
            }
        }

    def node(self, model):
        return {"schema": "s", "alias": {"fact_voice_ai_sessions": "fact"}.get(model, "activity")}


@pytest.fixture
def warehouse():
    """Return a fact with one row that was different before, and a view over it."""
    with duckdb.connect() as connection:
        connection.execute(
            """
            create schema s;
            create table s.versions as
            select *, cast(f as timestamp) as dbt_valid_from, cast(t as timestamp) as dbt_valid_to
            from (values
                ('a', 1, '2026-03-01 06:00', '2026-03-03 06:00'),
                ('a', 2, '2026-03-03 06:00', null),
                ('b', 5, '2026-03-02 06:00', null)
            ) as v(key, x, f, t);
            create table s.fact as select key, x from s.versions where dbt_valid_to is null;
            create view s.activity as
            with doubled as (select key, 2 * x as x from s.fact) select * from doubled;
            create table s.days as select 1 as d;
            create table s.turns as select 'a' as key;
            """
        )

        @contextmanager
        def transaction():
            yield Transaction(connection, "?")

        yield SimpleNamespace(connection=connection, transaction=transaction)


QUERY = """
    with summed as (select sum(fact_src.x) as x from "memory"."s"."fact" fact_src)
    select summed.x, (select sum(x) from s.activity as a), (select max(d) from s.days)
    from summed
"""


@pytest.mark.parametrize(
    ("text", "answer"),
    [
        ("2026-03-01", (1, 2, 1)),
        ("2026-03-02", (6, 12, 1)),
        ("2026-03-03T05:59:59.999999Z", (6, 12, 1)),
        ("2026-03-03T06:00:00Z", (7, 14, 1)),
        ("2026-02-28", (None, None, 1)),
    ],
)
def test_a_query_and_the_views_in_it_read_the_rows_of_a_moment(warehouse, text, answer):
    statement = as_of_statement(Project(), warehouse, QUERY, as_of_moment(text, NOW))
    assert warehouse.connection.execute(statement).fetchall() == [answer]


def test_a_table_without_its_schema_is_known_too(warehouse):
    moment = as_of_moment("2026-03-01", NOW)
    statement = as_of_statement(Project(), warehouse, "select sum(x) from fact", moment)
    assert warehouse.connection.execute(statement).fetchall() == [(1,)]


@pytest.mark.parametrize("table", ["s.turns", "turns", "other.fact"])
def test_a_table_without_history_is_refused(warehouse, table):
    with pytest.raises(UserError, match="no history is kept of"):
        as_of_statement(Project(), warehouse, f"select * from {table}", datetime(2026, 3, 1))


def test_a_project_without_history_says_how_to_keep_it(warehouse):
    project = Project()
    project.manifest["nodes"].popitem()
    with pytest.raises(UserError, match="voice_ai_snapshot"):
        as_of_statement(project, warehouse, QUERY, datetime(2026, 3, 1))


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"metrics": " ,"}, "metrics: name at least one"),
        ({"metrics": "m", "start": "March"}, "start 'March': isn't a date"),
        ({"metrics": "m" * 201}, "metrics: "),
    ],
)
def test_a_question_that_is_none_is_told_in_a_line(arguments, told):
    with pytest.raises(UserError, match=told) as raised:
        metric_query(**arguments)
    assert "\n" not in str(raised.value)


def test_an_answer_as_text_json_and_csv():
    table = pa.table(
        {
            "metric_time__day": pa.array([datetime(2026, 3, 1)], pa.timestamp("us")),
            "voice_ai_session__channel": [None],
            "voice_ai_completion_rate": [0.123456789],
        }
    )
    query = metric_query("voice_ai_completion_rate", "metric_time__day,voice_ai_session__channel")
    answer = MetricAnswer(query, table, BUILD, datetime(2026, 3, 4, *END_OF_DAY))
    console = Console(width=80, record=True)
    render(answer, console)
    shown = console.export_text()
    assert "metric_time__day channel completion_rate" in shown
    assert "2026-03-01 – 0.123457" in " ".join(shown.split())
    assert "1 row, as known on 2026-03-04, end of day UTC." in shown
    told = answer.to_json()
    assert told["as_of"] == "2026-03-04T23:59:59.999999Z"
    assert told["rows"][0]["voice_ai_completion_rate"] == 0.123456789
    assert answer.to_csv().splitlines()[1].endswith(",,0.123456789")
