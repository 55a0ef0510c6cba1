"""Exported metric tables, and who can read what, on the seed of test_metrics.

Cohorts of fewer than two users are small here. By channel: voice has u1 to u5; chat has u1, u3
and a session without a user; ivr has u2 and one. Those two sessions are s08 and s12.
"""

from __future__ import annotations

import json
import re
import signal
import socket
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import psycopg2
import pytest
from attacker import Knowledge, is_computed
from consumer import ENGINES, Consumer

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.compiler import MetricCompiler
from voice_ai_analytics.metrics.exports import export_metrics, exports_of
from voice_ai_analytics.warehouse import Warehouse

SAVED_QUERIES = """
saved_queries:
  - name: by_channel
    config:
      meta:
        voice_ai_roll_up: [voice_ai_session__channel]
    query_params:
      metrics: [voice_ai_completion_rate, voice_ai_handle_time_seconds]
      group_by: ["Dimension('voice_ai_session__channel')"]
      order_by: ["Metric('voice_ai_completion_rate').descending(True)"]
    exports:
      - name: anything
        config: {export_as: table, alias: completion_by_channel}
  - name: of_nobody
    query_params:
      metrics: [voice_ai_sessions]
      group_by: ["TimeDimension('metric_time', 'year')"]
      where: ["{{ Dimension('voice_ai_session__outcome') }} in ('not_connected', 'unknown')"]
    exports:
      - name: of_nobody
        config: {export_as: table}
  - name: never_exported
    query_params:
      metrics: [voice_ai_sessions]
      group_by: ["Dimension('voice_ai_session__channel')"]
"""
ASK_METRICFLOW = """
import itertools, json, pathlib
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.metrics.compiler import MetricCompiler
from voice_ai_analytics.warehouse import Warehouse
project = DbtProject(pathlib.Path("."))
compiler, warehouse = MetricCompiler(project), Warehouse(project)
answers = {}
for node in project.manifest["saved_queries"].values():
    name, asked = node["name"], node["query_params"]
    if name in ("by_channel", "never_exported"):
        continue
    frame = warehouse.query(compiler.compile(saved_query=name))
    rows = frame.astype(object).to_dict("records")
    totals = node["config"]["meta"].get("voice_ai_roll_up", [])
    for size in range(1, len(totals) + 1):
        for taken in itertools.combinations(totals, size):
            kept = [column for column in frame if "__" in column and column not in taken]
            total = warehouse.query(compiler.compile(asked["metrics"], kept)).astype(object)
            rows += total.assign(**dict.fromkeys(taken, "(all)")).to_dict("records")
    answers[name] = list(frame), [[row[column] for column in frame] for row in rows]
print(json.dumps(answers, default=str))
"""
KILLED_IN_THE_MIDDLE = """
import os, pathlib, signal
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.metrics.exports import export_metrics
from voice_ai_analytics.metrics.compiler import MetricCompiler
from voice_ai_analytics.warehouse import Warehouse
project = DbtProject(pathlib.Path("."))
def kill(table):
    if table == "of_nobody":
        os.kill(os.getpid(), signal.SIGKILL)
export_metrics(project, MetricCompiler(project), Warehouse(project), progress=kill)
"""
CERTIFIED = "main_voice_ai"
METRICS_READER, CERTIFIED_READER = "voice_ai_metrics_reader", "voice_ai_certified_reader"
OURS = (
    "accessibility",
    "accessibility_by_disability",
    "accessibility_by_first_time_use",
    "accessibility_by_region",
    "accessibility_gaps",
    "adoption",
    "asr_releases",
    "efficiency",
    "error_reduction",
    "latency",
    "overview",
)
EXPORTED = {*(f"voice_ai_{name}" for name in OURS), "completion_by_channel", "of_nobody"}
LOG = "voice_ai_metric_exports"


@pytest.fixture(scope="module", params=ENGINES)
def project(request, consumer) -> Consumer:
    """Build the package over the seed, with three more saved queries, and export once."""
    made = consumer("metrics", request.param)
    settings = made.directory / "dbt_project.yml"
    settings.write_text(settings.read_text() + "  voice_ai_min_cohort_size: 2\n")
    (made.directory / "models").mkdir()
    (made.directory / "models" / "saved_queries.yml").write_text(SAVED_QUERIES)
    made.dbt("seed")
    made.dbt("build", "--exclude-resource-type", "unit_test")
    made.command("voice-ai", "export-metrics")
    return made


