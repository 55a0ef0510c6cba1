"""Exported tables in the making: their rows, what is hidden in them, and what is then shown."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.compiler import MetricCompiler
from voice_ai_analytics.metrics.disclosure.groups import Names, Rows
from voice_ai_analytics.metrics.disclosure.plan import Plan, Published
from voice_ai_analytics.metrics.saved_queries import Export
from voice_ai_analytics.warehouse import Transaction, quoted

SUPPRESSED = "is_suppressed"
SUPPRESSED_METRICS = "suppressed_metrics"
ALL = "(all)"
SESSION, USER = "voice_ai_session", "voice_ai_session__voice_ai_user"
BATCH = 50_000
ROW, LEVEL = "voice_ai_row", "voice_ai_level"
HASH = {"duckdb": "hash(cast({} as text))", "postgres": "hashtextextended(cast({} as text), 0)"}


class StagedExport:
    """One export, its rows in a temporary table that nobody else sees.

    Parameters
    ----------
    export : Export
        What to export.
    number : int
        Tells it apart from others of the same transaction.
    """

    def __init__(self, export: Export, number: int) -> None:
        self.export = export
        self._rows, self._hidden = f"voice_ai_staged_{number}", f"voice_ai_hidden_{number}"
        self._totals = list(export.totals())
        self._queries: list[str] = []

    def compile(self, compiler: MetricCompiler) -> None:
        """Prepare its queries."""
        self._queries = [self._compile(compiler, taken) for taken in self._totals]

    def stage(self, transaction: Transaction) -> None:
        """Compute all rows."""
        columns = transaction.columns(self._queries[0])
        parts = (
            self._level(number, taken, query, columns)
            for number, (taken, query) in enumerate(zip(self._totals, self._queries, strict=True))
        )
        transaction.run(
            f"create temporary table {self._rows} as select row_number() over () as {ROW}, *"
            f" from ({' union all '.join(parts)}) as staged"
        )

    @property
    def published(self) -> Published:
        """Return what the table shows."""
        levels = tuple(self._names(taken) for taken in self._totals)
        return Published(self.export.table, self.export.metrics, levels, self.export.where)

    def hide(self, transaction: Transaction, plan: Plan) -> None:
        """Note for each row which of its numbers are hidden."""
        metrics = self.export.metrics
        flags = ", ".join(f"hides_{number} boolean" for number in range(len(metrics)))
        transaction.run(
            f"create temporary table {self._hidden}"
            f" ({ROW} bigint, is_whole boolean, names text, {flags})"
        )
        rows = []
        for names, keys, numbers, _ in self._read(transaction, self._rows, ROW, LEVEL):
            closed = plan.closed(self.published, names, keys, len(numbers))
            hides = np.column_stack([closed[metric] for metric in metrics])
            for place in np.flatnonzero(hides.any(axis=1)):
                named = ", ".join(np.array(metrics)[hides[place]])
                rows.append(
                    (numbers[place], bool(closed[""][place]), named, *map(bool, hides[place]))
                )
        _load(transaction, self._hidden, rows)

    def write(self, transaction: Transaction, table: str) -> tuple[int, int]:
        """Create the table; return how many rows it has, and how many are hidden as a whole."""
        selected = [f"rows.{quoted(name)}" for name in self.export.columns]
        selected.append(f"coalesce(hidden.is_whole, false) as {SUPPRESSED}")
        selected.append(f"hidden.names as {SUPPRESSED_METRICS}")
        for number, name in enumerate(map(quoted, self.export.metrics)):
            shown = f"case when hidden.hides_{number} then null else rows.{name} end"
            selected.append(f"{shown} as {name}")
        transaction.run(
            f"create table {table} as select {', '.join(selected)} from {self._rows} as rows"
            f" left join {self._hidden} as hidden on hidden.{ROW} = rows.{ROW}"
        )
        ((rows, suppressed),) = transaction.run(
            f"select count(*), count(case when {SUPPRESSED} then 1 end) from {table}"
        )
        return rows, suppressed

    def shown(
        self, transaction: Transaction, table: str
    ) -> Iterator[tuple[Published, Names, dict, dict]]:
        """Yield what a reader of the table sees, for `Plan.audit`."""
        marked = f"case when {SUPPRESSED} then '{ALL}' else coalesce({SUPPRESSED_METRICS}, '') end"
        metrics = self.export.metrics
        present = [f"{quoted(name)} is not null" for name in metrics]
        for names, keys, marks, values in self._read(transaction, table, marked, None, present):
            visible = {}
            for name, is_present in zip(metrics, values, strict=True):
                is_marked = [mark == ALL or name in mark.split(", ") for mark in marks]
                # Nobody counts in a number that is null without a mark, and the reader knows it.
                visible[name] = np.array(is_present, dtype=bool) | ~np.array(is_marked, dtype=bool)
            yield self.published, names, keys, visible

    def _names(self, taken: tuple[str, ...]) -> Names:
        return Names(name for name in self.export.columns if name not in taken)

    def _compile(self, compiler: MetricCompiler, taken: tuple[str, ...]) -> str:
        export = self.export
        group_by = [one for one in export.group_by if not any(f"'{name}'" in one for name in taken)]
        # The parts of a union have no order; dashboards sort.
        order_by = () if export.roll_up else export.order_by
        try:
            return compiler.compile(export.metrics, group_by, export.where, order_by, export.limit)
        except UserError as error:
            raise UserError(f"saved query {export.saved_query}: {error}") from error

    def _level(
        self, number: int, taken: tuple[str, ...], query: str, columns: dict[str, bool]
    ) -> str:
        selected = [f"{number} as {LEVEL}"]
        for name in self.export.columns:
            read = f"'{ALL}'" if name in taken else quoted(name)
            if columns[name]:
                # PostgreSQL truncates dates to instants with a zone, which readers see in theirs.
                read = f"cast({read} as timestamp)"
            elif name in self.export.roll_up:
                read = f"cast({read} as text)"
            selected.append(f"{read} as {quoted(name)}")
        selected += map(quoted, self.export.metrics)
        return f"select {', '.join(selected)} from (\n{query}\n) as metrics"

    def _read(
        self,
        transaction: Transaction,
        table: str,
        first: str,
        level: str | None,
        more: list[str] | None = None,
    ) -> Iterator[tuple[Names, dict, list, list]]:
        """Yield rows level by level: dimensions, their values, the first column, and more."""
        names = list(self.export.columns)
        texts = [f"cast({quoted(name)} as text)" for name in names]
        if level is None:
            level = " + ".join(
                ["0"]
                + [
                    f"case when {quoted(name)} = '{ALL}' then {2**place} else 0 end"
                    for place, name in enumerate(self.export.roll_up)
                ]
            )
        selected = ", ".join([level, first, *texts, *(more or ())])
        rows = transaction.run(f"select {selected} from {table}")
        by_level: dict[int, list] = {}
        for row in rows:
            by_level.setdefault(row[0], []).append(row[1:])
        for number, found in by_level.items():
            if level == LEVEL:
                taken = self._totals[number]
            else:
                taken = tuple(
                    name for place, name in enumerate(self.export.roll_up) if number >> place & 1
                )
            columns = list(zip(*found, strict=True))
            keys = dict(zip(names, columns[1:], strict=False))
            kept = self._names(taken)
            values = {name: np.array(keys[name], dtype=object) for name in kept}
            yield kept, values, list(columns[0]), columns[1 + len(names) :]


def session_rows(
    transaction: Transaction, engine: str, query: str, metrics: list[str], dimensions: list[str]
) -> Rows:
    """Return what each session adds to some metrics.

    Parameters
    ----------
    transaction : Transaction
        To read in.
    engine : str
        ``duckdb`` or ``postgres``.
    query : str
        The metrics by some dimensions, by `SESSION` and by `USER`.
    metrics, dimensions : list of str
        Its columns.

    Returns
    -------
    Rows
    """
    columns = transaction.columns(query)
    selected = []
    for name in dimensions:
        read = f"cast({quoted(name)} as timestamp)" if columns[name] else quoted(name)
        selected.append(f"cast({read} as text) as {quoted(name)}")
    for name in (USER, SESSION):
        number = HASH[engine].format(quoted(name))
        selected.append(f"case when {quoted(name)} is not null then {number} end as {quoted(name)}")
    selected += [f"cast({quoted(name)} as double precision) as {quoted(name)}" for name in metrics]
    statement = f"select {', '.join(selected)} from (\n{query}\n) as rows"
    read: dict[str, list[np.ndarray]] = {
        name: [] for name in (*dimensions, USER, SESSION, *metrics)
    }
    for batch in transaction.stream(statement, BATCH):
        for name, parts in read.items():
            parts.append(_array(batch.column(name), name in dimensions, name in metrics))
    whole = {name: np.concatenate(parts) if parts else np.array([]) for name, parts in read.items()}
    return Rows(
        dimensions={name: whole[name] for name in dimensions},
        users=whole[USER].astype(np.uint64),
        sessions=whole[SESSION].astype(np.uint64),
        numbers={name: whole[name].astype(float) for name in metrics},
    )


def _array(column, is_dimension: bool, is_metric: bool) -> np.ndarray:
    if is_dimension:
        return column.to_numpy(zero_copy_only=False)
    if is_metric:
        return column.cast("float64").to_numpy(zero_copy_only=False).astype(float)
    import pyarrow as pa

    # Where nobody is known, the column has no type yet.
    kind = pa.int64() if pa.types.is_null(column.type) else column.type
    return column.cast(kind).fill_null(0).to_numpy(zero_copy_only=False).astype(np.uint64)


def _load(transaction: Transaction, table: str, rows: list[tuple]) -> None:
    """Append many rows at once."""
    import pyarrow as pa
    import pyarrow.csv
    import pyarrow.parquet

    if not rows:
        return
    columns = [pa.array(column) for column in zip(*rows, strict=True)]
    frame = pa.table(columns, names=[f"column_{number}" for number in range(len(columns))])
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "rows"
        if transaction.mark == "?":
            pyarrow.parquet.write_table(frame, path)
        else:
            options = pyarrow.csv.WriteOptions(include_header=False)
            pyarrow.csv.write_csv(frame, path, options)
        transaction.load(table, path)
