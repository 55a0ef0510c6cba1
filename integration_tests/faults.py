"""A consumer project to break: its builds can be interrupted and its database restored."""

from __future__ import annotations

import os
import shutil
import threading
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from contextlib import closing
from multiprocessing.connection import Connection

import duckdb
import psycopg2
from consumer import PROFILES, Consumer
from processes import FORKS, become

FULL = os.environ.get("VOICE_AI_FAULTS") == "full"
# Unit tests read no data. A bounded run also leaves out the data tests, to save time.
EXCLUDED = ["unit_test"] if FULL else ["unit_test", "test"]
BOUND = 300  # seconds after which a build hangs

DUCKDB = "disk/faults.duckdb"
FAULTS_PROFILES = PROFILES.replace("consumer.duckdb", DUCKDB)
DATABASE = "faults"
COMPARED = ("sessions", "turns", "users")


def _dbt(output: Connection, *where) -> None:
    """Run dbt with its output in a pipe."""
    os.dup2(output.fileno(), 1)
    os.dup2(output.fileno(), 2)
    become("dbt", *where)


class Build:
    """A running `dbt build` whose output names each statement before the database gets it."""

    def __init__(self, project: Project, *arguments: str):
        receiver, sender = FORKS.Pipe(duplex=False)
        options = ["--no-use-colors", "--log-level", "debug", "build"]
        options += ["--exclude-resource-type", *EXCLUDED, *arguments]
        self.process = FORKS.Process(
            target=_dbt,
            args=(sender, options, project.directory, {**os.environ, **project.environment}),
        )
        self.process.start()
        sender.close()
        self.output = os.fdopen(os.dup(receiver.fileno()), encoding="utf-8")

    def wait(self) -> tuple[int, str]:
        """Wait for the end, or kill what hangs; return the exit code and the rest of the output."""
        watch = threading.Timer(BOUND, self.process.kill)
        watch.start()
        with self.output:
            output = self.output.read()
        self.process.join()
        watch.cancel()
        return self.process.exitcode, output


def statements(log: Iterable[str]) -> Iterator[str]:
    """Return the lines of dbt's debug log that send a statement, except those of tests."""
    return (line for line in log if "  On " in line and "  On test." not in line)


