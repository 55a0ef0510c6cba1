"""Loads the five raw CSV files of a deployment into a warehouse, as text, all of them or none.

DuckDB's CSV reader parses them for both engines; PostgreSQL receives the result by COPY. Every
value stays text: dbt decides what it means and whether it is valid.
"""

from __future__ import annotations

import csv
import hashlib
import json
import shutil
import tempfile
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import psycopg2
from psycopg2 import sql

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.warehouse import Warehouse, lock_writers

RAW_TABLES = {
    "users": ("user_id", "region", "disability_flag", "first_time_digital_user"),
    "voice_sessions": (
        "session_id",
        "user_id",
        "channel",
        "language",
        "total_duration_sec",
        "total_turns",
        "final_outcome",
        "transfer_reason",
        "created_at",
    ),
    "voice_turns": (
        "turn_id",
        "session_id",
        "turn_number",
        "speaker",
        "detected_intent",
        "intent_confidence",
        "asr_confidence",
        "error_type",
        "turn_duration_sec",
        "created_at",
    ),
    "voice_ai_metrics": (
        "session_id",
        "avg_asr_confidence",
        "avg_intent_confidence",
        "misunderstanding_rate",
        "silence_rate",
        "recovery_success",
        "escalation_flag",
    ),
    "applications": (
        "application_id",
        "session_id",
        "user_id",
        "service_code",
        "channel",
        "status",
        "time_to_submit_sec",
        "submitted_at",
    ),
}
ASR_RELEASES = ("asr_model", "released_at")
SCHEMA = "voice_ai_raw"
LONGEST_LINE = 64 * 1024 * 1024
BLOCK = 1024 * 1024


@dataclass(frozen=True)
class LoadResult:
    """What a load did.

    Parameters
    ----------
    rows : dict of str to int
        Rows by table.
    unreadable_lines : int
        Lines that can't be read as CSV with the file's columns; they are kept in the table
        ``unreadable_lines``.
    is_unchanged : bool
        Whether the last load read the same files, so nothing was written.
    """

    rows: dict[str, int]
    unreadable_lines: int
    is_unchanged: bool


def load(
    raw: Path, warehouse: Warehouse, progress: Callable[[str], None] = lambda table: None
) -> LoadResult:
    """Load ``users.csv`` and the four other files of a directory into the schema ``voice_ai_raw``.

    Parameters
    ----------
    raw : Path
        The directory. Its ``truth.json``, if there is one, may list ``asr_releases``.
    warehouse : Warehouse
        DuckDB or PostgreSQL.
    progress : callable
        Called with the name of each table before its file is read.

    Returns
    -------
    LoadResult
        Loading the same files again writes nothing.

    Raises
    ------
    UserError
        If a file or a column is missing, or someone else made a table with the same name. Nothing
        is written then.
    """
    headers = {table: _header(raw, table) for table in RAW_TABLES}
    releases = _asr_releases(raw / "truth.json")
    digests = {table: _digest(raw / f"{table}.csv") for table in RAW_TABLES}
    digests["asr_releases"] = hashlib.sha256(json.dumps(releases).encode()).hexdigest()

    if warehouse.engine == "duckdb":
        with warehouse.connect(makes_database=True) as connection:
            if earlier := _earlier_load(connection.execute, digests):
                return earlier
            return _read_files(connection, raw, headers, releases, digests, progress)
    with (
        tempfile.TemporaryDirectory() as scratch,
        warehouse.connect(makes_database=True) as target,
        target.cursor() as cursor,
        closing(duckdb.connect(str(Path(scratch) / "raw.duckdb"))) as reader,
    ):

        def execute(statement: str):
            cursor.execute(statement)
            return cursor

        lock_writers(cursor, SCHEMA)
        if earlier := _earlier_load(execute, digests):
            return earlier
        result = _read_files(reader, raw, headers, releases, digests, progress)
        _copy_to_postgres(reader, cursor, Path(scratch))
        return result