@pytest.fixture(scope="module")
def on_postgres(project) -> Consumer:
    """Return the same, for tests of what only PostgreSQL has."""
    if project.engine != "postgres":
        pytest.skip("DuckDB has no roles and one process at a time")
    return project


@pytest.fixture
def dbt_project(project, monkeypatch) -> DbtProject:
    """Return the project as the commands see it; a test may change its manifest."""
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    return DbtProject(project.directory)


@pytest.fixture
def compiler(dbt_project) -> MetricCompiler:
    """Load MetricFlow."""
    return MetricCompiler(dbt_project)


def export_of(dbt_project: DbtProject, saved_query: str) -> dict:
    """Return what the manifest says of the first export of a saved query."""
    return dbt_project.manifest["saved_queries"][f"saved_query.metrics_consumer.{saved_query}"][
        "exports"
    ][0]


def told_by(project: Consumer, *arguments: str) -> str:
    """Run a command that must fail; return its message, one line without a traceback."""
    result = project.command("voice-ai", *arguments, check=False)
    assert result.returncode == 2
    (line,) = result.stderr.strip().splitlines()
    return line.removeprefix("voice-ai: ")


def table(project: Consumer, name: str, order: str = "1, 2") -> list[tuple]:
    return project.rows(f"select * from {CERTIFIED}.{name} order by {order}")


def columns(project: Consumer, name: str) -> list[str]:
    return [
        column
        for (column,) in project.rows(
            f"select column_name from information_schema.columns where table_schema = '{CERTIFIED}'"
            f" and table_name = '{name}' order by ordinal_position"
        )
    ]


def comparable(value) -> str:
    """Return a value as text, with numbers to nine digits and instants as days."""
    if value is None or value != value:
        return ""
    if isinstance(value, bool):
        return str(value)
    return f"{float(value):.9g}" if hasattr(value, "__float__") else str(value)[:10]


def test_small_cohorts_keep_their_row_and_lose_their_numbers(project) -> None:
    assert columns(project, "completion_by_channel") == [
        "voice_ai_session__channel",
        "is_suppressed",
        "suppressed_metrics",
        "voice_ai_completion_rate",
        "voice_ai_handle_time_seconds",
    ]
    rows = {row[0]: row[1:] for row in table(project, "completion_by_channel")}
    both = "voice_ai_completion_rate, voice_ai_handle_time_seconds"
    assert rows["ivr"] == (True, both, None, None)
    # With the total and all other channels, a reader could compute it.
    shown = {channel for channel, row in rows.items() if row[2] is not None}
    assert len(shown) < 3
    truth = {
        # The third chat has an unknown outcome.
        "chat": (2 / 2, (30 + 10) / 2),
        "voice": (2 / 6, 590 / 6),
        # Over all sessions, including the suppressed channel's; not a mean of the rows.
        "(all)": (4 / 9, 690 / 10),
    }
    for channel, numbers in truth.items():
        for number, told in zip(numbers, rows[channel][2:], strict=True):
            assert told is None or told == pytest.approx(number)


def test_what_is_shown_does_not_tell_what_is_hidden(project) -> None:
    """Solve the equations of the totals, as a reader with pencil and paper would."""
    hidden = 0
    for name, metric in (
        ("voice_ai_overview", "voice_ai_sessions"),
        ("voice_ai_overview", "voice_ai_completed_sessions"),
        ("voice_ai_accessibility_by_region", "voice_ai_eligible_sessions"),
        ("voice_ai_error_reduction", "voice_ai_turns"),
    ):
        names = columns(project, name)
        dimensions = [one for one in names if "__" in one]
        rows = [dict(zip(names, row, strict=True)) for row in table(project, name)]
        finest = [row for row in rows if "(all)" not in map(row.get, dimensions)]
        members = {
            number: frozenset(
                place
                for place, part in enumerate(finest)
                if all(row[one] in ("(all)", part[one]) for one in dimensions)
            )
            for number, row in enumerate(rows)
        }
        seen = [
            (cells, int(rows[number][metric]))
            for number, cells in members.items()
            if rows[number][metric] is not None
        ]
        knowledge = Knowledge(seen, [])
        for number, cells in members.items():
            if metric in (rows[number]["suppressed_metrics"] or ""):
                hidden += 1
                assert not is_computed(knowledge, cells), (name, rows[number])
    assert hidden > 50


