"""Why the last dbt run failed or warned: which rule, which rows, since when, and what to do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.warehouse import Transaction, Warehouse

PACKAGE = "voice_ai_analytics"
# Commands whose results say something about data.
RUNS = ("build", "run", "test", "seed", "snapshot", "retry")
SAMPLES = 3
# Columns whose values may be personal: only the first letters are shown.
PERSONAL = {"user_id", "session_id", "turn_id", "transcript"}
# What to do about a reason in quarantine, by how the reason begins.
REMEDIES = {
    "missing_": "report it, or leave such rows out of your input model",
    "unreadable_": "convert it to what docs/input-contract.md accepts, in your input model",
    "impossible_": "convert it to the contract's unit, or to null where it isn't known",
    "unknown_speaker": "map it to user, assistant or system in your input model",
    "negative_turn_index": "number turns from 0 on",
    "ended_before_started": "check the time zones of both instants",
    "unknown_session": "load the sessions, or check how both tables spell session_id and platform",
    "quarantined_session": "mend their sessions, and the turns follow",
}


@dataclass(frozen=True)
class Finding:
    """One thing that is wrong.

    Parameters
    ----------
    status : str
        error, fail or warn of a node in dbt's run; quarantined or impossible of input rows.
    what : str
        The node, or the rule and the platform.
    account : str
        One sentence that says what is wrong.
    samples : list of str
        At most three values or rows, with what may be personal masked.
    remedy : str or None
        What to do, if the package knows.
    """

    status: str
    what: str
    account: str
    samples: list[str] = field(default_factory=list)
    remedy: str | None = None


def explain(project: DbtProject, warehouse: Warehouse) -> Iterator[Finding]:
    """Explain the failures and warnings of the last dbt run, then the rows that don't count.

    Parameters
    ----------
    project : DbtProject
        Has the results of the last run.
    warehouse : Warehouse
        Has the tables that it left.

    Yields
    ------
    Finding
        Failures first.

    Raises
    ------
    UserError
        If dbt hasn't run yet, or its last command looked at no data.
    """
    # Refuses another target's results, too.
    manifest = project.manifest
    path = project.directory / "target" / "run_results.json"
    if not path.is_file():
        raise UserError(f"{path}: not there yet; run dbt build first")
    try:
        run = json.loads(path.read_text(encoding="utf-8"))
        which, results = run["args"]["which"], run["results"]
    except (ValueError, KeyError, TypeError) as error:
        raise UserError(f"{path}: isn't dbt's run results; run dbt build again") from error
    if which not in RUNS:
        raise UserError(f"{path}: the last command was dbt {which}; run dbt build, then this again")
    order = ("error", "fail", "warn")
    troubles = [result for result in results if result["status"] in order]
    with warehouse.transaction() as transaction:
        for result in sorted(troubles, key=lambda one: order.index(one["status"])):
            yield _of_node(transaction, manifest, result)
        yield from _of_rows(project, transaction)


def _of_node(transaction: Transaction, manifest: dict, result: dict) -> Finding:
    """Explain one result of the run."""
    node = manifest["nodes"].get(result["unique_id"], {})
    name = node.get("name") or result["unique_id"].split(".")[-1]
    if result["status"] == "error":
        lines = [line.strip() for line in (result["message"] or "").splitlines() if line.strip()]
        return Finding("error", name, lines[1] if len(lines) > 1 else " ".join(lines))
    count = result["failures"]
    account = " ".join((node.get("description") or "A test failed.").split())
    samples = []
    if node.get("package_name") == PACKAGE and result.get("compiled_code"):
        samples = _rows(transaction, result["compiled_code"])
    remedy = node.get("config", {}).get("meta", {}).get("voice_ai_remedy")
    return Finding(result["status"], name, f"{account} Found: {count:,}.", samples, remedy)


def _rows(transaction: Transaction, query: str) -> list[str]:
    """Return the first rows of a query, as `column value` pairs without what is null."""
    found = transaction.run(f"select * from (\n{query}\n) as failing limit {SAMPLES}")
    names = [column[0] for column in transaction.cursor.description]
    return [
        ", ".join(f"{n} {_shown(n, v)}" for n, v in zip(names, row, strict=True) if v is not None)
        for row in found
    ]


def _shown(column: str, value: object) -> str:
    """Return a value as text, short, and masked if it may be personal."""
    text = str(value)
    if column in PERSONAL:
        return f"{text[:3]}…" if len(text) > 4 else "…"
    return text if len(text) <= 60 else f"{text[:59]}…"


def _of_rows(project: DbtProject, transaction: Transaction) -> Iterator[Finding]:
    """Explain why rows of the input don't count, and which values are read as null."""
    typed = {}
    for table in ("sessions", "turns", "tool_calls", "evaluations", "users"):
        node = project.node(f"stg_voice_ai__{table}_typed")
        if node["alias"] in transaction.tables(node["schema"]):
            typed[table] = node["relation_name"]
    for table, relation in typed.items():
        for status, column in (
            ("quarantined", "quarantine_reasons"),
            ("impossible", "value_quarantine_reasons"),
        ):
            if status == "quarantined" or table != "users":
                yield from _reasons(transaction, table, relation, status, column)
    if {"sessions", "turns"} <= typed.keys():
        yield from _without_session(transaction, typed["sessions"], typed["turns"])


