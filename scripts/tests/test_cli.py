"""The command line: help, and users' mistakes."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from typer.main import get_command
from typer.testing import CliRunner

import voice_ai_analytics
from voice_ai_analytics.cli import app
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.warehouse import Warehouse

COMMANDS = get_command(app).commands


def run(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess:
    command = [sys.executable, "-m", "voice_ai_analytics.cli", *arguments]
    return subprocess.run(command, cwd=cwd, capture_output=True, text=True)


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
        (["load", "--raw", "raw", "--project-dir", "x" * 300], "x" * 300),
        (["report", "--model", "x" * 300], "x" * 300),
        (["evaluate-asr", "--input", "x" * 300 + ".csv"], "x" * 300),
        (["demo", "--raw", "x" * 300], "x" * 300),
        (["simulate", "--output", "x" * 300], "x" * 300),
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


def test_every_command_has_an_example_that_parses() -> None:
    for name, command in COMMANDS.items():
        label, program, called, *arguments = command.epilog.split()
        assert (label, program, called) == ("Example:", "voice-ai", name)
        command.make_context(name, arguments)


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_is_found_by_its_function(name) -> None:
    defined = [
        path
        for path in Path(voice_ai_analytics.__file__).parent.glob("commands/*.py")
        if f"\ndef {name.replace('-', '_')}(" in path.read_text(encoding="utf-8")
    ]
    assert len(defined) == 1


def test_what_needs_no_project_works_where_one_was_never_built(tmp_path) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: p\nprofile: p\n")
    (tmp_path / "profiles.yml").write_text(
        "p: {target: d, outputs: {d: {type: duckdb, path: p.duckdb}}}"
    )
    (tmp_path / "references.csv").write_text(
        "turn_id,platform,reference_text,hypothesis_text\nt1,p,one two three four,one too three\n"
    )
    for arguments in (
        ["simulate", "--output", "raw", "--sessions", "20"],
        ["load", "--raw", "raw"],
        ["deps"],
        ["evaluate-asr", "--input", "references.csv", "--json", "result.json"],
    ):
        result = run(*arguments, cwd=tmp_path)
        assert result.returncode == 0, f"{arguments} {result.stdout} {result.stderr}"
    assert "No built dbt project here, so no table was written." in result.stdout
    # A project that was parsed but never built counts as none.
    (tmp_path / "target").mkdir()
    node = {"alias": "fact_voice_ai_sessions", "schema": "main_voice_ai"}
    manifest = {"nodes": {"model.voice_ai_analytics.fact_voice_ai_sessions": node}}
    (tmp_path / "target" / "manifest.json").write_text(json.dumps(manifest))
    assert run("evaluate-asr", "--input", "references.csv", cwd=tmp_path).returncode == 0
    # Of four words, one was substituted and one deleted.
    assert '"word_error_rate": 0.5' in (tmp_path / "result.json").read_text()


@pytest.mark.parametrize("parsed", ["prod", ["prod"], {"name": "prod"}])
def test_a_target_that_the_package_did_not_write_is_one_line(tmp_path, parsed) -> None:
    (tmp_path / "dbt_project.yml").write_text("name: p\nprofile: p\n")
    (tmp_path / "profiles.yml").write_text("p: {target: d, outputs: {d: {type: duckdb}}}")
    (tmp_path / "target").mkdir()
    node = {"config": {"meta": {"voice_ai_target": parsed}}}
    manifest = {"nodes": {"model.voice_ai_analytics.fact_voice_ai_sessions": node}}
    (tmp_path / "target" / "manifest.json").write_text(json.dumps(manifest))
    with pytest.raises(UserError, match="only the package may set it"):
        _ = DbtProject(tmp_path, tmp_path).manifest


def test_statistics_and_plots_are_not_loaded_for_help() -> None:
    code = "import sys, voice_ai_analytics.cli; print('pandas' in sys.modules)"
    assert subprocess.check_output([sys.executable, "-c", code], text=True).strip() == "False"