def test_an_export_that_would_tell_is_refused(dbt_project, compiler, project, monkeypatch) -> None:
    """Hide small groups only, as if nobody could subtract: the audit has to find it."""
    before = table(project, LOG, "1, 2, 3"), table(project, "completion_by_channel")
    monkeypatch.setattr(
        "voice_ai_analytics.metrics.disclosure.plan.protect", lambda secrets, must, *_: must
    )
    with pytest.raises(UserError, match=r"hidden numbers could be computed from others \(\d+ of"):
        export_metrics(dbt_project, compiler, Warehouse(dbt_project))
    assert (table(project, LOG, "1, 2, 3"), table(project, "completion_by_channel")) == before


def test_a_metric_that_looks_back_is_refused_by_name(dbt_project, compiler) -> None:
    node = dbt_project.manifest["saved_queries"]["saved_query.metrics_consumer.by_channel"]
    node["query_params"]["metrics"] = ["voice_ai_abandonment_rate_change_wow"]
    node["query_params"]["group_by"] = ["TimeDimension('metric_time', 'week')"]
    node["query_params"]["order_by"] = []
    node["config"]["meta"] = {}
    with pytest.raises(UserError, match="voice_ai_abandonment_rate_change_wow: can't be exported"):
        export_metrics(dbt_project, compiler, Warehouse(dbt_project))


def test_a_cohort_of_nobody_is_as_large_as_its_sessions(project) -> None:
    ((_, is_suppressed, names, sessions),) = table(project, "of_nobody")
    # Two sessions are enough, unless they tell of smaller groups elsewhere.
    assert sessions == (None if is_suppressed else 2)
    assert names == ("voice_ai_sessions" if is_suppressed else None)


def test_what_is_not_suppressed_equals_mf_query(project) -> None:
    shown = 0
    # In one process of their own, as mf would be.
    answers = json.loads(project.command("python", "-c", ASK_METRICFLOW).stdout)
    assert sorted(answers) == sorted([*(f"voice_ai_{name}" for name in OURS), "of_nobody"])
    for saved_query, (asked, answer) in answers.items():
        expected = [tuple(map(comparable, row)) for row in answer]
        names = columns(project, saved_query)
        assert sorted(names) == sorted([*asked, "is_suppressed", "suppressed_metrics"])
        rows = [dict(zip(names, row, strict=True)) for row in table(project, saved_query)]
        assert len(rows) == len(expected)
        metrics = [name for name in asked if "__" not in name]
        for row in rows:
            hidden = (row["suppressed_metrics"] or "").split(", ")
            assert all(row[name] is None for name in hidden if name)
            assert row["is_suppressed"] == (set(hidden) == set(metrics))
            kept = [place for place, name in enumerate(asked) if name not in hidden]
            told = [comparable(row[asked[place]]) for place in kept]
            assert told in ([one[place] for place in kept] for one in expected)
            shown += len(metrics) - len(set(hidden) & set(metrics))
            assert row.get("voice_ai_users") in (None, 0) or row["voice_ai_users"] >= 2
    assert shown > 50


def test_mf_query_says_the_same(project) -> None:
    (row,) = project.mf("--saved-query", "of_nobody")
    assert {name: value[:10] for name, value in row.items()} == {
        "metric_time__year": "2024-01-01",
        "voice_ai_sessions": "2",
    }


