"""Whatever decides how a row is read changes the rules digest, so the next build reads all rows."""

from __future__ import annotations

import ast
import hashlib
import re
import shutil

import pytest
import yaml
from consumer import REPOSITORY

MACROS = REPOSITORY / "macros"
PROJECT = yaml.safe_load((REPOSITORY / "dbt_project.yml").read_text(encoding="utf-8"))
VARS = PROJECT["vars"]["voice_ai_analytics"]
DECIDE_NO_ROW = {
    # Where rows come from: the digest has their columns, and builds compare their count and hash.
    "voice_ai_source_database",
    "voice_ai_source_schema",
    "voice_ai_source_tables",
    "voice_ai_platforms",
    # The digest has the mapping's rows, wherever they come from.
    "voice_ai_outcome_mapping",
    # Models built from certified rows.
    "voice_ai_min_cohort_size",
    "voice_ai_snapshot",
    "voice_ai_semantic_models",
    "voice_ai_time_spine",
}


def returned(macro: str) -> object:
    """Return the value that a macro returns."""
    (path,) = MACROS.rglob(f"{macro}.sql")
    text = re.search(r"return\((.*?)\)\s*\}\}", path.read_text(encoding="utf-8"), re.DOTALL)[1]
    return ast.literal_eval(re.sub(r"\bfalse\b", "False", re.sub(r"\btrue\b", "True", text)))


def test_the_digest_names_the_version_and_the_macros() -> None:
    digest = hashlib.md5()
    for path in sorted(MACROS.rglob("*.sql")):
        if path.stem != "package_digest":
            digest.update(path.relative_to(MACROS).as_posix().encode() + b"\0" + path.read_bytes())
    expected = f"{PROJECT['version']} {digest.hexdigest()}"
    found = returned("package_digest")
    assert found == expected, f"package_digest.sql must return '{expected}': a macro has changed"


def test_every_var_is_in_the_digest_or_decides_no_row() -> None:
    decide = returned("vars_that_decide_rows")
    assert {name: VARS[name] for name in decide} == decide
    assert {*VARS} - {*decide} == DECIDE_NO_ROW


@pytest.fixture(scope="module")
def project(consumer):
    """Return a consumer project with a copy of the package, on DuckDB."""
    made = consumer("metrics", "duckdb")
    package = made.directory / "dbt_packages" / "voice_ai_analytics"
    package.unlink()
    package.mkdir()
    shutil.copy(REPOSITORY / "dbt_project.yml", package)
    for part in ("models", "macros", "seeds", "snapshots", "semantic_models", "tests"):
        shutil.copytree(REPOSITORY / part, package / part)
    made.dbt("seed")
    made.dbt(
        "run", "--select", "+stg_voice_ai__outcome_mapping", "package:voice_ai_analytics,input"
    )
    return made


def digest(project, *arguments: str) -> str:
    inline = "digest: {{ voice_ai_analytics.rules_digest() }}"
    told = project.dbt("--quiet", "compile", "--inline", inline, *arguments).stdout
    return re.search(r"digest: ([0-9a-f]{32})\b", told)[1]


def test_seeds_models_and_vars_change_the_digest(project) -> None:
    package = project.directory / "dbt_packages" / "voice_ai_analytics"
    found = [digest(project), digest(project, "--vars", "voice_ai_keep_transcripts: true")]
    assert digest(project) == found[0]
    with (package / "seeds" / "voice_ai_languages.csv").open("a", encoding="utf-8") as seed:
        seed.write("klingon,tlh\n")
    found.append(digest(project))
    (package / "seeds" / "voice_ai_new.csv").write_text("a,b\n1,2\n", encoding="utf-8")
    found.append(digest(project))
    with (package / "models" / "staging" / "stg_voice_ai__turns_typed.sql").open("a") as model:
        model.write("-- and one rule more\n")
    found.append(digest(project))
    (project.directory / "models").mkdir(exist_ok=True)
    # A consumer's model that prepares an input.
    (project.directory / "models" / "voice_ai__prepared.sql").write_text("select 1 as a\n")
    found.append(digest(project))
    assert len(set(found)) == 6
