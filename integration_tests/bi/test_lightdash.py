"""The manifest in Lightdash's own compiler, and every chart's numbers against ``mf query``.

No Lightdash server runs here. `lightdash/check.mjs` does what Lightdash's command line does, with
its own packages, and runs each chart on PostgreSQL under each choice of dashboard filters: once on
the demo, as the role that dashboards log in with, and once on the seed of test_metrics, which has
a number for every metric.
"""

from __future__ import annotations

import json
import math
import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest
import yaml
from consumer import REPOSITORY, Consumer

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.lightdash import write_manifest

CHECK = Path(__file__).parent / "lightdash"
CONTENT = REPOSITORY / "bi" / "lightdash"
CHARTS = {path.stem: yaml.safe_load(path.read_text()) for path in CONTENT.glob("charts/*.yml")}
DASHBOARDS = {
    path.stem: yaml.safe_load(path.read_text()) for path in CONTENT.glob("dashboards/*.yml")
}
CHOICES = {
    "everything": {},
    "voice in Hindi": {
        "Channel": {"values": ["voice"]},
        "Language": {"values": ["hi"]},
    },
    "nine weeks of one platform": {
        "Time": {"values": ["2026-02-02T00:00:00Z", "2026-04-05T23:59:59Z"]},
        "Platform": {"values": ["demo"]},
    },
}
MF_WHERE = {
    "everything": [],
    "voice in Hindi": [
        "{{ Dimension('voice_ai_session__channel') }} = 'voice'",
        "{{ Dimension('voice_ai_session__language') }} = 'hi'",
    ],
    "nine weeks of one platform": [
        "{{ TimeDimension('metric_time', 'day') }} >= '2026-02-02'",
        "{{ TimeDimension('metric_time', 'day') }} <= '2026-04-05'",
        "{{ Dimension('voice_ai_session__platform') }} = 'demo'",
    ],
}
SQL_WHERE = {
    "everything": "true",
    "voice in Hindi": "sessions.channel = 'voice' and sessions.language = 'hi'",
    "nine weeks of one platform": (
        "{time} >= '2026-02-02' and {time} < '2026-04-06' and sessions.platform = 'demo'"
    ),
}
SESSIONS, ACTIVITY = "fact_voice_ai_sessions", "voice_ai_user_activity"
TIMES = {
    SESSIONS: "started_at",
    "fact_voice_ai_turns": "session_started_at",
    "fact_voice_ai_asr_evaluations": "session_started_at",
    ACTIVITY: "counted_on",
}
# Lightdash names a column after table and metric; PostgreSQL truncates names to 63 bytes.
SHORTENED = {"return_after_abandonment_rate_7d": "voice_ai_return_after_abandonment_rate_7d"}
ASK_METRICFLOW = """
import json, pathlib, sys
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.metrics.compiler import MetricCompiler
from voice_ai_analytics.warehouse import Warehouse
project = DbtProject(pathlib.Path("."))
compiler, warehouse = MetricCompiler(project), Warehouse(project)
asked = json.load(sys.stdin)
frames = [warehouse.query(compiler.compile(*one)) for one in asked]
answers = [frame.astype(object).to_dict("records") for frame in frames]
print(json.dumps(answers, default=str))
"""


def check(project: Consumer, credentials: dict, choices: dict, queries: tuple = ()) -> dict:
    """Write the manifest, and do with it what deploying to Lightdash would do."""
    if not shutil.which("node"):
        pytest.skip("Node.js isn't installed; Lightdash's compiler needs version 20 or newer")
    if not (CHECK / "node_modules").is_dir():
        pytest.skip("Lightdash's packages aren't installed; make test-bi installs them")
    project.command("voice-ai", "lightdash-manifest")
    output = project.directory / "lightdash.json"
    job = {
        "manifest": str(project.directory / "target" / "lightdash" / "manifest.json"),
        "content": str(CONTENT),
        "credentials": credentials,
        "choices": choices,
        "queries": queries,
        "output": str(output),
    }
    node = ["node", str(CHECK / "check.mjs")]
    result = subprocess.run(node, input=json.dumps(job), capture_output=True, text=True)
    assert result.returncode == 0, result.stderr
    return json.loads(output.read_text(encoding="utf-8"))


def credentials_of(project: Consumer, **role: str) -> dict:
    """Return the connection that Lightdash uses."""
    return {
        "host": project.environment["VOICE_AI_POSTGRES_HOST"],
        "port": int(project.environment["VOICE_AI_POSTGRES_PORT"]),
        "dbname": project.environment["VOICE_AI_POSTGRES_DATABASE"],
        "schema": "not used",
        "user": project.environment["VOICE_AI_POSTGRES_USER"],
        "password": "",
    } | role


