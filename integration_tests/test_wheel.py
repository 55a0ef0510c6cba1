"""The wheel in an environment of its own carries all that the README's steps need."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import venv
from pathlib import Path

import duckdb
import pytest
from consumer import REPOSITORY

PROFILES = """\
own:
  target: dev
  outputs: {dev: {type: duckdb, path: own.duckdb, schema: main, threads: 2}}
"""
PACKAGES = f"packages: [{{local: '{REPOSITORY}'}}]\n"
PROJECT = """\
name: own
profile: own
vars:
  "dbt_date:time_zone": UTC
  voice_ai_source_schema: raw
"""


@pytest.fixture(scope="module")
def python(tmp_path_factory) -> Path:
    """Return the Python of a new environment with the wheel, and its dependencies from this one."""
    directory = tmp_path_factory.mktemp("environment")
    pip = [sys.executable, "-m", "pip", "--quiet", "--disable-pip-version-check"]
    wheels = directory / "wheels"
    build = [*pip, "wheel", "--no-deps", "--no-build-isolation", "-w", wheels, REPOSITORY]
    subprocess.run(build, check=True)
    (wheel,) = wheels.glob("*.whl")
    venv.create(directory / "venv", symlinks=True)
    (packages,) = (directory / "venv" / "lib").glob("python*/site-packages")
    (packages / "dependencies.pth").write_text(f"{sysconfig.get_path('purelib')}\n")
    subprocess.run([*pip, "install", "--no-deps", "--target", packages, wheel], check=True)
    return directory / "venv" / "bin" / "python"


def test_a_strangers_project_goes_from_the_wheel_to_a_metric(python, tmp_path) -> None:
    (tmp_path / "dbt_project.yml").write_text(PROJECT)
    (tmp_path / "packages.yml").write_text(PACKAGES)
    (tmp_path / "profiles.yml").write_text(PROFILES)
    with duckdb.connect(str(tmp_path / "own.duckdb")) as connection:
        connection.execute("create schema raw")
        connection.execute(
            "create table raw.sessions as select 's' as session_id, 'p' as platform,"
            " timestamp '2026-01-01 10:00:00' as started_at, 'completed' as outcome_raw"
        )
        connection.execute(
            "create table raw.turns as select '0' as turn_id, 's' as session_id,"
            " 'p' as platform, 0 as turn_index, 'user' as speaker"
        )

    def run(*command: str) -> str:
        done = subprocess.run(
            [python, *command],
            cwd=tmp_path,
            env=os.environ | {"DO_NOT_TRACK": "1", "DBT_PACKAGE_HUB_URL": "http://127.0.0.1:9"},
            capture_output=True,
            text=True,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    where = run("-c", "import voice_ai_analytics; print(voice_ai_analytics.__file__)")
    assert str(python.parents[1]) in where
    voice_ai = ("-m", "voice_ai_analytics.cli")
    assert "stand-ins" in run(*voice_ai, "deps", "--project-dir", ".")
    run("-m", "dbt.cli.main", "build")
    answer = run(*voice_ai, "query", "--metrics", "voice_ai_completion_rate")
    assert "1" in answer.splitlines()[-1]


def test_the_wheel_carries_the_demo_and_the_package(python) -> None:
    (carried,) = python.parents[1].glob("lib/python*/site-packages/voice_ai_analytics/repository")
    assert {path.name for path in carried.iterdir()} >= {"dbt_project.yml", "demo", "models"}
    assert not [*carried.rglob("*.duckdb"), *carried.rglob("target")]
