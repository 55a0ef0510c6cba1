"""bi/metabase/: valid files, every question's numbers equal to MetricFlow's, and a script that
creates them through the REST API. No Metabase server is needed: a fake one answers for its API.
"""

from __future__ import annotations

import copy
import importlib.util
import json
import math
import os
import re
import shutil
import subprocess
import sys
from contextlib import closing
from datetime import date, datetime, timedelta
from pathlib import Path

import psycopg2
import pytest
import sqlglot
import yaml
from conftest import PASSWORDS
from consumer import REPOSITORY
from fake_metabase import FakeMetabase, serving
from hidden import SCHEMA, hidden_rows
from sqlglot import exp

FOLDER = REPOSITORY / "bi" / "metabase"
NODE_MODULES = Path(__file__).parent / "metabase" / "node_modules"
SPECIFICATION = NODE_MODULES / "@metabase" / "representations" / "core-spec" / "v1" / "spec.md"
READERS = {"VoiceAI metrics": "metrics", "VoiceAI certified": "certified"}
TITLES = [
    "Executive overview",
    "Accessibility: does it work for everyone?",
    "Efficiency: what does a session cost?",
    "Adoption: do people choose it and come back?",
    "Error reduction: is it getting better?",
    "ASR quality by language and release",
    "Data quality",
]

spec = importlib.util.spec_from_file_location("create", FOLDER / "create.py")
create = importlib.util.module_from_spec(spec)
spec.loader.exec_module(create)

ENTITIES = create.read(SCHEMA, set())
CARDS = {card["entity_id"]: card for card in ENTITIES["Card"]}
DASHBOARDS = ENTITIES["Dashboard"]
# Questions with a filter. The others are about data quality, or list a filter's values.
METRIC_CARDS = [
    card for card in CARDS.values() if card["dataset_query"]["stages"][0]["template-tags"]
]


def stage(card: dict) -> dict:
    (only,) = card["dataset_query"]["stages"]
    return only


def tags(card: dict) -> dict[str, dict]:
    return {tag["name"]: tag for tag in stage(card)["template-tags"]}


def bound(card: dict, values: dict[str, str]) -> tuple[str, dict]:
    """Return the SQL and the values that Metabase would run for these filter values."""
    given = {name: tag["default"] for name, tag in tags(card).items() if "default" in tag} | values
    given = {name: value for name, value in given.items() if name in tags(card)}
    sql = re.sub(
        r"\[\[(.*?)\]\]",
        lambda part: part[1] if set(re.findall(r"{{(\w+)}}", part[1])) <= set(given) else "",
        stage(card)["native"],
    )
    bindings = {}
    for name in re.findall(r"{{(\w+)}}", sql):
        tag = tags(card)[name]
        if tag["type"] == "dimension":
            first, last = (date.fromisoformat(day) for day in given[name].split("~"))
            _, schema, table, column = tag["dimension"][2]
            column = f'"{schema}"."{table}"."{column}"'
            written = f"{column} >= %({name}_from)s and {column} < %({name}_until)s"
            bindings |= {f"{name}_from": first, f"{name}_until": last + timedelta(days=1)}
        else:
            written = f"%({name})s"
            bindings[name] = given[name]
        sql = sql.replace("{{" + name + "}}", written)
    return sql, bindings


# --- the files ---------------------------------------------------------------------------------


def skip_without_schemas() -> None:
    """Skip a test that needs Metabase's own schemas where they aren't installed."""
    if not SPECIFICATION.exists():
        pytest.skip("@metabase/representations isn't installed; make test-bi installs it")


def validate(folder: Path) -> tuple[int, str]:
    """Validate a folder with Metabase's own schemas."""
    command = NODE_MODULES / ".bin" / "representations"
    skip_without_schemas()
    result = subprocess.run(
        [str(command), "validate-schema", "--folder", str(folder)], capture_output=True, text=True
    )
    return result.returncode, result.stdout + result.stderr


def documented() -> tuple[set[str], set[str]]:
    """Return the visualization settings and the parameter types from the specification."""
    skip_without_schemas()
    text = SPECIFICATION.read_text(encoding="utf-8")
    settings = text.split("\n## Visualization Settings")[1].split("\n## Click Behavior")[0]
    keys = set(re.findall(r'^\| `"?([\w.]+)"?` \|', settings, re.MULTILINE))
    keys |= set(re.findall(r'^[\s-]*"?([a-z_.]+)"?:', settings, re.MULTILINE))
    keys |= {key for keys in re.findall(r"`{([\w, ]+)}`", settings) for key in keys.split(", ")}
    types = text.split("\n### Parameter Types")[1].split("\n###")[0]
    return keys, set(re.findall(r"^\| `([^`]+)` \|", types, re.MULTILINE))


