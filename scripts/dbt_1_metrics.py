"""Write the metrics for dbt 1 from those for dbt 2, which are the only ones that people edit.

Run ``python scripts/dbt_1_metrics.py`` after every change of a metric; a test fails until you do.
In an installed package, dbt 1 reads only semantic models with measures, and dbt 2 only those beside
their models.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import yaml

REPOSITORY = Path(__file__).resolve().parents[1]
WRITTEN = REPOSITORY / "semantic_models" / "dbt_1" / "voice_ai_metrics.yml"
HEADING = (
    "# Written by scripts/dbt_1_metrics.py from models/**/*.yml and semantic_models/dbt_2:\n"
    "# change those and run it.\n"
)
# What keeps dbt 1.12, which would read both forms, from finding every metric twice.
ONLY_IN_DBT_2 = "dbt_version.startswith('2') and "
MOMENT = {"name": "name", "window_agg": "window_choice", "group_by": "window_groupings"}


def dbt_1_metrics(repository: Path = REPOSITORY) -> str:
    """Return the package's semantic models and metrics in dbt 1's form, as YAML.

    Parameters
    ----------
    repository : Path
        The package.

    Returns
    -------
    str
        One file. Saved queries aren't in it: both versions read the same.

    Raises
    ------
    ValueError
        If a definition has a part that isn't translated here.
    """
    models = [
        model
        for model in _entries(repository / "models", "models")
        if model.keys() & {"semantic_model", "metrics"}
    ]
    combined = _entries(repository / "semantic_models" / "dbt_2", "metrics")
    written = {
        "semantic_models": [_semantic_model(model) for model in models],
        "metrics": [
            *(_simple(metric, model) for model in models for metric in model["metrics"]),
            *map(_combined, combined),
        ],
    }
    return HEADING + yaml.dump(written, Dumper=_Dumper, sort_keys=False, width=110)


def _entries(directory: Path, kind: str) -> Iterator[dict]:
    for path in sorted(directory.rglob("*.yml")):
        yield from yaml.safe_load(path.read_text(encoding="utf-8")).get(kind, [])


def _semantic_model(model: dict) -> dict:
    given = model["semantic_model"]
    _refuse_others(model["name"], given, "name", "enabled", "config")
    if "derived_semantics" in model or "primary_entity" in model:
        raise ValueError(f"{model['name']}: semantics are translated from columns only")
    return {
        "name": given["name"],
        "description": _text(model),
        "config": {"enabled": _gate(model), **given.get("config", {})},
        "model": f"ref('{model['name']}')",
        "defaults": {"agg_time_dimension": model["agg_time_dimension"]},
        "entities": [_entity(one) for one in model["columns"] if "entity" in one],
        "dimensions": [_dimension(one) for one in model["columns"] if "dimension" in one],
        "measures": [_measure(metric) for metric in model["metrics"]],
    }


def _gate(model: dict) -> str:
    return model["semantic_model"]["enabled"].replace(ONLY_IN_DBT_2, "")


def _entity(column: dict) -> dict:
    given = column["entity"]
    _refuse_others(column["name"], given, "name", "type", "description")
    return {**given, "description": _text(given), "expr": column["name"]}


def _dimension(column: dict) -> dict:
    given = column["dimension"]
    _refuse_others(column["name"], given, "type", "label", "description")
    written = {"name": column["name"], **given, "description": _text(given)}
    if given["type"] == "time":
        written["type_params"] = {"time_granularity": column["granularity"]}
    return written


def _measure(metric: dict) -> dict:
    written = {
        "name": _measured(metric),
        "description": _text(metric),
        "agg": metric["agg"],
        "expr": metric["expr"],
    }
    if "percentile" in metric:
        written["agg_params"] = {"percentile": metric["percentile"]}
    if moment := metric.get("non_additive_dimension"):
        written["non_additive_dimension"] = {MOMENT[key]: value for key, value in moment.items()}
    return written


def _measured(metric: dict) -> str:
    return f"{metric['name']}_measure"


def _simple(metric: dict, model: dict) -> dict:
    aggregated = ("agg", "expr", "percentile", "non_additive_dimension")
    _refuse_others(metric["name"], metric, "name", "label", "description", *aggregated)
    return {
        **_named(metric),
        "type": "simple",
        "type_params": {"measure": _measured(metric)},
        "config": {"enabled": _gate(model)},
    }


def _combined(metric: dict) -> dict:
    parts = ("numerator", "denominator", "expr", "input_metrics")
    _refuse_others(metric["name"], metric, "name", "label", "description", "type", "config", *parts)
    params = {part: metric[part] for part in parts if part in metric}
    if "input_metrics" in params:
        params["metrics"] = params.pop("input_metrics")
    return {
        **_named(metric),
        "type": metric["type"],
        "type_params": params,
        "config": metric["config"],
    }


def _named(metric: dict) -> dict:
    return {"name": metric["name"], "label": metric["label"], "description": _text(metric)}


def _text(given: dict) -> str:
    return " ".join(given["description"].split())


def _refuse_others(name: str, given: dict, *known: str) -> None:
    if others := given.keys() - {*known}:
        raise ValueError(f"{name}: {', '.join(sorted(others))}: not translated for dbt 1 yet")


class _Dumper(yaml.SafeDumper):
    """Writes lists as people do, inset, and repeats what several metrics share."""

    def increase_indent(self, flow: bool = False, indentless: bool = False) -> None:
        super().increase_indent(flow, False)

    def ignore_aliases(self, data: object) -> bool:
        return True


if __name__ == "__main__":
    WRITTEN.write_text(dbt_1_metrics(), encoding="utf-8")
