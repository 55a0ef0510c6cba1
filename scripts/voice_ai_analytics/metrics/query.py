"""A question about certified metrics: its form, its check against what is known, and its SQL."""

from __future__ import annotations

from datetime import date, datetime, time
from typing import TYPE_CHECKING, Annotated

from pydantic import BaseModel, ConfigDict, Field

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.names import nearest

if TYPE_CHECKING:
    import pyarrow as pa

    from voice_ai_analytics.metrics.compiler import MetricCompiler

# How texts begin that spreadsheets run.
FORMULA = r"^[=+\-@\t\r]"

# Longer ones aren't names, and looking for the nearest of a long one takes long.
Name = Annotated[str, Field(max_length=200)]


class MetricQuery(BaseModel):
    """A question: which metrics, by which dimensions, over which days."""

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
        description=(
            "Conditions on dimensions, all of which must hold: voice_ai_session__channel = 'voice'."
        ),
    )
    order_by: tuple[Name, ...] = Field(
        (), max_length=20, description="Names among the above; a leading - reverses the order."
    )
    limit: int | None = Field(None, ge=1, description="The most rows to return.")
    start: date | None = Field(None, description="First day of metric_time, UTC.")
    end: date | None = Field(None, description="Last day of metric_time, UTC.")


def checked_statement(
    compiler: MetricCompiler, query: MetricQuery, most_days: int | None = None
) -> str:
    """Return the SQL of a question, after checking every name and condition in it.

    Parameters
    ----------
    compiler : MetricCompiler
        Of the project that is asked.
    query : MetricQuery
        The question.
    most_days : int, optional
        The longest time range.

    Returns
    -------
    str
        One select statement.

    Raises
    ------
    UserError
        If a name isn't known, with the nearest ones; if a condition or a range isn't valid.
    """
    check_metrics(compiler, query.metrics)
    dimensions = compiler.dimensions(query.metrics)
    for name in query.group_by:
        if name not in dimensions:
            raise UserError(
                f"group_by: {' and '.join(query.metrics)} can't be grouped by {name}"
                f"{nearest(name, dimensions)}"
            )
    for name in query.order_by:
        if name.removeprefix("-") not in (*query.metrics, *query.group_by):
            raise UserError(f"order_by: {name} isn't one of the metrics and dimensions asked for")
    start, end = _range(query, most_days)
    return compiler.compile(
        query.metrics,
        query.group_by,
        _filters(query, {name: one.template for name, one in dimensions.items()}),
        query.order_by,
        limit=query.limit,
        start=start,
        end=end,
    )


def check_metrics(compiler: MetricCompiler, names: tuple[str, ...]) -> None:
    """Refuse names that aren't metrics, and offer the nearest ones."""
    for name in names:
        if name not in compiler.metrics:
            raise UserError(f"{name}: no such metric{nearest(name, compiler.metrics)}")


def plain(table: pa.Table) -> list[dict]:
    """Return the rows of an answer as plain JSON values: instants as ISO 8601, NaN as null."""
    return [
        {
            name: value.isoformat() if isinstance(value, date | datetime) else _finite(value)
            for name, value in row.items()
        }
        for row in table.to_pylist()
    ]


def csv_of(table: pa.Table) -> bytes:
    """Return the rows of an answer as CSV with a header; null is an empty field.

    A text that a spreadsheet would run as a formula gets an apostrophe in front, as a spreadsheet
    marks text: what callers said, such as an outcome, must not do anything in a reader's program.
    """
    import pyarrow as pa
    import pyarrow.compute as pc
    from pyarrow import csv

    for number, column in enumerate(table.columns):
        if pa.types.is_string(column.type) or pa.types.is_large_string(column.type):
            safe = pc.replace_substring_regex(column, FORMULA, r"'\0")
            table = table.set_column(number, table.column_names[number], safe)
    sink = pa.BufferOutputStream()
    csv.write_csv(table, sink)
    return sink.getvalue().to_pybytes()


def _finite(value):
    return None if isinstance(value, float) and value - value != 0 else value


def _filters(query: MetricQuery, templates: dict[str, str]) -> tuple[str, ...]:
    if not query.where:
        return ()
    # The SQL parser takes a tenth of a second to load.
    from voice_ai_analytics.metrics.where import metricflow_filter

    return tuple(metricflow_filter(clause, templates) for clause in query.where)


def _range(query: MetricQuery, most_days: int | None) -> tuple[datetime | None, datetime | None]:
    if query.start and query.end:
        days = (query.end - query.start).days + 1
        if days < 1:
            raise UserError(f"start {query.start} is after end {query.end}")
        if most_days is not None and days > most_days:
            raise UserError(f"start to end spans {days:,} days; ask for at most {most_days:,}")
    start, end = (day and datetime.combine(day, time()) for day in (query.start, query.end))
    return start, end
