"""The package as a project of its own, where its unit tests run; consumers don't run them."""

from __future__ import annotations

import pytest
from consumer import ENGINES, PROFILES, REPOSITORY, Consumer

PARTS = ("models", "macros", "seeds", "snapshots", "semantic_models", "analyses", "tests")

EMPTY = {
    "sessions": "session_id, platform, started_at",
    "turns": "turn_id, session_id, platform, turn_index, speaker",
}


@pytest.fixture(params=ENGINES)
def package(request, consumer) -> Consumer:
    """Return the package itself as the root project, on empty tables."""
    made = consumer(None, request.param)
    for part in (*PARTS, "dbt_project.yml"):
        (made.directory / part).symlink_to(REPOSITORY / part)
    profiles = PROFILES.replace("consumer:", "voice_ai_analytics:")
    (made.directory / "profiles.yml").write_text(profiles, encoding="utf-8")
    (made.directory / "dbt_packages" / "voice_ai_analytics").unlink()
    made.rows("create schema voice_ai_raw")
    for table, columns in EMPTY.items():
        made.rows(f"create table voice_ai_raw.{table} ({columns.replace(',', ' text,')} text)")
    return made


def test_unit_tests_pass(package) -> None:
    written = sum(
        path.read_text(encoding="utf-8").count("    given:")
        for path in (REPOSITORY / "models").rglob("*.yml")
    )
    everything = ("--vars", "voice_ai_fact_turns: true")
    package.dbt("build", *everything, "--exclude-resource-type", "test", "unit_test")
    package.dbt("test", *everything, "--select", "test_type:unit")
    statuses = {
        name: status for name, status in package.results().items() if name.startswith("unit_test.")
    }
    assert set(statuses.values()) == {"pass"}
    assert len(statuses) == written
