"""dbt's manifest as Lightdash deploys it: certified models, their joins and every metric.

Lightdash translates MetricFlow's metrics itself. It skips derived metrics whose inputs are filtered
rates, ignores that some measures don't add up over time, and makes names that are too long for
PostgreSQL. These are written here, from the definitions in the manifest, as Lightdash's own kind of
metric, which takes precedence over its translation.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from pathlib import Path

from voice_ai_analytics.dbt_project import DbtProject, is_certified
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.definitions import Aggregation, aggregation
from voice_ai_analytics.metrics.expressions import Expressions, NoExpressionError, with_inputs
from voice_ai_analytics.metrics.suppression import COHORT_SIZE

COHORT_IS_SHOWN = "voice_ai_cohort_is_shown"
ACRONYMS = {"asr": "ASR", "csat": "CSAT", "id": "ID", "usd": "USD", "utc": "UTC"}
LONGEST_NAME = 63  # of PostgreSQL
AGGREGATES = {
    "sum": "sum({})",
    "count": "count({})",
    "count_distinct": "count(distinct {})",
    "min": "min({})",
    "max": "max({})",
    "average": "avg({})",
}


def write_manifest(project: DbtProject) -> Path:
    """Write the manifest for ``lightdash deploy --skip-dbt-compile`` to ``target/lightdash``.

    Parameters
    ----------
    project : DbtProject
        dbt must have built it; Lightdash reads PostgreSQL, not DuckDB.

    Returns
    -------
    Path
        The directory to give to ``--target-path``.

    Raises
    ------
    UserError
        If Lightdash can't read the warehouse, or the project has none of the package's metrics.
    """
    manifest = lightdash_manifest(project)
    directory = project.directory / "target" / "lightdash"
    directory.mkdir(exist_ok=True)
    (directory / "manifest.json").write_text(json.dumps(manifest), encoding="utf-8")
    return directory


def lightdash_manifest(project: DbtProject) -> dict:
    """Return dbt's manifest with what Lightdash needs in the ``meta`` of certified models.

    Parameters
    ----------
    project : DbtProject
        See `write_manifest`.

    Returns
    -------
    dict
        The manifest with the package's certified models, and the consumer's own.

    Raises
    ------
    UserError
        See `write_manifest`.
    """
    manifest = deepcopy(project.manifest)
    if manifest["metadata"]["adapter_type"] == "duckdb":
        raise UserError(
            f"{project.directory}: Lightdash cannot open a DuckDB file; build on PostgreSQL and"
            " name that target"
        )
    models = _Models(manifest, project.min_cohort_size)
    manifest["nodes"] = _without_uncertified(manifest)
    for unique_id, node in manifest["nodes"].items():
        # Lightdash leaves out what the last dbt command didn't compile, unless that is everything.
        node.pop("compiled", None)
        if node["package_name"] == "voice_ai_analytics":
            meta = models.meta(unique_id)
            node["meta"] = {**node.get("meta", {}), **meta}
            node["config"]["meta"] = {**node["config"].get("meta", {}), **meta}
            for column in node["columns"].values():
                column["meta"] = {"dimension": models.dimension(unique_id, column["name"])}
                column.get("config", {}).pop("meta", None)
    return manifest


def _without_uncertified(manifest: dict) -> dict:
    """Return certified models of the package, and the consumer's own models."""
    return {
        unique_id: node
        for unique_id, node in manifest["nodes"].items()
        if node["resource_type"] == "model"
        and not node["name"].startswith("input_voice_ai__")
        and not node.get("time_spine")
        and (node["package_name"] != "voice_ai_analytics" or is_certified(node))
    }


