"""The answer of `voice-ai query`: certified metrics, now or as they were known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
from pydantic import ValidationError
from rich import box
from rich.console import Console
from rich.table import Table

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.certification import (
    CertifiedBuild,
    certified_build,
    newest_build,
)
from voice_ai_analytics.metrics.compiler import MetricCompiler
from voice_ai_analytics.metrics.query import MetricQuery, checked_statement, csv_of, plain
from voice_ai_analytics.reader import Reader

MOST_ROWS, MOST_SECONDS = 1_000_000, 600


def metric_query(
    metrics: str,
    group_by: str = "",
    where: Sequence[str] = (),
    start: str | None = None,
    end: str | None = None,
) -> MetricQuery:
    """Return the question that command-line options ask.

    Parameters
    ----------
    metrics, group_by : str
        Names, separated by commas.
    where : sequence of str
        Conditions, all of which must hold.
    start, end : str or None
        Dates.

    Returns
    -------
    MetricQuery

    Raises
    ------
    UserError
        If a date isn't valid, or there are too many names or too long ones.
    """
    names = [
        [name.strip() for name in text.split(",") if name.strip()] for text in (metrics, group_by)
    ]
    if not names[0]:
        raise UserError("metrics: name at least one; mf list metrics lists them")
    days = {"start": _day("start", start), "end": _day("end", end)}
    try:
        return MetricQuery(metrics=names[0], group_by=names[1], where=tuple(where), **days)
    except ValidationError as error:
        first = error.errors()[0]
        raise UserError(f"{first['loc'][0]}: {first['msg']}") from error


def _day(name: str, text: str | None) -> date | None:
    try:
        return text and date.fromisoformat(text)
    except ValueError as error:
        raise UserError(f"{name} {text!r}: isn't a date; write it as 2026-03-04") from error


def query_metrics(
    project: DbtProject, query: MetricQuery, as_of: str | None = None
) -> MetricAnswer:
    """Return the answer to a metric query, now or as it would have been on a day.

    Parameters
    ----------
    project : DbtProject
        Built by dbt.
    query : MetricQuery
        The question.
    as_of : str or None
        As for `as_of_moment`; None for now.

    Returns
    -------
    MetricAnswer

    Raises
    ------
    UserError
        As from `checked_statement`; if the tables aren't certified, nothing is known about the
        moment, or no history is kept of what the query reads.
    """
    sorted_query = query.model_copy(update={"order_by": query.order_by or query.group_by})
    statement, moment = checked_statement(MetricCompiler(project), sorted_query), None
    if as_of is not None:
        # The past takes a SQL parser and data frames, which load slowly.
        from voice_ai_analytics.history.as_of import as_of_moment, check_history
        from voice_ai_analytics.history.rewrite import as_of_statement
        from voice_ai_analytics.warehouse import Warehouse

        moment, warehouse = as_of_moment(as_of), Warehouse(project)
        check_history(project, warehouse, moment)
        statement = as_of_statement(project, warehouse, statement, moment)
    reader = Reader(project, MOST_SECONDS, connections=1)
    try:
        build = certified_build(reader.fetch(newest_build(project), 1).to_pylist())
        table = reader.fetch(statement, MOST_ROWS)
    finally:
        reader.close()
    return MetricAnswer(query, table, build, moment)


@dataclass(frozen=True)
class MetricAnswer:
    """The answer to a metric query.

    Parameters
    ----------
    query : MetricQuery
        The question.
    table : pyarrow.Table
        One row per group, sorted by it; columns have the names asked for.
    build : CertifiedBuild
        The build that certified it.
    moment : datetime or None
        The moment it describes, UTC; None for now.
    """

    query: MetricQuery
    table: pa.Table
    build: CertifiedBuild
    moment: datetime | None = None

    @property
    def exit_code(self) -> int:
        """Return 0: an answer without rows is an answer too."""
        return 0

    @property
    def verdict(self) -> str:
        """Return one sentence about what was found."""
        rows = "1 row" if self.table.num_rows == 1 else f"{self.table.num_rows:,} rows"
        if self.moment is None:
            return f"{rows}, as certified at {self.build.certified_at:%Y-%m-%d %H:%M:%S} UTC."
        from voice_ai_analytics.history.as_of import told

        return f"{rows}, as known on {told(self.moment)}."

    def to_json(self) -> dict:
        """Return the answer as plain JSON values."""
        return {
            "verdict": self.verdict,
            "as_of": self.moment and self.moment.isoformat() + "Z",
            "build": {
                "build_id": self.build.build_id,
                "certified_at": self.build.certified_at.isoformat() + "Z",
            },
            "query": self.query.model_dump(mode="json", exclude_defaults=True),
            "rows": plain(self.table),
        }

    def to_csv(self) -> str:
        """Return the rows as CSV with a header; null is an empty field."""
        return csv_of(self.table).decode("utf-8")


def render(answer: MetricAnswer, console: Console) -> None:
    """Print an answer's rows and its sentence; null is a dash."""
    grid = Table(box=box.SIMPLE_HEAD, padding=0, pad_edge=False)
    is_number = [
        pa.types.is_integer(t) or pa.types.is_floating(t) for t in answer.table.schema.types
    ]
    for name, right in zip(answer.table.column_names, is_number, strict=True):
        short = name.removeprefix("voice_ai_session__").removeprefix("voice_ai_")
        grid.add_column(short, justify="right" if right else "left", overflow="fold")
    for row in plain(answer.table):
        grid.add_row(*map(_cell, row.values()))
    console.print(grid)
    console.print(answer.verdict, highlight=False, markup=False)


def _cell(value) -> str:
    if value is None:
        return "–"
    return f"{value:,.6g}" if isinstance(value, float) else str(value).removesuffix("T00:00:00")
