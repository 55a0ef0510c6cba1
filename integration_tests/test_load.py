"""Loading keeps every line of the five files as it was, or loads nothing."""

from __future__ import annotations

import json
import subprocess
import sys
from threading import Event, Thread

import pytest
from consumer import ENGINES

from voice_ai_analytics import cli
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.load import load
from voice_ai_analytics.warehouse import Warehouse

# Written out again here: these are the files of a real deployment.
COLUMNS = {
    "users": "user_id,region,disability_flag,first_time_digital_user",
    "voice_sessions": "session_id,user_id,channel,language,total_duration_sec,total_turns,"
    "final_outcome,transfer_reason,created_at",
    "voice_turns": "turn_id,session_id,turn_number,speaker,detected_intent,intent_confidence,"
    "asr_confidence,error_type,turn_duration_sec,created_at",
    "voice_ai_metrics": "session_id,avg_asr_confidence,avg_intent_confidence,"
    "misunderstanding_rate,silence_rate,recovery_success,escalation_flag",
    "applications": "application_id,session_id,user_id,service_code,channel,status,"
    "time_to_submit_sec,submitted_at",
}
USERS = COLUMNS["users"] + "\n"
FAMILY = "\U0001f469\u200d\U0001f469\u200d\U0001f467"


@pytest.fixture(scope="module", params=ENGINES)
def project(request, consumer):
    """Return a project with its own database."""
    project = consumer(None, request.param)
    (project.directory / "dbt_project.yml").write_text("name: loading\nprofile: consumer\n")
    return project


@pytest.fixture
def database(project, monkeypatch):
    """Return the project without raw tables, and its variables in the environment."""
    project.rows("drop schema if exists voice_ai_raw cascade")
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    return project


@pytest.fixture
def run(database, tmp_path):
    """Return a function that writes the five files, some with given content, and loads them."""

    def write_and_load(**contents):
        return load(write(tmp_path / "raw", **contents), warehouse(database))

    return write_and_load


def warehouse(database):
    return Warehouse(DbtProject(database.directory))


def write(raw, **contents):
    """Write five files with only a header, or with the text or bytes given."""
    raw.mkdir(exist_ok=True)
    for table, columns in COLUMNS.items():
        content = contents.get(table, columns + "\n")
        content = content.encode() if isinstance(content, str) else content
        (raw / f"{table}.csv").write_bytes(content)
    return raw


def users(database):
    return database.rows(f"select {COLUMNS['users']} from voice_ai_raw.users order by user_id")


def unreadable(database):
    return database.rows(
        "select file_name, line_number, line_text from voice_ai_raw.unreadable_lines order by 1, 2"
    )


def everything(database):
    """Return everything in the raw schema, including load times."""
    tables = database.rows(
        "select table_name from information_schema.tables where table_schema = 'voice_ai_raw'"
    )
    return {
        table: sorted(map(str, database.rows(f"select * from voice_ai_raw.{table}")))
        for (table,) in tables
    }


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        pytest.param("", [], id="empty file"),
        pytest.param(b"\xef\xbb\xbf", [], id="nothing but a byte-order mark"),
        pytest.param("\n\n", [], id="blank lines only"),
        pytest.param(USERS, [], id="header only"),
        pytest.param(USERS.rstrip(), [], id="header without a line end"),
        pytest.param(
            "\ufeff" + USERS + "u1,rural,no,yes\n", ["u1,rural,no,yes"], id="byte-order mark"
        ),
        pytest.param(
            "\n\n" + USERS + "u1,rural,no,yes\n", ["u1,rural,no,yes"], id="blank lines first"
        ),
        pytest.param(USERS + "\nu1,a,b,c\n\n\n", ["u1,a,b,c"], id="blank lines between"),
        pytest.param(USERS + "u1,a,b,c", ["u1,a,b,c"], id="no line end at the end"),
        pytest.param(
            (USERS + "u1,a,b,c\nu2,d,e,f\n").replace("\n", "\r\n"),
            ["u1,a,b,c", "u2,d,e,f"],
            id="Windows line ends",
        ),
        pytest.param(
            (USERS + "u1,a,b,c\n").replace("\n", "\r\n") + "u2,d,e,f\nu3,g,h,i\r\n",
            ["u1,a,b,c", "u2,d,e,f", "u3,g,h,i"],
            id="line ends of two systems",
        ),
        pytest.param(
            "region,notes,,First_Time_Digital_User , USER_ID,notes,disability_flag,\n"
            "rural,x,0,yes,u1,y,no,\n",
            ["u1,rural,no,yes"],
            id="other order, letter case and columns",
        ),
        pytest.param(
            "user_id,region,disability_flag,first_time_digital_user,caf\xe9\nu1,a,b,c,d\n".encode(
                "latin-1"
            ),
            ["u1,a,b,c"],
            id="unused column with a name that is not UTF-8",
        ),
    ],
)
def test_files_as_programs_write_them(run, database, content, expected):
    result = run(users=content)
    assert [",".join(row) for row in users(database)] == expected
    assert result.rows["users"] == len(expected)
    assert (result.unreadable_lines, unreadable(database)) == (0, [])


