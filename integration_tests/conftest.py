"""Engines and consumer projects for the tests: DuckDB in a file, PostgreSQL from a wheel."""

from __future__ import annotations

import tempfile
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg2
import pytest
from consumer import Consumer, install

from voice_ai_analytics.postgres import embedded_postgres_server

ENGINES = ("duckdb", "postgres")


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[dict[str, str]]:
    """Run one PostgreSQL server for all tests of this process.

    Not under pytest's own directory, which each start of pytest closes to other users: as root, the
    server runs as one.
    """
    with (
        tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as directory,
        embedded_postgres_server(Path(directory) / "data") as variables,
    ):
        yield variables


@pytest.fixture(scope="session")
def postgres_database(postgres_server) -> Callable[[], dict[str, str]]:
    """Give the variables of a new, empty database at each call."""

    def create() -> dict[str, str]:
        name = f"test_{uuid.uuid4().hex}"
        connection = psycopg2.connect(
            host=postgres_server["VOICE_AI_POSTGRES_HOST"],
            port=postgres_server["VOICE_AI_POSTGRES_PORT"],
            user=postgres_server["VOICE_AI_POSTGRES_USER"],
            dbname="postgres",
        )
        connection.autocommit = True
        with connection.cursor() as cursor:
            cursor.execute(f"create database {name}")
        connection.close()
        return postgres_server | {"VOICE_AI_POSTGRES_DATABASE": name}

    return create


@pytest.fixture(scope="session")
def consumer(tmp_path_factory, request) -> Callable[..., Consumer]:
    """Make a consumer project from a directory of this folder, or an empty one, on an engine."""

    def make(source: str | Path | None, engine: str) -> Consumer:
        environment = {}
        if engine == "postgres":
            environment = request.getfixturevalue("postgres_database")()
        if isinstance(source, str):
            source = Path(__file__).parent / source
        return install(source, tmp_path_factory.mktemp("consumer"), engine, environment)

    return make
