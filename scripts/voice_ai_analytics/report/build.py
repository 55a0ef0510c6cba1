"""Files that dbt and `voice-ai fit-abandonment` left: test results and the model."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

from voice_ai_analytics.errors import UserError

REBUILD = "run dbt build again"


@dataclass(frozen=True)
class TestResults:
    """The test results of the last dbt run.

    Parameters
    ----------
    finished_at : datetime or None
        When dbt wrote its results.
    n_tests : int
        How many tests it selected.
    issues : list of dict
        `status`, `model`, `test`, `failures` and `description` of each that didn't pass.
    """

    finished_at: datetime | None
    n_tests: int
    issues: list[dict]


def read_model(path: Path | None) -> dict | None:
    """Return the abandonment model from its JSON file; None where there is none."""
    remedy = "write it again with voice-ai fit-abandonment"
    keys = ("verdict", "n_sessions", "n_events", "n_users", "excluded", "coefficients")
    return path and _json(path, remedy, *keys, "likelihood_ratio_p_value", "auc", "calibration")


def read_tests(target_dir: Path, manifest: dict) -> TestResults | None:
    """Return the test results of the last dbt run; None where dbt left none."""
    run = _json(target_dir / "run_results.json", REBUILD, "results")
    if run is None:
        return None
    nodes = manifest.get("nodes", {}) | manifest.get("unit_tests", {})
    results = [r for r in run["results"] if r["unique_id"].startswith(("test.", "unit_test."))]
    issues = []
    for result in results:
        if result["status"] in ("pass", "success"):
            continue
        node = nodes.get(result["unique_id"], {})
        tested = node.get("attached_node") or node.get("model")
        tested = tested or next(iter(node.get("depends_on", {}).get("nodes", [])), "")
        issues.append(
            {
                "status": result["status"],
                "model": tested.split(".")[-1],
                "test": node.get("name") or result["unique_id"].split(".")[2],
                "failures": result.get("failures"),
                "description": node.get("description") or "",
            }
        )
    issues.sort(key=lambda issue: (issue["status"] == "warn", issue["model"], issue["test"]))
    written = run.get("metadata", {}).get("generated_at")
    return TestResults(datetime.fromisoformat(written) if written else None, len(results), issues)


def _json(path: Path, remedy: str, *keys: str) -> dict | None:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (OSError, ValueError) as error:
        raise UserError(f"{path}: isn't valid JSON ({error}); {remedy}") from error
    for key in keys:
        if not isinstance(content, dict) or key not in content:
            raise UserError(f"{path}: has no {key}; {remedy}")
    return content
