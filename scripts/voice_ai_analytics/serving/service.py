"""The metrics service behind `voice-ai serve` and `voice-ai mcp`: one warm engine, many readers."""

from __future__ import annotations

import logging
import threading
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, date, datetime, time
from functools import lru_cache
from typing import Annotated

import pyarrow as pa
from pydantic import BaseModel, ConfigDict, Field

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.compiler import MetricCompiler
from voice_ai_analytics.metrics.where import metricflow_filter, nearest
from voice_ai_analytics.serving.reader import Reader, Unavailable

log = logging.getLogger(__name__)


# Longer ones are no names, and looking for the nearest of a long one takes long.
Name = Annotated[str, Field(max_length=200)]


class MetricQuery(BaseModel):
    """A question: which metrics, by what, of when."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    metrics: tuple[Name, ...] = Field(
        min_length=1, max_length=50, description="Names of metrics, as /v1/metrics lists them."
    )
    group_by: tuple[Name, ...] = Field(
        (),
        max_length=20,
        description="Names of dimensions, such as metric_time__week or voice_ai_session__channel.",
    )
    where: tuple[str, ...] = Field(
        (),
        max_length=20,
        description="Conditions on dimensions that all hold: voice_ai_session__channel = 'voice'.",
    )
    order_by: tuple[Name, ...] = Field(
        (), max_length=20, description="Names among the above; a leading - reverses."
    )
    limit: int | None = Field(None, ge=1, description="Most rows.")
    start: date | None = Field(None, description="First day of metric_time, UTC.")
    end: date | None = Field(None, description="Last day of metric_time, UTC.")


@dataclass(frozen=True)
class Limits:
    """What one query may cost.

    Parameters
    ----------
    rows : int
        Most rows of an answer; more are an error, not cut off.
    seconds : float
        Longest run of a query, and longest wait for a free place.
    days : int
        Longest time range.
    concurrent : int
        Most queries at once.
    """

    rows: int = 10_000
    seconds: float = 30
    days: int = 3660
    concurrent: int = 4


class Engine:
    """A compiler over one state of the manifest, that remembers what it has compiled."""

    def __init__(self, compiler: MetricCompiler) -> None:
        self.loaded_at = datetime.now(UTC)
        self.metrics = {metric.name: metric for metric in compiler.metrics()}
        self.compile = lru_cache(1000)(compiler.compile)
        self.dimensions = lru_cache(1000)(compiler.dimensions)


class MetricService:
    """Answers questions about certified metrics.

    The engine is loaded once, and again when dbt has parsed the project anew; where that fails,
    the former one goes on and `health` says so.

    Parameters
    ----------
    project : DbtProject
        Built by dbt; its target's user should be one that can only read.
    limits : Limits
        Of each query.

    Raises
    ------
    UserError
        Where the project has no metrics that can be loaded.
    """

    def __init__(self, project: DbtProject, limits: Limits = Limits()) -> None:
        self.project, self.limits = project, limits
        self._reader = Reader(project, limits.seconds, limits.concurrent)
        self._places = threading.BoundedSemaphore(limits.concurrent)
        self._reloading = threading.Lock()
        self._stamp = self._stamp_now()
        self._engine = Engine(MetricCompiler(project))
        self._trouble: str | None = None

    def metrics(self) -> list[dict]:
        """List the metrics: ``name``, ``label``, ``description``, ``type``."""
        return [
            {
                "name": metric.name,
                "label": metric.label or metric.name,
                "description": metric.description,
                "type": metric.type.value,
            }
            for metric in self._current().metrics.values()
        ]

    def dimensions(self, metrics: tuple[str, ...] = ()) -> list[dict]:
        """List what all of some metrics can be grouped by: ``name``, ``type``, ``description``."""
        engine = self._current()
        self._check_metrics(engine, metrics)
        return [
            {"name": one.name, "type": one.type, "description": one.description}
            for one in engine.dimensions(tuple(metrics)).values()
        ]

    def dimension_values(self, dimension: str, metrics: tuple[str, ...]) -> list:
        """List the values of a dimension among what some metrics count, sorted, null last."""
        answer = self.query(MetricQuery(metrics=metrics, group_by=(dimension,)))
        values = answer.column(dimension).to_pylist()
        return sorted(values, key=lambda value: (value is None, value))

    def explain(self, query: MetricQuery) -> str:
        """Give the SQL of a query, as it would be run but for the limit of rows.

        Raises
        ------
        UserError
            As for `query`.
        """
        engine = self._current()
        self._check_metrics(engine, query.metrics)
        dimensions = engine.dimensions(query.metrics)
        for name in query.group_by:
            if name not in dimensions:
                raise UserError(
                    f"group_by: {' and '.join(query.metrics)} cannot be grouped by {name}"
                    f"{nearest(name, dimensions)}"
                )
        for name in query.order_by:
            if name.removeprefix("-") not in (*query.metrics, *query.group_by):
                raise UserError(f"order_by: {name} is none of the metrics and dimensions asked for")
        templates = {name: one.template for name, one in dimensions.items()}
        start, end = self._range(query)
        return engine.compile(
            query.metrics,
            query.group_by,
            tuple(metricflow_filter(clause, templates) for clause in query.where),
            query.order_by,
            limit=query.limit,
            start=start,
            end=end,
        )

    def query(self, query: MetricQuery) -> pa.Table:
        """Answer a question.

        Parameters
        ----------
        query : MetricQuery
            The question.

        Returns
        -------
        pyarrow.Table
            One row a group; columns named as asked for.

        Raises
        ------
        UserError
            Where a name is not known, with the nearest ones; where a clause, a range or an answer
            is not within the limits.
        Unavailable, TimedOut
            Where the warehouse does not answer in time, or too many ask at once.
        """
        if query.limit is not None and query.limit > self.limits.rows:
            raise UserError(f"limit: at most {self.limits.rows:,}")
        statement = self.explain(query)
        with self._place():
            return self._reader.fetch(statement, self.limits.rows)

    def health(self) -> dict:
        """Tell whether all is well: ``status`` is ok or degraded, ``trouble`` says why.

        Anyone may ask, so it names no file, host or user, and waits for no place: where all are
        taken, the warehouse is at work.
        """
        self._current()
        trouble = self._trouble
        if trouble is None and self._places.acquire(blocking=False):
            try:
                self._reader.fetch("select 1 as one", 1)
            except UserError as error:
                trouble = "the warehouse does not answer"
                log.warning("%s: %s", trouble, error)
            finally:
                self._places.release()
        return {
            "status": "ok" if trouble is None else "degraded",
            "trouble": trouble,
            "metrics": len(self._engine.metrics),
            "loaded_at": self._engine.loaded_at.isoformat(timespec="seconds"),
        }

    def close(self) -> None:
        """Give back what the service holds."""
        self._reader.close()

    @contextmanager
    def _place(self):
        if not self._places.acquire(timeout=self.limits.seconds):
            raise Unavailable(
                f"{self.limits.concurrent} queries run already, and none ended in time; ask later"
            )
        try:
            yield
        finally:
            self._places.release()

    def _stamp_now(self) -> tuple[int, int] | None:
        try:
            status = self.project.semantic_manifest.stat()
        except (UserError, OSError):
            return None
        return status.st_mtime_ns, status.st_size

    def _current(self) -> Engine:
        """Give the engine; let a changed manifest be loaded beside it."""
        if self._stamp_now() != self._stamp and self._reloading.acquire(blocking=False):
            threading.Thread(target=self._reload, daemon=True).start()
        return self._engine

    def _reload(self) -> None:
        try:
            stamp = self._stamp_now()
            try:
                engine = Engine(MetricCompiler(self.project))
            # Whatever is wrong with the new manifest, the old engine goes on.
            except Exception as error:
                self._trouble = "the manifest cannot be loaded, the former one serves"
                log.warning("%s: %s", self._trouble, error)
            else:
                self._engine, self._trouble = engine, None
                log.info("metrics loaded anew")
            self._stamp = stamp
        finally:
            self._reloading.release()

    def _check_metrics(self, engine: Engine, names: tuple[str, ...]) -> None:
        for name in names:
            if name not in engine.metrics:
                raise UserError(f"{name}: no such metric{nearest(name, engine.metrics)}")

    def _range(self, query: MetricQuery) -> tuple[datetime | None, datetime | None]:
        if query.start and query.end:
            days = (query.end - query.start).days + 1
            if days < 1:
                raise UserError(f"start {query.start} is after end {query.end}")
            if days > self.limits.days:
                raise UserError(
                    f"start to end are {days:,} days; ask for at most {self.limits.days:,}"
                )
        start, end = (day and datetime.combine(day, time()) for day in (query.start, query.end))
        return start, end


def plain(table: pa.Table) -> list[dict]:
    """Give an answer's rows as JSON can hold them: instants as ISO 8601, no NaN."""
    return [
        {
            name: value.isoformat() if isinstance(value, date | datetime) else _finite(value)
            for name, value in row.items()
        }
        for row in table.to_pylist()
    ]


def _finite(value):
    return None if isinstance(value, float) and value - value != 0 else value
