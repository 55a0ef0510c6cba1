"""Checks what the package runs on: versions of Python, dbt and PostgreSQL, each set up apart.

``python integration_tests/compatibility.py --json compatibility.json`` installs each with uv (and
an older PostgreSQL with npm), runs the package there and prints one table. What can't be installed
on a machine is listed as not run, with the reason; what can be installed and doesn't work makes the
command fail. ``--fast`` leaves out the rows of `PROVED_ELSEWHERE`.
"""

from __future__ import annotations

import argparse
import csv
import json
import math
import os
import platform
import shutil
import sys
import tempfile
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

from environments import THIS_PYTHON, FailedError, Matrix, NotToBeHadError, locked, run
from semantics import VOICE_AI_WITHOUT_DBT, definitions

DBT_1_12 = ("dbt-core==1.12.0", "dbt-core-experimental-parser==2.0.0a4")
ADAPTERS = ("dbt-duckdb", "dbt-postgres", "dbt-metricflow", "duckdb", "psycopg2-binary")
DBT_2 = ("dbt==2.0.0rc196",)
DEMO_SESSIONS = 300

# The project's seeds have 12 sessions; of 9 eligible ones, 4 were completed and 3 abandoned.
EXPECTED = {"voice_ai_sessions": 12.0, "voice_ai_completion_rate": 4 / 9, "tickets": 3.0}


def query(programs: Path, project: Path, metrics: list[str], **variables: str) -> dict[str, float]:
    """Ask ``mf query`` for the totals of some metrics."""
    output = project / "mf.csv"
    words = ("query", "--metrics", ",".join(metrics), "--csv", output)
    run(programs / "mf", *words, directory=project, **variables)
    (row,) = csv.DictReader(output.read_text(encoding="utf-8").splitlines())
    return {name: float(row[name]) for name in metrics}


def contents(project: Path) -> str:
    """Return what the last parse found."""
    manifest = json.loads((project / "target" / "manifest.json").read_text(encoding="utf-8"))
    return f"{len(manifest['nodes'])} nodes, {len(manifest['metrics'])} metrics"


def demo(matrix: Matrix, python: str) -> str:
    """Run the whole demo on a Python, and query one metric."""
    programs = matrix.environment(python)
    output = matrix.new("demo")
    run(programs / "voice-ai", "demo", "--sessions", str(DEMO_SESSIONS), "--output", output)
    database = {"VOICE_AI_DUCKDB_PATH": str(output / "voice_ai.duckdb")}
    found = query(programs, output / "project", ["voice_ai_sessions"], **database)
    if found["voice_ai_sessions"] != DEMO_SESSIONS:
        raise FailedError(f"expected {DEMO_SESSIONS} sessions, found {found}")
    version = run(programs / "python", "--version").split()[-1]
    return f"Python {version}: demo, report and mf query; {DEMO_SESSIONS} sessions"


def build(matrix: Matrix, programs: Path, **variables: str) -> str:
    """Build a consumer project twice, and query two metrics."""
    project = matrix.consumer(programs, **variables)
    dbt = programs / "dbt"
    run(dbt, "seed", directory=project, **variables)
    run(dbt, "build", directory=project, **variables)
    again = ("--exclude-resource-type", "unit_test", "--exclude-resource-type", "seed")
    run(dbt, "build", *again, directory=project, **variables)
    found = query(programs, project, list(EXPECTED), **variables)
    if found != EXPECTED:
        raise FailedError(f"expected {EXPECTED}, found {found}")
    return f"built twice, mf query right; {contents(project)}"


def build_on_postgres(matrix: Matrix, version: int, *packages: str) -> str:
    """Build on one PostgreSQL."""
    programs = matrix.environment(None, *packages)
    with matrix.postgres(version) as (exact, variables):
        return f"PostgreSQL {exact}: {build(matrix, programs, **variables)}"


def metrics(matrix: Matrix, packages: tuple[str, ...], *flags: str) -> str:
    """Parse with a dbt, and compare its metrics and their answers with the locked dbt's and mf's.

    voice-ai answers from what that dbt has parsed, over tables that the locked dbt has built.
    """
    programs = matrix.environment(None, *packages)
    project, built = matrix.consumer(programs), matrix.built()
    run(programs / "dbt", "parse", *flags, directory=project)
    found, expected = definitions(project), definitions(built)
    if differ := [name for name in {**found, **expected} if found.get(name) != expected.get(name)]:
        raise FailedError(f"other than with dbt 1.11: {', '.join(differ)}")
    names = sorted(name.split()[1] for name in expected if name.startswith("metric "))
    by = "metric_time__week,voice_ai_session__channel"
    locked_programs = matrix.environment(None)
    answers = {}
    # voice-ai takes 50 metrics at once.
    parts = [names[number::4] for number in range(4)]
    for part in parts:
        question = ("query", "--metrics", ",".join(part), "--group-by", by, "--csv")
        run(locked_programs / "mf", *question, "by_mf.csv", directory=built)
        answers.update(values(built / "by_mf.csv", part))
    for file in ("manifest.json", "semantic_manifest.json"):
        shutil.copy(project / "target" / file, built / "target" / file)
    for part in parts:
        question = ("query", "--metrics", ",".join(part), "--group-by", by, "--csv")
        python = locked_programs / "python"
        run(python, "-c", VOICE_AI_WITHOUT_DBT, *question, "by_voice_ai.csv", directory=built)
        for key, value in values(built / "by_voice_ai.csv", part).items():
            if not math.isclose(value, answers.pop(key), rel_tol=1e-9, abs_tol=1e-12):
                raise FailedError(f"{key}: {value}, and mf answers otherwise")
    if answers:
        raise FailedError(f"voice-ai doesn't answer {sorted(answers)}")
    return (
        f"parsed; the same {len(names)} metrics and answers as with dbt 1.11; {contents(project)}"
    )


