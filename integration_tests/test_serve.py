"""The metrics service over HTTP and MCP, on the seed of test_metrics, on both engines."""

from __future__ import annotations

import asyncio
import io
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path

import pyarrow.ipc
import pytest
from consumer import ENGINES, Consumer
from fastapi.testclient import TestClient

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.query import MetricQuery
from voice_ai_analytics.reader import Unavailable
from voice_ai_analytics.serving.serve import api_keys, create_app
from voice_ai_analytics.serving.service import Limits, MetricService

KEY = "a key of a dashboard"
CHANNEL, WEEK = "voice_ai_session__channel", "metric_time__week"
QUESTIONS = [
    {"metrics": ["voice_ai_sessions"]},
    {"metrics": ["voice_ai_completion_rate", "voice_ai_users"], "group_by": [CHANNEL]},
    {"metrics": ["voice_ai_word_error_rate"], "group_by": ["voice_ai_session__language"]},
    {"metrics": ["voice_ai_abandonment_rate_change_wow"], "group_by": [WEEK]},
    {"metrics": ["voice_ai_weekly_active_users"], "group_by": ["metric_time__day"]},
    {
        "metrics": ["voice_ai_sessions"],
        "group_by": [CHANNEL, WEEK],
        "where": [f"{CHANNEL} <> 'ivr'", f"{WEEK} >= '2024-01-08'"],
        "order_by": [f"-{WEEK}", CHANNEL],
        "limit": 3,
    },
]


@pytest.fixture(scope="module", params=ENGINES)
def project(request, metrics_seed) -> Consumer:
    """Return the package built over the seed."""
    return metrics_seed(request.param)


@pytest.fixture(scope="module")
def service(project):
    """Load the service once."""
    before = dict(os.environ)
    os.environ.update(project.environment)
    made = MetricService(DbtProject(project.directory), Limits(rows=50, concurrent=2))
    yield made
    made.close()
    os.environ.clear()
    os.environ.update(before)


@pytest.fixture(scope="module")
def http(service) -> TestClient:
    """Call the service with a valid key."""
    app = create_app(service, api_keys(f"dashboard={KEY}"))
    return TestClient(app, headers={"Authorization": f"Bearer {KEY}"})


def rows_of_mf(project: Consumer, question: dict) -> list[dict[str, str]]:
    """Ask `mf query` the same, with where-clauses in its own notation."""
    arguments = ["--metrics", ",".join(question["metrics"])]
    if "group_by" in question:
        arguments += ["--group-by", ",".join(question["group_by"])]
    for clause in question.get("where", []):
        clause = clause.replace(CHANNEL, f"{{{{ Dimension('{CHANNEL}') }}}}")
        arguments += ["--where", clause.replace(WEEK, "{{ TimeDimension('metric_time', 'week') }}")]
    if "order_by" in question:
        arguments += ["--order", ",".join(question["order_by"])]
    if "limit" in question:
        arguments += ["--limit", str(question["limit"])]
    return project.mf(*arguments)


def comparable(value) -> str:
    if value is None:
        return ""
    try:
        return f"{float(value):.9g}"
    except ValueError:
        return str(value).replace(" ", "T").removesuffix("T00:00:00")


@pytest.mark.parametrize("question", QUESTIONS, ids=lambda q: q["metrics"][0] + str(len(q)))
def test_answers_equal_mf_query(project, http, question) -> None:
    answer = http.post("/v1/query", json=question).json()
    expected = [
        {name: comparable(value) for name, value in row.items()}
        for row in rows_of_mf(project, question)
    ]
    found = [{name: comparable(value) for name, value in row.items()} for row in answer["rows"]]
    if "order_by" not in question:
        expected, found = (sorted(rows, key=str) for rows in (expected, found))
        expected, found = (sorted(map(json.dumps, rows)) for rows in (expected, found))
    assert found == expected
    assert found


