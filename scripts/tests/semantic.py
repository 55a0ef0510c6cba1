"""The package's semantic models in the form of dbt's semantic manifest, for tests without dbt."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import duckdb
import pandas as pd
import yaml

from voice_ai_analytics.rates import Rate, rate_columns

_FILES = [
    yaml.safe_load(path.read_text(encoding="utf-8"))
    for path in (Path(__file__).parents[2] / "semantic_models" / "dbt_1").glob("*.yml")
]


def _named(parameters: dict) -> dict:
    sides = ("measure", "numerator", "denominator")
    return {
        name: {"name": value} if name in sides and isinstance(value, str) else value
        for name, value in parameters.items()
    }


def _model(model: dict) -> dict:
    name = model["model"].split("'")[1]
    return model | {"node_relation": {"alias": name}}


METRICS = {
    metric["name"]: metric | {"type_params": _named(metric.get("type_params", {}))}
    for file in _FILES
    for metric in file.get("metrics", [])
}
SEMANTICS = {
    "metrics": list(METRICS.values()),
    "semantic_models": [_model(one) for file in _FILES for one in file.get("semantic_models", [])],
}


def with_rates(frame: pd.DataFrame, rates: Sequence[Rate]) -> pd.DataFrame:
    """Return rows of the fact with what each adds to some rates, as the warehouse would."""
    columns = rate_columns(SEMANTICS, rates)
    with duckdb.connect() as connection:
        return frame.assign(**connection.execute(f"select {columns} from frame").df())