def keys_of(settings: object, named_by_us: bool = False) -> set[str]:
    """Return the keys of visualization settings, without names of columns and of series."""
    if isinstance(settings, list):
        return set().union(*(keys_of(each) for each in settings))
    if not isinstance(settings, dict):
        return set()
    found = set() if named_by_us else set(settings)
    for key, value in settings.items():
        found |= keys_of(value, key in ("series_settings", "column_settings"))
    return found


def problems(entity: dict, cards: dict[str, dict]) -> list[str]:
    """Return what Metabase would trip over but its validator doesn't check.

    Our files use little of the language: native queries, text variables and one field filter.
    Anything else is a mistake, above all an operator.
    """
    known_settings, known_types = documented()
    known_settings |= {"title"}  # of a series; missing from the specification
    found = []

    def settings_are_known(settings: dict) -> None:
        unknown = keys_of(settings) - known_settings
        found.extend(f"setting {key}" for key in sorted(unknown))

    if entity["serdes/meta"][-1]["model"] == "Card":
        settings_are_known(entity["visualization_settings"])
        for each in entity["dataset_query"]["stages"]:
            if each["lib/type"] != "mbql.stage/native":
                found.append(f"stage {each['lib/type']}: {each.get('filters')}")
                continue
            names = [tag["name"] for tag in each["template-tags"]]
            if set(re.findall(r"{{(\w+)}}", each["native"])) != set(names):
                found.append(f"tags {names} are not those of the SQL")
            for tag in each["template-tags"]:
                if tag["type"] == "dimension":
                    head, options, column = tag["dimension"]
                    if (head, options, len(column)) != ("field", {}, 4):
                        found.append(f"clause {tag['dimension']}")
                    if tag["widget-type"] not in known_types:
                        found.append(f"widget type {tag['widget-type']}")
                elif tag["type"] != "text" or (tag["default"], tag["required"]) != ("(all)", True):
                    found.append(f"tag {tag}")
    if entity["serdes/meta"][-1]["model"] == "Dashboard":
        types = {each["type"] for each in entity["parameters"]}
        found.extend(f"parameter type {each}" for each in sorted(types - known_types))
        slugs = {each["id"]: each["slug"] for each in entity["parameters"]}
        taken = set()
        for each in entity["dashcards"]:
            settings_are_known(each["visualization_settings"])
            cells = {
                (row, column)
                for row in range(each["row"], each["row"] + each["size_y"])
                for column in range(each["col"], each["col"] + each["size_x"])
            }
            if cells & taken or each["col"] + each["size_x"] > 24:
                found.append(f"place of {each['entity_id']}")
            taken |= cells
            if each["card_id"] is None:
                continue
            if each["card_id"] not in cards:
                found.append(f"card {each['card_id']}")
                continue
            wanted = {
                name: ["dimension" if tag["type"] == "dimension" else "variable",
                       ["template-tag", name]]
                for name, tag in tags(cards[each["card_id"]]).items()
            }  # fmt: skip
            mapped = {
                slugs.get(mapping["parameter_id"]): mapping["target"]
                for mapping in each["parameter_mappings"]
                if mapping["card_id"] == each["card_id"]
            }
            if mapped != wanted:
                found.append(f"targets {mapped} of {cards[each['card_id']]['name']}")
    return found


def test_metabases_own_validator_accepts_every_file():
    files = list(FOLDER.rglob("*.yaml"))
    code, output = validate(FOLDER)
    assert code == 0, output
    assert f"{len(files)} passed, 0 failed" in output


def test_every_clause_setting_filter_and_place_is_one_that_metabase_knows():
    found = {
        entity["name"]: problems(entity, CARDS)
        for kind in ENTITIES.values()
        for entity in kind
        if problems(entity, CARDS)
    }
    assert not found


def an_mbql_query(card, dashboard):
    query = {"lib/type": "mbql.stage/mbql", "source-table": ["VoiceAI metrics", SCHEMA, "x"]}
    column = ["field", {}, ["VoiceAI metrics", SCHEMA, "x", "y"]]
    card["dataset_query"]["stages"] = [query | {"filters": [["equals", {}, column, 1]]}]


def a_clause(card, dashboard):
    tags(card)["time"]["dimension"][0] = "feild"


def a_widget(card, dashboard):
    tags(card)["time"]["widget-type"] = "date/everything"


def a_parameter_type(card, dashboard):
    dashboard["parameters"][1]["type"] = "string/equals"


def a_target(card, dashboard):
    dashboard["dashcards"][1]["parameter_mappings"][0]["target"][0] = "variabel"


def a_target_of_another_kind(card, dashboard):
    dashboard["dashcards"][1]["parameter_mappings"][0]["target"][0] = "variable"


def a_setting(card, dashboard):
    card["visualization_settings"]["graph.y_axis.titel_text"] = "Sessions"


def a_format(card, dashboard):
    (first, *_) = card["visualization_settings"]["column_settings"].values()
    first["numberstyle"] = "percent"