def values(path: Path, names: list[str]) -> dict[tuple[str, ...], float]:
    """Return a CSV file's numbers by metric, week and channel."""
    rows = csv.DictReader(path.read_text(encoding="utf-8").splitlines())
    return {
        (name, row["metric_time__week"][:10], row["voice_ai_session__channel"]): float(row[name])
        for row in rows
        for name in names
        if row[name]
    }


CORE_1_12 = (*DBT_1_12, *locked(*ADAPTERS))
ROWS: dict[str, Callable[[Matrix], str]] = {
    "Python 3.11, dbt-core 1.11, DuckDB": lambda matrix: demo(matrix, "3.11"),
    "Python 3.12, dbt-core 1.11, DuckDB": lambda matrix: demo(matrix, "3.12"),
    "Python 3.13, dbt-core 1.11, DuckDB": lambda matrix: demo(matrix, "3.13"),
    "dbt-core 1.11, PostgreSQL 14": lambda matrix: build_on_postgres(matrix, 14),
    "dbt-core 1.11, PostgreSQL 18": lambda matrix: build_on_postgres(matrix, 18),
    "dbt-core 1.12.0, DuckDB": lambda matrix: build(matrix, matrix.environment(None, *CORE_1_12)),
    "dbt-core 1.12.0, PostgreSQL 18": lambda matrix: build_on_postgres(matrix, 18, *CORE_1_12),
    "dbt-core 1.12.0, metrics": lambda matrix: metrics(matrix, CORE_1_12),
    "dbt-core 1.12.0 with its parser 2.0.0a4, metrics": lambda matrix: metrics(
        matrix, CORE_1_12, "--use-v2-parser"
    ),
    "dbt 2.0.0rc196, metrics": lambda matrix: metrics(matrix, DBT_2),
}
# The tests run on this Python and on PostgreSQL 18, and dbt 1.12 is tried on DuckDB.
PROVED_ELSEWHERE = {
    f"Python {THIS_PYTHON}, dbt-core 1.11, DuckDB",
    "dbt-core 1.11, PostgreSQL 18",
    "dbt-core 1.12.0, PostgreSQL 18",
}


@dataclass(frozen=True)
class Result:
    """The result of a row."""

    row: str
    result: str
    found: str
    seconds: int


def attempt(matrix: Matrix, name: str) -> Result:
    """Try one row."""
    start = time.monotonic()
    try:
        result, found = "passed", ROWS[name](matrix)
    except NotToBeHadError as error:
        result, found = "not run", str(error)
    except FailedError as error:
        result, found = "failed", str(error)
        print(error.output[-3000:], file=sys.stderr)
    print(f"{name}: {result}", file=sys.stderr, flush=True)
    return Result(name, result, found, round(time.monotonic() - start))


def main() -> int:
    """Try the rows, print the table and write it as JSON."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--json", type=Path, help="where the results are written")
    parser.add_argument("--jobs", type=int, default=os.cpu_count(), help="rows at a time")
    parser.add_argument("--only", default="", help="only rows whose name contains this text")
    parser.add_argument("--fast", action="store_true", help="leave out rows proved elsewhere")
    arguments = parser.parse_args()
    left_out = PROVED_ELSEWHERE if arguments.fast else set()
    with tempfile.TemporaryDirectory(prefix="compat-", ignore_cleanup_errors=True) as directory:
        matrix = Matrix(Path(directory), arguments.fast)
        with ThreadPoolExecutor(arguments.jobs) as pool:
            names = [name for name in ROWS if arguments.only in name and name not in left_out]
            results = list(pool.map(lambda name: attempt(matrix, name), names))
    print("| what | result | found | seconds |\n|---|---|---|---|")
    for row in results:
        print(f"| {row.row} | {row.result} | {row.found} | {row.seconds} |")
    if arguments.json:
        written = {"machine": platform.platform(), "rows": [asdict(row) for row in results]}
        arguments.json.write_text(json.dumps(written, indent=2) + "\n", encoding="utf-8")
    return int(any(row.result == "failed" for row in results))


if __name__ == "__main__":
    sys.exit(main())
