"""A command that is told to stop ends, and leaves no child behind."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading

import pytest

PREPARED = """
import sys
from pathlib import Path
from voice_ai_analytics import ending
ending.SECONDS_TO_LEAVE = float(sys.argv[2])
ending.leave_when_told()
"""
# dbt runs for an hour, after it has told its process id as progress.
A_LONG_BUILD = """
from voice_ai_analytics import dbt_project
code = "import os, time; print(os.getpid(), 'of 1 OK', flush=True); time.sleep(3600)"
dbt_project.DBT = (sys.executable, "-c", code)
Path(sys.argv[1], "dbt_project.yml").touch()
project = dbt_project.DbtProject(Path(sys.argv[1]), Path(sys.argv[1]))
project.run("build", progress=lambda done, total: print(done, flush=True))
"""
# A server that accepts and says nothing.
A_SILENT_DATABASE = """
import psycopg2
print("waiting", flush=True)
psycopg2.connect(host="127.0.0.1", port=int(sys.argv[1]), connect_timeout=600)
"""


def told_to_stop(code: str, *arguments: str) -> tuple[str, int]:
    """Run code until it prints a line, stop it, and return the line and the exit code."""
    with subprocess.Popen(
        [sys.executable, "-c", PREPARED + code, *arguments], stdout=subprocess.PIPE, text=True
    ) as process:
        line = process.stdout.readline().strip()
        process.terminate()
        return line, process.wait(timeout=60)


def test_a_child_ends_with_its_command(tmp_path):
    child, exit_code = told_to_stop(A_LONG_BUILD, str(tmp_path), "600")
    assert exit_code == 128 + signal.SIGTERM
    with pytest.raises(ProcessLookupError):
        os.kill(int(child), 0)


def test_a_driver_that_waits_for_its_database_is_not_waited_for():
    with socket.create_server(("127.0.0.1", 0)) as silent:
        accepted = []
        accept = threading.Thread(target=lambda: accepted.append(silent.accept()), daemon=True)
        accept.start()
        port = str(silent.getsockname()[1])
        line, exit_code = told_to_stop(A_SILENT_DATABASE, port, "0.1")
    assert (line, exit_code) == ("waiting", 128 + signal.SIGTERM)
