"""Reads the dashboards in bi/ as their tools do: which metrics each shows, and what it computes.

Dashboards show metrics and define none. So each reader returns the metrics of each dashboard, and
one line for everything in its files that computes a number of its own.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import sqlglot
import yaml
from sqlglot import exp

from voice_ai_analytics.dbt_project import is_certified
from voice_ai_analytics.metrics.exports import LOG, LOG_COLUMNS
from voice_ai_analytics.metrics.staged_exports import SUPPRESSED, SUPPRESSED_METRICS

# The one aggregate allowed: Superset requires one, and this only picks a single row.
PICK = "CASE WHEN COUNT(*) = 1 THEN MAX({}) END"

# Settings of Superset's charts that compute, with the values that turn them off.
SUPERSET_SETTINGS = {
    "aggregation": ("LAST_VALUE",),
    "comparison_type": ("values",),
    "contributionMode": (),
    "percent_metrics": (),
    "resample_method": (),
    "rolling_type": ("None",),
    "show_totals": (),
    "time_compare": (),
    **dict.fromkeys(("rowTotals", "colTotals", "rowSubTotals", "colSubTotals"), ()),
    **dict.fromkeys(("compare_lag", "cumulative", "forecastEnabled", "show_total"), ()),
}
# What computes in the other tools, anywhere in a chart's settings.
LIGHTDASH_SETTINGS = dict.fromkeys(
    ("showColumnCalculation", "showRowCalculation", "showSubtotals"), ()
)
METABASE_SETTINGS = {
    "graph.show_trendline": (),
    # Stacking only draws the parts of a count; normalizing turns them into shares.
    "stackable.stack_type": ("stacked",),
}
SUPERSET_METRICS = ("metric", "metrics", "metric_2", "secondary_metric", "size", "x", "y")
SUPERSET_COLUMNS = ("all_columns", "columns", "groupby", "groupbyRows", "groupbyColumns", "x_axis")


class Catalog:
    """The metrics of a project, and the columns of the tables that dashboards may read.

    Parameters
    ----------
    manifest : mapping
        dbt's, of a project with every optional part enabled.
    """

    def __init__(self, manifest: Mapping) -> None:
        self.metrics = {node["name"] for node in manifest["metrics"].values()}
        self.columns = {
            node["name"]: set(node["columns"])
            for node in manifest["nodes"].values()
            if is_certified(node)
        }
        for node in manifest["saved_queries"].values():
            asked = node["query_params"]
            for export in node["exports"]:
                self.columns[export["name"]] = {
                    *asked["metrics"],
                    *map(_column, asked["group_by"]),
                    SUPPRESSED,
                    SUPPRESSED_METRICS,
                }
        self.columns[LOG] = set(re.findall(r"^\s*(\w+)", LOG_COLUMNS, re.MULTILINE))


@dataclass
class Dashboards:
    """One tool's dashboards: the metrics that each one shows, by title, and the mistakes found."""

    metrics: dict[str, set[str]] = field(default_factory=dict)
    mistakes: list[str] = field(default_factory=list)


def superset(folder: Path, catalog: Catalog) -> Dashboards:
    """Read ``datasets/``, ``charts/`` and ``dashboards/`` of a Superset bundle."""
    found = Dashboards()
    datasets = {}
    for path, dataset in _files(folder / "datasets"):
        datasets[dataset["uuid"]] = dataset
        found.mistakes += _in_superset_dataset(path, dataset, catalog)
    shown = {}
    for path, chart in _files(folder / "charts"):
        params, dataset = chart["params"], datasets[chart["dataset_uuid"]]
        found.mistakes += _in_superset_chart(path, params, dataset, catalog)
        named = {*_names(params, SUPERSET_METRICS), *_names(params, SUPERSET_COLUMNS)}
        shown[chart["uuid"]] = named & catalog.metrics
    for _, dashboard in _files(folder / "dashboards"):
        tiles = [tile for tile in dashboard["position"].values() if isinstance(tile, dict)]
        charts = [tile["meta"]["uuid"] for tile in tiles if tile["type"] == "CHART"]
        found.metrics[dashboard["dashboard_title"]] = set().union(*(shown[one] for one in charts))
    return found


