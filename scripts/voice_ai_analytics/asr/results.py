"""What `voice-ai evaluate-asr` finds: error rates and calibration by group, as tables and JSON."""

from __future__ import annotations

import tempfile
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd
import pyarrow as pa

from voice_ai_analytics.asr.calibration import BinSums, calibrate, warning
from voice_ai_analytics.asr.evaluation import (
    COUNTS,
    FEWEST_CLUSTERS,
    ON_THE_LOGARITHM,
    evaluate,
    rate_interval,
)
from voice_ai_analytics.metrics.suppression import SESSIONS, USERS, suppress

MEMORY = "500MB"  # DuckDB keeps the rest on disk
DIMENSIONS = ("language", "asr_model", "channel", "region")
DIMENSIONS += ("has_disability", "is_first_time_digital_user")
GROUPINGS = (*((name,) for name in DIMENSIONS), ("language", "asr_model"))
MOST_LEVELS = 500
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
}
NOT_A_NUMBER = ("by", *DIMENSIONS, "unit", "normalizer", "cluster", "interval", "suppressed")


@dataclass(frozen=True)
class AsrEvaluation:
    """The result of an evaluation.

    Parameters
    ----------
    normalizer : str
        What was done to all texts first.
    overall : dict
        `word_error_rate`, `ci_low`, `ci_high`, `errors`, `reference_words`, `turns`,
        `normalizer`, `unit`, and what they are made of.
    groups : list of dict
        The same of each group, with `by` and the dimensions that it names; `suppressed` says why
        its numbers are null.
    calibration : list of dict
        From `calibrate`, one a language and ASR model.
    excluded : dict of str to int
        References left out, by reason.
    empty_references : dict of str to int
        Turns with an empty reference, and the words that were recognised in them.
    notes : list of str
        What a reader has to know.
    """

    normalizer: str
    overall: dict
    groups: list[dict] = field(default_factory=list)
    calibration: list[dict] = field(default_factory=list)
    excluded: dict[str, int] = field(default_factory=dict)
    empty_references: dict[str, int] = field(default_factory=dict)
    notes: list[str] = field(default_factory=list)

    @property
    def exit_code(self) -> int:
        """0, or 3 where there is nothing to estimate."""
        return 0 if self.overall["reference_words"] else 3

    @property
    def verdict(self) -> str:
        """The result in one sentence."""
        if self.overall["reference_words"]:
            return rate_sentence(self.overall)
        left_out = self.excluded | {"with an empty reference": self.empty_references.get("turns")}
        reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
        given = f": all that were given are left out ({reasons})" if reasons else ""
        return f"There is no reference to compare with{given}; nothing was estimated."

    def to_json(self) -> dict:
        """Give the result as JSON has it."""
        return {
            "verdict": self.verdict,
            "overall": self.overall,
            "groups": self.groups,
            "calibration": self.calibration,
            "excluded": self.excluded,
            "empty_references": self.empty_references,
            "notes": self.notes,
        }

    def tables(self) -> dict[str, pd.DataFrame]:
        """Return the result as warehouse tables, by name; none where nothing was compared."""
        if self.exit_code:
            return {}
        when = {"evaluated_at": datetime.now(UTC).isoformat(timespec="seconds")}
        rates = [{"grouped_by": "overall"} | self.overall | when]
        rates += [{"grouped_by": ", ".join(group["by"])} | group | when for group in self.groups]
        columns = ["grouped_by", *DIMENSIONS, *self.overall, *when]
        curves = [
            {name: one[name] for name in ("language", "asr_model")} | point
            for one in self.calibration
            for point in one["curve"]
        ]
        summary = [{k: v for k, v in one.items() if k != "curve"} for one in self.calibration]
        tables = (rates, columns), (summary, CALIBRATION), (curves, RELIABILITY)
        return {name: _table(*table) for name, table in zip(RESULTS, tables, strict=True)}


def rate_sentence(overall: dict) -> str:
    """Say an overall error rate, with its interval and what it is made of."""
    units = {"word": "words", "character": "characters"}.get(overall["unit"], "words or characters")
    interval = f"no interval: {overall['interval']}"
    if overall["ci_low"] is not None:
        interval = f"95% interval {overall['ci_low']:.1%} to {overall['ci_high']:.1%}"
        if overall["interval"].startswith(ON_THE_LOGARITHM):
            interval += f" by {overall['interval']}"
    clusters = (
        "" if overall["cluster"] == "turn" else f" of {_many(overall, 'clusters', 'session')}"
    )
    errors = _many(overall, "errors", "error")
    return (
        f"In {_many(overall, 'turns', 'turn')}{clusters}, {errors}"
        f" {'was' if overall['errors'] == 1 else 'were'} made in"
        f" {overall['reference_words']:,.0f} {units}: an error rate of"
        f" {overall['word_error_rate']:.1%} ({interval}; normalizer {overall['normalizer']})."
    )