@pytest.fixture(scope="module")
def checked(deployment) -> dict:
    """Check the demo, as the role that can read certified tables."""
    reader = {"user": "voice_ai_certified_reader", "password": "reads-certified"}
    by_week = {
        "exploreName": ACTIVITY,
        "dimensions": [f"{ACTIVITY}_counted_on_week"],
        "metrics": [f"{ACTIVITY}_voice_ai_weekly_active_users"],
        "filters": {},
        "sorts": [],
        "limit": 500,
    }
    return check(deployment, credentials_of(deployment, **reader), CHOICES, (by_week,))


@pytest.fixture(scope="module")
def small(consumer) -> Consumer:
    """Build the seed of test_metrics, with cohorts of one allowed."""
    made = consumer("metrics", "postgres")
    settings = made.directory / "dbt_project.yml"
    settings.write_text(settings.read_text() + "  voice_ai_min_cohort_size: 1\n")
    made.dbt("seed")
    made.dbt("build", "--exclude-resource-type", "unit_test", "test")
    made.dbt("compile", "--select", "voice_ai_builds")  # whatever dbt compiled last
    return made


@pytest.fixture(scope="module")
def checked_small(small) -> dict:
    """Check the small seed."""
    return check(small, credentials_of(small), {"everything": {}})


def metrics_of(chart: str) -> list[str]:
    """Return the columns of a chart's metrics."""
    return CHARTS[chart]["metricQuery"]["metrics"]


def metric_of(chart: str, field: str) -> str:
    """Return MetricFlow's name of a chart's metric."""
    name = field.removeprefix(f"{CHARTS[chart]['tableName']}_")
    return SHORTENED.get(name, name)


def group_of(chart: str, field: str) -> str:
    """Return MetricFlow's name of a chart's dimension."""
    table = CHARTS[chart]["tableName"]
    time = f"{table}_{TIMES[table]}_"
    if field.startswith(time):
        return f"metric_time__{field.removeprefix(time)}"
    return f"voice_ai_session__{field.removeprefix(f'{SESSIONS}_')}"


def plain(value) -> str | None:
    """Return a group's value in one form for both readers: instants as days, booleans as text."""
    if value is None or value != value:
        return None
    return re.sub(r"[T ]00:00:00(\.000Z|\+00:00)?$", "", str(value)).lower()


def cohort_sizes(project: Consumer, schema: str, chart: str, choice: str) -> dict[tuple, int]:
    """Count each group's users by hand, or its sessions if it has no known user."""
    table = CHARTS[chart]["tableName"]
    rows = "sessions" if table == SESSIONS else "held"
    joined = f"join {schema}.{table} as held using (session_key)" if rows == "held" else ""
    groups = []
    for field in CHARTS[chart]["metricQuery"]["dimensions"]:
        name = group_of(chart, field)
        column = name.split("__")[1]
        groups.append(
            f"date_trunc('{column}', {rows}.{TIMES[table]})::timestamp"
            if name.startswith("metric_time")
            else f"sessions.{column}"
        )
    where = SQL_WHERE[choice].format(time=f"{rows}.{TIMES[table]}")
    counted = project.rows(
        f"select {', '.join([*groups, ''])} count(distinct sessions.user_key),"
        f" count(distinct session_key) from {schema}.{SESSIONS} as sessions {joined}"
        f" where {where} group by {', '.join(groups) or '()'}"
    )
    return {
        tuple(plain(value) for value in group): users or sessions
        for *group, users, sessions in counted
    }


def expected_of(project: Consumer, schema: str, found: dict, smallest: int) -> list[dict]:
    """Ask MetricFlow what each chart asks, and leave out groups that are too small."""
    asked = []
    for one in found["answers"]:
        query = CHARTS[one["chart"]]["metricQuery"]
        asked.append(
            (
                [metric_of(one["chart"], field) for field in query["metrics"]],
                [group_of(one["chart"], field) for field in query["dimensions"]],
                MF_WHERE[one["choice"]],
            )
        )
    result = subprocess.run(
        [sys.executable, "-c", ASK_METRICFLOW],
        cwd=project.directory,
        env={**os.environ, **project.environment},
        input=json.dumps(asked),
        capture_output=True,
        text=True,
    )
    assert result.returncode == 0, result.stderr
    expected = []
    for one, (metrics, groups, _), rows in zip(
        found["answers"], asked, json.loads(result.stdout), strict=True
    ):
        sizes = cohort_sizes(project, schema, one["chart"], one["choice"])
        given = numbers(rows, groups, dict(zip(metrics, metrics, strict=True)))
        expected.append(
            {key: value for key, value in given.items() if sizes.get(key[0], 0) >= smallest}
        )
    return expected


