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


def test_a_mode_stays(tmp_path):
    path = tmp_path / "a.json"
    path.write_text("old")
    path.chmod(0o640)
    write_whole(path, "new")
    assert path.read_text() == "new" and stat.S_IMODE(path.stat().st_mode) == 0o640


@pytest.mark.parametrize("victim", ["bashrc", "missing", "pipe"])
def test_a_link_is_not_followed(tmp_path, victim):
    (tmp_path / "bashrc").write_text("old")
    os.mkfifo(tmp_path / "pipe")
    link = tmp_path / "a.json"
    link.symlink_to(tmp_path / victim)
    with pytest.raises(UserError, match="a link, which is not followed"), whole_file(link):
        pytest.fail("the work began")
    assert (tmp_path / "bashrc").read_text() == "old"
    assert names(tmp_path) == ["a.json", "bashrc", "pipe"]


def test_a_link_that_comes_during_the_work_is_replaced(tmp_path):
    (tmp_path / "bashrc").write_text("old")
    link = tmp_path / "a.json"
    with whole_file(link) as content:
        content.write("new")
        link.symlink_to(tmp_path / "bashrc")
    assert (tmp_path / "bashrc").read_text() == "old"
    assert link.read_text() == "new" and not link.is_symlink()


def test_nothing_is_left_of_work_that_is_killed(tmp_path):
    code = (
        "import os, signal, sys; from pathlib import Path;"
        "from voice_ai_analytics.files import whole_file\n"
        "with whole_file(Path(sys.argv[1])): os.kill(os.getpid(), signal.SIGKILL)"
    )
    path = tmp_path / "a.json"
    assert subprocess.run([sys.executable, "-c", code, str(path)]).returncode == -9
    assert names(tmp_path) == []


@pytest.mark.parametrize("length", [250, 300])
def test_a_long_name_is_a_name_or_one_line(tmp_path, length):
    path = tmp_path / ("x" * length)
    if length == 250:
        write_whole(path, "text")
        assert path.read_text() == "text"
    else:
        with pytest.raises(UserError, match="cannot be written") as told:
            write_whole(path, "text")
        assert len(str(told.value).splitlines()) == 1


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
