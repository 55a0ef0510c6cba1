"""A turn belongs to its session: references, word errors and results where turn ids repeat.

A hundred sessions number their six turns 0 to 5, as most platforms do. In turn t of session s, the
recognizer misses (s + t) % 3 of three words.
"""

from __future__ import annotations

import csv
import os
import tempfile
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import dataclass
from pathlib import Path
from threading import Barrier, BrokenBarrierError, Thread

import duckdb
import psycopg2
import pytest
from little_warehouse import ENGINES

from voice_ai_analytics.analysis import Source
from voice_ai_analytics.asr import frame, word_errors
from voice_ai_analytics.asr.estimate import estimate
from voice_ai_analytics.asr.spool import Spool
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.postgres import embedded_postgres_server
from voice_ai_analytics.profile import Connection
from voice_ai_analytics.warehouse import Warehouse

SESSIONS, TURNS = range(100), range(6)
COLUMNS = ("platform", "session_id", "turn_id", "reference_text", "hypothesis_text", "asr_model")
LOST = {(f"s{s}", str(t)): (s + t) % 3 for s in SESSIONS for t in TURNS}
TEXTS = ("one two three", "one two", "one")
REPEATING = [("p", s, t, TEXTS[0], TEXTS[lost], "m") for (s, t), lost in LOST.items()]
ERRORS, WORDS = sum(LOST.values()), 3 * len(LOST)


@dataclass
class LittleProject:
    """The part of a built project that an evaluation needs."""

    connection: Connection
    duckdb_path: str = ""
    postgres_parameters: dict | None = None
    min_cohort_size: int = 5

    def require_database(self) -> None:
        """Accept any database."""

    def relation(self, model: str) -> str:
        """Return the table that stands in for a model."""
        return f'"main_voice_ai"."{model}"'

    def input_relation(self, model: str) -> str:
        """Return the table that stands in for an input model."""
        return f'"main_raw"."{model}"'

    def source(self, table: str) -> tuple[str, str]:
        """Return the schema and the name of a source table."""
        return "main_raw", f'"main_raw"."{table}"'

    def rows(self, *statements: str) -> list[tuple]:
        """Run statements and return the rows of the last one."""
        if self.connection.type == "duckdb":
            with duckdb.connect(self.duckdb_path) as connection:
                for statement in statements:
                    result = connection.execute(statement)
                return result.fetchall()
        with closing(psycopg2.connect(**self.postgres_parameters)) as connection:
            connection.autocommit = True
            with connection.cursor() as cursor:
                for statement in statements:
                    cursor.execute(statement)
                return cursor.fetchall() if cursor.description else []

    def fill(self, name: str, columns: dict[str, str], rows: list[tuple]) -> None:
        """Create a table of literals; None is null."""
        table = f"create table {name} ({', '.join(f'{c} {form}' for c, form in columns.items())})"
        values = ", ".join(
            f"({', '.join('null' if v is None else repr(v) for v in row)})" for row in rows
        )
        self.rows(f"drop table if exists {name}", table)
        if rows:
            self.rows(f"insert into {name} values {values}")

    def refer(self, rows: list[tuple], columns: tuple[str, ...] = COLUMNS) -> None:
        """Create the input model of references."""
        name = "main_raw.input_voice_ai__asr_references"
        self.fill(name, dict.fromkeys(columns, "text"), rows)

    def word_errors(self) -> list[tuple]:
        """Return session, turn and errors of the rows that were written."""
        return self.rows(
            "select session_id, turn_id, substitutions + deletions + insertions"
            " from main_raw.asr_word_errors order by 1, 2"
        )


@pytest.fixture(scope="module")
def server() -> Iterator[dict]:
    # Not in pytest's own directory, which another pytest would close to the server.
    with (
        tempfile.TemporaryDirectory() as directory,
        embedded_postgres_server(Path(directory) / "data") as server,
    ):
        yield {
            "host": server["VOICE_AI_POSTGRES_HOST"],
            "port": server["VOICE_AI_POSTGRES_PORT"],
            "user": server["VOICE_AI_POSTGRES_USER"],
            "dbname": server["VOICE_AI_POSTGRES_DATABASE"],
        }