def _in_superset_dataset(path: Path, dataset: Mapping, catalog: Catalog) -> Iterator[str]:
    table = dataset["table_name"]
    columns = catalog.columns.get(table)
    if dataset.get("sql"):
        yield f"{path}: {table} is a query; name an exported or certified table"
    elif columns is None:
        yield f"{path}: {table} is no exported or certified table"
        return
    for metric in dataset["metrics"]:
        name = metric["metric_name"]
        if metric["expression"] != PICK.format(name):
            yield f"{path}: {name} is {metric['expression']}; only {PICK.format(name)} picks it"
        if columns is not None and name not in columns:
            yield f"{path}: {table} has no column {name}"
    for column in dataset["columns"]:
        if expression := column.get("expression"):
            yield from _in_sql(path, f"select {expression} from {table}", catalog)
        elif columns is not None and column["column_name"] not in columns:
            yield f"{path}: {table} has no column {column['column_name']}"


def _in_superset_chart(
    path: Path, params: Mapping, dataset: Mapping, catalog: Catalog
) -> Iterator[str]:
    for part in _dicts(params):
        if part.get("clause") == "HAVING" or ("expressionType" in part and "clause" not in part):
            yield f"{path}: a metric of the chart's own: {part}"
        elif part.get("expressionType") == "SQL":
            sql = f"select 1 from {dataset['table_name']} where {part['sqlExpression']}"
            yield from _in_sql(path, sql, catalog)
    yield from _computing(path, params, SUPERSET_SETTINGS)
    metrics = {metric["metric_name"] for metric in dataset["metrics"]}
    columns = {column["column_name"] for column in dataset["columns"]}
    for name in _names(params, SUPERSET_METRICS):
        if name not in metrics:
            yield f"{path}: {dataset['table_name']} has no metric {name}"
    for name in _names(params, SUPERSET_COLUMNS):
        if name not in columns | metrics:
            yield f"{path}: {dataset['table_name']} has no column {name}"


def _computing(path: Path, content, settings: Mapping[str, tuple]) -> Iterator[str]:
    for part in _dicts(content):
        for setting, allowed in settings.items():
            if part.get(setting) and part[setting] not in allowed:
                yield f"{path}: {setting}: {part[setting]} computes"


def metabase(folder: Path, catalog: Catalog) -> Dashboards:
    """Read the collections of Metabase's representations: cards with their SQL, and dashboards."""
    found = Dashboards()
    shown, dashboards = {}, []
    for path, entity in _files(folder):
        kind = entity["serdes/meta"][-1]["model"]
        if kind == "Dashboard":
            dashboards.append(entity)
        elif kind == "Card":
            shown[entity["entity_id"]], mistakes = _metabase_card(path, entity, catalog)
            found.mistakes += mistakes
        elif kind != "Collection":
            found.mistakes.append(f"{path}: a {kind}, which can define a number")
    for dashboard in dashboards:
        cards = [card["card_id"] for card in dashboard["dashcards"] if card["card_id"]]
        found.metrics[dashboard["name"]] = set().union(*(shown[one] for one in cards))
    return found


def _metabase_card(path: Path, card: Mapping, catalog: Catalog) -> tuple[set[str], list[str]]:
    if card["type"] != "question":
        return set(), [f"{path}: a {card['type']}, no question"]
    (*others, stage) = card["dataset_query"]["stages"]
    if others or stage["lib/type"] != "mbql.stage/native":
        return set(), [f"{path}: a question without SQL; what it counts can't be checked"]
    # Keep optional clauses; put a value in place of braces.
    sql = re.sub(r"\[\[|\]\]", " ", stage["native"])
    sql = re.sub(r"\band\s*\{\{(\w+)\}\}(?=\s*$|\s+order\b)", "", sql, flags=re.MULTILINE)
    sql = re.sub(r"\{\{\w+\}\}", "'value'", sql)
    mistakes = list(_in_sql(path, sql, catalog))
    mistakes += _computing(path, card.get("visualization_settings", {}), METABASE_SETTINGS)
    selected = sqlglot.parse_one(sql, read="postgres").named_selects
    return set(selected) & catalog.metrics, mistakes