def numbers(rows: list[dict], groups: list[str], metrics: dict[str, str]) -> dict[tuple, float]:
    """Return an answer's numbers by group and metric, without rows that have none."""
    return {
        (tuple(plain(row[name]) for name in groups), metric): float(row[column])
        for row in rows
        for column, metric in metrics.items()
        if row[column] is not None and not math.isnan(float(row[column]))
    }


def shown_by(one: dict) -> dict[tuple, float]:
    """Return the numbers that a chart shows."""
    query = CHARTS[one["chart"]]["metricQuery"]
    metrics = {field: metric_of(one["chart"], field) for field in query["metrics"]}
    return numbers(one["rows"], query["dimensions"], metrics)


def wrong_charts(project: Consumer, schema: str, found: dict, smallest: int) -> list[str]:
    """Return the charts whose numbers differ from MetricFlow's, with the differences."""
    wrong = []
    expected = expected_of(project, schema, found, smallest)
    for one, wanted in zip(found["answers"], expected, strict=True):
        shown = shown_by(one)
        if shown != pytest.approx(wanted, rel=1e-9, abs=1e-12):
            differing = {
                key: (shown.get(key), wanted.get(key))
                for key in shown.keys() | wanted.keys()
                if shown.get(key) != wanted.get(key)
            }
            wrong.append(f"{one['chart']}, {one['choice']}: {differing}")
    return wrong


def metric_charts(found: dict) -> dict:
    """Return the charts, without those on tables that have no metric."""
    kept = [one for one in found["answers"] if CHARTS[one["chart"]]["metricQuery"]["metrics"]]
    return {**found, "answers": kept}


def test_charts_and_dashboards_are_valid(checked) -> None:
    invalid = {
        content["file"]: content["errors"]
        for content in [*checked["charts"].values(), *checked["dashboards"].values()]
        if content["errors"]
    }
    assert not invalid
    assert not checked["invalidModels"]


def test_files_are_named_by_their_slugs_and_each_chart_is_on_one_dashboard() -> None:
    """Under another name, lightdash download would write a second copy of the file."""
    assert {name: document["slug"] for name, document in (CHARTS | DASHBOARDS).items()} == {
        name: name for name in CHARTS | DASHBOARDS
    }
    placed = Counter(
        tile["properties"]["chartSlug"]
        for dashboard in DASHBOARDS.values()
        for tile in dashboard["tiles"]
        if tile["type"] == "saved_chart"
    )
    assert placed == Counter(CHARTS.keys())


def test_every_explore_compiles_whole(checked) -> None:
    troubled = {
        explore["name"]: explore.get("errors") or explore.get("warnings")
        for explore in checked["explores"]
        if explore.get("errors") or explore.get("warnings")
    }
    assert not troubled


def test_no_metric_that_a_chart_shows_is_skipped(checked) -> None:
    """Lightdash silently skips what it can't translate: the metric is simply missing."""
    metrics = {
        f"{table['name']}_{name}": metric["compiledSql"]
        for explore in checked["explores"]
        for table in explore["tables"].values()
        for name, metric in table["metrics"].items()
    }
    shown = {field for chart in CHARTS.values() for field in chart["metricQuery"]["metrics"]}
    assert shown <= metrics.keys()
    assert not [field for field in shown if metrics[field] == "NULL"]
    unknown = {metric_of(chart, field) for chart in CHARTS for field in metrics_of(chart)} - {
        metric["name"] for metric in checked["metrics"]
    }
    assert not unknown


def test_no_file_defines_a_metric() -> None:
    """A chart picks metrics; only semantic_models defines them."""
    for name, chart in CHARTS.items():
        query = chart["metricQuery"]
        assert not query["tableCalculations"], name
        assert not query.get("additionalMetrics"), name
        assert not query.get("customDimensions"), name


def test_every_chart_of_the_demo_equals_mf_query(deployment, checked) -> None:
    wrong = wrong_charts(deployment, "demo_voice_ai", metric_charts(checked), smallest=5)
    assert not wrong, "\n".join(wrong)


def test_every_chart_of_the_small_seed_equals_mf_query(small, checked_small) -> None:
    wrong = wrong_charts(small, "main_voice_ai", metric_charts(checked_small), smallest=1)
    assert not wrong, "\n".join(wrong)


def test_the_small_seed_has_a_number_for_every_chart(checked_small) -> None:
    """Otherwise, that they are equal proves nothing."""
    charts = metric_charts(checked_small)["answers"]
    empty = [
        (one["chart"], metric)
        for one in charts
        for metric in {metric_of(one["chart"], field) for field in metrics_of(one["chart"])}
        - {metric for _, metric in shown_by(one)}
    ]
    assert not empty