@pytest.fixture(params=ENGINES)
def project(request, tmp_path) -> LittleProject:
    """Certify a hundred sessions of as many users, half of them English and half Spanish."""
    made = LittleProject(Connection(request.param))
    if request.param == "duckdb":
        made.duckdb_path = str(tmp_path / "little.duckdb")
    else:
        made.postgres_parameters = request.getfixturevalue("server")
    for schema in ("main_raw", "main_voice_ai"):
        made.rows(f"drop schema if exists {schema} cascade", f"create schema {schema}")
    names = ("platform", "session_id", "session_key", "user_key", "language", "asr_model")
    names += ("channel", "region", "has_disability", "is_first_time_digital_user")
    made.fill(
        "main_voice_ai.fact_voice_ai_sessions",
        dict.fromkeys(names, "text"),
        [
            ("p", f"s{s}", f"key{s}", f"user{s}", ("en", "es")[s % 2], "m", "voice", "r", "f", "f")
            for s in SESSIONS
        ],
    )
    columns = {"platform": "text", "session_id": "text", "turn_id": "text"}
    columns |= {"asr_confidence": "double precision", "quarantine_reasons": "text"}
    columns |= {"updated_at": "timestamp", "loaded_at": "timestamp"}
    turns = [("p", s, t, 0.5, None, None, None) for s, t in LOST]
    made.fill("main_voice_ai.stg_voice_ai__turns_typed", columns, turns)
    return made


def evaluate(project: LittleProject, references: Path | None = None):
    """Evaluate as the command does, committing everything at the end, or nothing."""
    warehouse = Warehouse(project)
    with Source(project, warehouse, None) as source:
        result = estimate(source, references)
        warehouse.write_tables(result.tables(), source.transaction)
    return result


def write(path: Path, rows: list[tuple], columns: tuple[str, ...] = COLUMNS) -> Path:
    with path.open("w", newline="", encoding="utf-8") as stream:
        csv.writer(stream).writerows([columns, *rows])
    return path


def without_session(rows: list[tuple]) -> list[tuple]:
    return [(row[0], *row[2:]) for row in rows]


BARE = tuple(name for name in COLUMNS if name != "session_id")
EXPECTED = sorted((s, t, lost) for (s, t), lost in LOST.items())


@pytest.mark.parametrize("kind", ["table", "file"])
def test_turns_that_share_an_id_are_told_apart_by_their_session(project, tmp_path, kind) -> None:
    project.refer(REPEATING if kind == "table" else [])
    result = evaluate(project, write(tmp_path / "a.csv", REPEATING) if kind == "file" else None)
    assert project.word_errors() == EXPECTED
    told = result.overall
    assert (told["errors"], told["reference_words"], told["turns"]) == (ERRORS, WORDS, 600)
    assert (told["clusters"], told["cluster"], told["users"]) == (100, "session", 100)
    by_language = {
        group["language"]: (group["errors"], group["turns"])
        for group in result.groups
        if group["by"] == ["language"]
    }
    assert by_language == {
        language: (sum(n for (s, _), n in LOST.items() if int(s[1:]) % 2 == odd), 300)
        for language, odd in (("en", 0), ("es", 1))
    }
    assert result.excluded == {}


@pytest.mark.parametrize("kind", ["table", "file"])
def test_an_id_that_repeats_is_refused_without_its_session(project, tmp_path, kind) -> None:
    project.refer(REPEATING)
    evaluate(project)
    rows = without_session(REPEATING[:6])
    project.refer(rows, BARE)
    path = write(tmp_path / "bare.csv", rows, BARE)
    with pytest.raises(UserError) as refused:
        evaluate(project, path if kind == "file" else None)
    name = str(path) if kind == "file" else '"main_raw"."input_voice_ai__asr_references"'
    assert str(refused.value) == (
        f"{name}: on platform p, turn ids belong to several sessions (0, 1, 2, 3, 4 and more);"
        " add a session_id to their references"
    )
    assert project.word_errors() == EXPECTED


@pytest.mark.parametrize("kind", ["table", "file"])
def test_an_id_of_one_session_needs_no_session(project, tmp_path, kind) -> None:
    """Only certified turns count, not those of other sessions or in quarantine."""
    project.rows(
        "update main_voice_ai.stg_voice_ai__turns_typed set quarantine_reasons = 'broken'"
        " where session_id <> 's7'",
        "insert into main_voice_ai.stg_voice_ai__turns_typed"
        " select 'p', 'unknown', turn_id, 0.5, null, null, null"
        " from main_voice_ai.stg_voice_ai__turns_typed where session_id = 's7'",
    )
    rows = [row for row in REPEATING if row[1] == "s7"]
    bare = [*without_session(rows), ("q", "0", TEXTS[0], TEXTS[0], "m")]
    project.refer(bare if kind == "table" else [], BARE)
    path = write(tmp_path / "bare.csv", bare, BARE)
    result = evaluate(project, path if kind == "file" else None)
    found = [("s7", str(t), LOST["s7", str(t)]) for t in TURNS]
    assert project.word_errors() in ([*found, (None, "0", 0)], [(None, "0", 0), *found])
    assert any("1 turns belong to no certified session" in note for note in result.notes)


