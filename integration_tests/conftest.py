"""Databases and consumer projects for the tests: DuckDB in a file, PostgreSQL from a wheel."""

from __future__ import annotations

import json
import tempfile
import uuid
from collections.abc import Callable, Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
from consumer import REPOSITORY, Consumer, install

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


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[dict[str, str]]:
    """Run one PostgreSQL server for all tests of this process.

    Its files aren't below pytest's own directory, which pytest closes to other users: as root, the
    server runs as one of them.
    """
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        embedded_postgres_server(Path(directory) / "data") as variables,
    ):
        # Nothing here has to survive a crash, and waiting for the disk takes minutes.
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
    """Parse the demo, in which every optional part is switched on."""
    made = consumer(REPOSITORY / "demo", "duckdb")
    made.dbt("parse")
    return json.loads((made.directory / "target" / "manifest.json").read_text(encoding="utf-8"))


@pytest.fixture(scope="session")
def consumer(tmp_path_factory, request) -> Callable[..., Consumer]:
    """Return a function that makes a consumer project: a copy of a directory, or an empty one."""

    def make(source: str | Path | None, engine: str) -> Consumer:
        environment = {}
        if engine == "postgres":
            environment = request.getfixturevalue("postgres_database")()
        if isinstance(source, str):
            source = Path(__file__).parent / source
        return install(source, tmp_path_factory.mktemp("consumer"), engine, environment)

    return make
