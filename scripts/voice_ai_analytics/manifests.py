"""What dbt 1 and dbt 2 write differently in their manifests, brought into one form."""

from __future__ import annotations

from collections.abc import Callable

# dbt 2 keeps 0.95 in single precision, and writes 0.949999988079071.
PERCENTILE_DIGITS = 6


def in_one_form(manifest: dict) -> dict:
    """Return a manifest of dbt with the metrics and saved queries that it has semantic models for.

    Up to 2.0.0rc196, dbt 2 writes metrics and saved queries that a package switches off, but not
    their semantic models. For one such metric, MetricFlow refuses to answer any.

    Parameters
    ----------
    manifest : dict
        The manifest or the semantic manifest, as dbt wrote it.

    Returns
    -------
    dict
        One with the same form and percentiles as they were written in YAML.
    """
    models = {model["name"] for model in _entries(manifest, "semantic_models")}
    metrics = {metric["name"]: metric for metric in _entries(manifest, "metrics")}
    dropped = {name for name, one in metrics.items() if not _is_over_one_of(one, models)}
    while more := {name for name, one in metrics.items() if dropped & _inputs(one)} - dropped:
        dropped |= more
    for metric in metrics.values():
        _restore_percentile(metric)
    return {
        **manifest,
        "metrics": _kept(manifest, "metrics", lambda one: one["name"] not in dropped),
        "saved_queries": _kept(
            manifest,
            "saved_queries",
            lambda one: dropped.isdisjoint(one["query_params"]["metrics"]),
        ),
    }


def _entries(manifest: dict, kind: str) -> list[dict]:
    """Return the entries of a kind, which the manifest has by id and the other in a list."""
    entries = manifest.get(kind, [])
    return list(entries.values()) if isinstance(entries, dict) else entries


def _kept(manifest: dict, kind: str, is_kept: Callable[[dict], bool]) -> dict | list:
    entries = manifest.get(kind, [])
    if isinstance(entries, dict):
        return {name: entry for name, entry in entries.items() if is_kept(entry)}
    return [entry for entry in entries if is_kept(entry)]


def _is_over_one_of(metric: dict, models: set[str]) -> bool:
    """Return whether a metric's semantic model is there; dbt 1 names none, but measures."""
    aggregated = metric["type_params"].get("metric_aggregation_params")
    return aggregated is None or aggregated["semantic_model"] in models


def _inputs(metric: dict) -> set[str]:
    """Return the names of the metrics that a metric is computed from."""
    params = metric["type_params"]
    cumulative = params.get("cumulative_type_params") or {}
    conversion = params.get("conversion_type_params") or {}
    inputs = [
        params.get("numerator"),
        params.get("denominator"),
        *(params.get("metrics") or ()),
        cumulative.get("metric"),
        conversion.get("base_metric"),
        conversion.get("conversion_metric"),
    ]
    return {one["name"] for one in inputs if one}


def _restore_percentile(metric: dict) -> None:
    aggregated = metric["type_params"].get("metric_aggregation_params") or {}
    options = aggregated.get("agg_params") or {}
    if percentile := options.get("percentile"):
        options["percentile"] = round(percentile, PERCENTILE_DIGITS)
