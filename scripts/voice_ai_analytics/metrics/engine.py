"""Certified metrics through MetricFlow in process: loaded once, then milliseconds a query."""

from __future__ import annotations

import contextlib
import io
import logging
import os
from collections.abc import Iterator, Sequence

import pandas as pd

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.metrics.compiler import query_request, told_in_one_line


class MetricClient:
    """A MetricFlow engine over a project's semantic manifest.

    Parameters
    ----------
    project : DbtProject
        dbt must have parsed it: MetricFlow reads the manifest that was parsed last.

    Raises
    ------
    UserError
        Where there is no semantic manifest, it has no metrics of ours, or there is no database.
    """

    def __init__(self, project: DbtProject) -> None:
        from dbt_metricflow.cli.cli_configuration import CLIConfiguration

        _ = project.semantic_manifest  # or it says what to do
        project.require_database()
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
        request = query_request(metrics, group_by, where, order_by, saved_query)
        with self._in_project():
            return _frame(self._engine.query(request).result_df)

    def sql(self, statement: str) -> pd.DataFrame:
        """Run SQL on the engine's own connection."""
        with self._in_project():
            return _frame(self._configuration.sql_client.query(statement))

    @contextlib.contextmanager
    def _in_project(self) -> Iterator[None]:
        """Work in the project's directory, from which dbt takes a profile's relative path."""
        with told_in_one_line(), contextlib.chdir(self._directory):
            yield


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
