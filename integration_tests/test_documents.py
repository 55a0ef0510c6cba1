"""The documents against what they describe: links, files, names, commands, vars and metrics."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest
import yaml
from typer.main import get_command

from voice_ai_analytics.cli import app

REPOSITORY = Path(__file__).resolve().parents[1]
DOCUMENTS = [
    REPOSITORY / name
    for name in (
        "README.md",
        "CHANGELOG.md",
        "benchmarks/README.md",
        "offline_packages/README.md",
        "models/platforms/README.md",
    )
] + sorted((REPOSITORY / "docs").rglob("*.md"))
# These may describe the past.
HISTORY = [path for path in DOCUMENTS if path.name == "CHANGELOG.md" or "decisions" in path.parts]
CURRENT = [path for path in DOCUMENTS if path not in HISTORY]
HOW_IT_IS_BUILT = REPOSITORY / "docs" / "how-it-is-built.md"
COMMANDS = get_command(app).commands


def text_of(path: Path) -> str:
    return path.read_text(encoding="utf-8")


def name_of(path: Path) -> str:
    return str(path.relative_to(REPOSITORY))


def section(path: Path, heading: str) -> str:
    return text_of(path).split(f"## {heading}\n")[1].split("\n## ")[0]


def anchors(path: Path) -> set[str]:
    """Return the anchors of a document's headings, as GitHub generates them."""
    headings = re.findall(r"^#+ (.+)$", text_of(path), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


def test_the_readme_is_one_page() -> None:
    assert len(text_of(REPOSITORY / "README.md").split()) <= 1000


@pytest.mark.parametrize("document", DOCUMENTS, ids=name_of)
def test_every_relative_link_resolves(document) -> None:
    links = re.findall(r"\]\(([^)\s]+)\)", text_of(document))
    for link in links:
        if re.match(r"[a-z]+:", link):
            continue
        path, _, anchor = link.partition("#")
        target = (document.parent / path).resolve() if path else document
        assert target.exists(), link
        assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("document", CURRENT, ids=name_of)
def test_every_file_that_is_named_exists(document) -> None:
    bases = (REPOSITORY, REPOSITORY / "scripts" / "voice_ai_analytics", document.parent)
    paths = re.findall(
        r"`([\w.-]+(?:/[\w.-]+)+\.(?:sql|yml|csv|py|sh|json|txt))`", text_of(document)
    )
    for path in paths:
        assert path.startswith("output/") or any((base / path).is_file() for base in bases), path


@pytest.mark.parametrize("document", CURRENT, ids=name_of)
def test_every_model_that_is_named_exists(document) -> None:
    models = {
        path.stem
        for folder in ("models", "snapshots", "tests", "demo/models")
        for path in (REPOSITORY / folder).rglob("*.sql")
    }
    pattern = r"\b((?:stg|int|fact|input|quarantine)_voice_ai_\w*\w|assert_\w+)`"
    assert set(re.findall(pattern, text_of(document))) <= models


@pytest.mark.parametrize("document", CURRENT, ids=name_of)
def test_every_make_target_that_is_named_exists(document) -> None:
    makefile = text_of(REPOSITORY / "Makefile")
    for target in re.findall(r"^make ([a-z-]+)|`make ([a-z-]+)", text_of(document), re.MULTILINE):
        name = "".join(target)
        assert re.search(rf"^{name}:", makefile, re.MULTILINE), f"make {name}"


def test_only_commands_and_options_that_exist_are_named() -> None:
    calls = [
        call
        for document in DOCUMENTS
        for call in re.findall(r"voice-ai ([a-z][a-z-]+)([^\n`]*)", text_of(document))
    ]
    for name, rest in calls:
        assert name in COMMANDS, f"voice-ai {name}"
        options = {option for p in COMMANDS[name].params for option in p.opts}
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, f"voice-ai {name}{rest}"
    # simulate is part of the demo.
    assert COMMANDS.keys() - {name for name, _ in calls} <= {"simulate"}


def test_every_var_is_listed_with_its_default() -> None:
    project = yaml.safe_load(text_of(REPOSITORY / "dbt_project.yml"))
    declared = project["vars"]["voice_ai_analytics"]
    table = section(REPOSITORY / "docs" / "building-and-backfills.md", "Vars")
    listed = dict(re.findall(r"^\| `(voice_ai_\w+)` \| `?([^`|]+?)`? \|", table, re.MULTILINE))
    assert listed.keys() == declared.keys()
    assert {
        name: yaml.safe_load(text.replace("none", "null")) for name, text in listed.items()
    } == declared
    assert len(declared) <= 14


def metrics_by_file() -> dict[str, list[dict]]:
    """Return the metrics that people write, in models and over several others, by file."""
    written = {}
    for directory in ("models", "semantic_models/dbt_2"):
        for path in (REPOSITORY / directory).rglob("*.yml"):
            file = yaml.safe_load(text_of(path))
            for entry in (file, *file.get("models", [])):
                written.setdefault(name_of(path), []).extend(entry.get("metrics", []))
    return {name: metrics for name, metrics in written.items() if metrics}


def test_only_metrics_that_exist_are_queried() -> None:
    metrics = {metric["name"] for listed in metrics_by_file().values() for metric in listed}
    for document in DOCUMENTS:
        for listed in re.findall(r"--metrics\s+([a-z0-9_,]+)", text_of(document)):
            assert set(listed.split(",")) <= metrics, document


def test_the_input_contract_lists_the_columns_that_are_read() -> None:
    """The table has the same columns as the macro, with required ones in bold."""
    macro = text_of(REPOSITORY / "macros" / "input" / "input_contract.sql")
    (contracts,) = re.findall(r"set contracts = (\{.+?\}) -%\}", macro, re.DOTALL)
    table = section(REPOSITORY / "docs" / "input-contract.md", "Tables and columns")
    for name, contract in ast.literal_eval(contracts).items():
        (row,) = re.findall(rf"^\| `{name}`.*\| (.+) \|$", table, re.MULTILINE)
        row = row.replace("the columns named in `voice_ai_user_attributes`, ", "")
        listed = {column.strip("* ") for column in row.split(", ")}
        assert listed == contract["columns"].keys(), name
        assert set(re.findall(r"\*\*(\w+)\*\*", row)) == set(contract["required"]), name


def test_a_stranger_finds_the_line_that_decides_contained() -> None:
    answers = section(HOW_IT_IS_BUILT, "Three answers in a minute")
    line, model = re.findall(r"`(as is_contained)` in\s+`(models/[\w/]+\.sql)`", answers)[0]
    assert len(re.findall(rf"{line}\b", text_of(REPOSITORY / model))) == 1
    others = [path for path in (REPOSITORY / "models").rglob("*.sql") if path != REPOSITORY / model]
    assert not [path for path in others if re.search(rf"{line}\b", text_of(path))]


def test_a_stranger_finds_the_home_of_a_new_metric() -> None:
    """Each file of metrics is listed, and contains the kind that the answer says."""
    answers = section(HOW_IT_IS_BUILT, "Three answers in a minute")
    (table,) = re.findall(r"\| kind \| file \|\n((?:\|.+\n)+)", answers)
    files = metrics_by_file()
    assert set(re.findall(r"`(\S+\.yml)`", table)) == files.keys()
    kinds = {name: {one.get("type", "simple") for one in found} for name, found in files.items()}
    assert {kind for name in kinds if name.startswith("models/") for kind in kinds[name]} == {
        "simple"
    }
    assert kinds["semantic_models/dbt_2/voice_ai_rates.yml"] == {"ratio"}
    assert kinds["semantic_models/dbt_2/voice_ai_gaps.yml"] == {"derived"}


def test_a_stranger_finds_the_home_of_a_new_platform() -> None:
    answers = section(HOW_IT_IS_BUILT, "Three answers in a minute")
    assert "`models/platforms/<platform>/`" in answers
    assert (REPOSITORY / "models" / "platforms").is_dir()


def test_every_folder_of_models_is_explained() -> None:
    table = section(HOW_IT_IS_BUILT, "Folders, in the direction of the data")
    named = re.findall(r"^\| `models/(\w+)` \|", table, re.MULTILINE)
    assert set(named) == {path.name for path in (REPOSITORY / "models").iterdir() if path.is_dir()}


def test_every_decision_has_a_status_and_a_date_and_is_listed() -> None:
    records = [path for path in DOCUMENTS if "decisions" in path.parts]
    for number, path in enumerate(records, start=1):
        text = text_of(path)
        assert text.startswith(f"# {number}. "), path
        assert re.search(r"^Status: (accepted|superseded by)\b", text, re.MULTILINE), path
        assert re.search(r"Date: \d{4}-\d{2}-\d{2}$", text, re.MULTILINE), path
        assert "\nRejected:\n\n- " in text, path
        assert f"(decisions/{path.name})" in text_of(HOW_IT_IS_BUILT), path