def a_missing_card(card, dashboard):
    dashboard["dashcards"][1]["card_id"] = "A" * 21


def an_undeclared_tag(card, dashboard):
    stage(card)["native"] += "-- {{region}}"


def cards_on_one_another(card, dashboard):
    dashboard["dashcards"][2]["col"] = dashboard["dashcards"][1]["col"]


@pytest.mark.parametrize(
    "break_it",
    [
        an_mbql_query,
        a_clause,
        a_widget,
        a_parameter_type,
        a_target,
        a_target_of_another_kind,
        a_setting,
        a_format,
        a_missing_card,
        an_undeclared_tag,
        cards_on_one_another,
    ],
    ids=lambda each: each.__name__,
)
def test_what_the_validator_misses_is_found(break_it, tmp_path):
    """Each of these passes Metabase's validator, but doesn't work in Metabase."""
    (dashboard,) = [copy.deepcopy(each) for each in DASHBOARDS if each["name"] == TITLES[0]]
    card = copy.deepcopy(CARDS[dashboard["dashcards"][1]["card_id"]])
    break_it(card, dashboard)
    (tmp_path / "collections").mkdir()
    for name, entity in (("card", card), ("dashboard", dashboard)):
        (tmp_path / "collections" / f"{name}.yaml").write_text(yaml.safe_dump(entity))
    code, output = validate(tmp_path)
    assert code == 0, output
    cards = CARDS | {card["entity_id"]: card}
    assert problems(card, cards) or problems(dashboard, cards)


def test_the_validator_runs_at_all(tmp_path):
    (tmp_path / "collections").mkdir()
    card = {key: value for key, value in METRIC_CARDS[0].items() if key != "display"}
    (tmp_path / "collections" / "card.yaml").write_text(yaml.safe_dump(card))
    code, output = validate(tmp_path)
    assert code != 0
    assert "display" in output


def test_the_dashboards_are_the_seven_with_their_filters():
    assert sorted(each["name"] for each in DASHBOARDS) == sorted(TITLES)
    for dashboard in DASHBOARDS:
        names = {each["name"] for each in dashboard["parameters"]}
        expected = {"Time", "Channel", "Language", "Platform"}
        if dashboard["name"] == "ASR quality by language and release":
            expected -= {"Time"}  # its table has no time column
        if dashboard["name"] == "Data quality":
            expected = set()
        assert names == expected, dashboard["name"]
        for parameter in dashboard["parameters"]:
            if parameter["name"] != "Time":
                assert parameter["default"] == ["(all)"]
                assert parameter["isMultiSelect"] is False


def test_names_and_ids_are_used_once():
    for kind in ENTITIES.values():
        for key in ("name", "entity_id"):
            values = [entity[key] for entity in kind]
            assert len(values) == len(set(values))
    ids = [each["entity_id"] for board in DASHBOARDS for each in board["dashcards"]]
    assert len(ids) == len(set(ids))
    shown = {each["card_id"] for board in DASHBOARDS for each in board["dashcards"]}
    offered = {
        parameter["values_source_config"]["card_id"]
        for board in DASHBOARDS
        for parameter in board["parameters"]
        if "values_source_config" in parameter
    }
    assert shown | offered == set(CARDS) | {None}, "a question that no dashboard shows"


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card["name"])
def test_no_question_computes_a_metric(card):
    """Questions pick rows and columns; they compute only labels and the age of a build."""
    sql, _ = bound(card, {"time": "2026-01-01~2026-12-31"})
    tree = sqlglot.parse_one(re.sub(r"%\(\w+\)s", "'value'", sql), read="postgres")
    for kind in (exp.AggFunc, exp.Group, exp.Having, exp.Window, exp.Join, exp.SetOperation):
        assert not list(tree.find_all(kind)), kind
    for column in tree.selects:
        if column.alias_or_name.startswith("voice_ai_") and "__" not in column.alias_or_name:
            assert isinstance(column, exp.Column), column.sql()
    if card["name"] != "How old is the newest certified build?":
        assert not list(tree.find_all(exp.Div, exp.Mul, exp.Sub))


# --- the numbers -------------------------------------------------------------------------------

