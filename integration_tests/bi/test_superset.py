"""A real Superset: each chart's numbers against MetricFlow's, and how each dashboard looks.

A browser opens the dashboards, and the tests read what the charts ask the server and what it
answers. The questions to MetricFlow come from the charts' files alone: a chart shows the rows of
its axis and its groups for the filters' values, and ``(all)`` for columns without one.
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import pairwise
from pathlib import Path
from urllib.parse import parse_qs, urlsplit

import pytest
import yaml
from conftest import PASSWORDS
from consumer import REPOSITORY, Consumer
from hidden import hidden_rows

BUNDLE = REPOSITORY / "bi" / "superset"
sys.path.insert(0, str(BUNDLE))
import start  # noqa: E402
from bundle import bundle  # noqa: E402

playwright = pytest.importorskip("playwright.sync_api")
CHROMIUM = shutil.which("chromium")
pytestmark = [
    pytest.mark.skipif(
        CHROMIUM is None, reason="Chromium isn't installed: apt-get install chromium"
    ),
    pytest.mark.skipif(not start.BIN.is_dir(), reason="Superset isn't installed: make test-bi"),
]

TITLES = {
    "voice-ai-executive-overview": "Executive overview",
    "voice-ai-accessibility": "Accessibility: does it work for everyone?",
    "voice-ai-efficiency": "Efficiency: what does a session cost?",
    "voice-ai-adoption": "Adoption: do people choose it and come back?",
    "voice-ai-error-reduction": "Error reduction: is it getting better?",
    "voice-ai-asr-quality": "ASR quality by language and release",
    "voice-ai-data-quality": "Data quality",
}
METRIC_DASHBOARDS = [slug for slug in TITLES if slug != "voice-ai-data-quality"]
FILTERS = ("channel", "language", "platform")
CHOSEN = {"channel": "voice", "language": "en"}
GUARDED = re.compile(r"CASE WHEN COUNT\(\*\) = 1 THEN MAX\((\w+)\) END")
LABEL = re.compile(
    r"COALESCE\(voice_ai_session__(\w+), 'not known'\)"
    r"|CASE voice_ai_session__(\w+) WHEN TRUE THEN 'yes' WHEN FALSE THEN 'no' ELSE 'not known' END"
    r"|CURRENT_DATE - CAST\(certified_at AS DATE\)"
)
ASK_METRICFLOW = """
import json, pathlib, sys
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.metrics.compiler import MetricCompiler
from voice_ai_analytics.warehouse import Warehouse
project = DbtProject(pathlib.Path("."))
compiler, warehouse = MetricCompiler(project), Warehouse(project)
answers = []
for metrics, group_by, where in json.loads(pathlib.Path(sys.argv[1]).read_text()):
    frame = warehouse.query(compiler.compile(metrics, group_by, where)).astype(object)
    answers.append(frame.where(frame.notna(), None).to_dict("records"))
