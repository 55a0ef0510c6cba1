"""The answer of `voice-ai query`: certified metrics, now or as they were known."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime

import pyarrow as pa
from pyarrow import csv
from pydantic import ValidationError
from rich import box
from rich.console import Console
from rich.table import Table

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.history.as_of import told
from voice_ai_analytics.serving.service import MetricQuery, plain


def metric_query(
    metrics: str,
    group_by: str = "",
    where: Sequence[str] = (),
    start: str | None = None,
    end: str | None = None,
) -> MetricQuery:
    """Read a question as the command line has it.

    Parameters
    ----------
    metrics, group_by : str
        Names with commas between.
    where : sequence of str
        Conditions that all hold.
    start, end : str or None
        Days.

    Returns
    -------
    MetricQuery

    Raises
    ------
    UserError
        Where a day is none, or there are too many or too long names.
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
        raise UserError(f"{name} {text!r}: is no day; write it as 2026-03-04") from error


@dataclass(frozen=True)
class MetricAnswer:
    """What a metric query found.

    Parameters
    ----------
    query : MetricQuery
        What was asked.
    table : pyarrow.Table
        One row a group, sorted by it; columns named as asked for.
    moment : datetime or None
        As of when, UTC; None for now.
    """

    query: MetricQuery
    table: pa.Table
    moment: datetime | None = None

    @property
    def exit_code(self) -> int:
        """0: no group is an answer too."""
        return 0

    @property
    def verdict(self) -> str:
        """What was found, in one sentence."""
        rows = "1 row" if self.table.num_rows == 1 else f"{self.table.num_rows:,} rows"
        known = "as certified now" if self.moment is None else f"as known on {told(self.moment)}"
        return f"{rows}, {known}."

    def to_json(self) -> dict:
        """Give the answer as JSON has it."""
        return {
            "verdict": self.verdict,
            "as_of": self.moment and self.moment.isoformat() + "Z",
            "query": self.query.model_dump(mode="json", exclude_defaults=True),
            "rows": plain(self.table),
        }

    def to_csv(self) -> str:
        """Give the rows as CSV with a header; a null is empty."""
        sink = pa.BufferOutputStream()
        csv.write_csv(self.table, sink, csv.WriteOptions(quoting_style="needed"))
        return sink.getvalue().to_pybytes().decode("utf-8")


def render(answer: MetricAnswer, console: Console) -> None:
    """Print an answer's rows and its sentence; a null is a dash."""
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
