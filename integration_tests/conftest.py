"""Databases and consumer projects for the tests: DuckDB in a file, PostgreSQL from a wheel."""

from __future__ import annotations

import json
import os
import re
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from functools import cache
from pathlib import Path

import psycopg2
import pytest
from consumer import ENGINES, REPOSITORY, Consumer, install
from xdist.scheduler import LoadScopeScheduling

from voice_ai_analytics.postgres import embedded_postgres_server


def _execute(server: dict[str, str], *statements: str) -> None:
    with closing(
        psycopg2.connect(
            host=server["VOICE_AI_POSTGRES_HOST"],
            port=server["VOICE_AI_POSTGRES_PORT"],
            user=server["VOICE_AI_POSTGRES_USER"],
            dbname="postgres",
        )
    ) as connection:
        connection.autocommit = True
        with connection.cursor() as cursor:
            for statement in statements:
                cursor.execute(statement)


class ByProject(LoadScopeScheduling):
    """Keep tests that share a built project on one worker, so that it is built only once.

    These are the tests of one file on one engine, and all tests on the deployment of bi/.
    """

    def _split_scope(self, nodeid: str) -> str:
        file, _, test = nodeid.partition("::")
        if not file.startswith("integration_tests/"):
            return file
        if file.startswith("integration_tests/bi/"):
            return "bi"
        engine = re.search(rf"\[.*?\b({'|'.join(ENGINES)})\b", test)
        return f"{file} {engine[1] if engine else ''}"


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config, log) -> ByProject | None:
    """Keep tests together by project instead of by file."""
    return ByProject(config, log) if config.getvalue("dist") == "loadfile" else None


def pytest_sessionfinish(session) -> None:
    """Fail in CI, where everything can be installed, if a dashboard test was skipped."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter:
        skipped = [report.nodeid for report in reporter.stats.get("skipped", [])]
        if any("integration_tests/bi/" in name for name in skipped):
            session.exitstatus = 1


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[dict[str, str]]:
    """Run one PostgreSQL server for all tests of this process.

    Its files aren't in pytest's own directory, which pytest closes to other users: under root, the
    server runs as one of those.
    """
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        embedded_postgres_server(Path(directory) / "data") as variables,
    ):
        # Nothing here has to survive a crash, and syncing to disk would take minutes.
        _execute(variables, "alter system set fsync = off", "select pg_reload_conf()")
        yield variables


@pytest.fixture(scope="session")
def postgres_database(postgres_server) -> Callable[[], dict[str, str]]:
    """Return a function that creates a database and returns its environment variables."""

    def create() -> dict[str, str]:
        name = f"test_{uuid.uuid4().hex}"
        _execute(postgres_server, f"create database {name}")
        return postgres_server | {"VOICE_AI_POSTGRES_DATABASE": name}

    return create


@pytest.fixture(scope="session")
def manifest(consumer) -> dict:
    """Parse the demo, which has every optional part enabled."""
    made = consumer(REPOSITORY / "demo", "duckdb")
    made.dbt("parse")
    return json.loads((made.directory / "target" / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def consumer(tmp_path_factory, request) -> Callable[..., Consumer]:
    """Return a function that creates a consumer project, from a directory or empty."""

    def make(source: str | Path | None, engine: str) -> Consumer:
        environment = {}
        if engine == "postgres":
            environment = request.getfixturevalue("postgres_database")()
        if isinstance(source, str):
            source = Path(__file__).parent / source
        return install(source, tmp_path_factory.mktemp("consumer"), engine, environment)

    return make


@pytest.fixture(scope="session")
def metrics_seed(consumer) -> Callable[[str], Consumer]:
    """Return a function that builds the seed of test_metrics once per engine, for reading only."""

    @cache
    def build(engine: str) -> Consumer:
        made = consumer("metrics", engine)
        made.dbt("seed")
        made.dbt("build", "--exclude-resource-type", "unit_test", "seed")
        return made

    return build
