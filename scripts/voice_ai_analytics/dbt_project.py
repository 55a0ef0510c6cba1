"""A dbt project on disk: its manifests, its connection, and dbt runs in it."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.manifests import in_one_form
from voice_ai_analytics.profile import Connection, read_profile

# A wheel carries the parts of the repository that commands need.
_PACKED = Path(__file__).resolve().parent / "repository"
REPOSITORY = _PACKED if _PACKED.is_dir() else Path(__file__).resolve().parents[2]
DBT = (sys.executable, "-W", "ignore", "-m", "dbt.cli.main", "--no-use-colors")


@dataclass(frozen=True)
class DbtProject:
    """A dbt project, with the directory of its profiles and a target.

    Parameters
    ----------
    directory : Path
        The directory of ``dbt_project.yml``.
    profiles_directory : Path, optional
        The directory of ``profiles.yml``; found as dbt finds it if not given.
    target : str, optional
        The profile's own default if not given.

    Raises
    ------
    UserError
        If there is no dbt project.
    """

    directory: Path
    profiles_directory: Path | None = None
    target: str | None = None

    def __post_init__(self) -> None:
        if not (self.directory / "dbt_project.yml").is_file():
            raise UserError(
                f"{self.directory}: no dbt_project.yml here; name a dbt project with --project-dir"
            )

    @cached_property
    def profiles(self) -> Path:
        """Return the directory of ``profiles.yml``, searched in dbt's order."""
        if self.profiles_directory:
            return self.profiles_directory.resolve()
        if named := os.environ.get("DBT_PROFILES_DIR"):
            return Path(named)
        if (self.directory / "profiles.yml").is_file():
            return self.directory.resolve()
        return Path.home() / ".dbt"

    @cached_property
    def connection(self) -> Connection:
        """Return the target's connection, from the profile; see `read_profile`."""
        return read_profile(self.directory, self.profiles, self.target)

    def var(self, name: str, default: object = None) -> object:
        """Return a var as ``dbt_project.yml`` sets it for the package, without running dbt.

        Raises
        ------
        UserError
            If the file can't be read.
        """
        import yaml

        path = self.directory / "dbt_project.yml"
        try:
            everything = yaml.safe_load(path.read_text(encoding="utf-8")).get("vars") or {}
            ours = everything.get("voice_ai_analytics") or {}
            return {**everything, **ours}.get(name, default)
        except (ValueError, AttributeError, TypeError, yaml.YAMLError) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"{path}: can't be read as a dbt project: {reason}") from error

    @property
    def duckdb_path(self) -> str:
        """Return the file of a DuckDB target; relative paths start in the project's directory."""
        path = self.connection.path
        return path if path.startswith(("/", ":")) else str(self.directory / path)

    def require_database(self) -> None:
        """Refuse a DuckDB target whose file doesn't exist: opening it would create an empty one.

        Raises
        ------
        UserError
            If it doesn't exist.
        """
        if self.connection.type != "duckdb" or self.duckdb_path.startswith(":"):
            return
        if not Path(self.duckdb_path).exists():
            raise UserError(f"{self.duckdb_path}: no such database; run dbt build on this target")

    @property
    def postgres_parameters(self) -> dict:
        """Return the arguments that psycopg2 needs to connect to a PostgreSQL target."""
        one = self.connection
        return {
            "host": one.host,
            "port": one.port,
            "user": one.user,
            "password": one.password,
            "dbname": one.database,
            **dict(one.options),
        }

    @property
    def semantic_manifest(self) -> Path:
        """Return the file with the metrics as dbt parsed them last.

        Raises
        ------
        UserError
            If dbt hasn't run yet.
        """
        path = self.directory / "target" / "semantic_manifest.json"
        if not path.is_file():
            raise UserError(f"{self.directory}: no semantic manifest; run dbt build first")
        return path

    def read_semantics(self) -> dict:
        """Return the semantic manifest as it is now, in the form of `in_one_form`.

        Raises
        ------
        UserError
            If dbt hasn't run yet, didn't finish writing, or parsed another target last.
        """
        path = self.semantic_manifest
        semantics = in_one_form(_json(path))
        for model in semantics["semantic_models"]:
            self._require_target(path, (model.get("config") or {}).get("meta"))
        return semantics

    @cached_property
    def semantics(self) -> dict:
        """Return metrics, semantic models and saved queries; see `read_semantics`."""
        return self.read_semantics()

    @cached_property
    def manifest(self) -> dict:
        """Return dbt's manifest of the last run.

        Raises
        ------
        UserError
            If dbt hasn't run yet, didn't finish writing, or ran on another target last.
        """
        path = self.directory / "target" / "manifest.json"
        if not path.is_file():
            raise UserError(f"{path}: not there yet; run dbt build first")
        manifest = in_one_form(_json(path))
        fact = "model.voice_ai_analytics.fact_voice_ai_sessions"
        if node := manifest.get("nodes", {}).get(fact):
            self._require_target(path, (node.get("config") or {}).get("meta"))
        return manifest

    def _require_target(self, path: Path, meta: dict | None) -> None:
        """Refuse a manifest whose relations aren't this target's.

        A target that only has another user, host or name reads the same relations.
        """
        parsed = (meta or {}).get("voice_ai_target")
        mine = self.connection
        if parsed is None:
            return
        if not isinstance(parsed, list) or len(parsed) != 3:
            raise UserError(
                f"{path}: the meta voice_ai_target is {parsed!r}, and only the package may set it;"
                " remove it from your project and run dbt build again"
            )
        name, database, schema = parsed
        if (database, schema) == (mine.database, mine.schema):
            return
        target = f"--target {self.target}" if self.target else "the profile's default target"
        raise UserError(
            f"{path}: dbt parsed target {name} last (database {database}, schema {schema}), not"
            f" {target} (database {mine.database}, schema {mine.schema}); run dbt parse with"
            f" {target} first"
        )

    def node(self, model: str) -> dict:
        """Return the node of one of the package's models in dbt's manifest.

        Raises
        ------
        UserError
            If the model is switched off in this project.
        """
        node = self.manifest["nodes"].get(f"model.voice_ai_analytics.{model}")
        if node is None:
            hint = (
                "; set the var voice_ai_fact_turns to true and run dbt build"
                if model == "fact_voice_ai_turns"
                else "; install the package voice_ai_analytics and run dbt build"
            )
            raise UserError(f"{self.directory}: the model {model} is not in this project{hint}")
        return node

    def relation(self, model: str) -> str:
        """Return the quoted name of one of the package's models in the warehouse; see `node`."""
        return self.node(model)["relation_name"]

    def input_relation(self, model: str) -> str:
        """Return the quoted name of an input model, the package's or the consumer's own.

        Raises
        ------
        UserError
            If there is none, or it isn't a view or a table.
        """
        found = (
            node["relation_name"]
            for node in self.manifest["nodes"].values()
            if node["resource_type"] == "model" and node["name"] == model
        )
        if not (relation := next(found, None)):
            raise UserError(
                f"{self.directory}: the model {model} is not in this project as a view or a table;"
                " write one and run dbt build"
            )
        return relation

    def source(self, table: str) -> tuple[str, str]:
        """Return the schema and the quoted name of one of the package's source tables."""
        node = self.manifest["sources"][f"source.voice_ai_analytics.voice_ai.{table}"]
        return node["schema"], node["relation_name"]

    @property
    def min_cohort_size(self) -> int:
        """Return the var ``voice_ai_min_cohort_size`` as dbt parsed it last.

        Raises
        ------
        UserError
            If the package's metrics, beside which it is kept, are switched off.
        """
        name = "semantic_model.voice_ai_analytics.voice_ai_sessions"
        if (sessions := self.manifest["semantic_models"].get(name)) is None:
            raise UserError(
                f"{self.directory}: the package's metrics are not in this project;"
                " leave the var voice_ai_semantic_models true and run dbt build"
            )
        return int(sessions["config"]["meta"]["voice_ai_min_cohort_size"])

    def command(self, *arguments: str) -> list[str]:
        """Return the dbt command line for this project."""
        command = [*DBT, *arguments]
        command += ["--project-dir", str(self.directory), "--profiles-dir", str(self.profiles)]
        return command + (["--target", self.target] if self.target else [])

    def run(
        self, *arguments: str, progress: Callable[[int, int], None] = lambda done, total: None
    ) -> None:
        """Run dbt in this project, quietly unless it fails.

        Parameters
        ----------
        *arguments : str
            The dbt command and its options, such as ``build``.
        progress : callable
            Called with the number of nodes that are done, and of all nodes.

        Raises
        ------
        UserError
            With dbt's own output, if it failed.
        """
        told: deque[str] = deque(maxlen=60)
        with subprocess.Popen(
            self.command(*arguments),
            cwd=self.directory,
            env={**os.environ, "DO_NOT_TRACK": "1"},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                for line in process.stdout:
                    told.append(line.rstrip())
                    if counted := re.search(r"(\d+) of (\d+) (?!START)", line):
                        progress(int(counted[1]), int(counted[2]))
            except BaseException:
                # A dbt that goes on would keep the database.
                process.terminate()
                raise
        if process.returncode:
            account = "\n".join(line for line in told if line.strip())
            raise UserError(
                f"dbt {arguments[0]} failed in {self.directory}; dbt says:\n{account}", exit_code=1
            )


def is_certified(node: dict) -> bool:
    """Return whether a node of dbt's manifest is a certified model or snapshot of the package.

    The property ``voice_ai_certified`` in its meta says so, wherever its file is.
    """
    meta = node["config"].get("meta") or {}
    return node["package_name"] == "voice_ai_analytics" and meta.get("voice_ai_certified") is True


def _json(path: Path) -> dict:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"{path}: isn't valid JSON ({error}); run dbt build again") from error
