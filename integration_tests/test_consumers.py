"""A stranger's first install, in the variations that have broken packages before."""

from __future__ import annotations

import csv
import json
from pathlib import Path

import pytest
from consumer import ENGINES, Consumer

TEN_LINES = """\
name: ten_lines
profile: consumer
vars:
  voice_ai_source_schema: main_raw
seeds:
  +schema: raw
"""

OWN_TIME_SPINE = {
    "models/own_days.sql": """
        select cast(day as date) as date_day
        from generate_series(
            cast('2024-01-01' as timestamp), cast('2024-12-31' as timestamp), interval '1 day'
        ) as days (day)
    """,
    "models/own_days.yml": """
models:
  - name: own_days
    time_spine: {standard_granularity_column: date_day}
    columns: [{name: date_day, granularity: day}]
""",
}

OWN_METRIC = {
    "models/carts.sql": """
        select 1 as cart_id, cast('1850-03-01' as timestamp) as created_at, true as is_abandoned
        union all
        select 2, cast('1850-03-01' as timestamp), false
    """,
    "models/carts.yml": """
models:
  - name: carts
semantic_models:
  - name: carts
    model: ref('carts')
    defaults: {agg_time_dimension: created_at}
    entities: [{name: session, type: primary, expr: cart_id}]
    dimensions: [{name: created_at, type: time, type_params: {time_granularity: day}}]
    measures:
      - {name: sessions, agg: sum, expr: "1"}
      - {name: abandoned, agg: sum, expr: case when is_abandoned then 1 else 0 end}
metrics:
  - {name: sessions, label: s, type: simple, type_params: {measure: sessions}}
  - {name: abandoned, label: a, type: simple, type_params: {measure: abandoned}}
  - name: abandonment_rate
    label: Abandoned carts
    type: ratio
    type_params: {numerator: abandoned, denominator: sessions}
""",
}

SEEDS = {
    "sessions": [
        ("session_id", "platform", "started_at", "outcome_raw"),
        ("s1", "bot", "2024-03-01T10:00:00Z", "completed"),
        ("s2", "bot", "2024-03-02T10:00:00Z", "abandoned"),
    ],
    "turns": [
        ("turn_id", "session_id", "platform", "turn_index", "speaker"),
        ("t1", "s1", "bot", 1, "user"),
    ],
}


def write(directory: Path, files: dict[str, str]) -> None:
    for name, text in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")


def build(
    made: Consumer, project: str, files: dict[str, str] | None = None, *options: str
) -> Consumer:
    """Write a consumer project, load its two raw tables and build it."""
    write(made.directory, {"dbt_project.yml": project} | (files or {}))
    seeds = made.directory / "seeds"
    seeds.mkdir()
    for name, rows in SEEDS.items():
        with (seeds / f"{name}.csv").open("w", newline="") as stream:
            csv.writer(stream).writerows(rows)
    made.dbt("seed")
    told = made.dbt("build", *options).stdout
    assert "deprecat" not in told.lower()
    return made


def abandonment(made: Consumer) -> float:
    (row,) = made.mf("--metrics", "voice_ai_abandonment_rate")
    return float(row["voice_ai_abandonment_rate"])


@pytest.fixture(scope="module", params=ENGINES)
def ten_lines(request, consumer) -> Consumer:
    """Build the least that a consumer needs to write."""
    return build(consumer(None, request.param), TEN_LINES)


def test_ten_lines_install_the_package_and_answer(ten_lines) -> None:
    assert abandonment(ten_lines) == 0.5


def test_tests_of_the_data_run_and_those_of_the_package_do_not(ten_lines) -> None:
    listed = ("--output", "json", "--output-keys", "resource_type", "--quiet")
    lines = ten_lines.dbt("list", *listed).stdout.splitlines()
    kinds = {json.loads(line)["resource_type"] for line in lines}
    assert "test" in kinds
    assert "unit_test" not in kinds


def test_run_without_tests_is_told_that_nothing_is_certified(ten_lines) -> None:
    told = ten_lines.dbt("run", "--select", "fact_voice_ai_sessions").stdout
    assert "dbt build" in told


# The rest is about parsing and metrics, so data tests would add nothing.
UNTESTED = ("--exclude-resource-type", "test")


def test_own_time_spine_beside_ours(consumer) -> None:
    made = build(consumer(None, "duckdb"), TEN_LINES, OWN_TIME_SPINE, *UNTESTED)
    assert abandonment(made) == 0.5


def test_own_time_spine_instead_of_ours(consumer) -> None:
    project = TEN_LINES.replace("vars:\n", "vars:\n  voice_ai_time_spine: false\n")
    made = build(consumer(None, "duckdb"), project, OWN_TIME_SPINE, *UNTESTED)
    assert abandonment(made) == 0.5
    assert not [name for name in made.results() if "time_spine" in name]


def test_without_semantic_models_the_fact_is_built_and_no_metric_exists(consumer) -> None:
    project = TEN_LINES.replace("vars:\n", "vars:\n  voice_ai_semantic_models: false\n")
    made = build(consumer(None, "duckdb"), project, None, *UNTESTED)
    assert made.rows("select count(*) from main_voice_ai.fact_voice_ai_sessions") == [(2,)]
    assert made.dbt("list", "--resource-type", "metric", "--quiet").stdout.strip() == ""


def test_own_metric_called_abandonment_rate_and_own_dates_before_our_spine(consumer) -> None:
    made = build(consumer(None, "duckdb"), TEN_LINES, OWN_METRIC, *UNTESTED)
    assert abandonment(made) == 0.5
    (own,) = made.mf("--metrics", "abandonment_rate", "--group-by", "metric_time__day")
    assert float(own["abandonment_rate"]) == 0.5
    assert own["metric_time__day"].startswith("1850-03-01")
