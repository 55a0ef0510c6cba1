"""Load a platform's files into its raw table, all of them or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from itertools import chain, islice
from pathlib import Path

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.payloads.files import Blocks, find_files, kind, opened
from voice_ai_analytics.payloads.lines import csv_payloads, vtt_payloads
from voice_ai_analytics.payloads.reader import JsonReader, Payload
from voice_ai_analytics.payloads.store import RawTable
from voice_ai_analytics.platforms import Platform, other_platform
from voice_ai_analytics.warehouse import Transaction, Warehouse

# How many payloads of a file tell whose they are. One stray among many is left to quarantine.
JUDGED = 20
LINES = {".csv": csv_payloads, ".vtt": vtt_payloads}


@dataclass
class PayloadLoad:
    """What a load of payloads did.

    Parameters
    ----------
    platform : Platform
        Whose they are.
    table : str
        The raw table, with its schema.
    files : int
        How many files were read.
    total, added : int
        Payloads that were read, and those that the table didn't have.
    problems : dict
        How many payloads can't be read, by reason, and where the first one is.
    warnings : list of str
        What else to know, one sentence each.
    """

    platform: Platform
    table: str
    files: int = 0
    total: int = 0
    added: int = 0
    problems: dict[str, tuple[int, str]] = field(default_factory=dict)
    warnings: list[str] = field(default_factory=list)

    @property
    def told(self) -> str:
        """Return what was loaded, in one line."""
        known = self.total - self.added
        return (
            f"{self.platform.title}: {self.total:,} payloads in {self.files:,}"
            f" file{'s' * (self.files != 1)}, {self.added:,} new"
            f"{f', {known:,} already there' if known else ''}; table {self.table}"
        )

    def note(self, problem: str, place: str) -> None:
        """Count a payload that can't be read."""
        count, first = self.problems.get(problem, (0, place))
        self.problems[problem] = (count + 1, first)

    def close(self, left: Sequence[Path]) -> None:
        """Add the warnings that only the end of the load knows."""
        if self.problems:
            told = "; ".join(
                f"{count:,} {reason}, such as {first}"
                for reason, (count, first) in self.problems.items()
            )
            self.warnings.append(
                f"{sum(count for count, _ in self.problems.values()):,} of {self.total:,} payloads"
                f" can't be read and are kept as text, which the build quarantines: {told}"
            )
        if left:
            self.warnings.append(
                f"{len(left):,} files in folders are left out, such as {left[0]}; name them to read"
                " them"
            )


def load_payloads(
    project: DbtProject,
    platform: Platform,
    paths: Sequence[str],
    table: str | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> PayloadLoad:
    """Add the payloads of files to a platform's raw table, in one transaction.

    Parameters
    ----------
    project : DbtProject
        Says where the raw schema is. It need not have been built.
    platform : Platform
        Whose payloads the files hold.
    paths : sequence of str
        Files, folders and globs.
    table : str, optional
        ``table`` or ``schema.table``; named after the platform if not given.
    progress : callable
        Called with the number of bytes that were read, and of all bytes.

    Returns
    -------
    PayloadLoad

    Raises
    ------
    UserError
        If a path means no file, a file holds another platform's payloads, or the table is somebody
        else's. Nothing is written then.
    """
    files, left = find_files(paths, platform)
    schema, table = raw_table(project, platform, table)
    result = PayloadLoad(platform, f"{schema}.{table}", len(files))
    total, done = sum(file.stat().st_size for file in files), 0
    warehouse = Warehouse(project)
    with warehouse.connect(makes_database=True) as connection:
        is_duckdb = warehouse.engine == "duckdb"
        cursor = connection if is_duckdb else connection.cursor()
        transaction = Transaction(cursor, "?" if is_duckdb else "%s")
        now = datetime.now(UTC).replace(tzinfo=None)
        raw = RawTable(transaction, warehouse.engine, schema, table, now)
        for file in files:
            with opened(file) as blocks:
                for position, payload in enumerate(_payloads(blocks, platform, result), start=1):
                    raw.add(str(file), position, payload)
                    result.total += 1
                    if payload.problem:
                        result.note(payload.problem, f"{file} at {position}")
                    if result.total % 1000 == 0:
                        progress(done + blocks.done, total)
                done += blocks.done
                progress(done, total)
        raw.flush()
    result.added = raw.added
    for place in raw.refused:
        result.note("too large for PostgreSQL", place)
    result.close(left)
    return result


def raw_table(project: DbtProject, platform: Platform, table: str | None) -> tuple[str, str]:
    """Return the schema and the name of a platform's raw table.

    Raises
    ------
    UserError
        If it would be in another database than the target's.
    """
    schema = str(project.var("voice_ai_source_schema") or "voice_ai_raw")
    database = project.var("voice_ai_source_database")
    if database and database != project.connection.database:
        raise UserError(
            f"voice_ai_source_database: is {database}, and load writes to the target's database"
            f" {project.connection.database}; name a target of {database} with --target"
        )
    if table is None:
        return schema, platform.name
    *named, name = table.split(".")
    if len(named) > 1 or not name or named == [""]:
        raise UserError(f"{table}: isn't a table; name it as table or schema.table")
    return (named or [schema])[0], name


def switched_on(project: DbtProject) -> set[str]:
    """Return the platforms that the var ``voice_ai_platforms`` of ``dbt_project.yml`` names."""
    named = project.var("voice_ai_platforms") or []
    return {name for one in named for name in (one if isinstance(one, dict) else [one])}


def _payloads(blocks: Blocks, platform: Platform, result: PayloadLoad) -> Iterator[Payload]:
    """Yield the payloads of a file; refuse it if they are another platform's."""
    reader = None
    if platform.is_lines and kind(blocks.path) in LINES:
        payloads = LINES[kind(blocks.path)](blocks)
    else:
        reader = JsonReader(blocks, platform)
        payloads = iter(reader)
    first = list(islice(payloads, JUDGED))
    readable = [payload.value for payload in first if payload.problem is None]
    if not any(platform.owns(value) for value in readable):
        others = [other for value in readable if (other := other_platform(value, platform))]
        if others:
            mine = "transcripts" if platform.is_lines else f"{platform.title} payloads"
            raise UserError(
                f"{blocks.path}: these look like {others[0].title} payloads, not {mine}; load them"
                f" as {others[0].name}, on their own"
            )
    yield from chain(first, payloads)
    if reader is not None and reader.is_cut:
        result.warnings.append(
            f"{blocks.path}: ends inside a list, so payloads may be missing; export it again"
        )
