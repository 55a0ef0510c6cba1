"""A private copy of a DuckDB file is whole and new, and keeps no writer out."""

from __future__ import annotations

import shutil
import subprocess
import sys

import pytest

from voice_ai_analytics import duckdb_copy
from voice_ai_analytics.duckdb_copy import Busy, PrivateCopy

# Writes in a process of its own, as dbt does: within one, DuckDB shares the file.
WRITE = """
import duckdb, sys
connection = duckdb.connect(sys.argv[1])
connection.execute("create or replace table one as select " + sys.argv[2] + " as number")
print("written", flush=True)
if sys.argv[3] == "stay":
    sys.stdin.read()
"""


def write(path, number: int) -> None:
    subprocess.run([sys.executable, "-c", WRITE, str(path), str(number), "leave"], check=True)


def number_in(copy: PrivateCopy) -> int:
    with copy.connect() as connection:
        return connection.execute("select number from one").fetchone()[0]


@pytest.fixture
def path(tmp_path):
    write(tmp_path / "warehouse.duckdb", 1)
    return tmp_path / "warehouse.duckdb"


def test_a_writer_comes_in_while_the_copy_is_read_and_is_read_when_done(path):
    copy = PrivateCopy(str(path))
    with copy.connect() as connection:
        write(path, 2)
        assert connection.execute("select number from one").fetchone() == (1,)
    assert number_in(copy) == 2
    copy.close()


def test_while_a_writer_is_at_work_the_earlier_copy_stays(path):
    copy, late = PrivateCopy(str(path)), PrivateCopy(str(path))
    assert number_in(copy) == 1
    with subprocess.Popen(
        [sys.executable, "-c", WRITE, str(path), "2", "stay"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout.readline() == "written\n"
        assert number_in(copy) == 1
        with pytest.raises(Busy, match="another process is writing it"):
            late.connect()
        process.stdin.close()
    assert number_in(copy) == number_in(late) == 2
    copy.close()
    late.close()


def test_a_copy_during_which_something_was_written_is_thrown_away(path, monkeypatch):
    copyfile = shutil.copyfile

    def copied(source, target):
        copyfile(source, target)
        write(path, 2)

    copy = PrivateCopy(str(path))
    assert number_in(copy) == 1
    write(path, 3)
    with monkeypatch.context() as patched:
        patched.setattr(duckdb_copy.shutil, "copyfile", copied)
        assert number_in(copy) == 1
    assert number_in(copy) == 2
    copy.close()


def test_what_was_not_yet_written_to_the_file_is_copied_with_its_log(path):
    unclean = WRITE.replace("if sys", "import os; os._exit(0)\nif sys")
    subprocess.run([sys.executable, "-c", unclean, str(path), "2", "leave"], check=True)
    assert path.with_name("warehouse.duckdb.wal").exists()
    copy = PrivateCopy(str(path))
    assert number_in(copy) == 2
    copy.close()


def test_nothing_is_left_of_a_copy(path, tmp_path, monkeypatch):
    (tmp_path / "temporary").mkdir()
    monkeypatch.setattr(duckdb_copy.tempfile, "tempdir", str(tmp_path / "temporary"))
    copy = PrivateCopy(str(path))
    for number in (2, 3):
        write(path, number)
        assert number_in(copy) == number
        (place,) = (tmp_path / "temporary").iterdir()
        assert place.stat().st_mode & 0o077 == 0
    copy.close()
    assert not list((tmp_path / "temporary").iterdir())


def test_a_file_that_is_no_database_is_said(tmp_path):
    (tmp_path / "no.duckdb").write_text("nothing")
    for name in ("no.duckdb", "missing.duckdb"):
        with pytest.raises(Busy):
            PrivateCopy(str(tmp_path / name)).connect()