def test_formats_hold_the_same_rows(http) -> None:
    question = {"metrics": ["voice_ai_sessions"], "group_by": [CHANNEL], "order_by": [CHANNEL]}
    answer = http.post("/v1/query", json=question).json()
    rows, build = answer["rows"], answer["build"]["build_id"]
    assert rows == [
        {CHANNEL: "chat", "voice_ai_sessions": 3},
        {CHANNEL: "ivr", "voice_ai_sessions": 2},
        {CHANNEL: "voice", "voice_ai_sessions": 7},
    ]
    arrow = http.post("/v1/query?format=arrow", json=question)
    assert arrow.headers["content-type"] == "application/vnd.apache.arrow.stream"
    assert pyarrow.ipc.open_stream(io.BytesIO(arrow.content)).read_all().to_pylist() == rows
    csv = http.post("/v1/query?format=csv", json=question)
    assert csv.headers["x-voice-ai-build"] == arrow.headers["x-voice-ai-build"] == build
    assert csv.text.splitlines() == [
        f'"{CHANNEL}","voice_ai_sessions"',
        '"chat",3',
        '"ivr",2',
        '"voice",7',
    ]


@pytest.fixture
def replaced(project):
    """Replace the fact, as a build would that fails before it is certified."""
    project.dbt("run", "--select", "fact_voice_ai_sessions")
    yield
    project.rows("update main_voice_ai.voice_ai_builds set replaced_at = null")


def test_what_no_build_certified_is_refused(project, http, replaced) -> None:
    answer = http.post("/v1/query", json=QUESTIONS[0])
    assert answer.status_code == 503
    assert "by a build that isn't certified" in answer.json()["detail"]
    for command in (["query", "--metrics", "voice_ai_sessions"], ["export-metrics"]):
        refused = project.command("voice-ai", *command, check=False)
        assert refused.returncode == 2
        assert "run dbt build until it passes" in refused.stderr


def test_the_build_of_an_answer_is_the_newest_one(project, http) -> None:
    ((newest,),) = project.rows(
        "select build_id from main_voice_ai.voice_ai_builds order by certified_at desc limit 1"
    )
    assert http.post("/v1/query", json=QUESTIONS[0]).json()["build"]["build_id"] == newest


def test_a_query_loads_neither_dbt_nor_statistics(project) -> None:
    heavy = ("dbt", "sklearn", "scipy", "statsmodels", "matplotlib", "sqlglot", "fastapi")
    code = (
        "import sys; from voice_ai_analytics.cli import app;"
        f" app(['query', '--metrics', 'voice_ai_sessions', '--group-by', '{CHANNEL}'],"
        f" standalone_mode=False); print([name for name in {heavy} if name in sys.modules])"
    )
    told = project.command("python", "-c", code).stdout.strip().splitlines()
    assert told[-1] == "[]"
    assert any(line.split() == ["voice", "7"] for line in told)


def test_a_time_range_is_of_days_both_included(http) -> None:
    question = {"metrics": ["voice_ai_sessions"], "start": "2024-01-03", "end": "2024-01-04"}
    # s05 and s06 on the 3rd, s08 on the 4th.
    assert http.post("/v1/query", json=question).json()["rows"] == [{"voice_ai_sessions": 3}]


def test_lists_are_those_of_metricflow(project, http) -> None:
    metrics = {one["name"]: one for one in http.get("/v1/metrics").json()}
    assert metrics["voice_ai_completion_rate"]["type"] == "ratio"
    assert "in [0, 1]" in metrics["voice_ai_completion_rate"]["description"]
    listed = project.command("mf", "list", "metrics", "--show-all-dimensions").stdout
    assert all(name in listed for name in metrics)
    assert listed.count("•") == len(metrics)
    given = http.get("/v1/dimensions", params={"metric": "voice_ai_sessions"}).json()
    assert {CHANNEL, WEEK} < {one["name"] for one in given}
    url = f"/v1/dimensions/{CHANNEL}/values"
    values = http.get(url, params={"metric": "voice_ai_sessions"}).json()
    assert values == ["chat", "ivr", "voice"]


