"""Metric queries compiled to SQL by MetricFlow, without a database."""

from __future__ import annotations

import contextlib
import json
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError

# MetricFlow keeps the numbers of its aliases in a state that all of its engines share.
_ONE_AT_A_TIME = threading.RLock()
GRAINS = ("day", "week", "month", "quarter", "year")


@dataclass(frozen=True)
class Dimension:
    """Something that metrics can be grouped and filtered by.

    Parameters
    ----------
    name : str
        Such as ``voice_ai_session__channel`` or ``metric_time__week``.
    type : str
        ``categorical`` or ``time``.
    description : str or None
        As its YAML describes it.
    """

    name: str
    type: str
    description: str | None = None

    @property
    def template(self) -> str:
        """Return its name in MetricFlow's filters."""
        kind = "TimeDimension" if self.type == "time" else "Dimension"
        name, _, grain = self.name.rpartition("__")
        if self.type == "time" and name and grain in GRAINS:
            return f"{{{{ {kind}('{name}', '{grain}') }}}}"
        return f"{{{{ {kind}('{self.name}') }}}}"


class MetricCompiler:
    """MetricFlow's planner over a project's semantic manifest, which opens no database.

    It remembers the last thousand questions, so asking one again takes no time.

    Parameters
    ----------
    project : DbtProject
        Parsed by dbt: MetricFlow reads the manifest that was written last.

    Attributes
    ----------
    metrics : dict of str to object
        MetricFlow's description of every metric, by name.

    Raises
    ------
    UserError
        If there is no semantic manifest, or it can't be read.
    """

    def __init__(self, project: DbtProject) -> None:
        from metricflow.engine.metricflow_engine import MetricFlowEngine
        from metricflow_semantics.model.dbt_manifest_parser import (
            parse_manifest_from_dbt_generated_manifest,
        )
        from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

        text = json.dumps(project.read_semantics())
        with told_in_one_line(), _ONE_AT_A_TIME:
            manifest = parse_manifest_from_dbt_generated_manifest(manifest_json_string=text)
            self._engine = MetricFlowEngine(
                SemanticManifestLookup(manifest), _dialect(project.connection.type)
            )
            listed = self._engine.list_metrics(include_dimensions=False)
        self.metrics = {metric.name: metric for metric in listed}
        self._compiled = lru_cache(1000)(self._compile)
        self._dimensions = lru_cache(1000)(self._list_dimensions)

    def compile(
        self,
        metrics: Sequence[str] = (),
        group_by: Sequence[str] = (),
        where: Sequence[str] = (),
        order_by: Sequence[str] = (),
        limit: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
        saved_query: str | None = None,
    ) -> str:
        """Return the SQL of a metric query, without running it.

        Parameters
        ----------
        metrics : sequence of str
            Names of metrics.
        group_by : sequence of str
            Such as ``metric_time__week`` or ``voice_ai_session__language``.
        where : sequence of str
            MetricFlow's filters: ``{{ Dimension('voice_ai_session__channel') }} = 'voice'``.
        order_by : sequence of str
            Names among those above; a leading ``-`` reverses the order.
        limit : int, optional
            The most rows to return.
        start, end : datetime, optional
            The first and the last value of metric_time, UTC.
        saved_query : str, optional
            Asked instead of `metrics` and `group_by`.

        Returns
        -------
        str
            One select statement in the warehouse's dialect; its columns have the names asked for.
        """
        names = tuple(map(tuple, (metrics, group_by, where, order_by)))
        return self._compiled(*names, limit, start, end, saved_query)

    def _compile(self, metrics, group_by, where, order_by, limit, start, end, saved_query) -> str:
        from metricflow.engine.metricflow_engine import MetricFlowQueryRequest

        with told_in_one_line(), _ONE_AT_A_TIME:
            request = MetricFlowQueryRequest.create(
                saved_query_name=saved_query,
                metric_names=None if saved_query else metrics,
                group_by_names=None if saved_query else group_by,
                where_constraints=where or None,
                order_by_names=order_by or None,
                limit=limit,
                time_constraint_start=start,
                time_constraint_end=end,
            )
            return self._engine.explain(request).sql_statement.sql

    def dimensions(self, metrics: Sequence[str] = ()) -> dict[str, Dimension]:
        """Return the dimensions by which all of some metrics can be grouped.

        Parameters
        ----------
        metrics : sequence of str
            Names of metrics; if empty, every dimension of the project is returned.

        Returns
        -------
        dict of str to Dimension
            By name; a time dimension is listed once per granularity.
        """
        return self._dimensions(tuple(metrics))

    def _list_dimensions(self, metrics: tuple[str, ...]) -> dict[str, Dimension]:
        with told_in_one_line(), _ONE_AT_A_TIME:
            found = self._engine.list_group_bys(
                list(metrics) or None, include_derived_time_granularities=True
            )
        return {
            one.dunder_name: Dimension(one.dunder_name, one.type.value, one.description)
            for one in found
            if hasattr(one, "dunder_name")
        }


@dataclass(frozen=True)
class _Dialect:
    """What MetricFlow's planner asks of a database: how its SQL is written."""

    sql_engine_type: object
    sql_plan_renderer: object


def _dialect(engine: str) -> _Dialect:
    """Return the dialect of an engine; for the two that we read, without loading dbt's adapters."""
    from metricflow.protocols.sql_client import SqlEngine

    if engine == "duckdb":
        from metricflow.sql.render.duckdb_renderer import DuckDbSqlPlanRenderer

        return _Dialect(SqlEngine.DUCKDB, DuckDbSqlPlanRenderer())
    if engine == "postgres":
        from metricflow.sql.render.postgres import PostgresSQLSqlPlanRenderer

        return _Dialect(SqlEngine.POSTGRES, PostgresSQLSqlPlanRenderer())
    raise UserError(f"{engine}: voice-ai reads DuckDB and PostgreSQL targets")


@contextlib.contextmanager
def told_in_one_line() -> Iterator[None]:
    """Turn whatever MetricFlow raises into one line for the user."""
    try:
        yield
    except UserError:
        raise
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"the metric query fails: {reason}; run dbt build first") from error
