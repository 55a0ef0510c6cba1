"""The metrics service behind `voice-ai serve` and `voice-ai mcp`."""

from __future__ import annotations

import logging
import threading
import time
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime

import pyarrow as pa

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.certification import (
    CertifiedBuild,
    certified_build,
    newest_build,
)
from voice_ai_analytics.metrics.compiler import MetricCompiler
from voice_ai_analytics.metrics.query import MetricQuery, check_metrics, checked_statement
from voice_ai_analytics.reader import Reader, Unavailable
from voice_ai_analytics.serving.suppressing import Suppression

log = logging.getLogger(__name__)

# For so long, health repeats what it found: anyone may ask, as often as they like.
HEALTH_SECONDS = 5.0


@dataclass(frozen=True)
class Limits:
    """Limits on one query.

    Parameters
    ----------
    rows : int
        The most rows of an answer; more are an error, not cut off.
    seconds : float
        The longest time for a query, and the longest wait for a free slot.
    days : int
        The longest time range.
    concurrent : int
        The most queries at once.
    """

    rows: int = 10_000
    seconds: float = 30
    days: int = 3660
    concurrent: int = 4


class MetricService:
    """Answers questions about certified metrics.

    The metrics are loaded once, and again when dbt has parsed the project again. If that fails, the
    previous ones stay in use and `health` says so.

    Parameters
    ----------
    project : DbtProject
        Built by dbt; its target's user should only be able to read.
    limits : Limits
        For each query.
    suppresses : bool
        Whether to hide small groups, and groups that differ from one another by a few users.

    Raises
    ------
    UserError
        If the project has no metrics that can be loaded.
    """

    def __init__(
        self, project: DbtProject, limits: Limits = Limits(), suppresses: bool = False
    ) -> None:
        self.project, self.limits = project, limits
        self._reader = Reader(project, limits.seconds, limits.concurrent, copies=True)
        self.suppression = Suppression(project.min_cohort_size) if suppresses else None
        self._places = threading.BoundedSemaphore(limits.concurrent)
        self._reloading = threading.Lock()
        self._stamp = self._stamp_now()
        self._compiler = MetricCompiler(project)
        self._loaded_at = datetime.now(UTC)
        self._newest_build = newest_build(project)
        self._trouble: str | None = None
        self._looking = threading.Lock()
        self._looked_at: float | None = None
        self._trouble_there: str | None = None

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
        compiler = self._current()
        check_metrics(compiler, metrics)
        return [
            {"name": one.name, "type": one.type, "description": one.description}
            for one in compiler.dimensions(metrics).values()
        ]

    def dimension_values(self, dimension: str, metrics: tuple[str, ...], client: str = "") -> list:
        """List the values of a dimension among what some metrics count, sorted, null last."""
        answer = self.query(MetricQuery(metrics=metrics, group_by=(dimension,)), client)
        values = answer.column(dimension).to_pylist()
        return sorted(values, key=lambda value: (value is None, value))

    def explain(self, query: MetricQuery) -> str:
        """Return the SQL of a query, as it would be run except for the limit on rows.

        Raises
        ------
        UserError
            As for `query`.
        """
        return checked_statement(self._current(), query, self.limits.days)

    def query(self, query: MetricQuery, client: str = "") -> pa.Table:
        """Answer a question.

        Parameters
        ----------
        query : MetricQuery
            The question.
        client : str
            Who asks: what was told to one isn't held against another.

        Returns
        -------
        pyarrow.Table
            One row per group; columns have the names asked for. The schema's metadata names the
            certified build, see `build_of`.

        Raises
        ------
        UserError
            If a name isn't known, with the nearest ones; if a clause, a range or an answer is
            beyond the limits.
        NotCertified
            If the certified tables were replaced by a build that hasn't passed.
        Unavailable, TimedOut
            If the warehouse doesn't answer in time, or too many ask at once.
        """
        if query.limit is not None and query.limit > self.limits.rows:
            raise UserError(f"limit: at most {self.limits.rows:,}")
        asked = self.suppression.with_sizes(query) if self.suppression else query
        statement = self.explain(asked)
        with self._place():
            # One limit for all three: a database that hangs must not take it three times.
            until = time.monotonic() + self.limits.seconds
            build = self._build(until)
            table = self._reader.fetch(statement, self.limits.rows, _left(until))
            if self._build(until) != build:
                raise Unavailable("a build was certified during this query; ask again")
        if self.suppression:
            table = self.suppression.apply(query, table, client, build.build_id)
        return table.replace_schema_metadata(
            {
                "voice_ai_build_id": build.build_id,
                "voice_ai_certified_at": build.certified_at.isoformat() + "Z",
            }
        )

    def _build(self, until: float) -> CertifiedBuild:
        found = self._reader.fetch(self._newest_build, 1, _left(until))
        return certified_build(found.to_pylist())

    def health(self) -> dict:
        """Return whether all is well: ``status`` is ok or degraded, ``trouble`` says why.

        Anyone may ask, so it names no file, host or user, and asks the warehouse once in a few
        seconds, whoever calls. It doesn't wait for a free slot: if all are taken, the warehouse is
        working.
        """
        self._current()
        if self._looking.acquire(blocking=self._looked_at is None):
            try:
                now = time.monotonic()
                if self._looked_at is None or now - self._looked_at > HEALTH_SECONDS:
                    self._trouble_there = self._look()
                    self._looked_at = time.monotonic()
            finally:
                self._looking.release()
        trouble = self._trouble or self._trouble_there
        return {
            "status": "ok" if trouble is None else "degraded",
            "trouble": trouble,
            "metrics": len(self._compiler.metrics),
            "loaded_at": self._loaded_at.isoformat(timespec="seconds"),
        }

    def _look(self) -> str | None:
        """Return what is wrong with the warehouse."""
        if not self._places.acquire(blocking=False):
            return None
        try:
            self._reader.fetch("select 1 as one", 1, min(HEALTH_SECONDS, self.limits.seconds))
        except UserError as error:
            log.warning("the warehouse does not answer: %s", error)
            return "the warehouse does not answer"
        finally:
            self._places.release()
        return None

    def close(self) -> None:
        """Close the service's connections."""
        self._reader.close()

    @contextmanager
    def _place(self):
        if not self._places.acquire(timeout=self.limits.seconds):
            raise Unavailable(
                f"{self.limits.concurrent} queries are running, and none ended in time; ask later"
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

    def _current(self) -> MetricCompiler:
        """Return the compiler; start loading a manifest that has changed."""
        if self._stamp_now() != self._stamp and self._reloading.acquire(blocking=False):
            threading.Thread(target=self._reload, daemon=True).start()
        return self._compiler

    def _reload(self) -> None:
        try:
            stamp = self._stamp_now()
            try:
                compiler = MetricCompiler(self.project)
            # Whatever is wrong with the new manifest, the old one goes on answering.
            except Exception as error:
                self._trouble = "the manifest can't be loaded; the previous one is in use"
                log.warning("%s: %s", self._trouble, error)
            else:
                self._compiler, self._trouble = compiler, None
                self._loaded_at = datetime.now(UTC)
                log.info("metrics reloaded")
            self._stamp = stamp
        finally:
            self._reloading.release()


def _left(until: float) -> float:
    return max(until - time.monotonic(), 0.001)


def build_of(answer: pa.Table) -> dict[str, str]:
    """Return the certified build that an answer of `MetricService` describes."""
    known = {key.decode(): value.decode() for key, value in answer.schema.metadata.items()}
    return {name: known[f"voice_ai_{name}"] for name in ("build_id", "certified_at")}