def test_explain_gives_sql_that_runs(project, http) -> None:
    question = {"metrics": ["voice_ai_sessions"], "where": [f"{CHANNEL} = 'voice'"]}
    sql = http.post("/v1/explain", json=question).json()["sql"]
    assert project.rows(sql) == [(7,)]


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"metrics": ["voice_ai_sesions"]}, "no such metric; did you mean voice_ai_sessions"),
        ({"metrics": []}, "metrics: "),
        ({"metric": ["x"]}, "metric: Extra inputs are not permitted"),
        ({"group_by": ["voice_ai_session__chanel"]}, "did you mean voice_ai_session__channel"),
        # One row per turn: it would count a session once for each.
        ({"group_by": ["voice_ai_turn__speaker"]}, "can't be grouped by voice_ai_turn__speaker"),
        ({"order_by": ["voice_ai_users"]}, "isn't one of the metrics and dimensions asked for"),
        ({"where": ["1 = 1; drop table x"]}, "isn't a where-clause"),
        ({"where": [f"{CHANNEL} in (select 1)"]}, "is not allowed"),
        ({"start": "1924-01-01", "end": "2024-01-01"}, "spans 36,526 days; ask for at most 3,660"),
        ({"start": "2024-01-02", "end": "2024-01-01"}, "is after end"),
        ({"metrics": ["x" * 201]}, "metrics.0: String should have at most 200 characters"),
        ({"where": [f"{CHANNEL} = 'a\0b'"]}, "contains a character that databases can't store"),
        ({"limit": 51}, "limit: at most 50"),
        ({"limit": 0}, "limit: "),
        ({"group_by": ["voice_ai_session"] * 21}, "group_by: "),
    ],
)
def test_what_cannot_be_answered_is_said(http, change, told) -> None:
    answer = http.post("/v1/query", json={"metrics": ["voice_ai_sessions"]} | change)
    assert answer.status_code == 422
    assert told in answer.json()["detail"]


def test_a_dimension_that_is_no_name_is_said(http) -> None:
    answer = http.get(f"/v1/dimensions/{'x' * 201}/values", params={"metric": "voice_ai_sessions"})
    assert answer.status_code == 422
    assert answer.json()["detail"].startswith("group_by.0: String should have at most 200")


def test_half_an_answer_is_none(project) -> None:
    with pytest.MonkeyPatch.context() as environment:
        for name, value in project.environment.items():
            environment.setenv(name, value)
        small = MetricService(DbtProject(project.directory), Limits(rows=2))
        http = TestClient(create_app(small, api_keys(f"dashboard={KEY}")))
        question = {"metrics": ["voice_ai_sessions"], "group_by": [CHANNEL]}
        headers = {"Authorization": f"Bearer {KEY}"}
        answer = http.post("/v1/query", json=question, headers=headers)
        assert answer.status_code == 422
        assert answer.json()["detail"].startswith("more than 2 rows")
        small.close()


@pytest.mark.parametrize("path", ["/v1/metrics", "/v1/dimensions", "/v1/query", "/v1/explain"])
@pytest.mark.parametrize("header", [None, "Bearer ", "Bearer another key entirely", f"Basic {KEY}"])
def test_without_a_key_nothing_is_told(service, path, header) -> None:
    http = TestClient(create_app(service, api_keys(f"dashboard={KEY}")))
    headers = {"Authorization": header} if header else {}
    answer = http.request("POST" if path[4] in "qe" else "GET", path, headers=headers, json={})
    assert answer.status_code == 401
    assert "missing, unknown or revoked" in answer.json()["detail"]


@pytest.mark.parametrize("body", [b"{", b" " * 1_000_000])
def test_a_body_is_not_read_before_the_key(service, body) -> None:
    http = TestClient(create_app(service, api_keys(f"dashboard={KEY}")))
    assert http.post("/v1/query", content=body).status_code == 401


def test_a_long_question_is_refused(service) -> None:
    http = TestClient(create_app(service, api_keys(f"dashboard={KEY}")))
    headers = {"Authorization": f"Bearer {KEY}"}

    def a_megabyte_in_parts():
        for _ in range(1000):
            yield b" " * 1000

    for content in (b" " * 1_000_000, a_megabyte_in_parts()):
        answer = http.post("/v1/query", content=content, headers=headers)
        assert answer.status_code == 413
        assert "longer than" in answer.json()["detail"]


def test_a_fault_tells_nothing_of_what_was_asked(service, monkeypatch, caplog) -> None:
    def fail(question, client):
        raise ValueError("a secret value")

    monkeypatch.setattr(service, "query", fail)
    http = TestClient(create_app(service, api_keys(f"dashboard={KEY}")))
    headers = {"Authorization": f"Bearer {KEY}"}
    with caplog.at_level("INFO", logger="voice_ai.requests"):
        answer = http.post("/v1/query", json=QUESTIONS[0], headers=headers)
    assert answer.status_code == 500
    assert "ValueError" in caplog.text
    assert "secret" not in answer.text + caplog.text