def test_the_log_tells_when_from_which_build_and_how_many_rows(project) -> None:
    ((build,),) = project.rows(
        f"select build_id from {CERTIFIED}.voice_ai_builds order by certified_at desc limit 1"
    )
    rows = project.rows(
        "select saved_query, build_id, row_count, suppressed_row_count, min_cohort_size,"
        f" exported_at >= certified_at from {CERTIFIED}.{LOG}"
        " where table_name = 'completion_by_channel'"
    )
    hidden = sum(row[1] for row in table(project, "completion_by_channel"))
    assert rows[0] == ("by_channel", build, 4, hidden, 2, True)
    assert {
        name for (name,) in project.rows(f"select table_name from {CERTIFIED}.{LOG}")
    } == EXPORTED


def test_one_saved_query_can_be_exported_alone(project) -> None:
    def times(name: str) -> int:
        ((count,),) = project.rows(
            f"select count(*) from {CERTIFIED}.{LOG} where table_name = '{name}'"
        )
        return count

    before = times("of_nobody"), times("voice_ai_adoption")
    told = project.command("voice-ai", "export-metrics", "--saved-query", "of_nobody").stdout
    assert "of_nobody" in told
    assert 'of_nobody": 1 rows, ' in told
    assert (times("of_nobody"), times("voice_ai_adoption")) == (before[0] + 1, before[1])


def test_an_export_never_replaces_what_is_no_export(project, dbt_project, compiler) -> None:
    project.rows(f"create table if not exists {CERTIFIED}.somebody_elses as select 1 as one")
    before = project.rows(f"select count(*) from {CERTIFIED}.{LOG}")
    export_of(dbt_project, "by_channel")["config"]["alias"] = "somebody_elses"
    with pytest.raises(UserError, match="was not made by an export"):
        export_metrics(dbt_project, compiler, Warehouse(dbt_project))
    # The others weren't exported either: all or none.
    assert project.rows(f"select count(*) from {CERTIFIED}.{LOG}") == before
    assert table(project, "somebody_elses", "1") == [(1,)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"config": {"export_as": "view"}}, "is a view; say `export_as: table`"),
        ({"unrendered_config": {"schema": "elsewhere"}}, "names the schema elsewhere"),
        ({"config": {"alias": "of_nobody"}}, "of_nobody: exported by by_channel and by of_nobody"),
        (
            {"config": {"alias": "Fact_voice_ai_sessions"}},
            "would replace model.voice_ai_analytics.fact_voice_ai_sessions",
        ),
    ],
)
def test_what_an_export_cannot_do_is_said(dbt_project, change, told) -> None:
    export = export_of(dbt_project, "by_channel")
    for name, values in change.items():
        export[name].update(values)
    with pytest.raises(UserError, match=re.escape(told)):
        exports_of(dbt_project)


@pytest.mark.parametrize(
    ("roll_up", "limit", "told"),
    [
        (["voice_ai_session__region"], None, "names voice_ai_session__region, by which it does"),
        ("voice_ai_session__channel", None, "isn't a list of dimensions"),
        (["voice_ai_session__channel"], 5, "has voice_ai_roll_up and a limit"),
    ],
)
def test_a_total_that_cannot_be_made_is_said(dbt_project, roll_up, limit, told) -> None:
    node = dbt_project.manifest["saved_queries"]["saved_query.metrics_consumer.by_channel"]
    node["config"]["meta"]["voice_ai_roll_up"] = roll_up
    node["query_params"]["limit"] = limit
    with pytest.raises(UserError, match=re.escape(told)):
        exports_of(dbt_project)


def test_an_unknown_saved_query_is_answered_with_the_known_ones(project) -> None:
    line = told_by(project, "export-metrics", "--saved-query", "by_chanel")
    assert line.startswith("by_chanel: no such saved query; there are by_channel, ")


def test_a_locked_file_is_said_in_one_line(project) -> None:
    if project.engine != "duckdb":
        pytest.skip("PostgreSQL lets many in")
    import duckdb

    with duckdb.connect(str(project.directory / "consumer.duckdb")):
        assert "the database can't be opened" in told_by(project, "export-metrics")
    assert len(table(project, "completion_by_channel")) == 4


