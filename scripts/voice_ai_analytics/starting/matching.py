"""Which of a user's columns is likeliest which column of the input contract, by name and type."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping
from dataclasses import dataclass
from difflib import SequenceMatcher
from functools import cache

from voice_ai_analytics.dbt_project import REPOSITORY

# Other names of a contract column, or table, the likeliest first.
OTHER_NAMES = {
    "sessions": "conversations calls chats contacts interactions",
    "turns": "messages utterances transcript_turns dialog_turns events",
    "users": "customers members callers contacts",
    "asr_references": "references ground_truth transcriptions",
    "tool_calls": "function_calls actions",
    "evaluations": "scores ratings surveys",
    "session_id": "conversation_id call_id chat_id contact_id interaction_id id",
    "user_id": "customer_id caller_id member_id contact_id phone_number ani",
    "turn_id": "message_id utterance_id event_id id",
    "turn_index": "turn_number turn_no position sequence_number message_index seq",
    "platform": "vendor provider source_system",
    "account": "account_id instance workspace tenant",
    "channel": "medium media_type",
    "language": "locale lang language_code",
    "started_at": "start_time start_timestamp created_at begin_time timestamp time date",
    "ended_at": "end_time end_timestamp finished_at closed_at",
    "duration_seconds": "duration total_duration length talk_time call_duration turn_duration",
    "turn_count": "total_turns turns message_count",
    "outcome_raw": "outcome final_outcome disposition ended_reason disconnection_reason status",
    "transfer_reason": "handoff_reason escalation_reason",
    "bot_version": "agent_version assistant_version flow_version version",
    "asr_model": "stt_model recognizer transcriber asr_engine",
    "csat_score": "csat rating satisfaction",
    "cost_usd": "cost total_cost price",
    "updated_at": "modified_at last_modified last_updated updated",
    "loaded_at": "_fivetran_synced _airbyte_extracted_at ingested_at inserted_at",
    "speaker": "role sender participant author",
    "asr_confidence": "stt_confidence transcript_confidence confidence",
    "intent": "detected_intent intent_name",
    "intent_confidence": "nlu_confidence intent_score",
    "error_type": "error",
    "response_latency_ms": "latency response_time response_latency",
    "is_interruption": "interrupted barge_in",
    "transcript": "text message utterance content",
    "region": "state province area",
    "has_disability": "disability_flag disability",
    "is_first_time_digital_user": "first_time_digital_user",
    "reference_text": "reference ground_truth",
    "hypothesis_text": "hypothesis recognized_text asr_text",
    "tool_name": "function_name name",
    "tool_call_id": "call_id id",
    "evaluation_id": "id",
}
# Types of a source that can hold a contract type; text can hold any.
HOLDS = {
    "timestamp": "timestamp|date|int|numeric|decimal|double|real|float",
    "number": "int|numeric|decimal|double|real|float",
    "integer": "int|numeric|decimal",
    "boolean": "bool|int",
}
TEXT = "char|text|json|uuid|enum"
# A unit at the end of a name: what to divide by to get seconds.
UNITS = {"seconds": 1, "secs": 1, "sec": 1, "s": 1, "ms": 1000, "millis": 1000, "us": 1_000_000}
LIKELY = 0.6


@dataclass(frozen=True)
class Match:
    """A source column for a contract column.

    Parameters
    ----------
    column : str
        Of the source.
    score : float
        1 for the same name; above `LIKELY`.
    factor : float
        What to multiply by, where the units differ.
    """

    column: str
    score: float
    factor: float = 1


@cache
def contract() -> dict[str, dict]:
    """Return the input contract by table: ``columns`` with their types, and ``required``."""
    macro = REPOSITORY / "macros" / "input" / "input_contract.sql"
    text = macro.read_text(encoding="utf-8")
    return ast.literal_eval(re.search(r"set contracts = (\{.*?\}) -%\}", text, re.DOTALL)[1])


def match_columns(table: str, source: Mapping[str, str]) -> dict[str, Match]:
    """Return the likeliest source column of each contract column that has one.

    Parameters
    ----------
    table : str
        Of the contract.
    source : mapping of str to str
        The source's columns with their types.

    Returns
    -------
    dict of str to Match
        No source column is used twice.
    """
    scored = sorted(
        (
            (_match(wanted, kind, column, source[column]), wanted)
            for wanted, kind in contract()[table]["columns"].items()
            for column in source
        ),
        key=lambda pair: (-pair[0].score, pair[1], pair[0].column),
    )
    found: dict[str, Match] = {}
    used: set[str] = set()
    for match, wanted in scored:
        if match.score >= LIKELY and wanted not in found and match.column not in used:
            found[wanted] = match
            used.add(match.column)
    return found


def likeliest_table(table: str, sources: Mapping[str, Mapping[str, str]]) -> str | None:
    """Return the source table that is likeliest a contract table, if one is.

    Parameters
    ----------
    table : str
        Of the contract.
    sources : mapping
        Columns with types, by the source's name ``schema.table``.
    """
    required = [name for name in contract()[table]["required"] if name != "platform"]
    best, likeliest = 0.0, None
    for name, columns in sources.items():
        found = match_columns(table, columns)
        needed = sum(found[one].score for one in required if one in found)
        named = _likeness(table, name.rsplit(".", 1)[-1])
        # A table without most of what is required, or with another's name and ids, is another one.
        if needed < 0.6 * len(required) or (len(required) < 2 and named < LIKELY):
            continue
        score = needed + named + 0.1 * len(found)
        if score > best:
            best, likeliest = score, name
    return likeliest


def _match(wanted: str, kind: str, column: str, type_: str) -> Match:
    is_text = re.search(TEXT, type_.lower()) is not None
    if kind in HOLDS and not is_text and not re.search(HOLDS[kind], type_.lower()):
        return Match(column, 0)
    likeness, factor = _likeness(wanted, column), 1.0
    (_, unit), (source_stem, source_unit) = _unit(wanted), _unit(column)
    if unit and source_unit:
        if (without := _likeness(wanted, f"{source_stem}_{unit}")) > likeness:
            likeness = without - 0.02
        likeness = max(likeness, _likeness(wanted, source_stem) - 0.02)
        factor = UNITS[unit] / UNITS[source_unit]
    # Text may hold numbers and instants, a column of the right type is likelier.
    return Match(column, likeness - 0.05 * (is_text and kind not in ("text", "code")), factor)


def _unit(name: str) -> tuple[str, str | None]:
    stem, _, last = name.lower().rpartition("_")
    return (stem, last) if last in UNITS else (name.lower(), None)


def _likeness(wanted: str, name: str) -> float:
    name = re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()
    others = OTHER_NAMES.get(wanted, "").split()
    if name == wanted:
        return 1.0
    if name in others:
        return 0.95 - 0.03 * others.index(name)
    ours, theirs = set(wanted.split("_")), set(name.split("_"))
    if ours <= theirs or (len(theirs) > 1 and theirs <= ours):
        return 0.75 - 0.02 * len(ours ^ theirs)
    ratio = SequenceMatcher(None, wanted, name).ratio()
    return 0.8 * ratio if ratio >= 0.8 else 0.0
