"""The raw table of a platform: payloads are added, never changed, and none twice."""

from __future__ import annotations

import csv
import io
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

    Raises
    ------
    UserError
        If the table exists and has other columns.
    """

    def __init__(
        self, transaction: Transaction, engine: str, schema: str, table: str, loaded_at: datetime
    ) -> None:
        self.added = 0
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
        run(f"create temporary table voice_ai_batch ({declared}, is_placed boolean) on commit drop")
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
        batch = self._copy_to_postgres() if self._engine == "postgres" else self._as_arrow()
        columns = ", ".join(map(quoted, COLUMNS))
        counted = self._transaction.run(
            f"insert into {self._relation} ({columns})"
            f" select {columns} from {batch} as batch where not exists ("
            f" select 1 from {self._relation} as known"
            " where known.content_hash = batch.content_hash"
            " and (not batch.is_placed or known.position = batch.position))"
        )
        # DuckDB answers with the number of rows, psycopg2 has it on the cursor.
        self.added += counted[0][0] if counted else self._transaction.cursor.rowcount
        self._waiting, self._size = [], 0
        self._seen.clear()

    def _as_arrow(self) -> str:
        import pyarrow as pa

        names = ("payload", "source_file", "position", "content_hash", "is_placed")
        columns = zip(*self._waiting, strict=True)
        table = pa.Table.from_pydict(dict(zip(names, columns, strict=True)))
        self._transaction.cursor.register("voice_ai_batch", table)
        at = self._loaded_at.isoformat(sep=" ")
        return f"(select *, timestamp '{at}' as loaded_at from voice_ai_batch)"

    def _copy_to_postgres(self) -> str:
        file = io.StringIO()
        writer = csv.writer(file)
        for text, source, position, digest, is_placed in self._waiting:
            writer.writerow((text, source, position, digest, self._loaded_at, is_placed))
        file.seek(0)
        cursor = self._transaction.cursor
        cursor.execute("truncate voice_ai_batch")
        try:
            cursor.copy_expert("copy voice_ai_batch from stdin (format csv)", file)
        except psycopg2.Error as error:
            reason = str(error).splitlines()[0]
            raise UserError(f"PostgreSQL can't store these payloads: {reason}") from error
        return "voice_ai_batch"
