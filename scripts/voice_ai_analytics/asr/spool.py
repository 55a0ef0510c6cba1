"""Word errors on disk for the time of one evaluation; counts, and no text."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb
import pyarrow as pa

from voice_ai_analytics.asr.references import FEW, refuse_repeated
from voice_ai_analytics.asr.word_errors import COUNTS, evaluate

MEMORY = "500MB"  # DuckDB keeps the rest on disk
WORD_ERRORS = {
    "platform": "text",
    "turn_id": "text",
    "asr_model": "text",
    "language": "text",
    "normalizer": "text",
    "unit": "text",
    **dict.fromkeys(COUNTS, "integer"),
    "reference_words": "integer",
    "reference_characters": "integer",
    "session_id": "text",
}
IDS = ("platform", "session_id", "turn_id")


class Spool:
    """A DuckDB file that holds the counts of one evaluation.

    Parameters
    ----------
    directory : Path
        Where it may write.
    """

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.database = duckdb.connect(
            str(directory / "spool.duckdb"),
            config={"memory_limit": MEMORY, "temp_directory": str(directory / "spilled")},
        )
        self.database.execute(
            f"""
            create table compared (
                platform text, session_id text, turn_id text, asr_model text, language text,
                asr_confidence text, unit text, {", ".join(f"{name} integer" for name in COUNTS)},
                reference_words integer, reference_characters integer
            );
            create table turns (
                platform text, session_id text, turn_id text, session_key text, user_key text,
                language text, asr_model text, channel text, region text, has_disability text,
                is_first_time_digital_user text, asr_confidence double
            )
            """
        )

    def append(self, table: str, batches: Iterable[pa.RecordBatch]) -> None:
        """Append batches to a table."""
        for batch in batches:
            self.database.register("batch", pa.Table.from_batches([batch]))
            self.database.execute(f"insert into {table} by name from batch")
            self.database.unregister("batch")

    def rows(self, query: str) -> list[dict]:
        """Return the rows of a query."""
        result = self.database.execute(query)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def value(self, query: str):
        """Return the only value of a query."""
        return self.database.execute(query).fetchone()[0]

    def compare(self, batches: Iterable[pa.RecordBatch], normalizer: str) -> None:
        """Compare references and keep the counts in `compared`.

        Parameters
        ----------
        batches, normalizer
            As for `evaluate`.
        """
        self.append("compared", evaluate(batches, normalizer))

    @property
    def has_comparisons(self) -> bool:
        """Whether any reference with an id was compared."""
        return self.value(
            "select exists (select 1 from compared where platform is not null"
            " and turn_id is not null and reference_words > 0)"
        )

    def ids(self, ending: str) -> Path:
        """Write the ids of what was compared to a file.

        Parameters
        ----------
        ending : str
            ``csv`` or ``parquet``.

        Returns
        -------
        Path
        """
        query = f"select distinct {', '.join(IDS)} from compared where turn_id is not null"
        return self._export(query, f"ids.{ending}")

    def word_errors(self, ending: str) -> Path:
        """Write `word_errors` to a file.

        Parameters
        ----------
        ending : str
            ``csv`` or ``parquet``.

        Returns
        -------
        Path
        """
        query = f"select {', '.join(WORD_ERRORS)} from word_errors where is_clear"
        return self._export(query, f"word_errors.{ending}")

    def _export(self, query: str, name: str) -> Path:
        path = self.directory / name
        form = "csv, header false" if path.suffix == ".csv" else "parquet"
        self.database.execute(f"copy ({query}) to '{path}' (format {form})")
        return path

    def settle(self, normalizer: str, source: str) -> dict[str, int]:
        """Make `word_errors`, one row per turn and ASR model, and return what it leaves out.

        A reference that names no session belongs to the only session of its turn id: the certified
        one, or else the one that other references name.

        References of one turn and model with the same counts count once. Where they differ,
        nobody can say which one is right, and the turn is left out.

        Parameters
        ----------
        normalizer : str
            As for `compare`.
        source : str
            The file or table of the references.

        Returns
        -------
        dict of str to int
            References left out, by reason.

        Raises
        ------
        UserError
            If a reference names no session and others name several for its turn id.
        """
        self._name_sessions(source)
        self.database.execute(
            f"""
            create table word_errors as
            select
                platform,
                session_id,
                turn_id,
                asr_model,
                min(language) as language,
                '{normalizer}' as normalizer,
                min(unit) as unit,
                {", ".join(f"min({name}) as {name}" for name in COUNTS)},
                min(reference_words) as reference_words,
                min(reference_characters) as reference_characters,
                min(asr_confidence) as asr_confidence,
                count(*) as copies,
                {" and ".join(f"min({n}) = max({n})" for n in (*COUNTS, "unit"))} as is_clear
            from named
            where platform is not null and turn_id is not null and reference_words > 0
            group by platform, session_id, turn_id, asr_model
            """
        )
        without_id = self.value(
            """
            select count(*) from compared
            where (platform is null or turn_id is null) and reference_words > 0
            """
        )
        copies, unclear = self.database.execute(
            """
            select sum(copies - 1) filter (is_clear), sum(copies) filter (not is_clear)
            from word_errors
            """
        ).fetchone()
        excluded = {
            "no turn_id or platform": without_id,
            "a further copy of a turn's reference": int(copies or 0),
            "references of one turn and ASR model that differ": int(unclear or 0),
        }
        return {reason: count for reason, count in excluded.items() if count}

    def _name_sessions(self, source: str) -> None:
        """Make `named`, comparisons whose session is named wherever one is known."""
        self.database.execute(
            """
            create view certified as
            select * from compared where session_id is not null
            union all
            select compared.* replace (turns.session_id as session_id)
            from compared
            left join turns using (platform, turn_id)
            where compared.session_id is null;

            create table named_elsewhere as
            select
                platform, turn_id, min(session_id) as session_id,
                count(distinct session_id) as sessions
            from certified
            where
                session_id is not null
                and (platform, turn_id) in (
                    select platform, turn_id from certified where session_id is null
                )
            group by platform, turn_id;

            create view named as
            select
                certified.* replace (
                    coalesce(certified.session_id, named_elsewhere.session_id) as session_id
                )
            from certified
            left join named_elsewhere using (platform, turn_id)
            """
        )
        repeated = self.database.execute(
            f"""
            select platform, turn_id from named_elsewhere where sessions > 1
            order by platform, turn_id limit {FEW + 1}
            """
        )
        refuse_repeated(repeated.fetchall(), source)

    @property
    def has_word_errors(self) -> bool:
        """Whether any turn has errors that can be estimated."""
        return self.value("select exists (select 1 from word_errors where is_clear)")

    def score(self) -> None:
        """Make `scored`: word errors with what is known about their turns and sessions."""
        self.database.execute(
            """
            create table scored as
            select
                case
                    when turns.session_key is not null then hash(turns.session_key)
                    when session_id is not null then hash(platform, session_id)
                end as cluster,
                case when turns.user_key is not null then hash(turns.user_key) end as user_hash,
                turns.session_key is not null as is_certified,
                coalesce(word_errors.language, turns.language) as language,
                coalesce(word_errors.asr_model, turns.asr_model) as asr_model,
                channel,
                region,
                has_disability,
                is_first_time_digital_user,
                unit,
                substitutions,
                deletions,
                insertions,
                hits,
                substitutions + deletions + insertions as errors,
                reference_words,
                substitutions + hits + insertions as recognized_words,
                coalesce(
                    try_cast(word_errors.asr_confidence as double), turns.asr_confidence
                ) as confidence,
                word_errors.asr_confidence is not null
                    and not coalesce(
                        try_cast(word_errors.asr_confidence as double) between 0 and 1, false
                    ) as is_confidence_unusable,
                hash(platform, turn_id, word_errors.asr_model) as turn_hash
            from word_errors
            left join turns using (platform, session_id, turn_id)
            where is_clear
            """
        )


@contextmanager
def spooled() -> Iterator[Spool]:
    """Make a spool that is removed at the end."""
    with tempfile.TemporaryDirectory(prefix="voice-ai-asr-") as directory:
        spool = Spool(Path(directory))
        try:
            yield spool
        finally:
            spool.database.close()
