"""What an ASR evaluation reads in a warehouse: references, and the certified turns they name."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.resources import files
from pathlib import Path
from string import Template

import pyarrow as pa

from voice_ai_analytics.asr.references import (
    BATCH,
    CONTRACT,
    FEW,
    refuse_repeated,
    tidy,
)
from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.warehouse import Transaction

# Temporary tables, which only this connection sees.
IDS, TURNS = "voice_ai_asr_ids", "voice_ai_asr_turns"
IN_SESSION = ("platform", "session_id", "turn_id")
ON_PLATFORM = ("platform", "turn_id")


class References:
    """The references of a built project.

    Parameters
    ----------
    project : DbtProject
        Built.
    transaction : Transaction
        In that project's warehouse.

    Raises
    ------
    UserError
        With exit code 3, if the references have no hypotheses.
    """

    def __init__(self, project: DbtProject, transaction: Transaction) -> None:
        self.transaction = transaction
        self.relation = project.input_relation("input_voice_ai__asr_references")
        given = {name.lower() for name in transaction.columns(f"select * from {self.relation}")}
        ((is_empty,),) = transaction.run(f"select not exists (select 1 from {self.relation})")
        if "hypothesis_text" not in given and not is_empty:
            raise UserError(
                f"{self.relation}: no column hypothesis_text, so there is nothing to compare the"
                " references with; nothing was estimated",
                exit_code=3,
            )
        texts = {
            name: f"cast({name} as text)" if name in given else "cast(null as text)"
            for name in CONTRACT
        }
        texts |= {name: f"nullif(trim({texts[name]}), '')" for name in (*IN_SESSION, "language")}
        columns = ", ".join(f"{text} as {name}" for name, text in texts.items())
        self.query = f"(select {columns} from {self.relation})"

    def name_ids(self) -> None:
        """Make the temporary table `IDS`."""
        self.transaction.run(
            f"create temporary table {IDS} as select distinct {', '.join(IN_SESSION)}"
            f" from {self.query} as given where turn_id is not null"
        )

    def read(self) -> Iterator[pa.RecordBatch]:
        """Return the references batch by batch; a language that they lack is the session's.

        Yields
        ------
        pyarrow.RecordBatch
            As from `references.read_file`.
        """
        columns = [name for name in CONTRACT if name != "language"]
        selected = ", ".join(f"given.{name}" for name in columns)
        halves = (
            f"select {selected}, coalesce(given.language, turns.language) as language"
            f" from {self.query} as given left join {TURNS} as turns"
            f" on {' and '.join(f'given.{name} = turns.{name}' for name in key)}"
            f" where given.session_id is {null}"
            for key, null in ((IN_SESSION, "not null"), (ON_PLATFORM, "null"))
        )
        for batch in self.transaction.stream(" union all ".join(halves), BATCH):
            yield tidy(dict(zip(batch.schema.names, batch.columns, strict=True)))


def load_ids(transaction: Transaction, file: Path) -> None:
    """Make the temporary table `IDS` from a file that `Spool.ids` wrote."""
    columns = ", ".join(f"{name} text" for name in IN_SESSION)
    transaction.run(f"create temporary table {IDS} ({columns})")
    transaction.load(IDS, file)


def read_turns(
    project: DbtProject, transaction: Transaction, source: str
) -> Iterator[pa.RecordBatch]:
    """Return the certified turns that `IDS` names, each once; leave them in `TURNS`.

    Parameters
    ----------
    project : DbtProject
        Built.
    transaction : Transaction
        Where `IDS` is.
    source : str
        The file or table of the references.

    Yields
    ------
    pyarrow.RecordBatch
        From ``turns.sql``.

    Raises
    ------
    UserError
        If an id without a session belongs to several certified sessions.
    """
    # Without statistics, PostgreSQL plans for a handful of rows.
    transaction.run(f"analyze {IDS}")
    named, unnamed = transaction.run(
        f"select count(session_id), count(*) - count(session_id) from {IDS}"
    )[0]
    parts = []
    if named or not unnamed:
        parts.append(_turns_query(project, IN_SESSION, "not null"))
    if unnamed:
        parts.append(_turns_query(project, ON_PLATFORM, "null"))
    transaction.run(f"create temporary table {TURNS} as {' union '.join(parts)}")
    transaction.run(f"analyze {TURNS}")
    repeated = transaction.run(
        f"select platform, turn_id from {TURNS} where (platform, turn_id) in"
        f" (select platform, turn_id from {IDS} where session_id is null)"
        " group by platform, turn_id having count(*) > 1"
        f" order by platform, turn_id limit {FEW + 1}"
    )
    refuse_repeated(repeated, source)
    yield from transaction.stream(f"select * from {TURNS}", BATCH)


def _turns_query(project: DbtProject, key: tuple[str, ...], null: str) -> str:
    template = files("voice_ai_analytics.asr").joinpath("turns.sql")
    query = Template(template.read_text(encoding="utf-8")).substitute(
        turns=project.relation("stg_voice_ai__turns_typed"),
        sessions=project.relation("fact_voice_ai_sessions"),
        ids=IDS,
        key=", ".join(key),
        null=null,
    )
    return f"({query})"