ASK_METRICFLOW = """
import json, pathlib, sys
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.metrics.compiler import MetricCompiler
from voice_ai_analytics.warehouse import Warehouse
project = DbtProject(pathlib.Path("."))
compiler, warehouse = MetricCompiler(project), Warehouse(project)
answers = []
for metrics, group_by, where in json.loads(pathlib.Path(sys.argv[1]).read_text()):
    frame = warehouse.query(compiler.compile(metrics, group_by, where))
    # PostgreSQL truncates a date to an instant with a zone; exports hold it without one.
    for name in frame.select_dtypes("datetimetz"):
        frame[name] = frame[name].dt.tz_convert("UTC").dt.tz_localize(None)
    frame = frame.astype(object)
    frame = frame.where(frame.notna(), None)
    answers.append([list(frame), frame.values.tolist()])
print(json.dumps(answers, default=str))
"""
FILTERS = {
    "default": {},
    "voice": {"channel": "voice"},
    "chat in English": {"channel": "chat", "language": "en"},
    "a small group": {"platform": "demo", "channel": "ivr", "language": "sw"},
    "two months": {"time": "2026-02-01~2026-03-31"},
    "nobody": {"language": "tlh"},
}
LABELS = {
    "voice_ai_session__is_first_time_digital_user": {
        True: "New to digital services", False: "Used them before", None: "Not known",
    },
    "voice_ai_session__has_disability": {
        True: "With a disability", False: "Without", None: "Not known",
    },
}  # fmt: skip
MIN_COHORT_SIZE = 5
# The demo's raw data has no ratings, costs or latencies.
NOT_IN_THE_DEMO = {
    "voice_ai_csat_top_box_rate",
    "voice_ai_cost_per_completed_session",
    "voice_ai_response_latency_p50_ms",
    "voice_ai_response_latency_p95_ms",
}


def columns_of(card: dict) -> tuple[list[str], list[str]]:
    """Return the metrics and dimensions that a question selects."""
    sql, _ = bound(card, {"time": "2026-01-01~2026-12-31"})
    tree = sqlglot.parse_one(re.sub(r"%\(\w+\)s", "'value'", sql), read="postgres")
    names = [column.alias_or_name for column in tree.selects]
    metrics = [name for name in names if name.startswith("voice_ai_") and "__" not in name]
    return metrics, [name for name in names if "__" in name]


def asked_of_metricflow(card: dict, values: dict[str, str]) -> tuple[str, tuple, tuple]:
    """Return the table that a question reads, and its ``mf query``'s group-by and where."""
    where = [
        f"{{{{ Dimension('voice_ai_session__{name}') }}}} = '{value}'"
        for name, value in values.items()
        if name != "time"
    ]
    return create.tables_of(card, SCHEMA)[0], tuple(columns_of(card)[1]), tuple(where)


@pytest.fixture(scope="module")
def metricflow(deployment, tmp_path_factory) -> dict[tuple, list[dict]]:
    """Ask MetricFlow in one process for everything that the questions show."""
    asked: dict[tuple, set[str]] = {}
    for card in METRIC_CARDS:
        for values in FILTERS.values():
            metrics = asked.setdefault(asked_of_metricflow(card, values), {"voice_ai_cohort_size"})
            metrics.update(columns_of(card)[0])
    queries = [(sorted(metrics), by, where) for (_, by, where), metrics in asked.items()]
    path = tmp_path_factory.mktemp("metricflow") / "queries.json"
    path.write_text(json.dumps(queries))
    output = deployment.command("python", "-W", "ignore", "-c", ASK_METRICFLOW, str(path)).stdout
    answers = json.loads(output.splitlines()[-1])
    return {
        query: [dict(zip(columns, row, strict=True)) for row in rows]
        for query, (columns, rows) in zip(asked, answers, strict=True)
    }


def connect(deployment, reader: str):
    return psycopg2.connect(
        host=deployment.environment["VOICE_AI_POSTGRES_HOST"],
        port=deployment.environment["VOICE_AI_POSTGRES_PORT"],
        dbname=deployment.environment["VOICE_AI_POSTGRES_DATABASE"],
        user=f"voice_ai_{reader}_reader",
        password=PASSWORDS[f"VOICE_AI_{reader.upper()}_READER_PASSWORD"],
    )


def run(deployment, card: dict, values: dict[str, str], schema: str = SCHEMA) -> list[dict]:
    """Run a question as the role that its database connects with."""
    sql, bindings = bound(card, values)
    reader = READERS[card["dataset_query"]["database"]]
    with closing(connect(deployment, reader)) as connection, connection.cursor() as cursor:
        cursor.execute(sql, bindings)
        columns = [column.name for column in cursor.description]
        return [dict(zip(columns, row, strict=True)) for row in cursor.fetchall()]


def table_of(rows: list[dict], metrics: list[str], dimensions: list[str]) -> dict[tuple, list]:
    """Return rows by their dimensions, without those that have no number, which charts skip."""
    keyed = {
        tuple(row[name] for name in dimensions): [
            math.nan if row[name] is None else float(row[name]) for name in metrics
        ]
        for row in rows
    }
    assert len(keyed) == len(rows), "two rows for one point of a chart"
    return {key: values for key, values in keyed.items() if not all(map(math.isnan, values))}


def labelled(answer: dict) -> dict:
    """Return a row with its dimensions' values as questions write them."""
    row = dict(answer)
    for name in row:
        if name.startswith("metric_time__"):
            row[name] = datetime.fromisoformat(str(row[name]))
        elif name in LABELS:
            row[name] = LABELS[name][row[name]]
        elif name != "voice_ai_session__asr_model" and "__" in name and row[name] is None:
            row[name] = "not known"
    return row


