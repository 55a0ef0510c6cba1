"""Loads real conversation logs into raw tables of a consumer's database, values unchanged.

The logs aren't part of the repository. The environment variable VOICE_AI_REAL_DATA names their
folder; the default is ../shared/data, next to the repository.
"""

from __future__ import annotations

import json
import os
from contextlib import closing
from pathlib import Path

import duckdb
import pytest
from consumer import REPOSITORY, Consumer
from psycopg2.extras import execute_values

DATA = Path(os.environ.get("VOICE_AI_REAL_DATA") or REPOSITORY.parent / "shared" / "data")

# Column names and rows by table name. `position` is an integer, everything else is text.
Tables = dict[str, tuple[list[str], list[tuple]]]


def folder(name: str) -> Path:
    """Return a data set's folder; skip the calling test if there is none."""
    path = DATA / name
    if not path.is_dir():
        pytest.skip(f"no real data: {path} doesn't exist; set VOICE_AI_REAL_DATA to its parent")
    return path


def read_object(path: Path) -> dict | None:
    """Return the JSON object in a file, or None if the file has none."""
    try:
        value = json.loads(path.read_bytes())
    except (OSError, ValueError, RecursionError):
        return None
    return value if isinstance(value, dict) else None


def as_text(value: object) -> str | None:
    """Return a JSON value as text that databases accept: no NUL, no half of a surrogate pair."""
    if value is None:
        return None
    text = value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
    return text.replace("\0", "\ufffd").encode("utf-8", "replace").decode()


def values(item: object, keys: list[str]) -> list[str | None]:
    """Return the texts under these keys of a JSON object; None for a missing key."""
    return [as_text(item.get(key)) if isinstance(item, dict) else None for key in keys]


def as_list(value: object) -> list:
    """Return a JSON list; an empty one in place of anything else."""
    return value if isinstance(value, list) else []


def star_tables(star: Path) -> Tables:
    """Read STAR's dialogue files."""
    dialogues, events = [], []
    for path in sorted((star / "dialogues").glob("*.json")):
        dialogue = read_object(path)
        keys = ["DialogueID", "AnonymizedUserWorkerID", "CompletionLevel"]
        dialogues.append((path.stem, *values(dialogue, keys)))
        for position, event in enumerate(as_list((dialogue or {}).get("Events")), 1):
            keys = ["Agent", "Action", "Text", "UnixTime"]
            events.append((path.stem, position, *values(event, keys)))
    return {
        "star_dialogues": (
            ["file_name", "dialogue_id", "user_worker_id", "completion_level"],
            dialogues,
        ),
        "star_events": (
            ["file_name", "position", "agent", "action", "text", "unix_time"],
            events,
        ),
    }


def getgoing_tables(getgoing: Path) -> Tables:
    """Read GetGoing's call folders."""
    calls, metadata, logs, history = [], [], [], []
    for path in sorted(path for path in (getgoing / "logs").iterdir() if path.is_dir()):
        calls.append((path.name,))
        if (call := read_object(path / "metadata.json")) is not None:
            metadata.append((path.name, *values(call, ["uuid", "number", "time"])))
        if (log := read_object(path / "log.json")) is not None:
            logs.append((path.name, *values(log, ["uuid", "start_time", "end_time"])))
            lines = enumerate(as_list(log.get("history")), 1)
            history += [(path.name, position, as_text(line)) for position, line in lines]
    return {
        "getgoing_calls": (["call_id"], calls),
        "getgoing_metadata": (["call_id", "uuid", "number", "time"], metadata),
        "getgoing_logs": (["call_id", "uuid", "start_time", "end_time"], logs),
        "getgoing_history": (["call_id", "position", "line"], history),
    }


def load(consumer: Consumer, schema: str, tables: Tables) -> None:
    """Create raw tables in the consumer's database, all of them or none."""
    on_postgres = consumer.engine == "postgres"
    file = str(consumer.directory / "consumer.duckdb")
    with closing(consumer.postgres() if on_postgres else duckdb.connect(file)) as connection:
        cursor = connection.cursor()
        if not on_postgres:
            cursor.execute("begin")
        cursor.execute(f"create schema {schema}")
        for table, (columns, rows) in tables.items():
            types = [f"{name} {'integer' if name == 'position' else 'text'}" for name in columns]
            cursor.execute(f"create table {schema}.{table} ({', '.join(types)})")
            insert = f"insert into {schema}.{table} "
            if on_postgres:
                execute_values(cursor, insert + "values %s", rows, page_size=5000)
            elif rows:
                lists = [list(of_column) for of_column in zip(*rows, strict=True)]
                cursor.execute(insert + f"select {', '.join(['unnest(?)'] * len(lists))}", lists)
        cursor.execute("commit")


def differences(found: dict[str, dict], expected: dict[str, dict]) -> dict[str, tuple]:
    """Return (found, expected) for up to ten sessions that differ in a column that was found."""
    differing = {
        name: (found.get(name), expected.get(name))
        for name in sorted(found.keys() | expected.keys())
        if name not in found
        or name not in expected
        or any(expected[name][column] != value for column, value in found[name].items())
    }
    return dict(list(differing.items())[:10])


def certified_sessions(consumer: Consumer, columns: list[str]) -> dict[str, dict]:
    """Return these columns of the certified fact, by session_id."""
    query = (
        f"select {', '.join(['session_id', *columns])} from main_voice_ai.fact_voice_ai_sessions"
    )
    return {name: dict(zip(columns, of, strict=True)) for name, *of in consumer.rows(query)}


def columns_that_hold(consumer: Consumer, texts: str) -> list[str]:
    """Return the columns of dbt's tables that contain any text that the query `texts` selects."""
    columns = consumer.rows(
        """
        select columns.table_schema, columns.table_name, columns.column_name
        from information_schema.columns as columns
        inner join information_schema.tables as tables
            on columns.table_schema = tables.table_schema
            and columns.table_name = tables.table_name
        where tables.table_schema like 'main%' and tables.table_type = 'BASE TABLE'
            and lower(columns.data_type) in ('text', 'varchar', 'character varying')
        """
    )
    # With "exists" instead of a count, PostgreSQL would compare every value with every text.
    counts = " union all ".join(
        f"select '{schema}.{table}.{column}', count(*)"
        f' from {schema}.{table} inner join texts on "{column}" = texts.said'
        for schema, table, column in columns
    )
    found = consumer.rows(f"with texts as materialized ({texts}) {counts}")
    return [column for column, held in found if held]
