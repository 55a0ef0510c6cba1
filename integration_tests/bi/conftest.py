"""A deployment as dashboards see it: built and exported, with its reading roles."""

from __future__ import annotations

import pytest
from consumer import REPOSITORY, Consumer

PASSWORDS = {
    "VOICE_AI_METRICS_READER_PASSWORD": "reads-metrics",
    "VOICE_AI_CERTIFIED_READER_PASSWORD": "reads-certified",
}


@pytest.fixture(scope="session")
def deployment(consumer) -> Consumer:
    """Build the demo on PostgreSQL, export its metrics and create the roles, once for all tests.

    The certified schema is ``demo_voice_ai``. The roles log in with `PASSWORDS`.
    """
    made = consumer(REPOSITORY / "demo", "postgres")
    raw = made.directory / "raw"
    made.command("voice-ai", "simulate", "--output", str(raw), "--sessions", "5000")
    made.command("voice-ai", "load", "--raw", str(raw))
    made.dbt("build", "--exclude-resource-type", "unit_test", "test")
    references = str(raw / "asr_references.csv")
    made.command("voice-ai", "evaluate-asr", "--input", references, "--normalizer", "basic")
    made.dbt("build", "--select", "fact_voice_ai_asr_evaluations")
    made.command("voice-ai", "export-metrics")
    made.environment.update(PASSWORDS)
    made.command("voice-ai", "create-roles")
    return made
