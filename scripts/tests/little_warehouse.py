"""A few rows on an engine, to test queries with."""

from __future__ import annotations

import tempfile
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import pandas as pd
import psycopg2

from voice_ai_analytics.postgres import embedded_postgres_server

ENGINES = ("duckdb", "postgres")


@dataclass(frozen=True)
class LittleWarehouse:
    """The part of `Warehouse` that queries need."""

    engine: str
    query: Callable[..., pd.DataFrame]


@contextmanager
def little_warehouse(engine: str, *statements: str) -> Iterator[LittleWarehouse]:
    """Run statements on a fresh engine; yield a warehouse to query it with."""
    if engine == "duckdb":
        with duckdb.connect() as connection:
            for statement in statements:
                connection.execute(statement)
            yield LittleWarehouse(engine, lambda q, values=None: connection.execute(q, values).df())
        return
    # Not in pytest's own directory, which another pytest would close to the server.
    with (
        tempfile.TemporaryDirectory() as directory,
        embedded_postgres_server(Path(directory) / "data") as server,
        closing(
            psycopg2.connect(
                host=server["VOICE_AI_POSTGRES_HOST"],
                port=server["VOICE_AI_POSTGRES_PORT"],
                user=server["VOICE_AI_POSTGRES_USER"],
                dbname=server["VOICE_AI_POSTGRES_DATABASE"],
            )
        ) as connection,
    ):
        cursor = connection.cursor()
        for statement in statements:
            cursor.execute(statement)

        def query(statement: str, values: tuple | None = None) -> pd.DataFrame:
            cursor.execute(statement, values)
            return pd.DataFrame(cursor.fetchall(), columns=[c.name for c in cursor.description])

        yield LittleWarehouse(engine, query)
