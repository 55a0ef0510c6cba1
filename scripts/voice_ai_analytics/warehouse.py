"""The warehouse of a dbt project: queries into data frames, tables written back in one step."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager

import duckdb
import pandas as pd
import psycopg2
from psycopg2.extras import execute_values

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError

SQL_TYPES = {"b": "boolean", "i": "bigint", "u": "bigint", "f": "double precision"}


class Warehouse:
    """Reads and writes the database that a project's dbt target names.

    Parameters
    ----------
    project : DbtProject
        Names the database and its models.
    execute : callable, optional
        Runs a query and gives a data frame; for callers that hold a connection already, since
        DuckDB admits one configuration a process.
    """

    def __init__(
        self, project: DbtProject, execute: Callable[[str], pd.DataFrame] | None = None
    ) -> None:
        self.project = project
        self._execute = execute

    def relation(self, model: str) -> str:
        """Give the quoted name of one of the package's models."""
        return self.project.relation(model)

    @property
    def engine(self) -> str:
        """``duckdb`` or ``postgres``."""
        return self.project.credentials.type

    @contextmanager
    def connect(self) -> Iterator:
        """Open a connection, as a transaction that is committed at the end or rolled back.

        Raises
        ------
        UserError
            Where the database cannot be opened, or is neither DuckDB nor PostgreSQL.
        """
        credentials = self.project.credentials
        try:
            if credentials.type == "duckdb":
                connection = duckdb.connect(str(self._duckdb_path()))
                connection.execute("set timezone = 'UTC'")
                connection.begin()
            elif credentials.type == "postgres":
                connection = psycopg2.connect(
                    host=credentials.host,
                    port=credentials.port,
                    user=credentials.user,
                    password=credentials.password,
                    dbname=credentials.database,
                    application_name="voice-ai",
                )
            else:
                raise UserError(f"{credentials.type}: voice-ai reads DuckDB and PostgreSQL targets")
        except (duckdb.Error, psycopg2.Error) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"the database cannot be opened: {reason}") from error
        try:
            yield connection
            connection.commit()
        except (duckdb.Error, psycopg2.Error) as error:
            connection.rollback()
            reason = str(error).strip().splitlines()[0]
            raise UserError(
                f"the database refuses: {reason}; was dbt build run on this target?"
            ) from error
        except BaseException:
            connection.rollback()
            raise
        finally:
            connection.close()

    def _duckdb_path(self):
        path = self.project.credentials.path
        # dbt resolves a relative path in the project's directory.
        return path if path.startswith(("/", ":")) else self.project.directory / path

    def query(self, statement: str, parameters: tuple = ()) -> pd.DataFrame:
        """Run a query.

        Parameters
        ----------
        statement : str
            SQL with names from `relation`; values as ``?`` on DuckDB, ``%s`` on PostgreSQL.
        parameters : tuple
            The values.

        Returns
        -------
        pandas.DataFrame
            One row a result row.
        """
        if self._execute:
            return self._execute(statement)
        with self.connect() as connection:
            if self.engine == "duckdb":
                return connection.execute(statement, parameters or None).df()
            with connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                columns = [column.name for column in cursor.description]
                return pd.DataFrame(cursor.fetchall(), columns=columns)

    def write_tables(self, tables: dict[str, pd.DataFrame]) -> list[str]:
        """Replace tables beside the certified fact, all of them or none.

        Parameters
        ----------
        tables : dict of str to pandas.DataFrame
            Frames by table name; column names are the tables'.

        Returns
        -------
        list of str
            The quoted names of the tables.
        """
        schema = self.relation("fact_voice_ai_sessions").rsplit(".", 1)[0]
        written = []
        with self.connect() as connection:
            run = connection.cursor() if self.engine == "postgres" else connection
            for name, frame in tables.items():
                table = f'{schema}."{name}"'
                declared = ", ".join(
                    f'"{column}" {SQL_TYPES.get(frame[column].dtype.kind, "text")}'
                    for column in frame.columns
                )
                run.execute(f"drop table if exists {table}")
                run.execute(f"create table {table} ({declared})")
                rows = [
                    tuple(None if pd.isna(value) else value for value in row)
                    for row in frame.astype(object).itertuples(index=False, name=None)
                ]
                if rows and self.engine == "postgres":
                    execute_values(run, f"insert into {table} values %s", rows)
                elif rows:
                    marks = ", ".join("?" for _ in frame.columns)
                    run.executemany(f"insert into {table} values ({marks})", rows)
                written.append(table)
        return written