def expected_rows(metricflow, card, values, exported_at) -> list[dict]:
    """Return MetricFlow's answer as the question should show it."""
    rows = []
    for answer in metricflow[asked_of_metricflow(card, values)]:
        row = labelled(answer)
        if (row["voice_ai_cohort_size"] or 0) < MIN_COHORT_SIZE:
            row |= dict.fromkeys(columns_of(card)[0])
        if "voice_ai_session__asr_model" in row and row["voice_ai_session__asr_model"] is None:
            continue
        time = next((row[name] for name in row if name.startswith("metric_time__")), None)
        if "time" in values and time:
            first, last = (date.fromisoformat(day) for day in values["time"].split("~"))
            if not first <= time.date() <= last:
                continue
        if card["display"] == "smartscalar" and time + timedelta(days=7) > exported_at:
            continue
        rows.append(row)
    return rows


@pytest.mark.parametrize("values", FILTERS.values(), ids=FILTERS)
@pytest.mark.parametrize("card", METRIC_CARDS, ids=lambda card: card["name"])
def test_a_question_shows_the_numbers_of_metricflow(card, values, deployment, metricflow):
    ((exported_at,),) = deployment.rows(
        f"select max(exported_at) from {SCHEMA}.voice_ai_metric_exports"
    )
    metrics, dimensions = columns_of(card)
    shown = table_of(run(deployment, card, values), metrics, dimensions)
    rows = expected_rows(metricflow, card, values, exported_at)
    # What the table hides besides small groups, so that they can't be computed.
    table = create.tables_of(card, SCHEMA)[0]
    for group, hidden in hidden_rows(deployment, table, dimensions, values):
        for row in rows:
            if labelled(group).items() <= row.items():
                row |= dict.fromkeys(set(hidden) & set(metrics))
    expected = table_of(rows, metrics, dimensions)
    assert sorted(shown, key=str) == sorted(expected, key=str)
    for key in shown:
        assert shown[key] == pytest.approx(expected[key], rel=1e-9, nan_ok=True), key
    assert shown or values or set(metrics) <= NOT_IN_THE_DEMO


def test_small_groups_are_among_what_was_compared(deployment):
    card = next(card for card in METRIC_CARDS if card["name"] == "How do sessions end?")
    rows = run(deployment, card, FILTERS["a small group"])
    assert any(row["voice_ai_completion_rate"] is None for row in rows)
    assert any(row["voice_ai_completion_rate"] is not None for row in rows)


@pytest.mark.parametrize("card", CARDS.values(), ids=lambda card: card["name"])
def test_settings_speak_of_columns_that_the_question_has(card, deployment):
    rows = run(deployment, card, {})
    sql, _ = bound(card, {})
    tree = sqlglot.parse_one(re.sub(r"%\(\w+\)s", "'value'", sql), read="postgres")
    columns = set(rows[0]) if rows else {column.alias_or_name for column in tree.selects}
    settings = card["visualization_settings"]
    named = {json.loads(key)[1] for key in settings.get("column_settings", {})}
    named |= set(settings.get("graph.dimensions", []) + settings.get("graph.metrics", []))
    named |= {each["name"] for each in settings.get("table.columns", [])}
    named |= {settings["scalar.field"]} if "scalar.field" in settings else set()
    named |= {column for each in settings.get("table.column_formatting", [])
              for column in each["columns"]}  # fmt: skip
    assert named <= columns
    if len(settings.get("graph.dimensions", [])) == 1:
        assert set(settings["series_settings"]) == set(settings["graph.metrics"])


@pytest.fixture(scope="module")
def few_rows(deployment):
    """Create a certified schema of a few rows, for what the demo lacks."""
    schema = "few_rows"
    tables = ("voice_ai_overview", "voice_ai_metric_exports", "voice_ai_builds")
    deployment.rows(
        f"""
        drop schema if exists {schema} cascade;
        create schema {schema};
        grant usage on schema {schema} to voice_ai_metrics_reader, voice_ai_certified_reader;
        """
    )
    for table in tables:
        deployment.rows(
            f"""
            create table {schema}.{table} as select * from {SCHEMA}.{table} limit 0;
            grant select on {schema}.{table} to voice_ai_metrics_reader, voice_ai_certified_reader;
            """
        )
    deployment.rows(
        f"""
        insert into {schema}.voice_ai_overview (metric_time__week, voice_ai_session__platform,
            voice_ai_session__channel, voice_ai_session__language, voice_ai_sessions)
        values
            ('2026-01-05', '(all)', '(all)', '(all)', 9),
            ('2026-01-05', '(all)', 'voice', '(all)', 7),
            ('2026-01-05', '(all)', null, '(all)', 2),
            ('2026-01-12', '(all)', '(all)', '(all)', 1);
        insert into {schema}.voice_ai_metric_exports
            (table_name, exported_at, row_count, suppressed_row_count)
        values
            ('voice_ai_overview', '2026-01-12 06:00', 4, 0),
            ('voice_ai_overview', '2026-01-18 23:59', 4, 1),
            ('voice_ai_adoption', '2026-01-19 00:00', 3, 0);
        insert into {schema}.voice_ai_builds (build_id, certified_at)
        values
            ('new', (current_timestamp at time zone 'UTC') - interval '90 minutes'),
            ('old', (current_timestamp at time zone 'UTC') - interval '3 days');
        """
    )
    cards = {card["name"]: card for card in create.read(schema, set())["Card"]}
    yield lambda name, **values: run(deployment, cards[name], values)
    deployment.rows(f"drop schema {schema} cascade")


