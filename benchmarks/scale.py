"""Measures what the package costs, as ratios within one run.

Run from the repository root: `python benchmarks/scale.py`. It generates raw tables, builds a
minimal consumer project on them with dbt and runs the peers in `peers/` on the same database, in
turn. It prints one table and writes `scale.json` next to this file. `benchmarks/README.md` explains
how to read it.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import asdict, dataclass, field
from datetime import datetime
from functools import cached_property
from importlib.metadata import version
from pathlib import Path

import duckdb
from rich.console import Console
from rich.table import Table
from scale_data import MACROS, TABLES, History, write_history

REPOSITORY = Path(__file__).resolve().parents[1]
sys.path.append(str(REPOSITORY / "integration_tests"))

from consumer import PROFILES, Consumer, install  # noqa: E402

from voice_ai_analytics.postgres import embedded_postgres_server  # noqa: E402

PEERS = Path(__file__).parent / "peers"
FACTS = ("main_voice_ai.fact_voice_ai_sessions", "benchmark.fact")
MEMORY_LIMIT = "16GB"
WITHOUT_UNIT_TESTS = ("--exclude-resource-type", "unit_test")
WITHOUT_TESTS = (*WITHOUT_UNIT_TESTS, "test")
# The bars that differ between engines.
TESTS_AGAINST_MODELS = {"duckdb": 0.6, "postgres": 0.5}
DAY_PERCENT = {"duckdb": 4, "postgres": 1.2}
TEN_TIMES_THE_HISTORY = {"duckdb": 1.3}
PROJECT = "name: benchmark\nprofile: consumer\n"

# The usual settings for a warehouse of this size, the same for dbt and for every peer.
POSTGRES_SETTINGS = {
    "shared_buffers": "2GB",
    "work_mem": "256MB",
    "maintenance_work_mem": "512MB",
    "max_wal_size": "8GB",
}
POSTGRES_TYPES = {"VARCHAR": "text", "DOUBLE": "double precision"}


@dataclass
class Process:
    """A finished process: its wall time, and the peak memory of it and its children."""

    seconds: float
    peak_mb: float
    output: str


@dataclass
class Build:
    """A dbt build, in seconds: `models` is their sum, `span` is from first start to last end."""

    process: float
    peak_mb: float
    models: float
    span: float
    tests: float
    others: float
    slowest: list[tuple[str, float]]

    @property
    def start_up(self) -> float:
        """Return the seconds that dbt itself takes to start, parse, plan and stop."""
        return self.process - self.span


@dataclass
class Figure:
    """A line of the table: a value, and its bar if there is one."""

    engine: str
    name: str
    value: float
    unit: str
    bar: float | None = None
    runs: dict[str, list[float]] = field(default_factory=dict)

    @property
    def is_met(self) -> bool | None:
        """Return whether the value is within the bar, or None without a bar."""
        return None if self.bar is None else self.value <= self.bar


# A child's peak memory includes its parent's at the fork, so the parent must be small.
MEASURE = """
import json, resource, subprocess, sys, time
start = time.perf_counter()
process = subprocess.run(sys.argv[1:], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
seconds = time.perf_counter() - start
peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss / 1024
print(json.dumps([process.returncode, seconds, peak, process.stdout]))
"""


def measure(command: list[str], directory: Path, environment: dict[str, str]) -> Process:
    """Run a command and wait for it."""
    result = subprocess.run(
        [sys.executable, "-c", MEASURE, *command],
        cwd=directory,
        env=os.environ | environment,
        capture_output=True,
        check=True,
    )
    code, *measured, output = json.loads(result.stdout)
    if code:
        raise RuntimeError(f"{command} ended with {code}\n{output[-4000:]}")
    return Process(*measured, output)


def dbt(consumer: Consumer, *arguments: str) -> Build:
    """Run a dbt build in a consumer project."""
    executable = str(Path(sys.executable).parent / "dbt")
    command = [executable, "--no-use-colors", "build", *arguments]
    process = measure(command, consumer.directory, consumer.environment)
    seconds = {"model": 0.0, "test": 0.0, "other": 0.0}
    by_model: Counter[str] = Counter()
    spans = []
    results = json.loads((consumer.directory / "target" / "run_results.json").read_text())
    for result in results["results"]:
        kind = result["unique_id"].split(".")[0].removeprefix("unit_")
        for timing in result["timing"]:
            if timing["name"] == "execute":
                start, end = (
                    datetime.fromisoformat(timing[name]).timestamp()
                    for name in ("started_at", "completed_at")
                )
                seconds[kind if kind in seconds else "other"] += end - start
                if kind == "model":
                    spans.append((start, end))
                    by_model[result["unique_id"].split(".")[-1]] += end - start
    return Build(
        process=process.seconds,
        peak_mb=process.peak_mb,
        models=seconds["model"],
        span=max(end for _, end in spans) - min(start for start, _ in spans),
        tests=seconds["test"],
        others=seconds["other"],
        slowest=by_model.most_common(5),
    )


class DuckDB:
    """DuckDB: every database is a file, and a new one is a copy of the raw tables' file."""

    name = "duckdb"

    def __init__(self, directory: Path):
        self.directory = directory

    def raw(self, history: History) -> Path:
        """Return the file with the raw tables of a history; write it on the first call."""
        path = self.directory / f"raw_{history.days}_{history.per_day}.duckdb"
        if not path.exists():
            write_history(history, path)
        return path

    def consumer(self, name: str, history: History) -> Consumer:
        """Return a consumer project on a new database with the raw tables of a history."""
        directory = self.directory / f"duckdb_{name}"
        shutil.rmtree(directory, ignore_errors=True)
        path = directory / "consumer.duckdb"
        variables = {"VOICE_AI_DUCKDB": str(path), "VOICE_AI_MEMORY_LIMIT": MEMORY_LIMIT}
        consumer = new_project(directory, self.name, variables)
        shutil.copyfile(self.raw(history), path)
        return consumer

    def insert(self, consumer: Consumer, history: History, day: int) -> None:
        """Load one more day."""
        with duckdb.connect(consumer.environment["VOICE_AI_DUCKDB"]) as connection:
            connection.execute(MACROS)
            for table in TABLES:
                connection.execute(f"insert into voice_ai_raw.{table} {history.day(table, day)}")


class Postgres:
    """PostgreSQL: one embedded server, and a new database is a copy of a template."""

    name = "postgres"

    def __init__(self, directory: Path, server: dict[str, str]):
        self.directory = directory
        self.server = server

    def execute(self, database: str, statement: str, *rows_from: Path) -> None:
        """Run a statement outside a transaction, or copy files in."""
        with closing(connect(self.server | {"VOICE_AI_POSTGRES_DATABASE": database})) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for path in rows_from:
                    with path.open() as rows:
                        cursor.copy_expert(statement, rows)
                if not rows_from:
                    cursor.execute(statement)

    def copy(self, source: duckdb.DuckDBPyConnection, query: str, database: str, name: str) -> None:
        """Append the rows of a DuckDB query to a table of `voice_ai_raw`."""
        path = self.directory / "rows.csv"
        source.execute(f"copy ({query}) to '{path}' (format csv, header false)")
        self.execute(database, f"copy voice_ai_raw.{name} from stdin (format csv)", path)
        path.unlink()

    def raw(self, history: History) -> str:
        """Return the template database with a history's raw tables; create it on the first call."""
        database = f"raw_{history.days}_{history.per_day}"
        with closing(connect(self.server)) as connection, connection.cursor() as cursor:
            cursor.execute("select 1 from pg_database where datname = %s", [database])
            if cursor.fetchone():
                return database
        file = DuckDB(self.directory).raw(history)
        self.execute("postgres", f"create database {database}")
        self.execute(database, "create schema voice_ai_raw")
        with duckdb.connect(str(file), read_only=True) as source:
            for table in TABLES:
                columns = source.execute(f"describe voice_ai_raw.{table}").fetchall()
                types = ", ".join(
                    f"{column} {POSTGRES_TYPES.get(kind, kind)}" for column, kind, *_ in columns
                )
                self.execute(database, f"create table voice_ai_raw.{table} ({types})")
                self.copy(source, f"from voice_ai_raw.{table}", database, table)
                self.execute(database, f"create index on voice_ai_raw.{table} (loaded_at)")
                if table != "users":
                    key = "(platform, session_id)"
                    self.execute(database, f"create index on voice_ai_raw.{table} {key}")
                self.execute(database, f"vacuum analyze voice_ai_raw.{table}")
        return database

    def consumer(self, name: str, history: History) -> Consumer:
        """Return a consumer project on a new database with the raw tables of a history."""
        directory = self.directory / f"postgres_{name}"
        shutil.rmtree(directory, ignore_errors=True)
        template = self.raw(history)
        self.execute("postgres", f"drop database if exists {name}")
        self.execute("postgres", f"create database {name} template {template} strategy file_copy")
        variables = self.server | {"VOICE_AI_POSTGRES_DATABASE": name}
        return new_project(directory, self.name, variables)

    def insert(self, consumer: Consumer, history: History, day: int) -> None:
        """Load one more day."""
        database = consumer.environment["VOICE_AI_POSTGRES_DATABASE"]
        with duckdb.connect() as source:
            source.execute(MACROS)
            for table in TABLES:
                self.copy(source, history.day(table, day), database, table)


def new_project(directory: Path, engine: str, variables: dict[str, str]) -> Consumer:
    """Return a consumer project with nothing but a name."""
    directory.mkdir()
    (directory / "dbt_project.yml").write_text(PROJECT)
    path = "path: consumer.duckdb\n"
    limit = f"{path}      settings: {{memory_limit: {MEMORY_LIMIT}}}\n"
    # DuckDB runs one statement on all cores; two at once would each be timed with half of them.
    one_at_a_time = PROFILES.replace("threads: 2", "threads: 1", 1)
    (directory / "profiles.yml").write_text(one_at_a_time.replace(path, limit))
    return install(None, directory, engine, variables)


def connect(server: dict[str, str]):
    """Open a connection to a database of the server."""
    return Consumer(Path(), "postgres", server).postgres()


@contextmanager
def warehouse(engine: str, directory: Path) -> Iterator[DuckDB | Postgres]:
    """Start what an engine needs, and stop it afterwards."""
    if engine == "duckdb":
        yield DuckDB(directory)
        return
    data = directory / "postgres"
    with embedded_postgres_server(data) as server:
        for name, value in POSTGRES_SETTINGS.items():
            Postgres(directory, server).execute("postgres", f"alter system set {name} = '{value}'")
    with embedded_postgres_server(data) as server:
        yield Postgres(directory, server)


def run_sql(consumer: Consumer, file: str) -> tuple[float, Process]:
    """Run a peer's SQL; return its own seconds and the process around it."""
    command = [sys.executable, str(PEERS / "run_sql.py"), str(PEERS / file)]
    process = measure(command, consumer.directory, consumer.environment)
    return float(process.output), process


def give_peers_their_lookups(consumer: Consumer) -> None:
    """Copy the inputs that peers don't have to compute: the salt and two small look-ups."""
    staging = "main_voice_ai_staging"
    sources = {
        "salt": "main_voice_ai_private.stg_voice_ai__salt",
        "outcomes": f"{staging}.stg_voice_ai__outcome_mapping",
        "languages": f"{staging}.voice_ai_languages",
    }
    consumer.rows("create schema if not exists benchmark")
    for name, source in sources.items():
        consumer.rows(f"drop table if exists benchmark.{name}")
        consumer.rows(f"create table benchmark.{name} as select * from {source}")  # noqa: S608


def different_rows(consumer: Consumer) -> int:
    """Return the number of rows that only one of the two facts has, over all of dbt's columns."""
    columns = ", ".join(
        name
        for (name,) in consumer.rows(
            "select column_name from information_schema.columns"
            " where table_schema = 'main_voice_ai' and table_name = 'fact_voice_ai_sessions'"
        )
    )
    ours, theirs = (f"select {columns} from {table}" for table in FACTS)  # noqa: S608
    only_one_has = f"({ours} except all {theirs}) union all ({theirs} except all {ours})"
    return consumer.rows(f"select count(*) from ({only_one_has}) as different")[0][0]  # noqa: S608


def ratio(ours: list[float], theirs: list[float]) -> float:
    """Return the median ratio of runs that ran one after the other."""
    return statistics.median(a / b for a, b in zip(ours, theirs, strict=True))


class Bench:
    """The figures of one engine; databases that several figures need are built once."""

    def __init__(
        self, place: DuckDB | Postgres, sessions: int, repeats: int, report: Callable[[str], None]
    ):
        self.place = place
        self.engine = place.name
        self.base = History(days=100, per_day=sessions // 100)
        # PostgreSQL measures growth at a tenth of the size, so that a run fits into one sitting.
        self.short = self.base if self.engine == "duckdb" else History(100, sessions // 1000)
        self.long = History(days=self.short.days * 10, per_day=self.short.per_day)
        self.repeats = repeats
        self.report = report
        self.figures: list[Figure] = []

    def add(self, name: str, value: float, unit: str, bar: float | None = None, **runs) -> None:
        """Add a figure."""
        self.figures.append(Figure(self.engine, name, value, unit, bar, runs))

    def add_slowest(self, build: Build) -> None:
        """Add the slowest models."""
        for name, seconds in build.slowest:
            self.add(f"    {name}", seconds, "s")

    def first_build(self, name: str, history: History, *arguments: str) -> tuple[Consumer, Build]:
        """Build a new database for the first time."""
        self.report(f"{self.engine}: {history.sessions:,} sessions, first build")
        consumer = self.place.consumer(name, history)
        # Otherwise only the first reader of the copy would wait for the disk.
        consumer.rows("select count(transcript) from voice_ai_raw.turns")
        return consumer, dbt(consumer, *arguments)

    @cached_property
    def built(self) -> tuple[Consumer, list[Build], list[float], list[float]]:
        """Build the base repeatedly, each time followed by the peers on the same database."""
        builds, by_hand, naive = [], [], []
        for _ in range(self.repeats):
            consumer, build = self.first_build("base", self.base, *WITHOUT_TESTS)
            give_peers_their_lookups(consumer)
            builds.append(build)
            self.report(f"{self.engine}: the fact by hand and the naive roll-up")
            by_hand.append(run_sql(consumer, f"fact_{self.engine}.sql")[0])
            naive.append(run_sql(consumer, f"naive_{self.engine}.sql")[0])
        return consumer, builds, by_hand, naive

    def full(self) -> None:
        """Compare a first build with the peers, and tests with models."""
        consumer, builds, by_hand, naive = self.built
        models, spans = ([getattr(b, name) for b in builds] for name in ("models", "span"))
        size = f"{self.base.sessions:,} sessions"
        self.add(f"first build, {size}: models, sum", statistics.median(models), "s", runs=models)
        self.add_slowest(builds[-1])
        self.add("  from first to last model", statistics.median(spans), "s", runs=spans)
        start_up = [build.start_up for build in builds]
        self.add("  dbt itself", statistics.median(start_up), "s", runs=start_up)
        others = [build.others for build in builds]
        self.add("  seeds, snapshot, hooks", statistics.median(others), "s", runs=others)
        for peer, seconds, bar in (("fact by hand", by_hand, 1.5), ("naive roll-up", naive, None)):
            self.add(peer, statistics.median(seconds), "s", runs=seconds)
            self.add(f"  first build, models / {peer}", ratio(models, seconds), "x", bar)
            self.add(f"  first to last model / {peer}", ratio(spans, seconds), "x")
        self.add("rows in which the two facts differ", different_rows(consumer), "rows", 0)
        self.report(f"{self.engine}: the cost of the tests")
        tested = dbt(consumer, "--full-refresh", *WITHOUT_UNIT_TESTS)
        self.add("tests, as a consumer runs them", tested.tests, "s", models=[tested.models])
        against_models = tested.tests / tested.models
        self.add("  tests / models", against_models, "x", TESTS_AGAINST_MODELS[self.engine])

    def nothing_new(self) -> None:
        """Measure a build that finds nothing new, as a consumer runs it and without tests."""
        consumer, _, _, _ = self.built
        dbt(consumer, *WITHOUT_UNIT_TESTS)
        whole, models = [], []
        for _ in range(self.repeats):
            self.report(f"{self.engine}: nothing new")
            whole.append(dbt(consumer, *WITHOUT_UNIT_TESTS).process)
            models.append(dbt(consumer, *WITHOUT_TESTS))
        name = f"nothing new, {self.base.sessions:,} sessions"
        title = f"dbt build, {name}: tests in, unit tests out"
        self.add(title, statistics.median(whole), "s", 10, runs=whole)
        seconds = [build.models for build in models]
        self.add("  the same, models only", statistics.median(seconds), "s", 1.5, runs=seconds)
        self.add_slowest(models[-1])

    def days(self, *projects: tuple[Consumer, History]) -> list[list[tuple[Build, Build]]]:
        """Run each project in turn with nothing new and then with one more day, for some days."""
        found: list[list[tuple[Build, Build]]] = [[] for _ in projects]
        for repeat in range(self.repeats):
            for runs, (consumer, history) in zip(found, projects, strict=True):
                self.report(f"{self.engine}: day {history.days + repeat + 1}")
                floor = dbt(consumer, *WITHOUT_TESTS)
                self.place.insert(consumer, history, history.days + repeat)
                runs.append((floor, dbt(consumer, *WITHOUT_TESTS)))
        return found

    def add_days(self, name: str, days: list[tuple[Build, Build]]) -> tuple[list[float], ...]:
        """Add the figures of some days, and return the seconds with nothing new and with a day."""
        floors, batches = ([build.models for build in builds] for builds in zip(*days, strict=True))
        self.add(f"{name}: models", statistics.median(batches), "s", runs=batches)
        self.add_slowest(days[-1][1])
        self.add("  nothing new: models", statistics.median(floors), "s", runs=floors)
        return floors, batches

    def batch(self) -> None:
        """Compare one more day with the first build."""
        consumer, builds, _, _ = self.built
        full = statistics.median(build.models for build in builds)
        [days] = self.days((consumer, self.base))
        floors, batches = self.add_days(f"a day (1 %) after {self.base.sessions:,} sessions", days)
        cost, floor = statistics.median(batches), statistics.median(floors)
        self.add("  day / first build", 100 * cost / full, "%")
        over_floor = 100 * (cost - floor) / full
        bar = DAY_PERCENT[self.engine]
        self.add("  day over nothing new / first build", over_floor, "%", bar)
        run_sql(consumer, f"fact_{self.engine}.sql")
        self.add("  rows in which the two facts then differ", different_rows(consumer), "rows", 0)

    @cached_property
    def long_built(self) -> tuple[Consumer, Build]:
        """Build a database with ten times the history."""
        return self.first_build("long", self.long, *WITHOUT_TESTS)

    def history(self) -> None:
        """Compare the same day after ten times the history."""
        short, _ = self.first_build("short", self.short, *WITHOUT_TESTS)
        long, _ = self.long_built
        few, many = self.days((short, self.short), (long, self.long))
        costs = []
        for history, days in ((self.short, few), (self.long, many)):
            name = f"a day of {history.per_day:,} after {history.sessions:,} sessions"
            costs.append(self.add_days(name, days))
        (few_floors, few_costs), (many_floors, many_costs) = costs
        bar = TEN_TIMES_THE_HISTORY.get(self.engine)
        growth = ratio(many_costs, few_costs)
        self.add("  the same day after ten times the history", growth, "x", bar)
        above = [
            [cost - floor for cost, floor in zip(*pair, strict=True)]
            for pair in ((many_costs, many_floors), (few_costs, few_floors))
        ]
        self.add("  the same over nothing new", ratio(*above), "x")

    def frames(self) -> None:
        """Compare the naive roll-up in pandas and Polars; only with DuckDB."""
        consumer, builds, _, _ = self.built
        for table in TABLES:
            target = consumer.directory / f"{table}.parquet"
            consumer.rows(f"copy voice_ai_raw.{table} to '{target}'")
        peers = {
            "naive SQL": [str(PEERS / "run_sql.py"), str(PEERS / "naive_duckdb.sql")],
            "Polars": [str(PEERS / "naive_polars.py"), str(consumer.directory)],
            "pandas": [str(PEERS / "naive_pandas.py"), str(consumer.directory)],
        }
        found: dict[str, list[Process]] = {name: [] for name in peers}
        for _ in range(self.repeats):
            for name, command in peers.items():
                self.report(f"{self.engine}: {name}")
                command = [sys.executable, *command]
                found[name].append(measure(command, consumer.directory, consumer.environment))
        full = statistics.median(build.models for build in builds)
        naive = [process.seconds for process in found["naive SQL"]]
        for name, processes in found.items():
            seconds = [process.seconds for process in processes]
            peak = statistics.median(process.peak_mb for process in processes)
            self.add(f"{name}, whole process", statistics.median(seconds), "s", runs=seconds)
            self.add("  peak memory", peak, "MB")
            self.add("  / naive SQL", ratio(seconds, naive), "x")
            self.add("  / first build's models", statistics.median(seconds) / full, "x")
        self.add("first build, peak memory", max(build.peak_mb for build in builds), "MB")

    def large(self) -> None:
        """Measure the first build of ten times the base."""
        _, last = self.long_built
        turns = self.long.sessions * 10
        name = f"first build, {self.long.sessions:,} sessions and {turns:,} turns"
        self.add(f"{name}: wall", last.process, "s", 120)
        self.add("  peak memory", last.peak_mb, "MB", 8 * 1024)
        self.add("  models, sum", last.models, "s")
        self.add_slowest(last)

    def overhead(self) -> None:
        """Measure what dbt takes to parse the project."""
        consumer, _, _, _ = self.built
        executable = str(Path(sys.executable).parent / "dbt")
        for name, flags in (("from scratch", ["--no-partial-parse"]), ("again", [])):
            command = [executable, *flags, "parse"]
            seconds = [
                measure(command, consumer.directory, consumer.environment).seconds
                for _ in range(self.repeats)
            ]
            self.add(f"dbt parse, {name}", statistics.median(seconds), "s", runs=seconds)


FIGURES = ("full", "nothing_new", "batch", "history", "frames", "large", "overhead")
OF_DUCKDB_ONLY = ("frames", "large")


def machine() -> dict[str, str | int]:
    """Return the machine, how busy it is, and the versions."""
    cpu = next(
        line.split(":")[1].strip()
        for line in Path("/proc/cpuinfo").read_text().splitlines()
        if line.startswith("model name")
    )
    packages = ("duckdb", "embedded-postgres", "dbt-core", "dbt-duckdb", "dbt-postgres")
    return {
        "cpu": cpu,
        "cores": len(os.sched_getaffinity(0)),
        "memory_gb": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "load_average": round(os.getloadavg()[0], 1),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in (*packages, "pandas", "polars")},
    }


def show(figures: list[Figure], console: Console) -> None:
    """Print the figures in a table."""
    table = Table("engine", "figure", "value", "bar", "met")
    for name in ("value", "bar"):
        next(column for column in table.columns if column.header == name).justify = "right"
    for figure in figures:
        met = {None: "", True: "yes", False: "[red]no[/red]"}[figure.is_met]
        digits = 0 if figure.unit in ("MB", "rows") else 2
        bar = "" if figure.bar is None else f"{figure.bar:g}"
        value = f"{figure.value:,.{digits}f} {figure.unit}"
        table.add_row(figure.engine, figure.name, value, bar, met)
    console.print(table)


def main() -> None:
    """Measure the figures that the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", nargs="+", choices=FIGURES, default=FIGURES)
    parser.add_argument("--engine", choices=("duckdb", "postgres"))
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--directory", type=Path, help="work here and keep the files; needs 40 GB")
    options = parser.parse_args()

    console = Console()
    figures: list[Figure] = []
    # The load of other work, before this run adds its own.
    measured_on = machine()
    start = time.perf_counter()
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as temporary:
        directory = options.directory or Path(temporary)
        directory.mkdir(exist_ok=True)
        for engine in [options.engine] if options.engine else ("duckdb", "postgres"):
            with (
                console.status("") as status,
                warehouse(engine, directory) as place,
            ):
                bench = Bench(place, options.sessions, options.repeats, status.update)
                for name in FIGURES:
                    if name in options.only and (engine == "duckdb" or name not in OF_DUCKDB_ONLY):
                        getattr(bench, name)()
                figures += bench.figures
    show(figures, console)
    report = {
        "machine": measured_on | {"postgres_settings": POSTGRES_SETTINGS},
        "sessions": options.sessions,
        "repeats": options.repeats,
        "minutes": round((time.perf_counter() - start) / 60, 1),
        "figures": [asdict(figure) | {"is_met": figure.is_met} for figure in figures],
    }
    Path(__file__).with_suffix(".json").write_text(json.dumps(report, indent=1) + "\n")


if __name__ == "__main__":
    main()
