"""Read-only queries as Arrow tables, limited in time and rows, with the warehouse's own driver."""

from __future__ import annotations

import decimal
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pyarrow as pa

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError

# By PostgreSQL's type numbers; other types are read as text.
ARROW_TYPES = {
    16: pa.bool_(),
    20: pa.int64(),
    21: pa.int64(),
    23: pa.int64(),
    700: pa.float64(),
    701: pa.float64(),
    1082: pa.date32(),
    1114: pa.timestamp("us"),
    1184: pa.timestamp("us"),
}
NUMERIC = 1700


class Unavailable(UserError):
    """The warehouse is locked, restarting or gone; the same query may be answered later."""


class TimedOut(UserError):
    """A query took longer than allowed."""


class Reader:
    """Reads a project's warehouse for several clients at once, and changes nothing in it.

    Parameters
    ----------
    project : DbtProject
        Names the database. Its user should only be able to read.
    seconds : float
        The longest time for a query.
    connections : int
        The most queries at once.
    """

    def __init__(self, project: DbtProject, seconds: float, connections: int) -> None:
        self.seconds = seconds
        self._project = project
        self._engine = project.connection.type
        if self._engine not in ("duckdb", "postgres"):
            raise UserError(f"{self._engine}: voice-ai reads DuckDB and PostgreSQL targets")
        self._pool = _Pool(project, connections, seconds)

    def fetch(self, query: str, most_rows: int) -> pa.Table:
        """Run a query.

        Parameters
        ----------
        query : str
            Compiled by MetricFlow.
        most_rows : int
            One row more is an error: half an answer would be a wrong one.

        Returns
        -------
        pyarrow.Table
            Its rows.

        Raises
        ------
        Unavailable
            If the database doesn't answer.
        TimedOut
            If the query takes too long.
        UserError
            If it has too many rows, or the database refuses it.
        """
        limited = f"select * from (\n{query}\n) as limited limit {most_rows + 1}"
        if self._engine == "duckdb":
            found = self._fetch_duckdb(limited)
        else:
            found = self._fetch_postgres(limited)
        if found.num_rows > most_rows:
            raise UserError(
                f"more than {most_rows:,} rows; group by less, filter, or ask for a limit"
            )
        return found

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()

    def _fetch_duckdb(self, query: str) -> pa.Table:
        import duckdb

        try:
            # Opened for each query: an open file would keep dbt from building.
            connection = duckdb.connect(self._project.duckdb_path, read_only=True)
        except duckdb.Error as error:
            raise Unavailable(
                f"the warehouse can't be opened, is dbt building? {_first_line(error)}"
            ) from error
        with connection:
            timer = threading.Timer(self.seconds, connection.interrupt)
            timer.start()
            try:
                connection.execute("set timezone = 'UTC'")
                return _without_decimals(connection.sql(query).to_arrow_table())
            except duckdb.InterruptException as error:
                raise TimedOut(f"the query took longer than {self.seconds:g} s") from error
            except duckdb.Error as error:
                raise UserError(f"the database refuses: {_first_line(error)}") from error
            finally:
                timer.cancel()

    def _fetch_postgres(self, query: str) -> pa.Table:
        with self._pool.cursor() as cursor:
            cursor.execute(query)
            rows = cursor.fetchall()
            columns = {}
            for number, column in enumerate(cursor.description):
                values = [row[number] for row in rows]
                columns[column.name] = _arrow_column(column.type_code, values)
            return pa.table(columns)


class _Pool:
    """PostgreSQL connections, opened when needed, and reopened after the server was gone."""

    def __init__(self, project: DbtProject, connections: int, seconds: float) -> None:
        self._project, self._connections, self._seconds = project, connections, seconds
        self._pool = None
        self._lock = threading.Lock()

    def _connect(self):
        from psycopg2.pool import ThreadedConnectionPool

        with self._lock:
            if self._pool is None:
                milliseconds = round(self._seconds * 1000)
                self._pool = ThreadedConnectionPool(
                    0,
                    self._connections,
                    **self._project.postgres_parameters,
                    application_name="voice-ai serve",
                    connect_timeout=5,
                    options="-c default_transaction_read_only=on -c timezone=utc"
                    f" -c statement_timeout={milliseconds}",
                )
            return self._pool

    @contextmanager
    def cursor(self) -> Iterator:
        import psycopg2

        connection = None
        try:
            connection = self._answering()
            with connection.cursor() as cursor:
                yield cursor
        except psycopg2.errors.QueryCanceled as error:
            raise TimedOut(f"the query took longer than {self._seconds:g} s") from error
        except (psycopg2.OperationalError, psycopg2.InterfaceError) as error:
            raise Unavailable(f"the warehouse doesn't answer: {_first_line(error)}") from error
        except psycopg2.Error as error:
            raise UserError(f"the database refuses: {_first_line(error)}") from error
        finally:
            if connection is not None:
                self._pool.putconn(connection, close=bool(connection.closed))

    def _answering(self):
        """Return a connection that answers; those from before a restart of the server don't."""
        import psycopg2

        pool = self._connect()
        for attempt in range(self._connections + 1):
            connection = pool.getconn()
            try:
                connection.autocommit = True
                with connection.cursor() as cursor:
                    cursor.execute("select 1")
            except psycopg2.Error:
                pool.putconn(connection, close=True)
                if attempt == self._connections:
                    raise
            else:
                return connection

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.closeall()
                self._pool = None


def _arrow_column(type_code: int, values: list) -> pa.Array:
    if type_code == NUMERIC:
        return _numbers(values)
    if arrow_type := ARROW_TYPES.get(type_code):
        return pa.array(values, arrow_type)
    return pa.array([None if value is None else str(value) for value in values], pa.string())


def _without_decimals(table: pa.Table) -> pa.Table:
    """Turn decimals, the type of sums of counts, into what JSON and data frames expect."""
    for number, column in enumerate(table.columns):
        if pa.types.is_decimal(column.type):
            try:
                numbers = column.cast(pa.int64())
            except pa.ArrowInvalid:
                numbers = column.cast(pa.float64())
            table = table.set_column(number, table.column_names[number], numbers)
    return table


def _numbers(values: list[decimal.Decimal | None]) -> pa.Array:
    """Turn decimals, the type of sums of counts, into what JSON and data frames expect."""
    known = [value for value in values if value is not None]
    is_whole = all(value == value.to_integral_value() and abs(value) < 2**63 for value in known)
    kind = int if is_whole else float
    numbers = [None if value is None else kind(value) for value in values]
    return pa.array(numbers, pa.int64() if is_whole else pa.float64())


def _first_line(error: Exception) -> str:
    return (str(error).strip().splitlines() or [type(error).__name__])[0]
