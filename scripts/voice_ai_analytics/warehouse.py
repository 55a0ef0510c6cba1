"""The warehouse of a dbt project: queries as data frames, and tables written in one step."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, nullcontext, suppress
from pathlib import Path
from typing import TYPE_CHECKING

import duckdb
import psycopg2

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.locks import limit_waiting, waited_in_vain

if TYPE_CHECKING:
    import pandas as pd
    import pyarrow as pa

# A timestamp with time zone, as PostgreSQL numbers and DuckDB names it.
ZONED = ("1184", "TIMESTAMP WITH TIME ZONE")
# The comment on tables of `write_tables`, which are no models: create-roles knows them by it.
WRITTEN_BY_US = "Results of an analysis, written by voice-ai from certified rows."
SQL_TYPES = {"b": "boolean", "i": "bigint", "u": "bigint", "f": "double precision"}


def quoted(name: str) -> str:
    """Quote a name for SQL."""
    return '"' + name.replace('"', '""') + '"'


def built_project(
    directory: Path, profiles: Path | None = None, target: str | None = None
) -> DbtProject | None:
    """Return the dbt project of a directory if its warehouse has certified sessions, else None.

    Commands that can also work without a project ask this.

    Raises
    ------
    UserError
        If there is a built project, but its warehouse can't be reached.
    """
    if not (directory / "target" / "manifest.json").is_file():
        return None
    project = DbtProject(directory, profiles, target)
    node = project.manifest["nodes"].get("model.voice_ai_analytics.fact_voice_ai_sessions")
    if node is None:
        return None
    warehouse = Warehouse(project)
    if warehouse.engine == "duckdb" and not Path(project.duckdb_path).exists():
        return None
    with warehouse.transaction() as transaction:
        return project if node["alias"] in transaction.tables(node["schema"]) else None


def lock_writers(cursor, *tables: str) -> None:
    """Wait until no other transaction writes these tables, and keep others out until this one ends.

    Every command that writes calls this first. On PostgreSQL it takes one advisory lock per table,
    so the table need not exist yet. A DuckDB file belongs to one process at a time anyway.

    Parameters
    ----------
    cursor
        Of DuckDB or PostgreSQL, in a transaction that hasn't read what it is about to write.
    *tables : str
        Quoted names. They are locked in one order, so two commands never wait for each other.
    """
    if isinstance(cursor, duckdb.DuckDBPyConnection):
        return
    for table in sorted(set(tables)):
        cursor.execute("select pg_advisory_xact_lock(hashtextextended(%s, 0))", [table])


class Transaction:
    """Statements that take effect together, on either engine.

    Parameters
    ----------
    cursor
        Of DuckDB or PostgreSQL.
    mark : str
        The placeholder for a value in a statement: ``?`` or ``%s``.
    """

    def __init__(self, cursor, mark: str) -> None:
        self.cursor = cursor
        self.mark = mark

    def run(self, statement: str, *values) -> list[tuple]:
        """Run a statement with values for its placeholders; return its rows, if any."""
        self.cursor.execute(statement, values or None)
        return self.cursor.fetchall() if self.cursor.description else []

    def columns(self, query: str) -> dict[str, bool]:
        """Return the names of a query's columns, and whether each holds instants with a zone."""
        self.cursor.execute(f"select * from (\n{query}\n) as query limit 0")
        return {column[0]: str(column[1]) in ZONED for column in self.cursor.description}

    def tables(self, schema: str) -> set[str]:
        """Return the names of a schema's tables and views."""
        rows = self.run(
            f"select table_name from information_schema.tables where table_schema = {self.mark}",
            schema,
        )
        return {name for (name,) in rows}

    def readers(self, relation: str) -> list[str]:
        """Return which PostgreSQL roles may read a table that they don't own, by a grant to them.

        Parameters
        ----------
        relation : str
            A quoted name.
        """
        rows = self.run(
            """
            select distinct pg_roles.rolname
            from pg_class, aclexplode(pg_class.relacl) as granted, pg_roles
            where
                pg_class.oid = cast(%s as regclass)
                and pg_roles.oid = granted.grantee
                and granted.privilege_type = 'SELECT'
                and granted.grantee <> pg_class.relowner
            order by pg_roles.rolname
            """,
            relation,
        )
        return [name for (name,) in rows]

    def stream(self, query: str, size: int) -> Iterator[pa.RecordBatch]:
        """Run a query and yield its rows in batches, holding one batch at a time.

        Parameters
        ----------
        query : str
            SQL without values.
        size : int
            The most rows per batch.

        Yields
        ------
        pyarrow.RecordBatch
        """
        if isinstance(self.cursor, duckdb.DuckDBPyConnection):
            yield from self.cursor.sql(query).to_arrow_reader(size)
            return
        # Only a named cursor leaves the rows on the server.
        import pyarrow as pa

        with self.cursor.connection.cursor("voice_ai_stream") as cursor:
            cursor.execute(query)
            while rows := cursor.fetchmany(size):
                names = [column.name for column in cursor.description]
                columns = zip(*rows, strict=True)
                yield pa.RecordBatch.from_pydict(dict(zip(names, columns, strict=True)))

    def load(self, relation: str, file: Path) -> None:
        """Append a file's rows, in the order of the relation's columns.

        Parameters
        ----------
        relation : str
            A table.
        file : Path
            Parquet for DuckDB; CSV without a header for PostgreSQL.
        """
        if isinstance(self.cursor, duckdb.DuckDBPyConnection):
            self.run(f"insert into {relation} from read_parquet(?)", str(file))
            return
        with file.open("rb") as stream:
            self.cursor.copy_expert(f"copy {relation} from stdin (format csv)", stream)

    def insert(self, relation: str, row: dict) -> None:
        """Insert one row, given by column."""
        columns, marks = ", ".join(map(quoted, row)), ", ".join(self.mark for _ in row)
        self.run(f"insert into {relation} ({columns}) values ({marks})", *row.values())


