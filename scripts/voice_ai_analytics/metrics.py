"""Certified metrics through MetricFlow in process: loaded once, then milliseconds a query."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError

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


class MetricClient:
    """A MetricFlow engine over a project's semantic manifest.

    Parameters
    ----------
    project : DbtProject
        dbt must have parsed it: MetricFlow reads the manifest that was parsed last.

    Raises
    ------
    UserError
        Where there is no semantic manifest, or it has no metrics of ours.
    """

    def __init__(self, project: DbtProject) -> None:
        from dbt_metricflow.cli.cli_configuration import CLIConfiguration

        if not (project.directory / "target" / "semantic_manifest.json").is_file():
            raise UserError(f"{project.directory}: no semantic manifest; run dbt build first")
        self._configuration = CLIConfiguration()
        # dbt takes a profile's relative path from the current directory, as if run in the project.
        self._directory = project.directory
        with (
            self._in_project(),
            _target(project.target),
            contextlib.redirect_stdout(io.StringIO()),
        ):
            self._configuration.setup(
                dbt_profiles_path=project.profiles,
                dbt_project_path=project.directory,
                configure_file_logging=False,
            )
            logging.getLogger("metricflow").setLevel(logging.ERROR)
            self._engine = self._configuration.mf

    def query(
        self,
        metrics: Sequence[str] = (),
        group_by: Sequence[str] = (),
        where: Sequence[str] = (),
        order_by: Sequence[str] = (),
        saved_query: str | None = None,
    ) -> pd.DataFrame:
        """Query metrics, or a saved query.

        Parameters
        ----------
        metrics : sequence of str
            Names of metrics.
        group_by : sequence of str
            Such as ``metric_time__week`` or ``voice_ai_session__language``.
        where : sequence of str
            MetricFlow's filters: ``{{ Dimension('voice_ai_session__channel') }} = 'voice'``.
        order_by : sequence of str
            Names among those above; a leading ``-`` reverses.
        saved_query : str, optional
            Queried instead of `metrics` and `group_by`.

        Returns
        -------
        pandas.DataFrame
            One row a group, columns named as above; a null dimension means not known.
        """
        request = _request(metrics, group_by, where, order_by, saved_query)
        with self._in_project():
            return _frame(self._engine.query(request).result_df)

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
            As for `query`.
        limit : int, optional
            Most rows.
        start, end : datetime, optional
            The first and the last of metric_time, UTC.

        Returns
        -------
        str
            One select statement in the warehouse's dialect; its columns are named as in `query`.
        """
        request = _request(
            metrics,
            group_by,
            where,
            order_by,
            limit=limit,
            time_constraint_start=start,
            time_constraint_end=end,
        )
        with _told():
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
            By name, as in `query`; a time dimension stands there once a granularity.
        """
        with _told():
            found = self._engine.list_group_bys(
                list(metrics) or None, include_derived_time_granularities=True
            )
        return {
            one.dunder_name: Dimension(one.dunder_name, one.type.value, one.description)
            for one in found
            if hasattr(one, "dunder_name")
        }

    def sql(self, statement: str) -> pd.DataFrame:
        """Run SQL on the engine's own connection."""
        with self._in_project():
            return _frame(self._configuration.sql_client.query(statement))

    def release(self) -> None:
        """Let go of the database, which loading opens; `query` opens it again.

        An open DuckDB file keeps every other process out, dbt's too.
        """
        adapter = self._configuration.dbt_artifacts.adapter
        adapter.cleanup_connections()
        if adapter.type() == "duckdb":
            adapter.connections.env().close()
            adapter.connections.close_all_connections()

    @contextlib.contextmanager
    def _in_project(self) -> Iterator[None]:
        """Work in the project's directory, from which dbt takes a profile's relative path."""
        with _told(), contextlib.chdir(self._directory):
            yield


@contextlib.contextmanager
def _told() -> Iterator[None]:
    """Tell what dbt or MetricFlow refuse in one line."""
    try:
        yield
    except Exception as error:
        reason = " ".join(str(error).split())[:300]
        raise UserError(f"the metric query fails: {reason}; run dbt build first") from error


def _request(
    metrics: Sequence[str],
    group_by: Sequence[str],
    where: Sequence[str],
    order_by: Sequence[str],
    saved_query: str | None = None,
    **more,
):
    from metricflow.engine.metricflow_engine import MetricFlowQueryRequest

    return MetricFlowQueryRequest.create(
        saved_query_name=saved_query,
        metric_names=None if saved_query else list(metrics),
        group_by_names=None if saved_query else list(group_by),
        where_constraints=list(where) or None,
        order_by_names=list(order_by) or None,
        **more,
    )


def _frame(table) -> pd.DataFrame:
    return pd.DataFrame(list(table.rows), columns=list(table.column_names))


@contextlib.contextmanager
def _target(name: str | None) -> Iterator[None]:
    """MetricFlow knows no --target; our profiles take it from this variable."""
    before = os.environ.get("VOICE_AI_TARGET")
    if name:
        os.environ["VOICE_AI_TARGET"] = name
    try:
        yield
    finally:
        if name:
            os.environ.pop("VOICE_AI_TARGET")
            if before is not None:
                os.environ["VOICE_AI_TARGET"] = before
