"""The semantic model in the Open Semantic Interchange format, now Apache Ossie.

In this format, a metric is one SQL expression over tables that the reading tool joins and groups.
Metrics that such an expression can't mean are left out and named, never approximated.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import sqlglot
from sqlglot import exp
from sqlglot.errors import SqlglotError

from voice_ai_analytics.metrics.definitions import Aggregation
from voice_ai_analytics.metrics.expressions import Expressions, NoExpressionError

# The newest release; what follows is a draft.
VERSION = "0.1.1"
DIALECT = "ANSI_SQL"
# Entities that identify a row.
KEYS = ("primary", "unique")
# Of one row each. MetricFlow also counts and sums booleans this way, so that no rows are null.
ROWS = {
    "count": "CASE WHEN {} IS NOT NULL THEN 1 ELSE 0 END",
    "sum_boolean": "CASE WHEN {} THEN 1 ELSE 0 END",
}
AGGREGATES = {
    "sum": "SUM({})",
    "count": "SUM({})",
    "sum_boolean": "SUM({})",
    "count_distinct": "COUNT(DISTINCT {})",
    "min": "MIN({})",
    "max": "MAX({})",
    "average": "AVG({})",
    "median": "PERCENTILE_CONT(0.5) WITHIN GROUP (ORDER BY {})",
}


def osi_document(semantics: dict, name: str) -> tuple[dict, dict[str, str]]:
    """Return a document with every metric whose meaning survives, and why the others don't.

    Parameters
    ----------
    semantics : dict
        The semantic manifest: ``DbtProject.semantics``.
    name : str
        The name of the semantic model.

    Returns
    -------
    document : dict
        To be written as YAML or JSON.
    left_out : dict of str to str
        The reason for each metric that isn't in it, by name.
    """
    datasets = _Datasets(semantics["semantic_models"])
    expressions = Expressions(
        semantics["metrics"], semantics["semantic_models"], datasets.qualified, datasets.aggregated
    )
    metrics, left_out = [], {}
    for metric in sorted(semantics["metrics"], key=lambda one: one["name"]):
        try:
            metrics.append(_metric(metric, expressions))
        except NoExpressionError as error:
            left_out[metric["name"]] = str(error)
    model = {
        "name": name,
        "description": "Certified metrics. Small groups are not suppressed.",
        "datasets": datasets.written(),
        "relationships": list(datasets.relationships()),
        "metrics": metrics,
    }
    return {"version": VERSION, "dialects": [DIALECT], "semantic_model": [model]}, left_out


def _metric(metric: dict, expressions: Expressions) -> dict:
    if metric["type_params"].get("is_private"):
        raise NoExpressionError("is private")
    expression = expressions.of(metric)
    if len(expression.models) > 1:
        raise NoExpressionError("is over several tables, whose rows a join would repeat")
    return {
        "name": metric["name"],
        "expression": _expression(expression.sql),
        **_described(metric),
        **({"ai_context": {"synonyms": [metric["label"]]}} if metric.get("label") else {}),
    }


class _Datasets:
    """The tables of a document, with the columns that its metrics read."""

    def __init__(self, models: list[dict]) -> None:
        self._models = models
        tables = Counter(model["node_relation"]["alias"] for model in models)
        # Not by the semantic model's name, which a metric may have too.
        self._names = {
            model["name"]: model["node_relation"]["alias"]
            if tables[model["node_relation"]["alias"]] == 1
            else model["name"]
            for model in models
        }
        self._fields = {model["name"]: _fields(model) for model in models}

    def qualified(self, model: dict, expression: str) -> str:
        """Return an expression with its columns as fields of the model's dataset."""
        try:
            parsed = sqlglot.parse_one(expression, dialect="postgres")
        except SqlglotError as error:
            raise NoExpressionError(
                f"has an expression that can't be read: {expression}"
            ) from error
        columns = list(parsed.find_all(exp.Column))
        if not columns:
            # Only a column says whose rows are meant, and that a joined table had none.
            return f"CASE WHEN {self._key(model)} IS NOT NULL THEN {expression} END"
        fields = self._fields[model["name"]]
        for column in columns:
            written = column.this.sql()
            field = fields.setdefault(column.name, _field(column.name, written))
            if field["expression"] != _expression(written):
                raise NoExpressionError(f"reads {column.name}, which is also another dimension")
            column.set("table", exp.to_identifier(self._names[model["name"]]))
        return parsed.sql()

    def _key(self, model: dict) -> str:
        for entity in model["entities"]:
            if entity["type"] == "primary":
                return f"{self._names[model['name']]}.{entity['expr'] or entity['name']}"
        raise NoExpressionError("counts the rows of a table without a primary key")

    def aggregated(self, given: Aggregation, condition: str) -> str:
        """Return an aggregate over the rows that meet a condition."""
        if given.non_additive_dimension:
            raise NoExpressionError("doesn't add up over time")
        rows = self.qualified(given.semantic_model, given.expression)
        rows = ROWS.get(given.function, "{}").format(rows)
        aggregate = AGGREGATES.get(given.function) or _percentile(given)
        if not condition:
            return aggregate.format(rows)
        found = aggregate.format(f"CASE WHEN {condition} THEN {rows} END")
        if given.function != "count_distinct":
            return found
        # MetricFlow has no row, and so null, where none meets the condition.
        return f"CASE WHEN COUNT(CASE WHEN {condition} THEN 1 END) > 0 THEN {found} END"

    def written(self) -> list[dict]:
        """Return the datasets."""
        return [
            {
                "name": self._names[model["name"]],
                "source": model["node_relation"]["relation_name"],
                **_keys(model),
                **_described(model),
                "fields": list(self._fields[model["name"]].values()),
            }
            for model in self._models
        ]

    def relationships(self) -> Iterator[dict]:
        """Yield a relationship for each foreign key, from the side of many rows."""
        for model in self._models:
            for foreign in model["entities"]:
                for other in self._models if foreign["type"] == "foreign" else ():
                    for key in other["entities"]:
                        if key["name"] != foreign["name"] or key["type"] not in KEYS:
                            continue
                        ends = self._names[model["name"]], self._names[other["name"]]
                        yield {
                            "name": f"{ends[0]}_to_{ends[1]}_by_{key['name']}",
                            "from": ends[0],
                            "to": ends[1],
                            "from_columns": [foreign["expr"] or foreign["name"]],
                            "to_columns": [key["expr"] or key["name"]],
                        }