def lightdash(folder: Path, catalog: Catalog) -> Dashboards:
    """Read ``charts/`` and ``dashboards/`` of Lightdash's content as code."""
    found = Dashboards()
    shown = {}
    for path, chart in _files(folder / "charts"):
        query = chart.get("metricQuery", {})
        for own in ("additionalMetrics", "customMetrics", "tableCalculations", "customDimensions"):
            if query.get(own):
                found.mistakes.append(f"{path}: {own}: {query[own]}")
        found.mistakes += _computing(path, chart, LIGHTDASH_SETTINGS)
        if any("sql" in part for part in _dicts(chart)):
            found.mistakes.append(f"{path}: a chart of SQL; ask for metrics instead")
        # Names drop our prefix where the column name would be too long for PostgreSQL.
        prefix = f"{chart.get('tableName')}_(voice_ai_)?"
        metrics = {re.sub(f"^{prefix}", "voice_ai_", name) for name in query.get("metrics", [])}
        for name in sorted(metrics - catalog.metrics):
            found.mistakes.append(f"{path}: {name} is no metric")
        shown[chart["slug"]] = metrics
    for _, dashboard in _files(folder / "dashboards"):
        charts = [
            tile["properties"]["chartSlug"]
            for tile in dashboard["tiles"]
            if "chart" in tile["type"]
        ]
        found.metrics[dashboard["name"]] = set().union(*(shown[one] for one in charts))
    return found


TOOLS = {"superset": superset, "lightdash": lightdash, "metabase": metabase}


def metrics_typed_into_models(manifest: Mapping) -> list[str]:
    """Return the models whose meta defines metrics for Lightdash outside MetricFlow."""
    return [
        node["name"]
        for node in manifest["nodes"].values()
        if any(part.get("metrics") for part in _dicts(node) if part is not node)
    ]


def _in_sql(path: Path, sql: str, catalog: Catalog) -> Iterator[str]:
    """Return aggregates, arithmetic on metrics, and names that aren't columns."""
    tree = sqlglot.parse_one(sql, read="postgres")
    for node in tree.find_all(exp.AggFunc, exp.Window, exp.Group, exp.Having):
        yield f"{path}: {node.sql(dialect='postgres')} computes"
    tables = {table.name for table in tree.find_all(exp.Table)}
    unknown = tables - catalog.columns.keys()
    if unknown:
        yield f"{path}: {', '.join(sorted(unknown))}: no exported or certified table"
    known = set().union(*(catalog.columns.get(table, set()) for table in tables))
    known |= {alias.alias for alias in tree.find_all(exp.Alias)}
    for column in tree.find_all(exp.Column):
        if not unknown and column.name not in known:
            yield f"{path}: {', '.join(sorted(tables))} has no column {column.name}"
        if column.name in catalog.metrics and not _is_only_shown(column):
            yield f"{path}: {column.parent.sql(dialect='postgres')} computes with a metric"


def _is_only_shown(column: exp.Column) -> bool:
    """Return whether a metric is selected as it is, or only filtered or ordered by."""
    if isinstance(column.parent, exp.Select):
        return True
    above = column.parent
    while isinstance(above, exp.Not | exp.Is | exp.And | exp.Or | exp.Paren | exp.Predicate):
        above = above.parent
    return isinstance(above, exp.Where | exp.Ordered)


def _files(folder: Path) -> Iterator[tuple[Path, dict]]:
    for path in sorted((*folder.rglob("*.yaml"), *folder.rglob("*.yml"))):
        yield path, yaml.safe_load(path.read_text(encoding="utf-8"))


def _names(params: Mapping, settings: tuple[str, ...]) -> Iterator[str]:
    for setting in settings:
        value = params.get(setting) or []
        for name in value if isinstance(value, list) else [value]:
            if isinstance(name, str):
                yield name


def _dicts(value) -> Iterator[dict]:
    if isinstance(value, dict):
        yield value
    if isinstance(value, dict | list):
        for item in value.values() if isinstance(value, dict) else value:
            yield from _dicts(item)


def _column(group_by: str) -> str:
    """Return the column of ``Dimension('a__b')`` or ``TimeDimension('a', 'week')``."""
    return "__".join(re.findall(r"'(\w+)'", group_by))
