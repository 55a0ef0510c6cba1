"""The raw table of a platform: payloads are added, never changed, and none twice."""

from __future__ import annotations

import csv
import io
import json
from datetime import datetime

import psycopg2

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.payloads.reader import Payload
from voice_ai_analytics.warehouse import Transaction, lock_writers, quoted

COLUMNS = {
    "payload": {"duckdb": "json", "postgres": "jsonb"},
    "source_file": "text",
    "position": "bigint",
    "content_hash": "text",
    "loaded_at": "timestamp",
}
# Characters of payloads that are written in one step.
BATCH = 16 * 1024 * 1024
# How PostgreSQL refuses numbers of too many digits, and what is nested too deep.
TOO_MUCH = (
    psycopg2.DataError,
    psycopg2.errors.ProgramLimitExceeded,
    psycopg2.errors.StatementTooComplex,
)
BATCH_COLUMNS = ("payload", "source_file", "position", "content_hash", "is_placed")
# What DuckDB may hold: a transaction of any size then goes to disk.
MEMORY = "256MB"


class RawTable:
    """A raw table, in a transaction.

    Parameters
    ----------
    transaction : Transaction
        Where everything is written.
    engine : str
        ``duckdb`` or ``postgres``.
    schema, table : str
        Unquoted names. What isn't there is made.
    loaded_at : datetime
        In UTC, for all rows of this load.

    Attributes
    ----------
    added : int
        How many payloads were new.
    refused : list of str
        Where payloads are that Python reads and PostgreSQL doesn't; they are kept as text.

    Raises
    ------
    UserError
        If the table exists and has other columns.
    """

    def __init__(
        self, transaction: Transaction, engine: str, schema: str, table: str, loaded_at: datetime
    ) -> None:
        self.added = 0
        self.refused: list[str] = []
        self._transaction = transaction
        self._engine = engine
        self._loaded_at = loaded_at
        self._relation = f"{quoted(schema)}.{quoted(table)}"
        self._waiting: list[tuple[str, str, int, str, bool]] = []
        self._seen: set[tuple[str, int | None]] = set()
        self._size = 0
        lock_writers(transaction.cursor, self._relation)
        self._create(schema, table)

    def _create(self, schema: str, table: str) -> None:
        run, mark = self._transaction.run, self._transaction.mark
        run(f"create schema if not exists {quoted(schema)}")
        found = {
            name
            for (name,) in run(
                "select column_name from information_schema.columns"
                f" where table_schema = {mark} and table_name = {mark}",
                schema,
                table,
            )
        }
        if found and found != set(COLUMNS):
            raise UserError(
                f"{schema}.{table}: this table was not made by voice-ai load; name another with"
                " --table"
            )
        declared = ", ".join(
            f"{quoted(name)} {kind if isinstance(kind, str) else kind[self._engine]}"
            for name, kind in COLUMNS.items()
        )
        if not found:
            run(f"create table {self._relation} ({declared})")
            if self._engine == "postgres":
                run(f"create index on {self._relation} (content_hash)")
        if self._engine == "duckdb":
            run(f"set memory_limit = '{MEMORY}'")
            return
        run(
            "create temporary table voice_ai_batch (payload text, source_file text,"
            " position bigint, content_hash text, is_placed boolean) on commit drop"
        )
        # Each payload is looked up by its hash; without statistics, the whole table would be read.
        run("set local enable_seqscan = off")
        run("set local enable_hashjoin = off")
        run("set local enable_mergejoin = off")

    def add(self, file: str, position: int, payload: Payload) -> None:
        """Add a payload, unless the table has it."""
        identity = (payload.content_hash, position if payload.is_placed else None)
        if identity in self._seen:
            return
        self._seen.add(identity)
        self._waiting.append(
            (payload.text, file, position, payload.content_hash, payload.is_placed)
        )
        self._size += len(payload.text)
        if self._size > BATCH or len(self._waiting) >= 50_000:
            self.flush()

    def flush(self) -> None:
        """Write what waits; called once more at the end."""
        if not self._waiting:
            return
        if self._engine == "duckdb":
            self.added += self._insert_arrow()
        else:
            self.added += self._copy()
        self._waiting, self._size = [], 0
        self._seen.clear()

    def _insertion(self, payload: str) -> str:
        """Return the statement that adds what the table doesn't have of ``voice_ai_batch``."""
        return (
            f"insert into {self._relation} select {payload}, source_file, position, content_hash,"
            f" timestamp '{self._loaded_at.isoformat(sep=' ')}'"
            " from voice_ai_batch as batch where not exists ("
            f" select 1 from {self._relation} as known"
            " where known.content_hash = batch.content_hash"
            " and (not batch.is_placed or known.position = batch.position))"
        )

    def _insert_arrow(self) -> int:
        import pyarrow as pa

        columns = zip(*self._waiting, strict=True)
        # DuckDB finds it by its name. One that is registered would be kept until the commit.
        voice_ai_batch = pa.Table.from_pydict(dict(zip(BATCH_COLUMNS, columns, strict=True)))  # noqa: F841
        payload = "coalesce(try_cast(payload as json), to_json(payload))"
        return self._transaction.cursor.execute(self._insertion(payload)).fetchone()[0]

    def _copy(self) -> int:
        cursor = self._transaction.cursor
        for is_checked in (False, True):
            file = io.StringIO()
            csv.writer(file).writerows(self._waiting)
            file.seek(0)
            cursor.execute("truncate voice_ai_batch; savepoint voice_ai_batch")
            cursor.copy_expert("copy voice_ai_batch from stdin (format csv)", file)
            try:
                cursor.execute(self._insertion("cast(payload as jsonb)"))
                break
            except TOO_MUCH:
                if is_checked:
                    raise
                cursor.execute("rollback to savepoint voice_ai_batch")
                self._waiting = [self._checked(row) for row in self._waiting]
        return cursor.rowcount

    def _checked(self, row: tuple) -> tuple:
        """Return a row as it is, or with its payload as a JSON string if it is no jsonb."""
        cursor = self._transaction.cursor
        text, file, position, *rest = row
        try:
            cursor.execute("savepoint voice_ai_payload")
            cursor.execute("select cast(%s as jsonb) is null", [text])
        except TOO_MUCH:
            cursor.execute("rollback to savepoint voice_ai_payload")
            self.refused.append(f"{file} at {position}")
            text = json.dumps(text, ensure_ascii=False)
        return (text, file, position, *rest)