def _percentile(given: Aggregation) -> str:
    if given.function != "percentile":
        raise NoExpressionError(f"is a {given.function}")
    if given.options.get("use_approximate_percentile"):
        raise NoExpressionError("is an approximation")
    kind = "DISC" if given.options.get("use_discrete_percentile") else "CONT"
    return f"PERCENTILE_{kind}({given.options['percentile']}) WITHIN GROUP (ORDER BY {{}})"


def _keys(model: dict) -> dict:
    """Return the columns that identify a row."""
    keys = {
        kind: [[one["expr"] or one["name"]] for one in model["entities"] if one["type"] == kind]
        for kind in KEYS
    }
    written = {"primary_key": keys["primary"][0]} if keys["primary"] else {}
    return written | ({"unique_keys": keys["unique"]} if keys["unique"] else {})


def _fields(model: dict) -> dict[str, dict]:
    """Return the keys and the dimensions of a semantic model by name."""
    fields = {}
    for entity in model["entities"]:
        name = entity["expr"] or entity["name"]
        if name.isidentifier():
            fields[name] = _field(name, name) | _described(entity)
    for dimension in model["dimensions"]:
        fields[dimension["name"]] = {
            **_field(dimension["name"], dimension["expr"] or dimension["name"]),
            "dimension": {"is_time": dimension["type"] == "time"},
            **({"label": dimension["label"]} if dimension.get("label") else {}),
            **_described(dimension),
        }
    return fields


def _field(name: str, expression: str) -> dict:
    return {"name": name, "expression": _expression(expression)}


def _expression(sql: str) -> dict:
    return {"dialects": [{"dialect": DIALECT, "expression": sql}]}


def _described(given: dict) -> dict:
    text = " ".join((given.get("description") or "").split())
    return {"description": text} if text else {}