def test_a_reference_with_and_one_without_its_session_are_one_turn(project) -> None:
    project.rows(
        "delete from main_voice_ai.stg_voice_ai__turns_typed"
        " where session_id <> 's7' or turn_id <> '0'"
    )
    reference = ("p", "s7", "0", TEXTS[0], TEXTS[1], "m")
    project.refer([reference, (*reference[:1], None, *reference[2:])])
    result = evaluate(project)
    assert project.word_errors() == [("s7", "0", 1)]
    assert result.excluded == {"a further copy of a turn's reference": 1}
    assert result.overall["users"] == 1


def test_one_language_is_one_group_however_references_write_it(project) -> None:
    tags = ("en-us", "en-US", "EN_US")
    project.refer([(*row, tags[n % 3]) for n, row in enumerate(REPEATING)], (*COLUMNS, "language"))
    groups = [group for group in evaluate(project).groups if group["by"] == ["language"]]
    assert [(group["language"], group["turns"]) for group in groups] == [("en-US", 600)]
    assert project.rows("select distinct language from main_raw.asr_word_errors") == [("en-US",)]


def test_the_latest_valid_version_of_a_turn_has_its_confidence(project) -> None:
    project.rows(
        "update main_voice_ai.stg_voice_ai__turns_typed set updated_at = timestamp '2026-01-01'",
        "insert into main_voice_ai.stg_voice_ai__turns_typed"
        " select platform, session_id, turn_id, 0.9, null, timestamp '2026-01-02', null"
        " from main_voice_ai.stg_voice_ai__turns_typed",
        "insert into main_voice_ai.stg_voice_ai__turns_typed"
        " select platform, session_id, turn_id, 0.1, 'broken', timestamp '2026-01-03', null"
        " from main_voice_ai.stg_voice_ai__turns_typed",
    )
    project.refer(REPEATING)
    result = evaluate(project)
    assert [one["confidence"] for one in result.calibration] == pytest.approx([0.9, 0.9])
    assert len(project.word_errors()) == 600


def test_a_table_from_before_sessions_gains_the_column(project) -> None:
    project.refer(REPEATING)
    evaluate(project)
    project.rows("alter table main_raw.asr_word_errors drop column session_id")
    evaluate(project)
    assert project.word_errors() == EXPECTED


@pytest.mark.filterwarnings("error::pytest.PytestUnraisableExceptionWarning")
def test_a_process_that_dies_leaves_the_warehouse_as_it_was(project, monkeypatch) -> None:
    project.refer(REPEATING)
    evaluate(project)
    project.refer(REPEATING[:300])
    monkeypatch.setattr(frame, "BATCH", 100)
    monkeypatch.setattr(word_errors, "count_errors", end_the_process)
    with pytest.raises(UserError, match="nothing was written"):
        evaluate(project)
    assert project.word_errors() == EXPECTED


def end_the_process(*_) -> None:
    os._exit(1)


@pytest.mark.parametrize("project", ["postgres"], indirect=True)
def test_two_evaluations_at_once_leave_the_word_errors_of_one(project, monkeypatch) -> None:
    """Without a lock, both would meet between emptying the table and filling it."""
    project.refer(REPEATING)
    evaluate(project)
    emptied, export = Barrier(2), Spool.word_errors

    def meet(spool: Spool, ending: str) -> Path:
        with suppress(BrokenBarrierError):
            emptied.wait(timeout=0.5)
        return export(spool, ending)

    monkeypatch.setattr(Spool, "word_errors", meet)
    threads = [Thread(target=evaluate, args=(project,)) for _ in range(2)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert project.word_errors() == EXPECTED


# --- files alone ---


def alone(path: Path, rows: list[tuple], columns: tuple[str, ...] = COLUMNS):
    return estimate(Source(None, None), write(path, rows, columns))


def test_numbering_turns_anew_changes_no_number(tmp_path) -> None:
    unique = [(p, s, f"{s}-{t}", *rest) for p, s, t, *rest in REPEATING]
    repeating, plain = alone(tmp_path / "a.csv", REPEATING), alone(tmp_path / "b.csv", unique)
    assert repeating.overall["turns"] == 600
    assert repeating.to_json() == plain.to_json()


def test_a_file_refuses_what_it_shows_to_be_ambiguous(tmp_path) -> None:
    rows = [*REPEATING, ("p", "", "3", "one", "one", "m"), ("q", "", "3", "one", "one", "m")]
    with pytest.raises(UserError, match=r"a\.csv: on platform p, .* several sessions \(3\); add"):
        alone(tmp_path / "a.csv", rows)


def test_the_only_session_that_a_file_names_for_an_id_is_its_session(tmp_path) -> None:
    rows = [("p", "s1", "0", "a b", "a", "m"), ("p", "", "0", "a b", "a", "m")]
    result = alone(tmp_path / "a.csv", rows)
    assert (result.overall["turns"], result.overall["cluster"]) == (1, "session")
    assert result.excluded == {"a further copy of a turn's reference": 1}