def test_a_missing_value_of_a_dimension_is_shown_and_can_be_chosen(few_rows):
    def sessions(name: str, **values: str) -> list[int]:
        return sorted(row["voice_ai_sessions"] for row in few_rows(name, **values))

    assert sessions("Which channels do people use?") == [2, 7]
    assert sessions("Which channels do people use?", channel="not known") == [2]
    assert sessions("How many people use it, and how often?") == [1, 9]
    assert sessions("How many people use it, and how often?", channel="not known") == [2]


def test_a_week_that_was_not_over_at_the_export_is_no_last_full_week(few_rows):
    rows = few_rows("How many sessions in the last full week?")
    assert [row["voice_ai_sessions"] for row in rows] == [9]


def test_of_several_exports_and_builds_the_newest_is_shown(few_rows):
    exports = few_rows("What do dashboards show, and how much of it is suppressed?")
    assert [(row["table_name"], row["suppressed_row_count"]) for row in exports] == [
        ("voice_ai_adoption", 0),
        ("voice_ai_overview", 1),
    ]
    (age,) = few_rows("How old is the newest certified build?")
    assert float(age["hours_since_certified"]) == pytest.approx(1.5, abs=0.1)
    builds = few_rows("When was what certified?")
    assert [row["certified_at"] for row in builds] == sorted(
        (row["certified_at"] for row in builds), reverse=True
    )


@pytest.mark.parametrize("name", ["channel", "language", "platform"])
def test_a_filter_offers_what_there_is(name, deployment):
    (card,) = [card for card in CARDS.values() if card["name"] == f"Filter values: {name}"]
    fact = deployment.rows(f"select distinct {name} from {SCHEMA}.fact_voice_ai_sessions")
    shown = [row[name] for row in run(deployment, card, {})]
    assert sorted(shown) == sorted(["(all)", *(value for (value,) in fact)])


def question(name: str) -> dict:
    (card,) = [card for card in CARDS.values() if card["name"] == name]
    return card


def test_every_row_is_accounted_for_as_counted_by_hand(deployment):
    counted = {}
    for raw, table in (("voice_sessions", "sessions"), ("voice_turns", "turns")):
        ((came,),) = deployment.rows(f"select count(*) from voice_ai_raw.{raw}")
        ((kept,),) = deployment.rows(f"select count(*) from {SCHEMA}.fact_voice_ai_{table}")
        counted[table] = (came, kept, came - kept, 0, 0)
    ((users,),) = deployment.rows("select count(*) from voice_ai_raw.users")
    counted["users"] = (users, users, 0, 0, 0)
    shown = run(deployment, question("Is every raw row accounted for?"), {})
    assert {row.pop("table_name"): tuple(row.values()) for row in shown} == counted
    reasons = run(deployment, question("Why are rows quarantined?"), {})
    rows = [row["quarantined_rows"] for row in reasons]
    assert rows == sorted(rows, reverse=True)
    # No row in the demo breaks two rules, and an impossible measurement costs no row.
    of_rows = [
        row["quarantined_rows"] for row in reasons if not row["reason"].startswith("impossible_")
    ]
    assert sum(of_rows) == counted["sessions"][2] + counted["turns"][2] < sum(rows)


def test_exports_show_their_suppressed_rows(deployment):
    shown = run(
        deployment, question("What do dashboards show, and how much of it is suppressed?"), {}
    )
    assert len(shown) == 11
    for row in shown:
        counted = deployment.rows(
            f"""select count(*), count(*) filter (where is_suppressed)
            from {SCHEMA}.{row["table_name"]}"""
        )
        assert [(row["row_count"], row["suppressed_row_count"])] == counted, row["table_name"]


def test_readers_of_metrics_cannot_run_questions_over_certified_tables(deployment):
    sql, _ = bound(question("When was what certified?"), {})
    with (
        closing(connect(deployment, "metrics")) as connection,
        connection.cursor() as cursor,
        pytest.raises(psycopg2.errors.InsufficientPrivilege),
    ):
        cursor.execute(sql)


