"""dbt and MetricFlow in processes forked from one that has imported them.

Importing either takes as long as a small build, and the tests run hundreds of them. A forked
process shares nothing else with the tests or with another run.
"""

from __future__ import annotations

import multiprocessing
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

FORKS = multiprocessing.get_context("forkserver")
FORKS.set_forkserver_preload(
    ["dbt.cli.main", "dbt.adapters.duckdb", "dbt.adapters.postgres", "dbt_metricflow.cli.main"]
)
COMMANDS = ("dbt", "mf")


def become(command: str, arguments: list[str], directory: Path, environment: dict) -> None:
    """Run a command in this process as its script would, in a directory and an environment."""
    os.chdir(directory)
    os.environ.clear()
    os.environ.update(environment)
    time.tzset()
    sys.argv = [command, *arguments]
    if command == "dbt":
        from dbt.cli.main import cli
    else:
        from dbt_metricflow.cli.main import cli
    cli(arguments)


def _become(outputs: list[str], *arguments) -> None:
    for descriptor, path in enumerate(outputs, start=1):
        os.dup2(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND), descriptor)
    become(*arguments)


def run(
    command: str, arguments: list[str], directory: Path, environment: dict
) -> subprocess.CompletedProcess:
    """Run a command and return its exit code and output."""
    with tempfile.TemporaryDirectory() as place:
        outputs = [f"{place}/stdout", f"{place}/stderr"]
        process = FORKS.Process(
            target=_become, args=(outputs, command, arguments, directory, environment)
        )
        process.start()
        process.join()
        stdout, stderr = (Path(path).read_text(encoding="utf-8") for path in outputs)
    return subprocess.CompletedProcess([command, *arguments], process.exitcode, stdout, stderr)
