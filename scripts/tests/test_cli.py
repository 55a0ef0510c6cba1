"""The command line: help, and users' mistakes."""

from __future__ import annotations

import subprocess
import sys

import pytest
from typer.main import get_command
from typer.testing import CliRunner

from voice_ai_analytics.cli import app
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.warehouse import Warehouse

COMMANDS = get_command(app).commands


def run(*arguments: str) -> subprocess.CompletedProcess:
    return subprocess.run(
        [sys.executable, "-m", "voice_ai_analytics.cli", *arguments], capture_output=True, text=True
    )


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_and_option_has_help(command) -> None:
    assert COMMANDS[command].help
    for parameter in COMMANDS[command].params:
        assert parameter.help, f"{command} {parameter.name}"
    assert CliRunner().invoke(app, [command, "--help"]).exit_code == 0


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["load", "--raw", "nowhere", "--project-dir", "nowhere"], "no dbt_project.yml"),
        (["report", "--model", "nowhere.json"], "nowhere.json: no such file"),
        (["demo", "--raw", "nowhere"], "nowhere: no such directory"),
        (["simulate", "--output", "unused", "--sessions", "0"], "sessions"),
        (["fit-abandonment", "--project-dir", "nowhere"], "no dbt_project.yml"),
    ],
)
def test_a_mistake_is_one_line_and_exit_2(arguments, told) -> None:
    result = run(*arguments)
    assert result.returncode == 2
    assert told in result.stderr
    assert "Traceback" not in result.stdout + result.stderr
    assert len(result.stderr.strip().splitlines()) == 1


def test_a_refused_query_is_a_users_error(tmp_path) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: p\nprofile: p\n")
    (tmp_path / "profiles.yml").write_text(
        "p: {target: d, outputs: {d: {type: duckdb, path: p.duckdb}}}"
    )
    warehouse = Warehouse(DbtProject(tmp_path))
    with pytest.raises(UserError, match="no such database; run dbt build"):
        warehouse.query("select * from not_built")
    with warehouse.connect(makes_database=True):
        pass
    with pytest.raises(UserError, match="was dbt build run on this target"):
        warehouse.query("select * from not_built")


def test_statistics_and_plots_are_not_loaded_for_help() -> None:
    code = "import sys, voice_ai_analytics.cli; print('pandas' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