def test_a_server_that_goes_away_leaves_the_last_tables(on_postgres, dbt_project, compiler) -> None:
    def state() -> list:
        return [table(on_postgres, name, "1, 2, 3") for name in ("completion_by_channel", LOG)]

    def end_the_server(name: str) -> None:
        if name == "of_nobody":
            # Until then, others read the former tables without waiting.
            assert state() == before
            on_postgres.rows(
                "select pg_terminate_backend(pid) from pg_stat_activity"
                " where application_name = 'voice-ai' and datname = current_database()"
            )

    before = state()
    with pytest.raises(UserError, match="the database refuses"):
        export_metrics(dbt_project, compiler, Warehouse(dbt_project), progress=end_the_server)
    assert state() == before


def test_a_reader_that_reads_on_and_on_keeps_the_last_tables(
    on_postgres, dbt_project, compiler, monkeypatch
) -> None:
    before = table(on_postgres, LOG, "1, 2, 3")
    monkeypatch.setattr("voice_ai_analytics.metrics.exports.LOCK_TIMEOUT", "100ms")
    with on_postgres.postgres() as reader, reader.cursor() as cursor:
        cursor.execute(f"select * from {CERTIFIED}.completion_by_channel")
        with pytest.raises(UserError, match=r"a lock: user .* holds .*completion_by_channel"):
            export_metrics(dbt_project, compiler, Warehouse(dbt_project))
    reader.close()
    assert table(on_postgres, LOG, "1, 2, 3") == before


def test_an_export_that_is_killed_leaves_the_last_tables(project) -> None:
    before = [table(project, name, "1, 2, 3") for name in ("completion_by_channel", LOG)]
    killed = project.command("python", "-c", KILLED_IN_THE_MIDDLE, check=False)
    assert killed.returncode == -signal.SIGKILL
    after = [table(project, name, "1, 2, 3") for name in ("completion_by_channel", LOG)]
    assert after == before


def test_a_warehouse_that_is_gone_is_said_in_one_line(on_postgres) -> None:
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        gone = {
            "VOICE_AI_POSTGRES_HOST": "127.0.0.1",
            "VOICE_AI_POSTGRES_PORT": str(unused.getsockname()[1]),
        }
        elsewhere = replace(on_postgres, environment=on_postgres.environment | gone)
        assert "the database can't be opened" in told_by(elsewhere, "export-metrics")
    assert len(table(on_postgres, "completion_by_channel")) == 4