class _Models:
    """The ``meta`` of dbt models, from the semantic models and metrics over them."""

    def __init__(self, manifest: dict, min_cohort_size: int) -> None:
        self._nodes = manifest["nodes"]
        self._metrics = {metric["name"]: metric for metric in manifest["metrics"].values()}
        self._semantic = {
            model["depends_on"]["nodes"][0]: model for model in manifest["semantic_models"].values()
        }
        self._aggregations = {
            metric["name"]: given
            for metric in self._metrics.values()
            if (given := aggregation(metric, self._semantic.values()))
        }
        self._expressions = Expressions(
            self._metrics.values(), self._semantic.values(), _qualified, _aggregated
        )
        self._min_cohort_size = min_cohort_size

    def meta(self, unique_id: str) -> dict:
        """Return a model's ``meta``: label, joins, and metrics that Lightdash would get wrong."""
        name = self._nodes[unique_id]["name"]
        meta = {
            "label": label(re.sub(r"^(fact_)?voice_ai_", "", name)),
            "group_label": "VoiceAI Analytics, certified",
        }
        if semantic := self._semantic.get(unique_id):
            time = semantic["defaults"]["agg_time_dimension"]
            adds_up = not any(
                given.non_additive_dimension
                for given in self._aggregations.values()
                if given.semantic_model is semantic
            )
            meta |= {
                "primary_key": [entity["expr"] for entity in _entities(semantic, "primary")],
                "default_time_dimension": {
                    "field": time,
                    "interval": "WEEK" if adds_up else "DAY",
                },
                "joins": [self._join(name, *joined) for joined in self._joined(semantic)],
                "metrics": {**self._own_metrics(unique_id), **self._cohort(unique_id)},
            }
        return meta

    def dimension(self, unique_id: str, column: str) -> dict:
        """Return a column's ``meta``: a label, and whether it is a key, which is hidden."""
        keys = {entity["expr"] for entity in self._semantic.get(unique_id, {}).get("entities", [])}
        return {"label": label(column), **({"hidden": True} if column in keys else {})}

    def _joined(self, semantic: dict) -> Iterator[tuple[str, str, str]]:
        """Yield the models to which this one is many to one, with the keys of both."""
        for foreign in _entities(semantic, "foreign"):
            for unique_id, other in self._semantic.items():
                for primary in _entities(other, "primary"):
                    if primary["name"] == foreign["name"]:
                        yield unique_id, foreign["expr"], primary["expr"]

    def _join(self, name: str, unique_id: str, foreign: str, primary: str) -> dict:
        other = self._nodes[unique_id]["name"]
        semantic = self._semantic[unique_id]
        return {
            "join": other,
            "sql_on": f"${{{name}.{foreign}}} = ${{{other}.{primary}}}",
            "relationship": "many-to-one",
            # Not its metrics, which would count a row once for each row here, nor a second time.
            "fields": [
                dimension["name"]
                for dimension in semantic["dimensions"]
                if dimension["type"] != "time"
            ]
            + [entity["expr"] for entity in semantic["entities"]],
        }

    def _cohort(self, unique_id: str) -> dict:
        """Return a metric that charts filter by, so that they leave out small cohorts."""
        metric = self._metrics[COHORT_SIZE]
        inputs = {given["alias"]: given["name"] for given in metric["type_params"]["metrics"]}
        users = self._aggregations[inputs["users"]]
        owner = users.semantic_model["depends_on"]["nodes"][0]
        if unique_id == owner:
            size = f"${{{COHORT_SIZE}}}"
        else:
            keys = [keys for keys in self._joined(self._semantic[unique_id]) if keys[0] == owner]
            if not keys:
                return {}
            # The same over joined rows, where a session is counted once by its key.
            user = f"${{{self._nodes[owner]['name']}.{users.expression}}}"
            size = with_inputs(
                metric["type_params"]["expr"],
                {
                    "users": f"count(distinct {user})",
                    "sessions": f"count(distinct ${{TABLE}}.{keys[0][1]})",
                },
            )
        return {
            COHORT_IS_SHOWN: {
                "type": "boolean",
                "label": "Cohort is large enough",
                "description": f"The cohort has at least {self._min_cohort_size} users.",
                "sql": f"({size}) >= {self._min_cohort_size}",
            }
        }

    def _own_metrics(self, unique_id: str) -> dict:
        """Return the metrics over a model that Lightdash skips or would show wrongly."""
        given = {}
        for metric in self._metrics.values():
            try:
                expression = self._expressions.of(metric)
            except NoExpressionError:
                continue  # Lightdash has percentiles, and says which metrics it skips
            if expression.models != {self._semantic[unique_id]["name"]}:
                continue
            own = {**_shown(metric), "type": "number", "sql": expression.sql}
            if self._is_too_long(unique_id, metric):
                given[metric["name"].removeprefix("voice_ai_")] = own
                metric["config"]["meta"] = {**metric["config"].get("meta", {}), "hidden": True}
            elif self._has_filtered_rates(metric) or self._is_of_one_moment(metric):
                given[metric["name"]] = own
        return given

    def _is_too_long(self, unique_id: str, metric: dict) -> bool:
        """Return whether PostgreSQL would cut the column's name, so that Lightdash refuses it."""
        return len(f"{self._nodes[unique_id]['name']}_{metric['name']}") > LONGEST_NAME

    def _has_filtered_rates(self, metric: dict) -> bool:
        return any(
            (entry.get("filter") or metric.get("filter"))
            and self._metrics[entry["name"]]["type"] != "simple"
            for entry in metric["type_params"]["metrics"] or ()
        )

    def _is_of_one_moment(self, metric: dict) -> bool:
        given = self._aggregations.get(metric["name"])
        return given is not None and bool(given.non_additive_dimension)


def label(name: str) -> str:
    """Return a column's name as people write it: ``asr_model`` is ASR model."""
    words = [ACRONYMS.get(word, word) for word in name.split("_")]
    return " ".join([words[0][:1].upper() + words[0][1:], *words[1:]])


def _qualified(model: dict, expression: str) -> str:
    """Return a bare column with its table, as a joined table may have one of the same name."""
    return f"${{TABLE}}.{expression}" if expression.isidentifier() else expression


def _aggregated(given: Aggregation, condition: str) -> str:
    """Return an aggregate over the rows that meet a condition.

    One that doesn't add up over time is null for more than one moment: MetricFlow takes the last
    one of each period, which a single aggregate can't.
    """
    if given.function not in AGGREGATES:
        raise NoExpressionError(f"is a {given.function}")
    expression = _qualified(given.semantic_model, given.expression)
    if condition:
        expression = f"case when {condition} then ({expression}) end"
    aggregate = AGGREGATES[given.function].format(expression)
    if additive := given.non_additive_dimension:
        moment = _qualified(given.semantic_model, additive["name"])
        return f"case when min({moment}) = max({moment}) then {aggregate} end"
    return aggregate


def _shown(metric: dict) -> dict:
    return {"label": metric["label"], "description": " ".join(metric["description"].split())}


def _entities(semantic: dict, kind: str) -> list[dict]:
    return [
        {**entity, "expr": entity["expr"] or entity["name"]}
        for entity in semantic["entities"]
        if entity["type"] == kind
    ]
