"""Profiles, read as dbt reads them."""

from __future__ import annotations

import sys

import pytest

from voice_ai_analytics import profile
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.profile import read_profile

PROFILES = {
    "a file": "{target: d, outputs: {d: {type: duckdb, path: some.duckdb, threads: 2}}}",
    "in memory": "{target: d, outputs: {d: {type: duckdb}}}",
    "no target": "{outputs: {default: {type: duckdb, path: some.duckdb}}}",
    "another target": "{target: nowhere, outputs: {d: {type: duckdb, path: some.duckdb}}}",
    "a server": """
  target: "{{ env_var('A_TARGET', 'd') }}"
  outputs:
    d:
      type: postgres
      host: "{{ env_var('A_HOST') }}"
      port: "{{ env_var('A_PORT') | int }}"
      user: analyst
      password: "{{ env_var('A_PASSWORD', '') }}"
      dbname: warehouse
      schema: main
      sslmode: require
""",
    "other words": """
  target: d
  outputs:
    d: {type: postgres, host: h, port: 5432, user: u, pass: "12", database: b, schema: s}
""",
}


@pytest.fixture
def project(tmp_path, monkeypatch):
    """Return a function that writes a project with a profile."""
    for name, value in {"HOST": "db.example", "PORT": "5433", "PASSWORD": "{1} 'a' \"b\""}.items():
        monkeypatch.setenv(f"A_{name}", value)

    def write(text: str):
        (tmp_path / "dbt_project.yml").write_text("name: p\nprofile: p\nversion: '1'\n")
        (tmp_path / "profiles.yml").write_text(f"p: {text}")
        return tmp_path

    return write


@pytest.mark.parametrize("name", PROFILES)
def test_a_profile_is_read_as_dbt_reads_it(project, monkeypatch, name) -> None:
    directory = project(PROFILES[name])
    target = "d" if name == "another target" else None
    with monkeypatch.context() as without_dbt:
        without_dbt.setattr(profile, "_output_by_dbt", None)
        found = read_profile(directory, directory, target)
    with monkeypatch.context() as without_us:
        without_us.setattr(profile, "_plain_output", None)
        assert read_profile(directory, directory, target) == found
    if name == "a server":
        assert (found.host, found.port) == ("db.example", 5433)
        assert found.password == "{1} 'a' \"b\""
        assert found.options == (("sslmode", "require"),)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{target: e, outputs: {d: {type: duckdb}}}", "does not have a target named 'e'"),
        (
            "{target: d, outputs: {d: {type: duckdb, path: \"{{ env_var('UNSET') }}\"}}}",
            "Env var required but not provided: 'UNSET'",
        ),
        (
            "{target: d, outputs: {d: {type: postgres, host: h}}}",
            "'database' is a required property",
        ),
    ],
)
def test_dbt_says_what_is_wrong_with_a_profile(project, text, told) -> None:
    directory = project(text)
    with pytest.raises(UserError, match=told):
        read_profile(directory, directory, None)


def test_without_dbt_too_a_profile_is_refused_in_one_line(project, monkeypatch) -> None:
    directory = project("{target: e, outputs: {d: {type: duckdb}}}")
    monkeypatch.setitem(sys.modules, "dbt", None)
    for name in [name for name in sys.modules if name.startswith("dbt.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(UserError, match=r"profiles.yml: can't be read without dbt-core: .*'e'$"):
        read_profile(directory, directory, None)