def _header(raw: Path, table: str) -> tuple[list[str], int]:
    """Return a file's column names in lower case, and the number of records before its rows."""
    path = raw / f"{table}.csv"
    expected = RAW_TABLES[table]
    if not path.is_file():
        files = ", ".join(f"{name}.csv" for name in RAW_TABLES)
        raise UserError(f"{path}: no such file; expected {files} in one directory")
    try:
        with path.open(encoding="utf-8-sig", errors="replace", newline="") as stream:
            records = enumerate(csv.reader(stream), start=1)
            skip, header = next((found for found in records if any(found[1])), (0, []))
    except (csv.Error, OSError) as error:
        raise UserError(
            f"{path}: the header can't be read ({error}); save it as UTF-8 CSV"
        ) from error
    names = [name.strip().lower() for name in header]
    if missing := [name for name in expected if names and name not in names]:
        raise UserError(
            f"{path}: no column {', '.join(missing)}; expected {', '.join(expected)} in UTF-8 CSV"
        )
    if repeated := [name for name in expected if names.count(name) > 1]:
        raise UserError(f"{path}: column {', '.join(repeated)} appears twice; keep one")
    return names, skip


def _asr_releases(path: Path) -> list[tuple[str, str]]:
    if not path.is_file():
        return []
    try:
        listed = json.loads(path.read_text(encoding="utf-8")).get("asr_releases", [])
        return [(str(release["asr_model"]), str(release["released_at"])) for release in listed]
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise UserError(
            f"{path}: asr_releases can't be read; expected a list of asr_model and released_at"
        ) from error


def _digest(path: Path) -> str:
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def _earlier_load(execute: Callable, digests: dict[str, str]) -> LoadResult | None:
    """Return the last load if it read the same files."""
    tables = {
        name
        for (name,) in execute(
            f"select table_name from information_schema.tables where table_schema = '{SCHEMA}'"
        ).fetchall()
    }
    if "loads" not in tables:
        if foreign := sorted(tables & {*RAW_TABLES, "asr_releases", "unreadable_lines"}):
            raise UserError(
                f"{SCHEMA}.{foreign[0]}: this table was not made by voice-ai load, which would"
                " replace it; move it to another schema"
            )
        return None
    loads = execute(f"select table_name, sha256, row_count from {SCHEMA}.loads").fetchall()
    if {name: digest for name, digest, _ in loads if digest} != digests:
        return None
    rows = {name: count for name, _, count in loads}
    return LoadResult(rows, rows.pop("unreadable_lines"), is_unchanged=True)


def _read_files(
    connection: duckdb.DuckDBPyConnection,
    raw: Path,
    headers: dict[str, tuple[list[str], int]],
    releases: list[tuple[str, str]],
    digests: dict[str, str],
    progress: Callable[[str], None],
) -> LoadResult:
    """Create all raw tables on a DuckDB connection, in its transaction."""
    connection.execute(f"create schema if not exists {SCHEMA}")
    connection.execute(
        f"create or replace table {SCHEMA}.unreadable_lines"
        " (file_name text, line_number bigint, reason text, line_text text, loaded_at timestamp)"
    )
    loaded_at = datetime.now(UTC).replace(tzinfo=None)
    for table, (names, skip) in headers.items():
        progress(table)
        _create_table(connection, table, RAW_TABLES[table])
        if names:
            _read_file(connection, raw / f"{table}.csv", table, names, skip, loaded_at)
    _create_table(connection, "asr_releases", ASR_RELEASES)
    if releases:
        connection.executemany(
            f"insert into {SCHEMA}.asr_releases values (?, ?, ?)",
            [(*release, loaded_at) for release in releases],
        )
    rows = {
        table: connection.execute(f"select count(*) from {SCHEMA}.{table}").fetchone()[0]
        for table in (*RAW_TABLES, "asr_releases", "unreadable_lines")
    }
    connection.execute(
        f"create or replace table {SCHEMA}.loads"
        " (table_name text, sha256 text, row_count bigint, loaded_at timestamp)"
    )
    connection.executemany(
        f"insert into {SCHEMA}.loads values (?, ?, ?, ?)",
        [(table, digests.get(table), count, loaded_at) for table, count in rows.items()],
    )
    return LoadResult(rows, rows.pop("unreadable_lines"), is_unchanged=False)


