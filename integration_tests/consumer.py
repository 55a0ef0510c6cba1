"""A consumer project for a test: a copy with the package installed, and its own database."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import psycopg2
from processes import COMMANDS, run

ENGINES = ("duckdb", "postgres")
REPOSITORY = Path(__file__).resolve().parents[1]

PROFILES = """
consumer:
  target: "{{ env_var('VOICE_AI_TARGET', 'duckdb') }}"
  outputs:
    duckdb:
      type: duckdb
      path: consumer.duckdb
      schema: main
      threads: 2
    postgres:
      type: postgres
      host: "{{ env_var('VOICE_AI_POSTGRES_HOST', '') }}"
      port: "{{ env_var('VOICE_AI_POSTGRES_PORT', '5432') | int }}"
      user: "{{ env_var('VOICE_AI_POSTGRES_USER', '') }}"
      password: ""
      dbname: "{{ env_var('VOICE_AI_POSTGRES_DATABASE', '') }}"
      schema: main
      threads: 2
"""


@dataclass
class Consumer:
    """A dbt project that installs the package, on one engine, with the commands a user has."""

    directory: Path
    engine: str
    environment: dict[str, str] = field(default_factory=dict)
    database: str = "consumer.duckdb"

    def command(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run a command of the virtual environment in the project."""
        name, *options = arguments
        environment = {**os.environ, **self.environment}
        if name in COMMANDS:
            result = run(name, options, self.directory, environment)
        else:
            result = subprocess.run(
                [str(Path(sys.executable).parent / name), *options],
                cwd=self.directory,
                env=environment,
                capture_output=True,
                text=True,
            )
        if check:
            assert result.returncode == 0, f"{arguments}\n{result.stdout}\n{result.stderr}"
        return result

    def dbt(self, *arguments: str, check: bool = True) -> subprocess.CompletedProcess:
        """Run dbt."""
        return self.command("dbt", "--no-use-colors", *arguments, check=check)

    def mf(self, *arguments: str) -> list[dict[str, str]]:
        """Run ``mf query`` and return its rows; every value is text, and null is empty."""
        output = self.directory / "mf.csv"
        self.command("mf", "query", *arguments, "--csv", str(output))
        return list(csv.DictReader(io.StringIO(output.read_text(encoding="utf-8"))))

    def rows(self, statement: str) -> list[tuple]:
        """Run SQL."""
        if self.engine == "duckdb":
            with duckdb.connect(str(self.directory / self.database)) as connection:
                return connection.execute(statement).fetchall()
        with self.postgres() as connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def postgres(self):
        """Open a connection to the test's PostgreSQL database."""
        return psycopg2.connect(
            host=self.environment["VOICE_AI_POSTGRES_HOST"],
            port=self.environment["VOICE_AI_POSTGRES_PORT"],
            user=self.environment["VOICE_AI_POSTGRES_USER"],
            dbname=self.environment["VOICE_AI_POSTGRES_DATABASE"],
        )

    @property
    def manifest(self) -> dict:
        """Return dbt's manifest of the last run."""
        path = self.directory / "target" / "manifest.json"
        return json.loads(path.read_text(encoding="utf-8"))

    def results(self) -> dict[str, str]:
        """Return the status of every node in the last run, by name."""
        path = self.directory / "target" / "run_results.json"
        run = json.loads(path.read_text(encoding="utf-8"))
        return {result["unique_id"]: result["status"] for result in run["results"]}


def install(source: Path | None, directory: Path, engine: str, environment: dict) -> Consumer:
    """Copy a project and put the package and its stand-ins where dbt deps would put them."""
    if source:
        ignored = shutil.ignore_patterns("target", "logs", "dbt_packages")
        shutil.copytree(source, directory, dirs_exist_ok=True, ignore=ignored)
    if not (directory / "profiles.yml").exists():
        (directory / "profiles.yml").write_text(PROFILES, encoding="utf-8")
    packages = directory / "dbt_packages"
    packages.mkdir()
    (packages / "voice_ai_analytics").symlink_to(REPOSITORY)
    for name in ("dbt_utils", "dbt_expectations"):
        (packages / name).symlink_to(REPOSITORY / "offline_packages" / name)
    (directory / "packages.yml").write_text(f"packages:\n  - local: {REPOSITORY}\n")
    return Consumer(
        directory, engine, {"VOICE_AI_TARGET": engine, "DO_NOT_TRACK": "1"} | environment
    )