def _many(overall: dict, count: str, noun: str) -> str:
    return f"{overall[count]:,.0f} {noun}{'' if overall[count] == 1 else 's'}"


RESULTS = ("voice_ai_asr_error_rates", "voice_ai_asr_calibration", "voice_ai_asr_reliability")
CALIBRATION = ["language", "asr_model", "expected_calibration_error", "ci_low", "ci_high"]
CALIBRATION += ["p_value", "gap", "gap_ci_low", "gap_ci_high", "confidence", "correctness"]
CALIBRATION += ["words", "clusters", "declined"]
RELIABILITY = ["language", "asr_model", "bin_low", "bin_high", "words", "confidence"]
RELIABILITY += ["correctness", "ci_low", "ci_high"]
TEXTS = (*NOT_A_NUMBER, "grouped_by", "declined", "evaluated_at")


def _table(rows: list[dict], columns: list[str]) -> pd.DataFrame:
    return numbers_as_floats(pd.DataFrame(rows, columns=columns))


def numbers_as_floats(table: pd.DataFrame) -> pd.DataFrame:
    """Give a table of results the types it has when all is known: a column of nulls has none."""
    return table.astype({name: object if name in TEXTS else float for name in table})


class Spool:
    """A database on disk for the time of one evaluation; it holds counts, and no text.

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
                platform text, turn_id text, asr_model text, language text, session_id text,
                asr_confidence text, unit text, {", ".join(f"{name} integer" for name in COUNTS)},
                reference_words integer, reference_characters integer
            );
            create table turns (
                platform text, turn_id text, session_key text, user_key text, language text,
                asr_model text, channel text, region text, has_disability text,
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
        """Give the rows of a query."""
        result = self.database.execute(query)
        names = [column[0] for column in result.description]
        return [dict(zip(names, row, strict=True)) for row in result.fetchall()]

    def settle(self, normalizer: str) -> dict[str, int]:
        """Make `word_errors`, one row a turn and ASR model; say what was left out of it and why.

        References of one turn and model that give the same counts count once. Where they differ,
        nobody can say which is right, and the turn is left out.
        """
        self.database.execute(
            f"""
            create table word_errors as
            select
                platform,
                turn_id,
                asr_model,
                min(language) as language,
                '{normalizer}' as normalizer,
                min(unit) as unit,
                {", ".join(f"min({name}) as {name}" for name in COUNTS)},
                min(reference_words) as reference_words,
                min(reference_characters) as reference_characters,
                min(session_id) as session_id,
                min(asr_confidence) as asr_confidence,
                count(*) as copies,
                {" and ".join(f"min({n}) = max({n})" for n in (*COUNTS, "unit"))} as is_clear
            from compared
            where platform is not null and turn_id is not null and reference_words > 0
            group by platform, turn_id, asr_model
            """
        )
        (without_id,) = self.database.execute(
            """
            select count(*) from compared
            where (platform is null or turn_id is null) and reference_words > 0
            """
        ).fetchone()
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

    @property
    def has_word_errors(self) -> bool:
        """Whether anything can be compared."""
        query = "select exists (select 1 from word_errors where is_clear)"
        return self.database.execute(query).fetchone()[0]

    def export(self, path: Path) -> Path:
        """Write `word_errors` to a CSV or Parquet file."""
        form = "csv, header false" if path.suffix == ".csv" else "parquet"
        self.database.execute(
            f"copy (select {', '.join(WORD_ERRORS)} from word_errors where is_clear)"
            f" to '{path}' (format {form})"
        )
        return path

    def score(self) -> None:
        """Make `scored`: word errors with what is known of their turns and sessions."""
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
                substitutions + hits + insertions as recognised_words,
                coalesce(
                    try_cast(word_errors.asr_confidence as double), turns.asr_confidence
                ) as confidence,
                word_errors.asr_confidence is not null
                    and not coalesce(
                        try_cast(word_errors.asr_confidence as double) between 0 and 1, false
                    ) as is_confidence_unusable,
                hash(platform, turn_id, word_errors.asr_model) as turn_hash
            from word_errors
            left join turns using (platform, turn_id)
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


def compare(spool: Spool, batches: Iterable[pa.RecordBatch], normalizer: str) -> dict[str, int]:
    """Compare all references and keep the counts; give what was left out and why."""
    spool.append("compared", evaluate(batches, normalizer))
    return spool.settle(normalizer)


def summarise(
    spool: Spool,
    normalizer: str,
    excluded: dict[str, int],
    min_cohort_size: int | None = None,
    seed: int = 0,
) -> AsrEvaluation:
    """Estimate error rates and calibration of what a spool holds.

    Parameters
    ----------
    spool : Spool
        After `compare`, and with the turns where there is a warehouse.
    normalizer : str
        As for `compare`.
    excluded : dict of str to int
        From `compare`.
    min_cohort_size : int or None
        Groups of fewer users are suppressed, as in the report; None where there is no warehouse.
    seed : int
        Of the bootstraps.

    Returns
    -------
    AsrEvaluation
    """
    spool.score()
    ((turns, words),) = spool.database.execute(
        "select count(*), coalesce(sum(insertions), 0) from compared where reference_words = 0"
    ).fetchall()
    empty = {"turns": int(turns), "insertions": int(words)}
    notes = []
    groups = []
    (overall,) = _rates(spool, (), normalizer, seed)
    if overall["reference_words"]:
        levels = spool.rows(
            f"select {', '.join(f'count(distinct {d}) as {d}' for d in DIMENSIONS)} from scored"
        )[0]
        for by in GROUPINGS:
            if all(levels[name] for name in by):
                most = max(by, key=levels.get)
                if levels[most] > MOST_LEVELS:
                    notes.append(f"{most} has {levels[most]:,} values: no groups are made by it.")
                    continue
                found = _rates(spool, by, normalizer, seed)
                groups += found if min_cohort_size is None else _suppressed(found, min_cohort_size)
    calibration = _calibration(spool, groups, seed)
    if not calibration and overall["reference_words"]:
        notes.append("No turn with a language and an ASR model has a confidence to calibrate.")
    query = "select count(*) from scored where is_confidence_unusable"
    if unusable := spool.database.execute(query).fetchone()[0]:
        notes.append(
            f"Calibration leaves out {unusable:,} turns whose asr_confidence is no number from 0 to"
            " 1."
        )
    if few := sum(group["interval"].startswith(ON_THE_LOGARITHM) for group in groups):
        notes.append(
            f"Groups of fewer than {FEWEST_CLUSTERS} sessions, or turns of no known session, have"
            f" intervals by {ON_THE_LOGARITHM} ({few:,} groups)."
        )
    notes += _notes(overall, empty, calibration)
    if normalizer == "whisper":
        query = "select count(*) from word_errors where is_clear and language is null"
        if unknown := spool.database.execute(query).fetchone()[0]:
            notes.append(
                f"{unknown:,} turns have no language; whisper took them for other than English."
            )
    if min_cohort_size is not None:
        query = "select count(*) from scored where not is_certified"
        if uncertified := spool.database.execute(query).fetchone()[0]:
            notes.append(
                f"{uncertified:,} turns belong to no certified session; the metric"
                " voice_ai_word_error_rate leaves them out."
            )
    return AsrEvaluation(normalizer, overall, groups, calibration, excluded, empty, notes)


NUMBERS = ("reference_words", "turns", "empty_hypotheses", "users")


def _rates(spool: Spool, by: tuple[str, ...], normalizer: str, seed: int) -> list[dict]:
    """Sum errors by group, over clusters; a turn of no known session is a cluster of its own."""
    keys = "".join(f"{name}, " for name in by)
    grouped = f"group by {', '.join(by)}" if by else ""
    ordered = f"order by {', '.join(f'{name} nulls last' for name in by)}" if by else ""
    sums = spool.rows(
        f"""
        select
            {keys}
            sum(errors) as errors,
            {", ".join(f"sum({name}) as {name}" for name in COUNTS)},
            sum(reference_words) as reference_words,
            count(*) as turns,
            count(*) filter (recognised_words = 0) as empty_hypotheses,
            count(distinct user_hash) as users,
            bool_or(cluster is not null) as has_sessions,
            string_agg(distinct unit, ' and ' order by unit) as unit
        from scored {grouped} {ordered}
        """
    )
    # Clusters of equal sums are as good as one that is drawn as often.
    clusters = spool.rows(
        f"""
        with clusters as (
            select {keys} sum(errors) as errors, sum(reference_words) as words
            from scored where cluster is not null group by {keys} cluster
            union all
            select {keys} errors, reference_words from scored where cluster is null
        ),
        alike as (
            select {keys} errors, words, count(*) as clusters
            from clusters group by {keys} errors, words
        )
        select
            {keys}
            list(errors order by errors, words) as errors,
            list(words order by errors, words) as words,
            list(clusters order by errors, words) as clusters
        from alike {grouped} {ordered}
        """
    )
    results = []
    for total, drawn in zip(sums, clusters, strict=True) if sums[0]["turns"] else ():
        sizes = np.array(drawn["clusters"])
        low, high, interval = rate_interval(
            np.array(drawn["errors"], dtype=float),
            np.array(drawn["words"], dtype=float),
            sizes,
            seed,
        )
        results.append(
            {
                "by": list(by),
                **{name: total[name] for name in by},
                "word_error_rate": int(total["errors"]) / int(total["reference_words"]),
                "ci_low": low,
                "ci_high": high,
                **{name: int(total[name]) for name in ("errors", *COUNTS, *NUMBERS)},
                "clusters": int(sizes.sum()),
                "cluster": "session" if total["has_sessions"] else "turn",
                "interval": interval,
                "unit": total["unit"],
                "normalizer": normalizer,
                "suppressed": "",
            }
        )
    if not by and not results:
        nothing = {name: 0 for name in ("errors", *COUNTS, *NUMBERS, "clusters")}
        unknown = dict.fromkeys(("word_error_rate", "ci_low", "ci_high"))
        texts = {"cluster": "turn", "interval": "no reference", "unit": "word"}
        results = [{**unknown, **nothing, **texts, "normalizer": normalizer, "suppressed": ""}]
    elif not by:
        del results[0]["by"]
    return results


def _suppressed(groups: list[dict], min_cohort_size: int) -> list[dict]:
    """Take the numbers out of groups of too few users, and out of one that would give them away."""
    frame = pd.DataFrame(
        {
            "cohort": ["/".join(str(group[name]) for name in group["by"]) for group in groups],
            SESSIONS: [group["clusters"] for group in groups],
            USERS: [group["users"] for group in groups],
        }
    )
    reasons = suppress(frame, min_cohort_size)["suppressed"]
    return [
        group
        if not reason
        else {name: group[name] if name in NOT_A_NUMBER else None for name in group}
        | {name: group[name] for name in group["by"]}
        | {"suppressed": reason, "interval": ""}
        for group, reason in zip(groups, reasons, strict=True)
    ]


def _calibration(spool: Spool, groups: list[dict], seed: int) -> list[dict]:
    sums = ", ".join(
        f"coalesce(sum({value}) filter (bin = {place}), 0) as s{number}_{place}"
        for number, value in enumerate(
            ("recognised_words", "hits", "confidence * recognised_words")
        )
        for place in range(10)
    )
    source = f"""
        select
            language, asr_model, coalesce(cluster, turn_hash) as cluster,
            min(confidence) as least, max(confidence) as most, {sums}
        from (
            select *, least(cast(floor(confidence * 10) as integer), 9) as bin from scored
            where
                language is not null and asr_model is not null
                and confidence between 0 and 1 and recognised_words > 0
        )
        group by language, asr_model, coalesce(cluster, turn_hash)
        order by language, asr_model, cluster
    """
    found: dict[tuple, BinSums] = {}
    ends: dict[tuple, list[float]] = {}
    for batch in spool.database.sql(source).to_arrow_reader(20_000):
        for key, rows in batch.to_pandas().groupby(["language", "asr_model"], sort=False):
            bins = found.setdefault(key, BinSums(np.random.default_rng(seed)))
            bins.add(rows.iloc[:, 5:].to_numpy(dtype=float))
            ends.setdefault(key, []).extend((rows["least"].min(), rows["most"].max()))
    hidden = {
        (group["language"], group["asr_model"]): group["suppressed"]
        for group in groups
        if group["by"] == ["language", "asr_model"]
    }
    results = []
    for key in sorted(found):
        result = dict(zip(("language", "asr_model"), key, strict=True)) | calibrate(found[key])
        if reason := hidden.get(key):
            result = {n: v if n in ("language", "asr_model") else None for n, v in result.items()}
            result |= {"declined": reason, "curve": []}
        elif min(ends[key]) == max(ends[key]) and not result["declined"]:
            result |= dict.fromkeys(("expected_calibration_error", "ci_low", "ci_high", "p_value"))
            result |= {"declined": "all confidences are equal; only their gap is given"}
            result |= {"curve": []}
        results.append(result)
    return results


def _notes(overall: dict, empty: dict, calibration: list[dict]) -> list[str]:
    if not overall["reference_words"]:
        return []
    notes = []
    if overall["cluster"] == "turn":
        notes.append(
            "No session is known, so intervals take turns as independent; those of one session are"
            " alike, and the true intervals are wider."
        )
    if "character" in overall["unit"]:
        notes.append(
            "Languages written without spaces are counted in characters, which reference_words then"
            " holds; their rates do not compare with those of words."
        )
    if overall["normalizer"] == "none":
        notes.append(
            "Texts were compared as they are: capitals and punctuation count as parts of words."
        )
    if overall["empty_hypotheses"]:
        notes.append(
            f"Empty hypotheses: {overall['empty_hypotheses']:,} turns, all of whose words count as"
            " deleted."
        )
    if empty["turns"]:
        notes.append(
            f"Empty references: {empty['turns']:,} turns that are in no rate;"
            f" {empty['insertions']:,} words were recognised in them."
        )
    models = {one["asr_model"] for one in calibration}
    return [*notes, *filter(None, [warning(models)])]