def test_values_arrive_as_they_are(run, database):
    long = "é" * 100_000
    rows = [
        ("1", 'say ""it"", then\nleave', "no", "yes"),
        ("2; drop table users; --", "it''s", "\\", "\\N"),
        ("3\U0001f3a7", FAMILY, "\u202eשלום עולם", "مرحبا"),
        ("4", long, "NULL", "  spaces  "),
        ("5", "line\n" * 20_000, "\x1b[31m", "\u0000nul\u0000"),
    ]
    body = "".join(",".join(f'"{value}"' for value in row) + "\n" for row in rows)
    run(users=USERS + body)
    assert users(database) == [
        ("1", 'say "it", then\nleave', "no", "yes"),
        *rows[1:4],
        ("5", "line\n" * 20_000, "\x1b[31m", "nul"),  # PostgreSQL can't store a NUL
    ]


def test_empty_values_are_null_on_every_engine(run, database):
    run(users=USERS + 'u1,,"",x\n')
    assert users(database) == [("u1", None, None, "x")]


def test_lines_that_are_no_records_are_kept_and_counted(run, database):
    result = run(
        users=USERS.encode() + b"u1,a,b,c\nu2,a,b\nu3\nu4,a,b,c,d\nu5,caf\xe9,b,c\nu6,a,b,c\n",
        applications=COLUMNS["applications"] + '\na1,"x" y,,,,,,\na2,s,u,,,,,\na3,"open,\n',
    )
    assert [user for user, *_ in users(database)] == ["u1", "u6"]
    assert database.rows("select application_id from voice_ai_raw.applications") == [("a2",)]
    kept = unreadable(database)
    assert [(file, line) for file, line, _ in kept] == [
        *(("applications.csv", line) for line in (2, 4)),
        *(("users.csv", line) for line in (3, 4, 5, 6)),
    ]
    assert [text for _, _, text in kept[2:5]] == ["u2,a,b", "u3", "u4,a,b,c,d"]
    assert result.unreadable_lines == len(kept)
    assert result.rows["users"] == 2


@pytest.mark.parametrize(
    ("contents", "told"),
    [
        pytest.param(
            {"users": "user_id,region,disability_flag\nu1,a,b\n"},
            ["users.csv", "no column first_time_digital_user", "expected user_id, region"],
            id="missing column",
        ),
        pytest.param({"users": "\nu1,a,b,c\n"}, ["users.csv", "no column user_id"], id="no header"),
        pytest.param(
            {"users": USERS.replace(",", ";")}, ["users.csv", "no column user_id"], id="semicolons"
        ),
        pytest.param(
            {"voice_turns": COLUMNS["voice_turns"] + ",Turn_ID\n"},
            ["voice_turns.csv", "column turn_id appears twice"],
            id="repeated column",
        ),
        pytest.param(
            {"users": (USERS + "u1,a,b,c\n").encode("utf-16")},
            ["users.csv", "no column user_id", "UTF-8"],
            id="not UTF-8",
        ),
        pytest.param({"users": "x" * 200_000}, ["users.csv", "header"], id="not CSV at all"),
    ],
)
def test_a_file_that_cannot_be_meant_is_refused_in_one_line(run, database, contents, told):
    run(users=USERS + "u0,a,b,c\n")
    before = everything(database)
    with pytest.raises(UserError) as refused:
        run(voice_sessions=COLUMNS["voice_sessions"] + "\ns1,,,,,,,,\n", **contents)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)
    assert [words for words in told if words not in str(refused.value)] == []
    assert everything(database) == before


@pytest.mark.parametrize(
    "truth", [b"{", b"\xff", b"[]", b'{"asr_releases": [1]}', b'{"asr_releases": {"a": "b"}}']
)
def test_an_unreadable_truth_file_is_refused(run, database, tmp_path, truth):
    write(tmp_path / "raw")
    (tmp_path / "raw" / "truth.json").write_bytes(truth)
    with pytest.raises(UserError, match=r"truth\.json: asr_releases can't be read"):
        run()
    assert everything(database) == {}


def test_asr_releases_come_from_the_truth_file_if_there_is_one(run, database, tmp_path):
    run()
    assert database.rows("select * from voice_ai_raw.asr_releases") == []
    releases = [{"asr_model": "asr-1", "released_at": "2026-01-05", "by": "x"}]
    (tmp_path / "raw" / "truth.json").write_text(json.dumps({"asr_releases": releases}))
    assert not run().is_unchanged
    assert database.rows("select asr_model, released_at from voice_ai_raw.asr_releases") == [
        ("asr-1", "2026-01-05")
    ]


def test_second_load_of_the_same_files_changes_nothing(run, database):
    contents = {"users": USERS + "u1,a,b,c\nu2\n"}
    first = run(**contents)
    before = everything(database)
    second = run(**contents)
    assert (first.is_unchanged, second.is_unchanged) == (False, True)
    assert (second.rows, second.unreadable_lines) == (first.rows, first.unreadable_lines)
    assert everything(database) == before


