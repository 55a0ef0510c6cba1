"""Metric queries compiled to SQL by MetricFlow, without a database."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError

# MetricFlow numbers its aliases in a state that all of its engines share.
_ONE_AT_A_TIME = threading.RLock()
GRAINS = ("day", "week", "month", "quarter", "year")


@dataclass(frozen=True)
class Dimension:
    """What metrics can be grouped and filtered by.

    Parameters
    ----------
    name : str
        Such as ``voice_ai_session__channel`` or ``metric_time__week``.
    type : str
        ``categorical`` or ``time``.
    description : str or None
        From its YAML.
    """

    name: str
    type: str
    description: str | None = None

    @property
    def template(self) -> str:
        """Its name in MetricFlow's filters."""
        kind = "TimeDimension" if self.type == "time" else "Dimension"
        name, _, grain = self.name.rpartition("__")
        if self.type == "time" and name and grain in GRAINS:
            return f"{{{{ {kind}('{name}', '{grain}') }}}}"
        return f"{{{{ {kind}('{self.name}') }}}}"


class MetricCompiler:
    """MetricFlow's planner over a project's semantic manifest; it opens no database.

    Parameters
    ----------
    project : DbtProject
        dbt must have parsed it: MetricFlow reads the manifest that was parsed last.

    Raises
    ------
    UserError
        Where there is no semantic manifest, or it cannot be read.
    """

    def __init__(self, project: DbtProject) -> None:
        from dbt_metricflow.cli.dbt_connectors.adapter_backed_client import SupportedAdapterTypes
        from metricflow.engine.metricflow_engine import MetricFlowEngine
        from metricflow_semantics.model.dbt_manifest_parser import (
            parse_manifest_from_dbt_generated_manifest as parse,
        )
        from metricflow_semantics.model.semantic_manifest_lookup import SemanticManifestLookup

        text = project.semantic_manifest.read_text(encoding="utf-8")
        dialect = SupportedAdapterTypes(project.credentials.type)
        with told_in_one_line(), _ONE_AT_A_TIME:
            self._engine = MetricFlowEngine(
                SemanticManifestLookup(parse(manifest_json_string=text)),
                _Dialect(dialect.sql_engine_type, dialect.sql_plan_renderer),
            )

    def compile(
        self,
        metrics: Sequence[str],
        group_by: Sequence[str] = (),
        where: Sequence[str] = (),
        order_by: Sequence[str] = (),
        limit: int | None = None,
        start: datetime | None = None,
        end: datetime | None = None,
    ) -> str:
        """Give the SQL of a metric query, and do not run it.

        Parameters
        ----------
        metrics, group_by, where, order_by
            As for `MetricClient.query`.
        limit : int, optional
            Most rows.
        start, end : datetime, optional
            The first and the last of metric_time, UTC.

        Returns
        -------
        str
            One select statement in the warehouse's dialect; its columns are named as asked for.
        """
        request = query_request(
            metrics,
            group_by,
            where,
            order_by,
            limit=limit,
            time_constraint_start=start,
            time_constraint_end=end,
        )
        with told_in_one_line(), _ONE_AT_A_TIME:
            return self._engine.explain(request).sql_statement.sql

    def metrics(self) -> list:
        """Give MetricFlow's account of every metric."""
        return self._engine.list_metrics(include_dimensions=False)

    def dimensions(self, metrics: Sequence[str] = ()) -> dict[str, Dimension]:
        """Give the dimensions by which all of some metrics can be grouped.

        Parameters
        ----------
        metrics : sequence of str
            Names of metrics; every dimension of the project where empty.

        Returns
        -------
        dict of str to Dimension
            By name; a time dimension stands there once a granularity.
        """
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


@contextlib.contextmanager
def told_in_one_line() -> Iterator[None]:
    """Tell what dbt or MetricFlow refuse in one line."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"the metric query fails: {reason}; run dbt build first") from error


def query_request(
    metrics: Sequence[str],
    group_by: Sequence[str],
    where: Sequence[str],
    order_by: Sequence[str],
    saved_query: str | None = None,
    **more,
):
    """Give MetricFlow's request of a query."""
    from metricflow.engine.metricflow_engine import MetricFlowQueryRequest

    return MetricFlowQueryRequest.create(
        saved_query_name=saved_query,
        metric_names=None if saved_query else list(metrics),
        group_by_names=None if saved_query else list(group_by),
        where_constraints=list(where) or None,
        order_by_names=list(order_by) or None,
        **more,
    )