print(json.dumps(answers, default=str))
"""


def files(kind: str) -> list[dict]:
    return [yaml.safe_load(path.read_text()) for path in sorted((BUNDLE / kind).glob("*.yaml"))]


DATASETS = {content["uuid"]: content for content in files("datasets")}
CHARTS = {content["uuid"]: content for content in files("charts")}
DASHBOARDS = {content["slug"]: content for content in files("dashboards")}


def charts_of(slug: str) -> list[dict]:
    """Return the charts of a dashboard, in the order of its file."""
    return [
        CHARTS[item["meta"]["uuid"]]
        for item in DASHBOARDS[slug]["position"].values()
        if isinstance(item, dict) and item["type"] == "CHART"
    ]


@dataclass(frozen=True)
class Question:
    """What a chart with metrics shows, in MetricFlow's terms."""

    metrics: tuple[str, ...]
    columns: tuple[str, ...]
    where: tuple[str, ...]

    @classmethod
    def of(cls, chart: dict, chosen: dict[str, str]) -> Question:
        """Read a chart's file; a filter applies unless the chart has its own on that column."""
        params = chart["params"]
        if params.get("query_mode") == "raw":
            dimensions = [c for c in params["all_columns"] if not c.startswith("voice_ai_")]
            metrics = [c for c in params["all_columns"] if c.startswith("voice_ai_")]
            chosen = {}
        else:
            dimensions = [params["x_axis"], *params.get("groupby", [])]
            metrics = params.get("metrics") or [params["metric"]]
        own = {one.get("subject") for one in params["adhoc_filters"]}
        return cls(
            tuple(metrics),
            tuple(dimensions),
            tuple(
                f"{{{{ Dimension('voice_ai_session__{name}') }}}} = '{value}'"
                for name, value in chosen.items()
                if name not in own
            ),
        )

    def asked(self) -> tuple:
        names = [
            name if name.startswith("metric_time") else f"voice_ai_session__{name}"
            for name in self.columns
        ]
        return [*dict.fromkeys([*self.metrics, "voice_ai_cohort_size"])], names, self.where

    def expected(self, rows: list[dict], least: int) -> dict[tuple, float]:
        """Return the numbers that may be shown, by their place in the chart."""
        _, names, _ = self.asked()
        return {
            (*(label(row[name]) for name in names), metric): float(row[metric])
            for row in rows
            if (row["voice_ai_cohort_size"] or 0) >= least
            for metric in self.metrics
            if row[metric] is not None
        }

    def shown(self, data: list[dict]) -> dict[tuple, float]:
        """Return the numbers of a chart's answer, which has one column per series."""
        found = {}
        place = len(self.columns) if len(data) and self.columns[-1] in data[0] else 1
        for row in data:
            for name, value in row.items():
                if name in self.columns or value is None:
                    continue
                where = tuple(label(row[column]) for column in self.columns[:place])
                series = (name,) if name in self.metrics else (name, self.metrics[0])
                found[(*where, *series)] = float(value)
        return found


def label(value) -> str:
    """Return a dimension's value as the charts write it; an instant becomes its day."""
    if isinstance(value, float | int) and not isinstance(value, bool):
        return datetime.fromtimestamp(value / 1000, UTC).date().isoformat()
    known = {None: "not known", True: "yes", False: "no"}
    return known.get(value) or re.sub(r"^(\d{4}-\d\d-\d\d)[ T].*", r"\1", str(value))


@dataclass
class Visit:
    """An open page: what its charts asked, what they were told, and what went wrong."""

    page: object
    answers: dict[str, dict] = field(default_factory=dict)
    problems: list[str] = field(default_factory=list)

    def watch(self, names: dict[int, str]) -> None:
        def told(response) -> None:
            if response.status >= 400:
                self.problems.append(f"{response.status} {response.url}")
            elif "/api/v1/chart/data" in response.url:
                form = json.loads(
                    parse_qs(urlsplit(response.url).query).get("form_data", ["{}"])[0]
                )
                if "slice_id" in form:
                    self.answers[names[form["slice_id"]]] = response.json()["result"][0]

        def console(message) -> None:
            # Superset's pages try to load a tracking pixel from another host, which is blocked.
            if message.type == "error" and "Content Security Policy" not in message.text:
                self.problems.append(message.text)

        self.page.on("response", told)
        self.page.on("console", console)
        self.page.on("pageerror", lambda error: self.problems.append(str(error)))

    def wait_for(self, charts: list[dict]) -> None:
        """Wait until every chart is drawn."""
        for chart in charts:
            box = self.page.locator(f'[data-test-chart-name="{chart["slice_name"]}"]')
            box.locator(".slice_container, [data-test='slice-container']").first.wait_for(
                timeout=60_000
            )
        loading = self.page.locator("[data-test-chart-name] [data-test='loading-indicator']")
        playwright.expect(loading).to_have_count(0, timeout=60_000)
        self.page.wait_for_load_state("networkidle")


@dataclass(frozen=True)
class Server:
    """Superset with the dashboards, a logged-in browser, and MetricFlow's answers."""

    superset: start.Superset
    deployment: Consumer
    variables: dict[str, str]
    context: object
    names: dict[int, str]

    @contextmanager
    def visit(self, slug: str, width: int) -> Iterator[Visit]:
        page = self.context.new_page()
        # As tall as the whole page, because charts below the window aren't loaded.
        page.set_viewport_size({"width": width, "height": 6000})
        visit = Visit(page)
        visit.watch(self.names)
        page.goto(f"{self.superset.address}/superset/dashboard/{slug}/")
        visit.wait_for(charts_of(slug))
        yield visit
        page.close()