def test_a_key_that_is_taken_out_is_revoked_by_a_restart(service) -> None:
    other = "another key of a notebook"
    for keys, status in ((f"dashboard={KEY},notebook={other}", 200), (f"dashboard={KEY}", 401)):
        http = TestClient(create_app(service, api_keys(keys)))
        headers = {"Authorization": f"Bearer {other}"}
        assert http.post("/v1/query", json=QUESTIONS[0], headers=headers).status_code == status
        assert http.get("/v1/metrics", headers={"Authorization": f"Bearer {KEY}"}).is_success


@pytest.mark.parametrize("keys", [None, "", "a", "a=", "=long enough but nameless", "a=short"])
def test_keys_must_be_given_and_be_long(keys) -> None:
    with pytest.raises(UserError, match="VOICE_AI_API_KEYS"):
        api_keys(keys)


def test_the_log_names_the_question_and_no_data(http, caplog) -> None:
    caplog.set_level("INFO", "voice_ai.requests")
    question = {"metrics": ["voice_ai_sessions"], "where": [f"{CHANNEL} = 'a secret value'"]}
    http.post("/v1/query", json=question)
    (record,) = caplog.records
    entry = json.loads(record.message)
    assert entry["client"] == "dashboard"
    assert entry["metrics"] == ["voice_ai_sessions"]
    assert (entry["status"], entry["rows"]) == (200, 1)
    assert "secret" not in record.message
    assert KEY not in record.message


def test_many_at_once_get_the_right_numbers(http) -> None:
    expected = {"chat": 3, "ivr": 2, "voice": 7}

    def ask(number: int) -> bool:
        channel = list(expected)[number % 3]
        question = {"metrics": ["voice_ai_sessions"], "where": [f"{CHANNEL} = '{channel}'"]}
        answer = http.post("/v1/query", json=question)
        return answer.json()["rows"] == [{"voice_ai_sessions": expected[channel]}]

    with ThreadPoolExecutor(16) as pool:
        assert all(pool.map(ask, range(96)))


def wait_for(condition) -> None:
    """Wait until another thread has done something."""
    done = threading.Event()
    for _ in range(600):
        if condition():
            return
        done.wait(0.05)
    raise AssertionError("it didn't happen within half a minute")


def test_a_manifest_that_does_not_load_leaves_the_former_one_serving(
    project, service, http
) -> None:
    path = project.directory / "target" / "semantic_manifest.json"
    good = path.read_text()
    path.write_text("{ this is no manifest")
    try:
        assert http.post("/v1/query", json=QUESTIONS[0]).status_code == 200
        wait_for(lambda: http.get("/health").json()["trouble"])
        health = http.get("/health")
        assert health.status_code == 503
        assert "the previous one is in use" in health.json()["trouble"]
        assert http.post("/v1/query", json=QUESTIONS[0]).json()["rows"] == [
            {"voice_ai_sessions": 12}
        ]
    finally:
        path.write_text(good)
    wait_for(lambda: http.get("/health").status_code == 200)


def test_a_new_metric_is_there_without_a_restart(project, http) -> None:
    path = project.directory / "target" / "semantic_manifest.json"
    good = path.read_text()
    manifest = json.loads(good)
    (sessions,) = (m for m in manifest["metrics"] if m["name"] == "voice_ai_sessions")
    manifest["metrics"].append(sessions | {"name": "voice_ai_calls"})
    path.write_text(json.dumps(manifest))
    question = {"metrics": ["voice_ai_calls"]}
    wait_for(lambda: http.post("/v1/query", json=question).status_code == 200)
    path.write_text(good)
    wait_for(lambda: http.post("/v1/query", json=question).status_code == 422)


def made_service(project, monkeypatch, **limits) -> MetricService:
    """Load a service of a test's own."""
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    return MetricService(DbtProject(project.directory), Limits(**limits))