class Project(Consumer):
    """A consumer project whose database can be saved and restored."""

    def build(self, *arguments: str) -> str:
        """Build and return the output."""
        code, output = Build(self, *arguments).wait()
        assert code == 0, output[-5000:]
        return output

    def struck(self, moment: int, strike: Callable[[Build], None]) -> tuple[int, str]:
        """Build, strike as a statement is sent, and return the exit code and later output."""
        build = Build(self)
        for number, _ in enumerate(statements(build.output)):
            if number == moment:
                strike(build)
                break
        return build.wait()

    def rows(self, statement: str, read_only: bool = False) -> list[tuple]:
        """Run SQL."""
        if self.engine == "duckdb":
            path = str(self.directory / DUCKDB)
            with duckdb.connect(path, read_only=read_only) as connection:
                return connection.execute(statement).fetchall()
        with closing(self.postgres()) as connection, connection, connection.cursor() as cursor:
            cursor.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def administer(self, *commands: str) -> None:
        """Run SQL from outside the project's PostgreSQL database."""
        other = self.environment | {"VOICE_AI_POSTGRES_DATABASE": "postgres"}
        with closing(Consumer(self.directory, self.engine, other).postgres()) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for command in commands:
                    cursor.execute(command)

    def save(self, name: str) -> None:
        """Keep a copy of the database."""
        if self.engine == "duckdb":
            shutil.copytree(self.directory / "disk", self.directory / name, dirs_exist_ok=True)
        else:
            self.administer(
                f"drop database if exists {DATABASE}_{name}",
                f"create database {DATABASE}_{name} template {DATABASE}",
            )

    def restore(self, name: str, place: str = "") -> None:
        """Restore a copy of the database; in PostgreSQL, optionally in another tablespace."""
        if self.engine == "duckdb":
            for path in (self.directory / "disk").iterdir():
                path.unlink()
            shutil.copytree(self.directory / name, self.directory / "disk", dirs_exist_ok=True)
        else:
            self.administer(
                f"drop database if exists {DATABASE} with (force)",
                f"create database {DATABASE} template {DATABASE}_{name} {place}",
            )

    def table(self, schema: str, name: str, **options) -> list[dict]:
        """Return the rows of a table, or none if it doesn't exist."""
        columns = self.rows(
            "select column_name from information_schema.columns"
            f" where table_schema = '{schema}' and table_name = '{name}' order by 1",
            **options,
        )
        names = [column for (column,) in columns]
        if not names:
            return []
        rows = self.rows(f"select {', '.join(names)} from {schema}.{name}", **options)
        return [dict(zip(names, row, strict=True)) for row in rows]

    def fact(self, **options) -> dict[str, dict]:
        """Return the certified fact by session id, with users named by their first session.

        The salt differs between databases, and every user key with it.
        """
        rows = self.table("main_voice_ai", "fact_voice_ai_sessions", **options)
        rows.sort(key=lambda row: row["session_key"])
        users = {None: None}
        for row in rows:
            row["user_key"] = users.setdefault(row["user_key"], row["session_id"])
        fact = {row["session_id"]: row for row in rows}
        assert len(fact) == len(rows), "a session is doubled"
        return fact

    def quarantine(self, table: str) -> Counter:
        """Return the number of rows in a quarantine table."""
        rows = self.table("main_voice_ai_staging", f"quarantine_voice_ai__{table}")
        return Counter(tuple(row.items()) for row in rows)

    def state(self) -> dict:
        """Return what must not depend on how it was built: fact and quarantine."""
        return {"fact": self.fact()} | {table: self.quarantine(table) for table in COMPARED}

    def certified_objects(self) -> set[str]:
        """Return the names that a reader of the certified schema sees."""
        return {
            name
            for (name,) in self.rows(
                "select table_name from information_schema.tables"
                " where table_schema = 'main_voice_ai'"
            )
        }


def differences(found: dict, expected: dict) -> dict:
    """Return what differs between two states, row by row: (found, expected)."""
    result = {}
    for part in expected:
        keys = found[part].keys() | expected[part].keys()
        for key in keys:
            pair = found[part].get(key), expected[part].get(key)
            if pair[0] != pair[1]:
                if isinstance(pair[0], dict) and isinstance(pair[1], dict):
                    columns = [name for name in pair[1] if pair[0].get(name) != pair[1][name]]
                    pair = tuple({name: row.get(name) for name in columns} for row in pair)
                result[part, key] = pair
    return result


class Reader(threading.Thread):
    """Read the fact continuously, as a dashboard would; DuckDB admits no second process."""

    digest = (
        "select md5(string_agg(session_key || outcome || turn_count || coalesce(region, ''), ','"
        " order by session_key)) from main_voice_ai.fact_voice_ai_sessions"
    )

    def __init__(self, project: Project):
        super().__init__()
        self.project, self.seen, self.stop = project, [], threading.Event()

    def run(self) -> None:
        """Read until told to stop, then once more."""
        is_last = self.project.engine == "duckdb"
        while not is_last:
            is_last = self.stop.wait(0.002)
            try:
                ((seen,),) = self.project.rows(self.digest)
            except (psycopg2.errors.UndefinedTable, psycopg2.errors.InvalidSchemaName):
                seen = None
            except psycopg2.OperationalError:
                continue  # the database may be down
            except psycopg2.Error as error:
                seen = repr(error)
            if [seen] != self.seen[-1:]:
                self.seen.append(seen)

    def __enter__(self):
        self.start()
        return self

    def __exit__(self, *error):
        self.stop.set()
        self.join()