@pytest.mark.parametrize("file", ["manifest.json", "semantic_manifest.json"])
def test_a_manifest_that_does_not_parse_leaves_the_last_tables(project, file) -> None:
    path = project.directory / "target" / file
    good = path.read_text()
    before = table(project, LOG, "1, 2, 3")
    path.write_text(good[: len(good) // 2])
    try:
        line = told_by(project, "export-metrics")
    finally:
        path.write_text(good)
    assert "; run dbt build" in line
    assert table(project, LOG, "1, 2, 3") == before


def test_a_table_is_not_replaced_under_an_export(on_postgres, dbt_project, compiler) -> None:
    """If dbt rebuilds a table, it has to wait until the export is done."""
    fact = f"{CERTIFIED}.fact_voice_ai_sessions"
    waited = []

    def replace_the_fact(name: str) -> None:
        if waited:
            return
        with closing(on_postgres.postgres()) as connection, connection.cursor() as cursor:
            cursor.execute("set lock_timeout = '200ms'")
            cursor.execute(f"create table {CERTIFIED}.new_fact as select * from {fact}")
            with pytest.raises(psycopg2.errors.LockNotAvailable):
                cursor.execute(f"alter table {fact} rename to old_fact")
            waited.append(name)

    export_metrics(dbt_project, compiler, Warehouse(dbt_project), progress=replace_the_fact)
    assert waited
    assert len(table(on_postgres, "completion_by_channel")) == 4


def all_relations(project: Consumer) -> set[str]:
    """Return every table and view of the database except the catalog's."""
    return {
        f'"{schema}"."{name}"'
        for schema, name in project.rows(
            "select table_schema, table_name from information_schema.tables"
            " where table_schema not in ('pg_catalog', 'information_schema')"
        )
    }


def readable_by(project: Consumer, role: str) -> set[str]:
    """Log in as a role and try to read everything."""
    found = set()
    with closing(connect_as(project, role)) as connection, connection.cursor() as cursor:
        connection.autocommit = True
        for relation in all_relations(project):
            try:
                cursor.execute(f"select * from {relation} limit 1")
            except psycopg2.errors.InsufficientPrivilege:
                continue
            found.add(relation)
    return found


def connect_as(project: Consumer, role: str):
    return psycopg2.connect(
        host=project.environment["VOICE_AI_POSTGRES_HOST"],
        port=project.environment["VOICE_AI_POSTGRES_PORT"],
        dbname=project.environment["VOICE_AI_POSTGRES_DATABASE"],
        user=role,
    )


def in_certified(*names: str) -> set[str]:
    return {f'"{CERTIFIED}"."{name}"' for name in names}


def test_roles_read_what_is_theirs_now_and_after_later_builds(on_postgres) -> None:
    project, exported = on_postgres, in_certified(*EXPORTED, LOG)

    def certified() -> set[str]:
        # A table that nobody certified was put beside them by hand.
        there = {name for name in all_relations(project) if f'"{CERTIFIED}"' in name}
        return there - in_certified("somebody_elses")

    project.command("voice-ai", "create-roles")
    assert in_certified("fact_voice_ai_sessions", "voice_ai_session_outcomes") < certified()
    assert readable_by(project, METRICS_READER) == exported
    assert readable_by(project, CERTIFIED_READER) == certified()
    # Everything is rebuilt: the schemas' tables, the exports, and what is new.
    project.dbt("build", "--full-refresh", "--exclude-resource-type", "unit_test", "seed")
    project.rows(f"drop table {CERTIFIED}.of_nobody")
    project.command("voice-ai", "export-metrics")
    assert readable_by(project, METRICS_READER) == exported
    assert readable_by(project, CERTIFIED_READER) == certified()
    again = project.command("voice-ai", "create-roles").stdout
    assert f"{METRICS_READER} can read, in {CERTIFIED}: completion_by_channel, of_nobody" in again
    assert readable_by(project, METRICS_READER) == exported


def test_roles_write_nothing(on_postgres) -> None:
    on_postgres.command("voice-ai", "create-roles")
    for role in (METRICS_READER, CERTIFIED_READER):
        for statement in (
            f"delete from {CERTIFIED}.{LOG}",
            f"create table {CERTIFIED}.mine (one int)",
            "create schema mine",
            "create table public.mine (one int)",
        ):
            with connect_as(on_postgres, role) as connection, connection.cursor() as cursor:
                cursor.execute("set transaction read write")
                with pytest.raises(psycopg2.errors.InsufficientPrivilege):
                    cursor.execute(statement)


def test_a_grant_to_everyone_elsewhere_is_found(on_postgres) -> None:
    on_postgres.rows("grant usage on schema main_raw to public")
    on_postgres.rows("grant select on main_raw.users to public")
    assert "it could also read main_raw.users" in told_by(on_postgres, "create-roles")
    on_postgres.rows("revoke all on schema main_raw from public")
    on_postgres.rows("revoke all on main_raw.users from public")


def test_a_role_with_other_rights_is_not_touched(on_postgres) -> None:
    user = on_postgres.environment["VOICE_AI_POSTGRES_USER"]
    line = told_by(on_postgres, "create-roles", "--metrics-role", user)
    assert line.startswith(f"role {user}: it has more rights than a reader")


def test_a_password_is_sent_as_a_verifier(on_postgres) -> None:
    on_postgres.environment["VOICE_AI_METRICS_READER_PASSWORD"] = "open sesame"
    told = on_postgres.command("voice-ai", "create-roles").stdout
    del on_postgres.environment["VOICE_AI_METRICS_READER_PASSWORD"]
    assert "sesame" not in told
    ((stored,),) = on_postgres.rows(
        f"select rolpassword from pg_authid where rolname = '{METRICS_READER}'"
    )
    assert stored.startswith("SCRAM-SHA-256$")
    server_log = Path(on_postgres.rows("show data_directory")[0][0]) / "log"
    assert not server_log.exists() or "sesame" not in server_log.read_text()


def test_duckdb_has_no_roles(project) -> None:
    if project.engine != "duckdb":
        pytest.skip("PostgreSQL has")
    assert told_by(project, "create-roles").startswith("duckdb has no roles")