def test_no_chart_is_cut_off(checked) -> None:
    cut = [
        one["chart"]
        for one in checked["answers"]
        if len(one["rows"]) >= CHARTS[one["chart"]]["metricQuery"]["limit"]
    ]
    assert not cut


def test_small_cohorts_are_left_out_of_every_chart(checked) -> None:
    for name in CHARTS:
        if metrics_of(name):
            rules = CHARTS[name]["metricQuery"]["filters"]["metrics"]["and"]
            table = CHARTS[name]["tableName"]
            assert [(rule["target"]["fieldId"], rule["values"]) for rule in rules] == [
                (f"{table}_voice_ai_cohort_is_shown", [True])
            ], name
    cohorts = next(
        one
        for one in checked["answers"]
        if one["chart"] == "voice-ai-accessibility-cohorts" and one["choice"] == "voice in Hindi"
    )
    assert 0 < len(cohorts["rows"]) < 12, "all combinations of Hindi speakers are large"


def test_each_dashboard_is_filtered_by_time_channel_language_and_platform(checked) -> None:
    """Lightdash drops a filter on a field that an explore lacks, and shows unfiltered numbers."""
    for dashboard in DASHBOARDS.values():
        labels = [rule["label"] for rule in dashboard["filters"]["dimensions"]]
        wanted = ["Time", "Channel", "Language", "Platform"]
        assert labels == ([] if dashboard["name"] == "Data quality" else wanted)
    for one in metric_charts(checked)["answers"]:
        applied = one["filters"].get("dimensions", {}).get("and", [])
        assert len(applied) == len(CHOICES[one["choice"]]), one["chart"]


def test_weekly_active_users_of_a_week_are_no_number(checked) -> None:
    """MetricFlow takes a week's last day. Lightdash can't, and null is better than the sum."""
    (by_week,) = checked["queries"]
    assert {row[f"{ACTIVITY}_voice_ai_weekly_active_users"] for row in by_week} == {None}


def test_an_explore_has_the_certified_columns_and_hides_keys(checked) -> None:
    explores = {explore["name"]: explore for explore in checked["explores"]}
    sessions = explores[SESSIONS]["tables"][SESSIONS]
    labels = {name: column["label"] for name, column in sessions["dimensions"].items()}
    assert labels["asr_model"] == "ASR model"
    assert labels["is_first_time_digital_user"] == "Is first time digital user"
    assert sessions["label"] == "Sessions"
    hidden = {name for name, column in sessions["dimensions"].items() if column["hidden"]}
    assert hidden == {"session_key", "user_key"}
    # Joined to turns, a session has one row per turn, and its metrics would count each of them.
    assert not explores["fact_voice_ai_turns"]["tables"][SESSIONS]["metrics"]


def test_nothing_uncertified_is_an_explore(deployment, checked) -> None:
    certified = {
        table
        for (table,) in deployment.rows(
            "select table_name from information_schema.tables where table_schema = 'demo_voice_ai'"
        )
    }
    assert {explore["name"] for explore in checked["explores"]} <= certified


def test_data_quality_shows_the_certified_tables(deployment, checked) -> None:
    for chart, table in {
        "voice-ai-data-quality-rows": "voice_ai_row_accounting",
        "voice-ai-data-quality-reasons": "voice_ai_quarantine_reasons",
    }.items():
        columns = [
            field.removeprefix(f"{table}_") for field in CHARTS[chart]["metricQuery"]["dimensions"]
        ]
        rows = deployment.rows(f"select {', '.join(columns)} from demo_voice_ai.{table}")
        (shown,) = (
            one["rows"]
            for one in checked["answers"]
            if one["chart"] == chart and one["choice"] == "everything"
        )
        assert sorted(tuple(row.values()) for row in shown) == sorted(rows)
    builds = next(one for one in checked["answers"] if one["chart"].endswith("builds"))
    assert [row["voice_ai_builds_build_id"] for row in builds["rows"]] == [
        build
        for (build,) in deployment.rows(
            "select build_id from demo_voice_ai.voice_ai_builds order by certified_at desc"
        )
    ]


def test_duckdb_is_refused_in_one_line(tmp_path) -> None:
    (tmp_path / "dbt_project.yml").touch()
    (tmp_path / "target").mkdir()
    manifest = {"metadata": {"adapter_type": "duckdb"}}
    (tmp_path / "target" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="cannot open a DuckDB file; build on PostgreSQL"):
        write_manifest(DbtProject(tmp_path))