def test_another_load_replaces_all_rows(run, database):
    run(users=USERS + "u1,a,b,c\nu2\n")
    run(users=USERS + "u3,a,b,c\n")
    assert users(database) == [("u3", "a", "b", "c")]
    assert unreadable(database) == []


def test_a_load_that_fails_on_the_way_leaves_the_previous_tables(run, database, tmp_path):
    run(users=USERS + "u1,a,b,c\n")
    before = everything(database)
    raw = write(tmp_path / "raw", users=USERS + "u2,a,b,c\n")

    def lose_a_file(table):
        if table == "applications":
            (raw / "applications.csv").unlink()

    with pytest.raises(UserError, match=r"applications\.csv"):
        load(raw, warehouse(database), lose_a_file)
    assert everything(database) == before


def test_two_loads_at_once_take_turns(database, tmp_path):
    """The second load reads nothing until the first commits, and then has nothing to do."""
    if database.engine != "postgres":
        pytest.skip("a DuckDB file belongs to one process; see the test below")
    raw = write(tmp_path / "raw", users=USERS + "u1,a,b,c\n")
    reading, results = Event(), []

    def load_too():
        results.append(load(raw, warehouse(database), lambda table: reading.set()))

    second = Thread(target=load_too)

    def start_second(table):
        if table == "users":
            second.start()
            assert not reading.wait(0.5)

    first = load(raw, warehouse(database), start_second)
    second.join()
    assert not first.is_unchanged
    assert [result.is_unchanged for result in results] == [True]
    assert users(database) == [("u1", "a", "b", "c")]


def test_a_second_process_is_refused_in_one_sentence(database, tmp_path):
    if database.engine != "duckdb":
        pytest.skip("PostgreSQL makes it wait; see the test above")
    raw = write(tmp_path / "raw", users=USERS + "u1,a,b,c\n")
    refused = []

    def load_too(table):
        if table == "users":
            refused.append(database.command("voice-ai", "load", "--raw", str(raw), check=False))

    load(raw, warehouse(database), load_too)
    assert refused[0].returncode == 2
    assert refused[0].stderr.startswith("voice-ai: the database")
    assert len(refused[0].stderr.splitlines()) == 1
    assert users(database) == [("u1", "a", "b", "c")]


def test_a_table_of_somebody_else_is_not_replaced(run, database):
    database.rows("create schema voice_ai_raw")
    database.rows("create table voice_ai_raw.users (user_id text, region text)")
    database.rows("insert into voice_ai_raw.users values ('theirs', 'rural')")
    with pytest.raises(UserError, match=r"voice_ai_raw\.users.*not made by voice-ai load"):
        run()
    assert database.rows("select * from voice_ai_raw.users") == [("theirs", "rural")]


# --- the command ---


def command(monkeypatch, capsys, *arguments):
    """Run voice-ai in this process as its script does; return exit code, output and errors."""
    monkeypatch.setattr(sys, "argv", ["voice-ai", *map(str, arguments)])
    with pytest.raises(SystemExit) as ended:
        cli.main()
    return ended.value.code or 0, *capsys.readouterr()


def test_command_loads_and_says_what(database, monkeypatch, capsys, tmp_path):
    raw = write(tmp_path / "raw", users=USERS + "u1,a,b,c\nu2\n")
    arguments = ("load", "--raw", raw, "--project-dir", database.directory)
    code, output, _ = command(monkeypatch, capsys, *arguments)
    assert code == 0
    assert "Loaded 1 users, 0 voice_sessions" in output
    assert "1 lines" in output
    assert "voice_ai_raw.unreadable_lines" in output
    code, output, _ = command(monkeypatch, capsys, *arguments)
    assert code == 0
    assert "unchanged since the last load, nothing to do" in " ".join(output.split())


@pytest.mark.parametrize("lost", ["users.csv", "voice_turns.csv"])
def test_command_names_a_missing_file(database, monkeypatch, capsys, tmp_path, lost):
    raw = write(tmp_path / "raw")
    (raw / lost).unlink()
    code, _, errors = command(
        monkeypatch, capsys, "load", "--raw", raw, "--project-dir", database.directory
    )
    assert code == 2
    assert errors.startswith(f"voice-ai: {raw / lost}: no such file; expected users.csv, ")
    assert len(errors.splitlines()) == 1
    assert everything(database) == {}


def test_command_in_a_shell_ends_with_2_and_no_traceback(tmp_path):
    module = [sys.executable, "-m", "voice_ai_analytics.cli", "load"]
    arguments = ["--raw", "nowhere", "--project-dir", str(tmp_path)]
    result = subprocess.run([*module, *arguments], capture_output=True, text=True)
    assert result.returncode == 2
    assert result.stderr.startswith("voice-ai: ")
    assert "no dbt_project.yml here; name a dbt project" in result.stderr
    assert len(result.stderr.splitlines()) == 1