@contextmanager
def holding(path: Path):
    """Keep a DuckDB file open for writing in another process, as dbt does."""
    code = (
        "import duckdb, sys; c = duckdb.connect(sys.argv[1]); print('open', flush=True);"
        " sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, str(path)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "open\n"
        yield
        process.stdin.close()


def test_while_dbt_builds_the_last_build_is_served(project, http, monkeypatch) -> None:
    if project.engine != "duckdb":
        pytest.skip("PostgreSQL serves readers beside a writer")
    assert http.post("/v1/query", json=QUESTIONS[0]).status_code == 200
    with holding(project.directory / "consumer.duckdb"):
        assert http.post("/v1/query", json=QUESTIONS[0]).status_code == 200
        # A service that has just started has nothing to serve yet.
        late = made_service(project, monkeypatch)
        lonely = TestClient(create_app(late, api_keys(f"dashboard={KEY}")), headers=http.headers)
        answer, health = lonely.post("/v1/query", json=QUESTIONS[0]), lonely.get("/health")
    assert health.status_code == 503
    # Without a key, a caller learns nothing about the machine.
    assert str(project.directory) not in health.text
    assert answer.status_code == 503
    assert "is dbt building" in answer.json()["detail"]
    assert answer.headers["retry-after"]
    assert lonely.post("/v1/query", json=QUESTIONS[0]).status_code == 200
    late.close()


def test_a_restarted_warehouse(project, http) -> None:
    if project.engine != "postgres":
        pytest.skip("DuckDB is a file")
    project.rows(
        "select pg_terminate_backend(pid) from pg_stat_activity"
        " where application_name = 'voice-ai serve' and datname = current_database()"
    )
    assert http.post("/v1/query", json=QUESTIONS[0]).status_code == 200


def test_connections_are_kept(project, monkeypatch) -> None:
    if project.engine != "postgres":
        pytest.skip("DuckDB is a file")
    service = made_service(project, monkeypatch, concurrent=2)
    asked = [service._reader.fetch("select pg_backend_pid() as pid", 1) for _ in range(3)]
    service.close()
    assert len({answer["pid"][0].as_py() for answer in asked}) == 1


def test_a_stopped_database_keeps_no_place(project, monkeypatch) -> None:
    if project.engine != "postgres":
        pytest.skip("DuckDB is a file")
    service = made_service(project, monkeypatch, concurrent=1, seconds=0.5)
    (stopped,) = service._reader.fetch("select pg_backend_pid() as pid", 1)["pid"].to_pylist()
    os.kill(stopped, signal.SIGSTOP)
    try:
        started = time.monotonic()
        with pytest.raises(Unavailable, match="the warehouse doesn't answer"):
            service.query(MetricQuery(metrics=("voice_ai_sessions",)))
        assert time.monotonic() - started < 5
    finally:
        os.kill(stopped, signal.SIGCONT)
    assert service.query(MetricQuery(metrics=("voice_ai_sessions",))).num_rows == 1
    service.close()


def test_health_asks_the_warehouse_once_in_a_while(project, service, monkeypatch) -> None:
    asked, fetch = [], service._reader.fetch
    monkeypatch.setattr(service, "_looked_at", None)
    monkeypatch.setattr(
        service._reader, "fetch", lambda *arguments: asked.append(1) or fetch(*arguments)
    )
    http = TestClient(create_app(service, api_keys(f"dashboard={KEY}")))
    with ThreadPoolExecutor(6) as pool:
        answers = list(pool.map(lambda _: http.get("/health").status_code, range(60)))
    assert set(answers) == {200}
    assert len(asked) == 1


def test_a_build_finishes_beside_16_clients(project, http) -> None:
    done = threading.Event()

    def ask(number: int) -> set[int]:
        found = set()
        while not done.is_set():
            found.add(http.post("/v1/query", json=QUESTIONS[0]).status_code)
            found.add(http.get("/health").status_code)
        return found

    with ThreadPoolExecutor(16) as pool:
        asking = [pool.submit(ask, number) for number in range(16)]
        built = project.dbt("build", "--exclude-resource-type", "unit_test", "seed", check=False)
        done.set()
    assert built.returncode == 0, built.stdout
    # 503: the fact was replaced and isn't certified yet.
    assert set.union(*(one.result() for one in asking)) <= {200, 503}
    assert http.post("/v1/query", json=QUESTIONS[0]).status_code == 200


def test_a_warehouse_that_is_gone(project) -> None:
    with pytest.MonkeyPatch.context() as environment, socket.socket() as unused:
        for name, value in project.environment.items():
            environment.setenv(name, value)
        path = project.directory / "consumer.duckdb"
        if project.engine == "duckdb":
            path.rename(path.with_suffix(".gone"))
        else:
            unused.bind(("127.0.0.1", 0))
            environment.setenv("VOICE_AI_POSTGRES_HOST", "127.0.0.1")
            environment.setenv("VOICE_AI_POSTGRES_PORT", str(unused.getsockname()[1]))
        try:
            lonely = MetricService(DbtProject(project.directory))
            http = TestClient(create_app(lonely, api_keys(f"dashboard={KEY}")))
            headers = {"Authorization": f"Bearer {KEY}"}
            answer = http.post("/v1/query", json=QUESTIONS[0], headers=headers)
            health = http.get("/health")
            lonely.close()
        finally:
            if project.engine == "duckdb":
                path.with_suffix(".gone").rename(path)
    assert (answer.status_code, health.status_code) == (503, 503)
    assert len(answer.json()["detail"].splitlines()) == 1
    assert str(project.directory) not in health.text


def test_the_database_is_only_read(project, service) -> None:
    with pytest.raises(UserError):
        service._reader.fetch("select 1); create table main_raw.mine (one int); select (1", 1)
    with pytest.raises(UserError):
        service._reader.fetch(
            "with x as (delete from main_raw.users returning 1) select * from x", 9
        )


def test_a_slow_query_is_stopped(project) -> None:
    from voice_ai_analytics.reader import Reader, TimedOut

    with pytest.MonkeyPatch.context() as environment:
        for name, value in project.environment.items():
            environment.setenv(name, value)
        reader = Reader(DbtProject(project.directory), 0.2, 1)
        slow = {
            "postgres": "select pg_sleep(20)",
            "duckdb": "select count(*) from range(10000000000) as a(i) where hash(i) = 1",
        }[project.engine]
        with pytest.raises(TimedOut, match=r"longer than 0\.2 s"):
            reader.fetch(slow, 1)
        reader.close()


def test_mcp_answers_over_stdio(project) -> None:
    from mcp import Client, StdioServerParameters

    command = StdioServerParameters(
        command=str(Path(sys.executable).parent / "voice-ai"),
        args=["mcp", "--project-dir", str(project.directory)],
        env={**os.environ, **project.environment},
    )

    async def talk():
        async with Client(command) as session:
            tools = {tool.name for tool in (await session.list_tools()).tools}
            question = {"metrics": ["voice_ai_sessions"], "group_by": [CHANNEL]}
            answer = await session.call_tool("query_metrics", question | {"order_by": [CHANNEL]})
            wrong = await session.call_tool("query_metrics", {"metrics": ["voice_ai_sesions"]})
            return tools, answer, wrong

    tools, answer, wrong = asyncio.run(talk())
    assert tools == {
        "list_metrics",
        "list_dimensions",
        "dimension_values",
        "query_metrics",
        "explain_metrics",
    }
    assert [row["voice_ai_sessions"] for row in answer.structured_content["result"]] == [3, 2, 7]
    assert wrong.is_error
    assert "did you mean voice_ai_sessions" in wrong.content[0].text


def test_suppressed_answers_tell_of_no_small_group(project, monkeypatch) -> None:
    monkeypatch.setattr(DbtProject, "min_cohort_size", 2)
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    service = MetricService(DbtProject(project.directory), suppresses=True)
    other = "another key of a notebook"
    app = create_app(service, api_keys(f"dashboard={KEY},notebook={other}"))

    def ask(key: str = KEY, **question) -> list:
        http = TestClient(app, headers={"Authorization": f"Bearer {key}"})
        answer = http.post("/v1/query", json={"metrics": ["voice_ai_sessions"]} | question)
        assert answer.status_code == 200, answer.text
        return [tuple(row.values()) for row in answer.json()["rows"]]

    assert ask() == ask() == [(False, 12)]
    by_channel = {"group_by": [CHANNEL], "order_by": ["-voice_ai_sessions"]}
    # All but one of the five users call: the total would give that one away.
    assert ask(**by_channel) == [("chat", False, 3), ("ivr", True, None), ("voice", True, None)]
    assert ask(**by_channel, limit=1) == [("chat", False, 3)]
    # Another client was told nothing yet; on ivr there is one user.
    assert ask(other, **by_channel) == [
        ("voice", False, 7),
        ("chat", False, 3),
        ("ivr", True, None),
    ]
    assert ask(other) == [(True, None)]
    assert ask(other, where=[f"{CHANNEL} <> 'ivr'"]) == [(True, None)]
    service.close()


def test_serve_says_what_it_lacks(project) -> None:
    result = project.command("voice-ai", "serve", check=False)
    assert result.returncode == 2
    assert "VOICE_AI_API_KEYS is not set" in result.stderr
