"""Files are written whole or not at all, and nothing is overwritten by accident."""

import os
import stat
import subprocess
import sys
import threading

import pytest

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.files import whole_file, write_whole


def names(directory) -> list[str]:
    return sorted(path.name for path in directory.iterdir())


def test_a_file_is_written_whole_or_not_at_all(tmp_path):
    path = tmp_path / "new" / "report.html"
    write_whole(path, "one é")
    write_whole(path, "two")
    assert path.read_text() == "two" and names(path.parent) == ["report.html"]
    with pytest.raises(UserError, match="cannot be written"):
        write_whole(path / "below" / "report.html", "three")
    assert path.read_text() == "two"


@pytest.mark.parametrize("failure", [RuntimeError, KeyboardInterrupt])
def test_a_file_keeps_its_content_where_the_work_fails(tmp_path, failure):
    path = tmp_path / "a.json"
    path.write_text("old")
    with pytest.raises(failure), whole_file(path) as content:
        content.write("new")
        raise failure
    assert (path.read_text(), names(tmp_path)) == ("old", ["a.json"])


def test_what_cannot_be_written_is_found_before_the_work(tmp_path):
    (tmp_path / "there").mkdir()
    for path in (tmp_path / "there", tmp_path / "there" / ".."):
        with pytest.raises(UserError, match="is a directory"), whole_file(path):
            pytest.fail("the work began")
    assert names(tmp_path) == ["there"]


def test_an_error_of_the_work_is_not_one_of_the_file(tmp_path):
    with pytest.raises(OSError, match="of the work"), whole_file(tmp_path / "a"):
        raise OSError("of the work")


def test_a_link_stays_a_link_and_a_mode_stays(tmp_path):
    path, link = tmp_path / "a.json", tmp_path / "link.json"
    path.write_text("old")
    path.chmod(0o640)
    link.symlink_to(path)
    write_whole(link, "new")
    assert link.is_symlink() and path.read_text() == "new"
    assert stat.S_IMODE(path.stat().st_mode) == 0o640


def test_a_pipe_is_written_to_and_not_replaced(tmp_path):
    pipe, read = tmp_path / "pipe", []
    os.mkfifo(pipe)
    reader = threading.Thread(target=lambda: read.append(pipe.read_text()), daemon=True)
    reader.start()
    write_whole(pipe, "text")
    reader.join(timeout=10)
    assert read == ["text"] and pipe.is_fifo()


def test_standard_output_is_appended_to(tmp_path):
    code = (
        "from pathlib import Path; from voice_ai_analytics.files import write_whole;"
        "print('before', flush=True); write_whole(Path('/dev/stdout'), 'text'); print('after')"
    )
    command = [sys.executable, "-c", code]
    piped = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    with (tmp_path / "out").open("a") as file:
        subprocess.run(command, stdout=file, check=True)
    assert piped == (tmp_path / "out").read_text() == "before\ntextafter\n"


def test_a_file_that_is_read_is_not_replaced(tmp_path):
    path, link = tmp_path / "a.csv", tmp_path / "b.csv"
    path.write_text("old")
    link.symlink_to(path)
    with pytest.raises(UserError, match="name another file"), whole_file(link, unlike=path):
        pytest.fail("the work began")
    assert path.read_text() == "old"


def test_no_file_is_no_file(tmp_path):
    with whole_file(None) as content:
        content.write("nowhere")
    assert names(tmp_path) == []