def free_port() -> int:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def log_in(page, superset: start.Superset) -> None:
    page.goto(f"{superset.address}/login/")
    page.fill("#username", "admin")
    page.fill("#password", superset.password)
    page.click("button[type=submit]")
    page.wait_for_url(lambda url: "/login" not in url)


def chart_names(context, superset: start.Superset) -> dict[int, str]:
    response = context.request.get(f"{superset.address}/api/v1/chart/?q=(page_size:1000)")
    return {chart["id"]: chart["slice_name"] for chart in response.json()["result"]}


@pytest.fixture(scope="module")
def server(deployment, tmp_path_factory) -> Iterator[Server]:
    """Start Superset, import the dashboards, and log in."""
    where = deployment.environment
    uris = {
        variable: start.postgres_uri(
            where["VOICE_AI_POSTGRES_HOST"],
            where["VOICE_AI_POSTGRES_PORT"],
            where["VOICE_AI_POSTGRES_DATABASE"],
            role,
            PASSWORDS[password],
        )
        for variable, role, password in (
            ("VOICE_AI_METRICS_URI", start.METRICS_ROLE, start.METRICS_PASSWORD),
            ("VOICE_AI_CERTIFIED_URI", start.CERTIFIED_ROLE, start.CERTIFIED_PASSWORD),
        )
    }
    variables = uris | {"VOICE_AI_CERTIFIED_SCHEMA": "demo_voice_ai"}
    manifest = deployment.manifest
    with (
        open_directory() as home,
        start.running(home, free_port()) as superset,
        playwright.sync_playwright() as browsers,
    ):
        superset.import_bundle(bundle(variables, manifest))
        browser = browsers.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context()
        log_in(context.new_page(), superset)
        yield Server(superset, deployment, variables, context, chart_names(context, superset))
        browser.close()


@contextmanager
def open_directory() -> Iterator[Path]:
    """Return a directory outside pytest's own, which the user PostgreSQL runs as can't enter."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        Path(directory).chmod(0o755)
        yield Path(directory)


@pytest.fixture(scope="module")
def expected(deployment, tmp_path_factory):
    """Ask MetricFlow everything at once, in a process of its own, as mf would be."""
    questions = {
        Question.of(chart, chosen)
        for slug in METRIC_DASHBOARDS
        for chart in charts_of(slug)
        for chosen in ({}, CHOSEN)
    }
    return answers_of(deployment, sorted(questions, key=repr), tmp_path_factory.mktemp("asked"))


def answers_of(consumer: Consumer, questions: list[Question], directory: Path) -> dict:
    path = directory / "questions.json"
    path.write_text(json.dumps([question.asked() for question in questions]))
    told = consumer.command("python", "-c", ASK_METRICFLOW, str(path)).stdout
    sessions = "semantic_model.voice_ai_analytics.voice_ai_sessions"
    meta = consumer.manifest["semantic_models"][sessions]["config"]["meta"]
    least = int(meta["voice_ai_min_cohort_size"])
    return {
        question: question.expected(rows, least)
        for question, rows in zip(questions, json.loads(told), strict=True)
    }


def without_hidden(
    deployment: Consumer, chart: dict, question: Question, numbers: dict[tuple, float]
) -> dict[tuple, float]:
    """Return numbers without those that the chart's table hides, so that none can be computed."""
    _, names, where = question.asked()
    values = dict(re.findall(r"voice_ai_session__(\w+)'\) }} = '(\w+)'", " ".join(where)))
    table = DATASETS[chart["dataset_uuid"]]["table_name"]
    hidden = {
        (*map(label, group.values()), metric)
        for group, metrics in hidden_rows(deployment, table, names, values)
        for metric in metrics
    }
    return {place: number for place, number in numbers.items() if place not in hidden}


def compare(server: Server, visit: Visit, slug: str, expected: dict) -> int:
    """Compare each chart's data with MetricFlow and return how many numbers were compared."""
    count = 0
    assert visit.answers.keys() == {chart["slice_name"] for chart in charts_of(slug)}
    for chart in charts_of(slug):
        question = Question.of(chart, {})
        shown = question.shown(visit.answers[chart["slice_name"]]["data"])
        told = without_hidden(server.deployment, chart, question, expected[question])
        assert shown == pytest.approx(told, rel=1e-9), chart["slice_name"]
        count += len(shown)
    return count