class Warehouse:
    """Reads and writes the database that a project's dbt target names.

    Parameters
    ----------
    project : DbtProject
        Names the database and its models.
    """

    def __init__(self, project: DbtProject) -> None:
        self.project = project

    def relation(self, model: str) -> str:
        """Return the quoted name of one of the package's models."""
        return self.project.relation(model)

    @property
    def engine(self) -> str:
        """Return ``duckdb`` or ``postgres``."""
        return self.project.connection.type

    @contextmanager
    def connect(self, makes_database: bool = False) -> Iterator:
        """Open a connection with one transaction, committed at the end or rolled back.

        Parameters
        ----------
        makes_database : bool
            Whether to create a DuckDB file that doesn't exist.

        Raises
        ------
        UserError
            If the database can't be opened, or is neither DuckDB nor PostgreSQL.
        """
        if not makes_database:
            self.project.require_database()
        try:
            if self.engine == "duckdb":
                connection = duckdb.connect(self.project.duckdb_path)
                connection.execute("set timezone = 'UTC'")
                connection.begin()
            elif self.engine == "postgres":
                connection = psycopg2.connect(
                    **self.project.postgres_parameters,
                    application_name="voice-ai",
                    options=f"{os.environ.get('PGOPTIONS', '')} -c timezone=UTC",
                )
                limit_waiting(connection)
            else:
                raise UserError(f"{self.engine}: voice-ai reads DuckDB and PostgreSQL targets")
        except (duckdb.Error, psycopg2.Error) as error:
            reason = " ".join(str(error).split())
            raise UserError(f"the database can't be opened: {reason}") from error
        try:
            yield connection
            connection.commit()
        except (duckdb.Error, psycopg2.Error) as error:
            # A server that is gone has rolled back by itself.
            with suppress(duckdb.Error, psycopg2.Error):
                connection.rollback()
            if isinstance(error, psycopg2.errors.LockNotAvailable):
                raise UserError(waited_in_vain(connection)) from error
            reason = str(error).strip().splitlines()[0]
            is_missing = isinstance(error, duckdb.CatalogException | psycopg2.errors.UndefinedTable)
            hint = "; was dbt build run on this target?" if is_missing else ""
            raise UserError(f"the database refuses: {reason}{hint}") from error
        except BaseException:
            connection.rollback()
            raise
        finally:
            connection.close()

    @contextmanager
    def transaction(self) -> Iterator[Transaction]:
        """Run several statements, all or none; errors as for `connect`."""
        with self.connect() as connection:
            if self.engine == "duckdb":
                yield Transaction(connection, "?")
            else:
                with connection.cursor() as cursor:
                    yield Transaction(cursor, "%s")

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
            One row per result row.
        """
        with self.connect() as connection:
            if self.engine == "duckdb":
                return connection.execute(statement, parameters or None).df()
            import pandas as pd

            with connection.cursor() as cursor:
                cursor.execute(statement, parameters or None)
                columns = [column.name for column in cursor.description]
                return pd.DataFrame(cursor.fetchall(), columns=columns)

    def read_tables(self, names: Sequence[str]) -> dict[str, pd.DataFrame] | None:
        """Return tables of the certified schema, as `write_tables` left them.

        Parameters
        ----------
        names : sequence of str
            Names of tables that belong together.

        Returns
        -------
        dict of str to pandas.DataFrame, or None
            By name; None if one of them is missing.
        """
        schema = self.relation("fact_voice_ai_sessions").rsplit(".", 1)[0]
        name = schema.rsplit(".", 1)[-1].strip('"').replace("'", "''")
        found = self.query(
            f"select table_name from information_schema.tables where table_schema = '{name}'"
        )
        if not set(names) <= set(found["table_name"]):
            return None
        return {table: self.query(f'select * from {schema}."{table}"') for table in names}

    def write_tables(
        self, tables: dict[str, pd.DataFrame], transaction: Transaction | None = None
    ) -> list[str]:
        """Replace tables of the certified schema, all of them or none.

        Whoever may read the fact may read them, so that nothing has to be granted again.

        Parameters
        ----------
        tables : dict of str to pandas.DataFrame
            Frames by table name; column names are the tables'.
        transaction : Transaction, optional
            The transaction to write in; a new one if not given.

        Returns
        -------
        list of str
            The quoted names of the tables.
        """
        import pandas as pd
        from psycopg2.extras import execute_values

        fact = self.relation("fact_voice_ai_sessions")
        schema = fact.rsplit(".", 1)[0]
        written = []
        with nullcontext(transaction) if transaction else self.transaction() as transaction:
            run = transaction.cursor
            readers = transaction.readers(fact) if self.engine == "postgres" else []
            lock_writers(run, *(f'{schema}."{name}"' for name in tables))
            for name, frame in tables.items():
                table = f'{schema}."{name}"'
                declared = ", ".join(
                    f'"{column}" {SQL_TYPES.get(frame[column].dtype.kind, "text")}'
                    for column in frame.columns
                )
                run.execute(f"drop table if exists {table}")
                run.execute(f"create table {table} ({declared})")
                run.execute(f"comment on table {table} is '{WRITTEN_BY_US}'")
                for reader in readers:
                    run.execute(f"grant select on {table} to {quoted(reader)}")
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