def _create_table(connection, table: str, columns: tuple[str, ...]) -> None:
    declared = ", ".join(f"{name} text" for name in columns)
    connection.execute(
        f"create or replace table {SCHEMA}.{table} ({declared}, loaded_at timestamp)"
    )


def _read_file(
    connection, path: Path, table: str, names: list[str], skip: int, loaded_at: datetime
) -> None:
    # PostgreSQL can't store a NUL in a text, so neither engine gets one.
    wanted = ", ".join(f"replace({name}, chr(0), '')" for name in RAW_TABLES[table])
    # Further columns may have any name, the same name twice, or none.
    types = {
        name if name in RAW_TABLES[table] else f"column {position}": "varchar"
        for position, name in enumerate(names)
    }
    try:
        with tempfile.TemporaryDirectory() as scratch:
            connection.execute(
                f"insert into {SCHEMA}.{table} select {wanted}, ? from read_csv("
                "?, columns = ?, auto_detect = false, header = false, skip = ?, delim = ',',"
                " quote = '\"', escape = '\"', new_line = '\\n', encoding = 'utf-8',"
                " max_line_size = ?, store_rejects = true)",
                [loaded_at, str(_with_line_feeds(path, Path(scratch))), types, skip, LONGEST_LINE],
            )
    except (duckdb.Error, OSError) as error:
        reason = str(error).splitlines()[0]
        raise UserError(f"{path}: can't be read as CSV: {reason}") from error
    # A line with several errors is kept once.
    connection.execute(
        f"insert into {SCHEMA}.unreadable_lines"
        " select ?, line, lower(min(cast(error_type as text))),"
        " replace(min(csv_line), chr(0), ''), ? from reject_errors group by line",
        [path.name, loaded_at],
    )
    connection.execute("drop table reject_errors; drop table reject_scans")


def _with_line_feeds(path: Path, scratch: Path) -> Path:
    """Return the file, or a copy without carriage returns: DuckDB can't read mixed line ends."""
    with path.open("rb") as stream:
        if not any(b"\r" in block for block in iter(lambda: stream.read(BLOCK), b"")):
            return path
    text = {"encoding": "utf-8", "errors": "surrogateescape"}
    copy = scratch / path.name
    with path.open(**text) as source, copy.open("w", newline="\n", **text) as target:
        shutil.copyfileobj(source, target, BLOCK)
    return copy


def _copy_to_postgres(reader, cursor, scratch: Path) -> None:
    """Replace PostgreSQL's raw tables with those of the reader, in the cursor's transaction."""
    cursor.execute(sql.SQL("create schema if not exists {}").format(sql.Identifier(SCHEMA)))
    tables = reader.execute(
        "select table_name from information_schema.tables where table_schema = ?", [SCHEMA]
    ).fetchall()
    for (table,) in tables:
        columns = reader.execute(
            "select column_name, lower(data_type) from information_schema.columns"
            " where table_schema = ? and table_name = ? order by ordinal_position",
            [SCHEMA, table],
        ).fetchall()
        name = sql.Identifier(SCHEMA, table)
        declared = sql.SQL(", ").join(
            sql.SQL("{} {}").format(
                sql.Identifier(column), sql.SQL("text" if kind == "varchar" else kind)
            )
            for column, kind in columns
        )
        # An existing table is emptied, not dropped: the consumer's views read it.
        cursor.execute(sql.SQL("create table if not exists {} ({})").format(name, declared))
        cursor.execute(sql.SQL("truncate {}").format(name))
        file = scratch / f"{table}.csv"
        reader.execute(
            f"copy {SCHEMA}.{table} to '{file}' (format csv, header false, force_quote *)"
        )
        try:
            with file.open("rb") as stream:
                cursor.copy_expert(sql.SQL("copy {} from stdin (format csv)").format(name), stream)
        except psycopg2.Error as error:
            raise UserError(
                f"{table}: PostgreSQL can't store it: {str(error).splitlines()[0]}"
            ) from error
        file.unlink()