def _reasons(
    transaction: Transaction, table: str, relation: str, status: str, column: str
) -> Iterator[Finding]:
    """Explain each reason in a column of the typed rows, by platform."""
    platform = "null" if table == "users" else "platform"
    counts: dict[tuple[str, str], list] = {}
    for name, reasons, rows, since in transaction.run(
        f"select {platform}, {column}, count(*), min(loaded_at) from {relation}"
        f" where {column} is not null group by 1, 2"
    ):
        for reason in reasons.split(", "):
            entry = counts.setdefault((name or "", reason), [0, None])
            entry[0] += rows
            entry[1] = min(filter(None, (entry[1], since)), default=None)
    for (name, reason), (rows, since) in sorted(counts.items(), key=lambda item: -item[1][0]):
        where = f"position('{reason}' in {column}) > 0"
        if table != "users":
            where += f" and coalesce(platform, '') = {transaction.mark}"
        yield Finding(
            status,
            f"{reason}, {table}" + (f" of platform {name}" if name else ""),
            f"{rows:,} {'row' if rows == 1 else 'rows'}"
            + (" read the value as null" if status == "impossible" else "")
            + (f", the first loaded {since:%Y-%m-%d %H:%M} UTC." if since else "."),
            _values(transaction, relation, reason, where, [] if table == "users" else [name]),
            next((text for start, text in REMEDIES.items() if reason.startswith(start)), None),
        )


def _values(
    transaction: Transaction, relation: str, reason: str, where: str, values: list[str]
) -> list[str]:
    """Return values that a reason is about: as reported, or those of its columns."""
    kind, _, name = reason.partition("_")
    if kind in ("unreadable", "impossible"):
        rows = transaction.run(
            f"select distinct unreadable_values from {relation} where {where} limit 50", *values
        )
        given = [part for (text,) in rows for part in text.split("; ")]
        found = dict.fromkeys(part for part in given if part.startswith(f"{name}="))
        return [f"{name} {_shown(name, part.split('=', 1)[1])}" for part in [*found][:SAMPLES]]
    columns = {
        "ended_before_started": ["started_at", "ended_at"],
        "unknown_speaker": ["speaker"],
        "negative_turn_index": ["turn_index"],
    }.get(reason)
    if not columns:
        return []
    query = f"select distinct {', '.join(columns)} from {relation} where {where} limit {SAMPLES}"
    return [
        ", ".join(f"{name} {_shown(name, value)}" for name, value in zip(columns, row, strict=True))
        for row in transaction.run(query, *values)
    ]


def _without_session(transaction: Transaction, sessions: str, turns: str) -> Iterator[Finding]:
    """Explain turns whose session is missing or quarantined."""
    rows = transaction.run(
        f"""
        with stated as (
            select platform, session_id, min(case when quarantine_reasons is null then 0 else 1 end)
                as is_rejected
            from {sessions}
            group by platform, session_id
        )
        select
            turns.platform,
            case when stated.session_id is null then 'unknown' else 'quarantined' end || '_session',
            count(*),
            min(turns.session_id),
            max(turns.session_id)
        from {turns} as turns
        left join stated
            on turns.platform = stated.platform and turns.session_id = stated.session_id
        where
            turns.session_id is not null
            and turns.platform is not null
            and coalesce(stated.is_rejected, 1) = 1
        group by 1, 2
        order by 3 desc
        """
    )
    for platform, reason, count, first, last in rows:
        yield Finding(
            "quarantined",
            f"{reason}, turns of platform {platform}",
            f"{count:,} {'row' if count == 1 else 'rows'} name a session that "
            + ("has no row." if reason == "unknown_session" else "is in quarantine."),
            [f"session_id {_shown('session_id', one)}" for one in dict.fromkeys((first, last))],
            REMEDIES[reason],
        )
