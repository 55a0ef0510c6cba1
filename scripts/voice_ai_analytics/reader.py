"""Read-only queries as Arrow tables, limited in time and rows, with the warehouse's own driver."""

from __future__ import annotations

import decimal
import os
import socket
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress

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
# The server stops a query in time; this much later, we stop waiting for the server.
GRACE_SECONDS = 1.0
CONNECT_SECONDS = 5


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
    copies : bool
        Whether to read a private copy of a DuckDB file, for a reader that stays: see `PrivateCopy`.
    """

    def __init__(
        self, project: DbtProject, seconds: float, connections: int, copies: bool = False
    ) -> None:
        self.seconds = seconds
        self._project = project
        self._engine = project.connection.type
        if self._engine not in ("duckdb", "postgres"):
            raise UserError(f"{self._engine}: voice-ai reads DuckDB and PostgreSQL targets")
        self._pool = _Pool(project, connections, seconds)
        self._copy = None
        if copies and self._engine == "duckdb":
            from voice_ai_analytics.duckdb_copy import PrivateCopy

            self._copy = PrivateCopy(project.duckdb_path)

    def fetch(self, query: str, most_rows: int, seconds: float | None = None) -> pa.Table:
        """Run a query.

        Parameters
        ----------
        query : str
            Compiled by MetricFlow.
        most_rows : int
            One row more is an error: half an answer would be a wrong one.
        seconds : float, optional
            The longest time for this query, whether or not the database answers at all.

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
            found = self._fetch_duckdb(limited, self.seconds if seconds is None else seconds)
        else:
            found = self._fetch_postgres(limited, self.seconds if seconds is None else seconds)
        if found.num_rows > most_rows:
            raise UserError(
                f"more than {most_rows:,} rows; group by less, filter, or ask for a limit"
            )
        return found

    def close(self) -> None:
        """Close all connections."""
        self._pool.close()
        if self._copy is not None:
            self._copy.close()

    def _fetch_duckdb(self, query: str, seconds: float) -> pa.Table:
        import duckdb

        with self._open_duckdb() as connection:
            timer = threading.Timer(seconds, connection.interrupt)
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

    def _open_duckdb(self):
        import duckdb

        from voice_ai_analytics.duckdb_copy import Busy

        try:
            if self._copy is not None:
                return self._copy.connect()
            return duckdb.connect(self._project.duckdb_path, read_only=True)
        except (Busy, duckdb.Error) as error:
            raise Unavailable(
                f"the warehouse can't be opened, is dbt building? {_first_line(error)}"
            ) from error

    def _fetch_postgres(self, query: str, seconds: float) -> pa.Table:
        with self._pool.cursor(seconds) as cursor:
            cursor.execute(query)
            rows = cursor.fetchall()
            columns = {}
            for number, column in enumerate(cursor.description):
                values = [row[number] for row in rows]
                columns[column.name] = _arrow_column(column.type_code, values)
            return pa.table(columns)


class _Pool:
    """PostgreSQL connections, kept once opened, and reopened after the server was gone."""

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
                    connect_timeout=CONNECT_SECONDS,
                    options="-c default_transaction_read_only=on -c timezone=utc"
                    f" -c statement_timeout={milliseconds}",
                )
                # The pool opens this many at once, and closes what is returned beyond. None are
                # opened before they are needed, and all are kept.
                self._pool.minconn = self._connections
            return self._pool

    @contextmanager
    def cursor(self, seconds: float) -> Iterator:
        import psycopg2

        until = time.monotonic() + seconds + GRACE_SECONDS
        connection = None
        try:
            connection = self._answering(until)
            with _hung_up(connection, until), connection.cursor() as cursor:
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

    def _answering(self, until: float):
        """Return a connection that answers; those from before a restart of the server don't."""
        import psycopg2

        pool = self._connect()
        for attempt in range(self._connections + 1):
            connection = pool.getconn()
            try:
                connection.autocommit = True
                with _hung_up(connection, until), connection.cursor() as cursor:
                    cursor.execute("select 1")
            except psycopg2.Error:
                pool.putconn(connection, close=True)
                if attempt == self._connections or time.monotonic() > until:
                    raise
            else:
                return connection

    def close(self) -> None:
        with self._lock:
            if self._pool is not None:
                self._pool.closeall()
                self._pool = None


@contextmanager
def _hung_up(connection, until: float) -> Iterator[None]:
    """Hang up on a server that doesn't answer in time: a stopped one wouldn't ever.

    The block then fails with psycopg2's error for a lost connection.
    """
    descriptor = os.dup(connection.fileno())

    def hang_up() -> None:
        with socket.socket(fileno=os.dup(descriptor)) as line, suppress(OSError):
            line.shutdown(socket.SHUT_RDWR)

    timer = threading.Timer(max(until - time.monotonic(), 0), hang_up)
    timer.start()
    try:
        yield
    finally:
        timer.cancel()
        timer.join()
        os.close(descriptor)


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