# --- the script --------------------------------------------------------------------------------


def tables() -> dict[str, dict[tuple[str, str], list[str]]]:
    """The tables and columns that Metabase would have found for the questions."""
    found: dict = {name: {} for name in READERS}
    for card in CARDS.values():
        database = found[card["dataset_query"]["database"]]
        for table in create.tables_of(card, SCHEMA):
            database.setdefault((SCHEMA, table), ["metric_time__week", "metric_time__month"])
    return found


@pytest.fixture
def fake():
    return FakeMetabase(tables())


def script(address: str, *arguments: str, folder: Path = FOLDER, **environment: str):
    return subprocess.run(
        [sys.executable, str(folder / "create.py"), *arguments],
        env={
            **{key: value for key, value in os.environ.items() if "METABASE" not in key},
            "METABASE_URL": address,
            "METABASE_API_KEY": FakeMetabase.key,
            **environment,
        },
        capture_output=True,
        text=True,
    )


def contents(fake: FakeMetabase) -> dict:
    """Return what a server holds, with names in place of ids."""
    cards = {number: each["name"] for number, each in fake.things["card"].items()}
    collections = {number: each["name"] for number, each in fake.things["collection"].items()}
    found: dict = {"collections": sorted(collections.values()), "cards": {}, "dashboards": {}}
    for each in fake.things["card"].values():
        kept = {key: value for key, value in each.items() if key not in ("id", "collection_id")}
        key = (collections[each["collection_id"]], each["name"])
        assert key not in found["cards"], "doubled"
        found["cards"][key] = kept
    for each in fake.things["dashboard"].values():
        assert each["name"] not in found["dashboards"], "doubled"
        found["dashboards"][each["name"]] = {
            "collection": collections[each["collection_id"]],
            "position": each["collection_position"],
            "filters": [
                (one["name"], cards.get(one.get("values_source_config", {}).get("card_id")))
                for one in each["parameters"]
            ],
            "cards": [
                (
                    cards.get(card["card_id"]),
                    card["row"],
                    card["col"],
                    [(one["parameter_id"], one["target"]) for one in card["parameter_mappings"]],
                )
                for card in each["dashcards"]
            ],
        }
    return found


def test_it_makes_what_the_files_say(fake):
    with serving(fake) as address:
        result = script(address)
    assert result.returncode == 0, result.stderr
    assert result.stdout.split("\n")[0] == "collections: 2 created, 0 updated"
    made = contents(fake)
    assert made["collections"] == ["Examples", "Questions", "VoiceAI Analytics"]
    assert {name for place, name in made["cards"] if place == "Questions"} == {
        card["name"] for card in CARDS.values()
    }
    assert sorted(made["dashboards"], key=lambda name: made["dashboards"][name]["position"]) == (
        TITLES
    )
    overview = made["dashboards"]["Executive overview"]
    assert overview["collection"] == "VoiceAI Analytics"
    assert overview["filters"][1] == ("Channel", "Filter values: channel")
    (board,) = [each for each in DASHBOARDS if each["name"] == "Executive overview"]
    assert [name for name, *_ in overview["cards"]] == [
        each["card_id"] and CARDS[each["card_id"]]["name"] for each in board["dashcards"]
    ]
    sent = made["cards"]["Questions", "How do sessions end?"]["dataset_query"]["native"]
    assert sent["query"] == stage(question("How do sessions end?"))["native"]
    tables = {each["name"]: each for each in fake.databases.values()}["VoiceAI metrics"]["tables"]
    (table,) = [each for each in tables if each["name"] == "voice_ai_overview"]
    week = next(each["id"] for each in table["fields"] if each["name"] == "metric_time__week")
    assert sent["template-tags"]["time"]["dimension"] == ["field", week, None]


def test_a_second_run_doubles_nothing_and_mends_what_was_changed(fake):
    with serving(fake) as address:
        script(address)
        before = copy.deepcopy(fake.things)
        assert script(address).returncode == 0
        assert fake.things == before
        number = next(iter(set(fake.things["card"]) - {8}))
        fake.things["card"][number]["display"] = "pie"
        board = next(iter(fake.things["dashboard"].values()))
        board["dashcards"] = board["dashcards"][2:]
        board["dashcards"][0]["row"] = 77
        result = script(address)
    assert result.stdout.split("\n")[1] == f"cards: 0 created, {len(CARDS)} updated"
    mended, fake.things = contents(fake), before
    assert mended == contents(fake)


def test_a_changed_file_changes_what_was_made(fake, tmp_path):
    folder = tmp_path / "metabase"
    shutil.copytree(FOLDER, folder)
    path = folder / "collections/main/voiceai_analytics/questions/overview_outcomes.yaml"
    with serving(fake) as address:
        script(address, folder=folder)
        numbers = list(fake.things["card"])
        path.write_text(path.read_text().replace("display: line", "display: area"))
        result = script(address, folder=folder)
    assert result.returncode == 0, result.stderr
    assert list(fake.things["card"]) == numbers
    assert contents(fake)["cards"]["Questions", "How do sessions end?"]["display"] == "area"