@pytest.mark.parametrize("slug", METRIC_DASHBOARDS)
def test_every_chart_shows_what_metricflow_says(server, expected, slug) -> None:
    with server.visit(slug, 1440) as visit:
        assert compare(server, visit, slug, expected) > 20
        # Look at the charts without any filter first.
        visit.answers.clear()
        for name, value in CHOSEN.items():
            choose(visit.page, name.capitalize(), value)
        with visit.page.expect_response(lambda response: "/chart/data" in response.url):
            visit.page.get_by_role("button", name="Apply", exact=True).click()
        visit.wait_for(charts_of(slug))
        touched = [
            chart
            for chart in charts_of(slug)
            if Question.of(chart, CHOSEN) != Question.of(chart, {})
        ]
        assert visit.answers.keys() == {chart["slice_name"] for chart in touched}
        for chart in touched:
            question = Question.of(chart, CHOSEN)
            shown = question.shown(visit.answers[chart["slice_name"]]["data"])
            told = without_hidden(server.deployment, chart, question, expected[question])
            assert shown == pytest.approx(told, rel=1e-9), chart["slice_name"]
        assert visit.problems == []


def choose(page, name: str, value: str) -> None:
    """Choose a value in the filter bar."""
    item = page.locator(".ant-form-item", has=page.get_by_text(name, exact=True)).last
    item.locator(".ant-select").click()
    page.locator(".ant-select-item-option", has_text=re.compile(f"^{value}$")).last.click()


def test_data_quality_shows_the_certified_tables(server) -> None:
    with server.visit("voice-ai-data-quality", 1440) as visit:
        for chart in charts_of("voice-ai-data-quality"):
            table = DATASETS[chart["dataset_uuid"]]["table_name"]
            data = visit.answers[chart["slice_name"]]["data"]
            ((count,),) = server.deployment.rows(f"select count(*) from demo_voice_ai.{table}")
            if chart["viz_type"] == "table":
                assert len(data) == count > 0
        rows = visit.answers["Is every row accounted for?"]["data"]
        assert [(row["table_name"], row["raw_rows"], row["unread_rows"]) for row in rows] == (
            server.deployment.rows(
                "select table_name, raw_rows, unread_rows"
                " from demo_voice_ai.voice_ai_row_accounting order by table_name"
            )
        )
        reasons = {
            (table, row["reason"]): value
            for row in visit.answers["Why are rows quarantined?"]["data"]
            for table, value in row.items()
            if table != "reason" and value is not None
        }
        assert reasons == {
            (table, reason): rows
            for table, reason, rows in server.deployment.rows(
                "select table_name, reason, quarantined_rows"
                " from demo_voice_ai.voice_ai_quarantine_reasons"
            )
        }
        (build,) = visit.answers["How old is what I see?"]["data"]
        assert build["age_days"] in (0, 1)


@pytest.mark.parametrize("width", [1440, 390])
@pytest.mark.parametrize("slug", TITLES)
def test_a_dashboard_looks_whole(server, slug, width, tmp_path) -> None:
    with server.visit(slug, width) as visit:
        page = visit.page
        assert page.title() == TITLES[slug]
        page.screenshot(path=tmp_path / f"{slug}-{width}.png")
        assert visit.problems == []
        assert page.locator(".toast, .ant-alert-error, .ant-alert-warning").count() == 0
        assert page.evaluate("document.documentElement.scrollWidth") <= width
        boxes = [
            box.bounding_box() for box in page.locator(".grid-row > .dragdroppable-column").all()
        ]
        assert len(boxes) == len(charts_of(slug)) + 1
        for box in boxes:
            assert box["x"] >= 0
            assert box["x"] + box["width"] <= width
            assert box["width"] > (150 if box["height"] < 250 else 330)
        for left, right in pairwise(boxes):
            is_beside = right["x"] >= left["x"] + left["width"]
            assert is_beside or right["y"] >= left["y"] + left["height"]


def test_what_the_bundle_says_is_what_superset_has_after_every_import(server) -> None:
    manifest = server.deployment.manifest
    changed = json.loads(json.dumps(manifest))
    name = "metric.voice_ai_analytics.voice_ai_completion_rate"
    for said in (changed, manifest):
        said["metrics"][name]["label"] += "" if said is manifest else ", renamed"
        server.superset.import_bundle(bundle(server.variables, said))
        assert len(chart_names(server.context, server.superset)) == len(CHARTS)
        metric = metrics_of(server, "voice_ai_overview")["voice_ai_completion_rate"]
        assert metric["verbose_name"] == said["metrics"][name]["label"]
        assert metric["description"] == said["metrics"][name]["description"]
        assert "VoiceAI Analytics" in metric["extra"]


