"""Compares `voice-ai serve` with the same SQL run directly, and with the `mf` command.

Run from the repository root: `python benchmarks/serve.py`. It simulates sessions, builds them on
DuckDB and on an embedded PostgreSQL, starts the server and queries it. It prints one table and
writes `serve.json` next to itself.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import duckdb
import httpx
import psycopg2
from rich.console import Console
from scale import Figure, machine, show

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.demo import DemoPaths, prepare_project, target_environment
from voice_ai_analytics.load import load
from voice_ai_analytics.simulate import simulate
from voice_ai_analytics.warehouse import Warehouse

KEY = "a key for a benchmark only"
ALLOWANCE = 0.030
QUESTIONS = [
    {"metrics": ["voice_ai_sessions"]},
    {
        "metrics": ["voice_ai_completion_rate", "voice_ai_abandonment_rate", "voice_ai_users"],
        "group_by": ["metric_time__week", "voice_ai_session__channel"],
    },
    {
        "metrics": ["voice_ai_error_turn_rate", "voice_ai_asr_confidence"],
        "group_by": ["voice_ai_session__language", "voice_ai_session__asr_model"],
        "where": ["voice_ai_session__channel = 'voice'"],
    },
    {"metrics": ["voice_ai_weekly_active_users"], "group_by": ["metric_time__day"]},
]


def direct(project: DbtProject) -> Callable[[str], list]:
    """Return a function that runs SQL on an open connection and fetches all rows."""
    if project.connection.type == "duckdb":
        connection = duckdb.connect(project.duckdb_path, read_only=True)
        return lambda sql: connection.execute(sql).fetchall()
    connection = psycopg2.connect(**project.postgres_parameters)
    connection.autocommit = True

    def run(sql: str) -> list:
        with connection.cursor() as cursor:
            cursor.execute(sql)
            return cursor.fetchall()

    return run


@contextmanager
def server(project: DbtProject, port: int) -> Iterator[httpx.Client]:
    """Run the server in its own process, and stop it at the end."""
    command = [str(Path(sys.executable).parent / "voice-ai"), "serve", "--port", str(port)]
    command += ["--project-dir", str(project.directory)]
    with (
        subprocess.Popen(
            command,
            env=os.environ | {"VOICE_AI_API_KEYS": f"benchmark={KEY}"},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
        ) as process,
        httpx.Client(
            base_url=f"http://127.0.0.1:{port}",
            headers={"Authorization": f"Bearer {KEY}"},
            timeout=60,
        ) as client,
    ):
        try:
            for _ in range(300):
                try:
                    client.get("/health").raise_for_status()
                    break
                except httpx.HTTPError:
                    time.sleep(0.2)
            yield client
        finally:
            process.terminate()


def timed(function: Callable, *arguments) -> tuple[float, object]:
    """Return the seconds that a call took, and its result."""
    start = time.perf_counter()
    result = function(*arguments)
    return time.perf_counter() - start, result


def measure(
    engine: str, project: DbtProject, port: int, repeats: int, seconds: int
) -> list[Figure]:
    """Measure one engine."""
    figures = []

    def add(name: str, value: float, unit: str, bar: float | None = None, **runs) -> None:
        figures.append(Figure(engine, name, value, unit, bar, runs))

    # First, because DuckDB wouldn't let it in next to the open connection below.
    question = QUESTIONS[1]
    command = [str(Path(sys.executable).parent / "mf"), "query"]
    command += ["--metrics", ",".join(question["metrics"])]
    command += ["--group-by", ",".join(question["group_by"])]
    mf = statistics.median(
        timed(
            lambda: subprocess.run(command, cwd=project.directory, check=True, capture_output=True)
        )[0]
        for _ in range(3)
    )
    with server(project, port) as client:

        def ask(question: dict) -> list[dict]:
            answer = client.post("/v1/query", json=question)
            answer.raise_for_status()
            return answer.json()["rows"]

        run = direct(project)
        served, straight, medians = [], [], []
        expected = []
        for question in QUESTIONS:
            sql = client.post("/v1/explain", json=question).json()["sql"]
            expected.append(ask(question))
            times = [(timed(ask, question)[0], timed(run, sql)[0]) for _ in range(repeats)]
            ours, theirs = (statistics.median(column) for column in zip(*times, strict=True))
            served.append(ours)
            straight.append(theirs)
            medians.append((ours - ALLOWANCE) / theirs)
        add("a warm query, median", 1000 * statistics.median(served), "ms", served=served)
        add("the same SQL directly", 1000 * statistics.median(straight), "ms", direct=straight)
        add("  worst (served - 30 ms) / directly", max(max(medians), 0), "x", 1.5, all=medians)
        add("the mf command", mf, "s")
        add("  served / mf command", served[1] / mf, "x", 1 / 20)
        errors, wrong, latencies = crowd(ask, expected, seconds)
        add(f"16 clients, {seconds} s: errors", errors, "rows", 0)
        add("  wrong answers", wrong, "rows", 0)
        add("  answers a second", len(latencies) / seconds, "/s")
        add("  95th percentile", 1000 * statistics.quantiles(latencies, n=20)[-1], "ms")
    return figures


def crowd(ask: Callable, expected: list, seconds: int) -> tuple[int, int, list[float]]:
    """Let 16 clients query for a while; count errors and answers that differ."""
    end = time.perf_counter() + seconds
    errors, wrong, latencies = [], [], []

    def client(number: int) -> None:
        while time.perf_counter() < end:
            number = (number + 1) % len(QUESTIONS)
            start = time.perf_counter()
            try:
                rows = ask(QUESTIONS[number])
            except httpx.HTTPError as error:
                errors.append(error)
                continue
            latencies.append(time.perf_counter() - start)
            if sorted(map(json.dumps, rows)) != sorted(map(json.dumps, expected[number])):
                wrong.append(number)

    threads = [threading.Thread(target=client, args=(number,)) for number in range(16)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return len(errors), len(wrong), latencies


def main() -> None:
    """Measure both engines."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--sessions", type=int, default=10_000)
    parser.add_argument("--repeats", type=int, default=50)
    parser.add_argument("--seconds", type=int, default=60)
    parser.add_argument("--port", type=int, default=8765)
    options = parser.parse_args()
    figures = []
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory:
        raw = Path(directory) / "raw"
        simulate(raw, options.sessions, 1)
        for engine in ("duckdb", "postgres"):
            paths = DemoPaths(Path(directory) / engine)
            project, _ = prepare_project(paths)
            with target_environment(paths, engine):
                load(raw, Warehouse(project))
                project.run("build", "--exclude-resource-type", "test", "unit_test")
                figures += measure(engine, project, options.port, options.repeats, options.seconds)
    show(figures, Console())
    report = {
        "machine": machine(),
        "sessions": options.sessions,
        "figures": [asdict(figure) | {"is_met": figure.is_met} for figure in figures],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