def test_what_breaks_off_is_made_whole_by_the_next_run():
    whole = FakeMetabase(tables())
    with serving(whole) as address:
        script(address)
    steps = len(whole.requests)
    assert steps > 60
    # At the start, between and within collections, cards and dashboards, and at the end.
    for at in (2, 7, 30, steps - 20, steps - 1, steps):
        fake = FakeMetabase(tables())
        fake.break_at = at
        with serving(fake) as address:
            result = script(address)
            assert result.returncode == 1
            assert result.stderr.count("\n") == 1
            assert "Metabase answered 500" in result.stderr
            fake.break_at = None
            assert script(address).returncode == 0
        assert contents(fake) == contents(whole), at


def test_another_schema_can_be_named(fake):
    for database in fake.databases.values():
        for table in database["tables"]:
            table["schema"] = "analytics_voice_ai"
    with serving(fake) as address:
        result = script(address, "--schema", "analytics_voice_ai")
    assert result.returncode == 0, result.stderr
    assert SCHEMA not in json.dumps(fake.things)


def test_questions_of_a_table_that_is_not_exported_can_be_left_out(fake):
    for database in fake.databases.values():
        database["tables"] = [
            table for table in database["tables"] if table["name"] != "voice_ai_latency"
        ]
    with serving(fake) as address:
        refused = script(address)
        assert refused.returncode == 1
        assert "no table demo_voice_ai.voice_ai_latency" in refused.stderr
        assert not fake.things["dashboard"], "rejected before anything is created"
        result = script(address, "--without", "voice_ai_latency")
    assert result.returncode == 0, result.stderr
    shown = [name for name, *_ in contents(fake)["dashboards"][TITLES[2]]["cards"]]
    assert "How long does a user wait for an answer?" not in shown
    assert "How long does a session take?" in shown


def no_such_database(fake):
    fake.databases.popitem()
    return "VoiceAI certified: Metabase has no database with this name"


def no_such_column(fake):
    for database in fake.databases.values():
        for table in database["tables"]:
            table["fields"] = [each for each in table["fields"] if each["name"].endswith("month")]
    return "has no column metric_time__week"


def another_key(fake):
    fake.key = "mb_other"
    return "METABASE_API_KEY: http://"


@pytest.mark.parametrize(
    "change", [no_such_database, no_such_column, another_key], ids=lambda each: each.__name__
)
def test_what_is_wrong_on_the_server_is_said_in_one_line(change, fake):
    said = change(fake)
    with serving(fake) as address:
        result = script(address)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert said in result.stderr
    assert FakeMetabase.key not in result.stderr
    assert not [each for each in fake.requests if not each.startswith("GET")]


@pytest.mark.parametrize(
    ("environment", "arguments", "said"),
    [
        ({"METABASE_URL": ""}, (), "METABASE_URL: not set"),
        ({"METABASE_API_KEY": ""}, (), "METABASE_API_KEY: not set"),
        ({"METABASE_API_KEY": "ключ"}, (), "METABASE_API_KEY: isn't a valid key"),
        ({"METABASE_URL": "http://127.0.0.1:1"}, (), "http://127.0.0.1:1 can't be reached"),
        ({"METABASE_URL": "127.0.0.1"}, (), "127.0.0.1 can't be reached"),
        ({}, ("--schema", "a; drop"), "--schema a; drop: use only lowercase"),
        ({}, ("--without", "voice_ai_latencies"), "--without voice_ai_latencies: no question"),
        ({}, ("--without", "voice_ai_asr_releases"), "the filters need this table"),
    ],
)
def test_what_is_wrong_with_the_call_is_said_in_one_line(environment, arguments, said):
    result = script("http://127.0.0.1:1", *arguments, **environment)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert said in result.stderr


def test_a_file_that_is_no_yaml_is_named_in_one_line(tmp_path):
    folder = tmp_path / "metabase"
    shutil.copytree(FOLDER, folder)
    path = folder / "collections/main/voiceai_analytics/questions/overview_outcomes.yaml"
    path.write_text(path.read_text().replace("display: line", "display: [line"))
    result = script("http://127.0.0.1:1", folder=folder)
    assert result.returncode == 1
    assert result.stderr.count("\n") == 1
    assert "overview_outcomes.yaml: isn't valid YAML" in result.stderr


def test_a_session_will_do_instead_of_a_key(fake):
    with serving(fake) as address:
        result = script(address, METABASE_API_KEY="", METABASE_SESSION=FakeMetabase.key)
        assert result.returncode == 0, result.stderr
        result = script(address, METABASE_API_KEY="", METABASE_SESSION="old")
    assert "METABASE_SESSION" in result.stderr