def metrics_of(server: Server, table: str) -> dict[str, dict]:
    address = f"{server.superset.address}/api/v1/dataset/"
    rows = server.context.request.get(f"{address}?q=(page_size:100)").json()["result"]
    (number,) = [row["id"] for row in rows if row["table_name"] == table]
    dataset = server.context.request.get(f"{address}{number}").json()["result"]
    assert "VoiceAI Analytics" in dataset["extra"]
    return {metric["metric_name"]: metric for metric in dataset["metrics"]}


def test_nothing_is_defined_in_a_file() -> None:
    """Metrics are defined in dbt; a dataset only picks a row, and a chart only shows it."""
    known_metrics = {
        metric["name"]
        for path in (REPOSITORY / "semantic_models" / "dbt_1").glob("*.yml")
        for metric in yaml.safe_load(path.read_text()).get("metrics", [])
    }
    for dataset in DATASETS.values():
        assert "sql" not in dataset
        for metric in dataset["metrics"]:
            assert GUARDED.fullmatch(metric["expression"])[1] == metric["metric_name"]
            assert metric["metric_name"] in known_metrics | {"quarantined_rows"}
        for column in dataset["columns"]:
            assert "expression" not in column or LABEL.fullmatch(column["expression"])
    for chart in CHARTS.values():
        params, dataset = chart["params"], DATASETS[chart["dataset_uuid"]]
        known = {metric["metric_name"] for metric in dataset["metrics"]}
        assert {*params.get("metrics", []), *filter(None, [params.get("metric")])} <= known
        for condition in params["adhoc_filters"]:
            sql = condition.get("sqlExpression")
            assert sql is None or re.fullmatch(r"\w+ IS NOT NULL OR is_suppressed", sql)
            assert condition["clause"] == "WHERE"


def test_every_filter_starts_with_all_and_takes_one_value() -> None:
    for slug in METRIC_DASHBOARDS:
        filters = {
            one["name"].lower(): one
            for one in DASHBOARDS[slug]["metadata"]["native_filter_configuration"]
        }
        assert filters.keys() - {"time"} == set(FILTERS)
        assert ("time" in filters) == (slug != "voice-ai-asr-quality")
        for name in FILTERS:
            assert filters[name]["controlValues"]["enableEmptyFilter"] is True
            assert filters[name]["controlValues"]["multiSelect"] is False
            assert filters[name]["defaultDataMask"]["filterState"]["value"] == ["(all)"]


def test_a_secret_is_for_one_user_and_stays(tmp_path) -> None:
    made = start.secret(tmp_path / "secret")
    assert len(made) > 30
    assert start.secret(tmp_path / "secret") == made != start.secret(tmp_path / "other")
    assert stat.S_IMODE((tmp_path / "secret").stat().st_mode) == 0o600


def test_no_demo_is_said_in_one_line(tmp_path) -> None:
    command = [sys.executable, str(BUNDLE / "start.py"), "--output", str(tmp_path)]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 1
    assert told.stderr == (
        f"make dashboard: {tmp_path / 'voice_ai.duckdb'}: no such file or directory;"
        " run make demo TARGET=duckdb first\n"
    )


def test_a_bundle_without_connections_is_said_in_one_line(deployment, tmp_path) -> None:
    manifest = deployment.directory / "target" / "manifest.json"
    command = [sys.executable, str(BUNDLE / "bundle.py"), str(manifest), str(tmp_path / "b.zip")]
    told = subprocess.run(command, capture_output=True, text=True)
    assert told.returncode == 1
    assert told.stderr.startswith("bundle.py: the environment has no VOICE_AI_")
    assert len(told.stderr.splitlines()) == 1
    assert not (tmp_path / "b.zip").exists()


def test_duckdb_is_of_the_version_that_writes_the_file() -> None:
    def pin(path: Path) -> str:
        return re.search(r"^duckdb==(\S+)", path.read_text(), re.M)[1]

    assert pin(BUNDLE / "requirements.txt") == pin(REPOSITORY / "requirements.lock")
