"""Bad input at scale: each of 10,000 mutants is read correctly, or rejected with its reason.

Mutated rows are built once per engine and per way to type the columns. What each must become is
worked out here with Python's own parsers of numbers and instants. Mutated files go to
``voice-ai load``.
"""

from __future__ import annotations

import csv
import hashlib
import io
import math
import os
import random
import re
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from decimal import Decimal, InvalidOperation
from email.utils import parsedate_to_datetime
from functools import cache
from string import ascii_lowercase, ascii_uppercase

import duckdb
import pandas as pd
import pytest
from consumer import ENGINES, REPOSITORY
from psycopg2.extras import execute_values

from voice_ai_analytics.dbt_project import DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.load import RAW_TABLES, load
from voice_ai_analytics.warehouse import Warehouse

IS_FULL = os.environ.get("VOICE_AI_FAULTS") == "full"
SEED = random.randrange(2**32) if IS_FULL else 20260301
MANY = 5 if IS_FULL else 1
FILES = {"duckdb": 240 * MANY, "postgres": 60 * MANY}

PROJECT = """\
name: fuzz
profile: consumer
vars:
  voice_ai_snapshot: false
  voice_ai_semantic_models: false
  voice_ai_time_spine: false
  voice_ai_fact_turns: true
  voice_ai_user_attributes: [badge, plan]
"""
TIMES = ("started_at", "ended_at", "updated_at", "loaded_at")
NUMBERS = (
    *("duration_seconds", "csat_score", "cost_usd"),
    *("asr_confidence", "intent_confidence", "response_latency_ms"),
    *("asr_cost_usd", "endpointing_ms", "tts_first_audio_ms"),
)
INTEGERS = ("turn_count", "turn_index", "llm_input_tokens")
# Labels of which all others are impossible.
CODES = {
    "direction": ("inbound", "outbound"),
    "resolution": ("resolved", "unresolved"),
    "resolution_source": ("user", "agent", "model", "rule"),
    "latency_anchor": ("speech_end", "end_of_turn", "transcript", "unknown"),
}
# What makes a measurement possible; an impossible one costs only its value.
MEASUREMENTS = {
    "sessions": {
        "duration_seconds": (0, 1e9),
        "turn_count": (0, math.inf),
        "csat_score": (1, 5),
        "cost_usd": (0, math.inf),
        "asr_cost_usd": (0, math.inf),
        "llm_input_tokens": (0, math.inf),
        "direction": ("", "~"),
        "resolution": ("", "~"),
        "resolution_source": ("", "~"),
    },
    "turns": {
        "asr_confidence": (0, 1),
        "intent_confidence": (0, 1),
        "response_latency_ms": (0, math.inf),
        "latency_anchor": ("", "~"),
        "endpointing_ms": (0, math.inf),
        "tts_first_audio_ms": (0, math.inf),
        "is_interruption": (0, 1),
        "is_backchannel": (0, 1),
        "is_cancelled": (0, 1),
    },
    "users": {},
}
BOOLEANS = (
    *("is_interruption", "is_backchannel", "is_cancelled"),
    *("has_disability", "is_first_time_digital_user"),
)
# A valid row of each table. Each has a unique badge in its id, and in one more place.
BASE = {
    "sessions": {
        "session_id": "",
        "platform": "bot",
        "user_id": "somebody",
        "channel": "Voice",
        "language": "en-US",
        "started_at": "2026-03-01T10:00:00Z",
        "ended_at": "2026-03-01T10:05:00Z",
        "duration_seconds": "300",
        "turn_count": "0",
        "outcome_raw": "Completed",
        "transfer_reason": "billing",
        "bot_version": "",
        "asr_model": "asr-1",
        "csat_score": "4",
        "cost_usd": "0.25",
        "account": "north",
        "direction": "Inbound",
        "resolution": "resolved",
        "resolution_source": "model",
        "asr_cost_usd": "0.05",
        "llm_input_tokens": "1200",
        "updated_at": "2026-03-02",
        "loaded_at": "2026-03-03 04:00:00",
    },
    "turns": {
        "turn_id": "",
        "session_id": "home",
        "platform": "bot",
        "turn_index": "1",
        "speaker": "user",
        "started_at": "2026-03-01T10:00:00Z",
        "ended_at": "2026-03-01T10:00:05.250Z",
        "asr_confidence": "0.75",
        "intent": "",
        "intent_confidence": "0.5",
        "error_type": "noise",
        "response_latency_ms": "640",
        "latency_anchor": "end of turn",
        "endpointing_ms": "300",
        "tts_first_audio_ms": "150.5",
        "is_interruption": "yes",
        "is_backchannel": "no",
        "is_cancelled": "f",
        "transcript": "pay my bill",
        "updated_at": "2026-03-02",
        "loaded_at": "2026-03-03 04:00:00",
    },
    "users": {
        "user_id": "",
        "region": "rural",
        "has_disability": "no",
        "is_first_time_digital_user": "1",
        "plan": "basic",
        "updated_at": "2026-03-02",
        "loaded_at": "2026-03-03 04:00:00",
        "badge": "",
    },
}
ID = {"sessions": "session_id", "turns": "turn_id", "users": "user_id"}
BADGE_AGAIN = {"sessions": "bot_version", "turns": "intent", "users": "badge"}
BADGE = re.compile(r"~\d{5}~")
REQUIRED = {
    "sessions": ("session_id", "platform", "started_at"),
    "turns": ("turn_id", "session_id", "platform", "turn_index", "speaker"),
    "users": ("user_id",),
}

# --- mutants ---


@dataclass(frozen=True)
class Mutant:
    """A row with one or two changed columns."""

    table: str
    badge: str
    row: dict[str, str | None]
    changed: list[str]

    def __str__(self) -> str:
        return f"{self.table} { {name: self.row[name] for name in self.changed} }"


# Separated by bars, because no strange value contains one.
STRANGE_TEXTS = (
    "| |   |null|NULL|None|\\N|'|''|\"|\\|--|;|%s|$1|'; drop table voice_ai_raw.sessions; --|"
    "1 or 1=1|{{ 1/0 }}|{% endraw %}|${x}|\U0001f469\u200d\U0001f467|שלום|\u202eevil|"
    "e\u0301|\ufeff|\ufffd|Ａ１|٣|½|ﬀ|日本語|a\0b|\x01|\x1b[31m|\x7f|\u0085|\u2028|a\tb|a\nb|"
    + "x" * 20_000
    + "|"
    + "é" * 5_000
)
STRANGE_NUMBERS = (
    "0|-0|+1|1|-1|5|6|0.5|.5|5.|.|-.5|1.0|1.5|007|1e0|1E+2|1e-2|5e-1|1e99|1e100|-1e99|1e-99|"
    "1e400|1e|e1|1e1.5|NaN|nan|-nan|inf|Infinity|-Infinity|1,5|1,000|1_000|1 000|0x10|１|٣|½|−1|"
    "--1|+-1|1.2.3|$5|5%|1/2|one|true|0b1|1d|1f|2147483647|2147483648|-2147483648|-2147483649|"
    "9223372036854775808|1e9|1000000001|999999999.5|1.0000000000000000001|"
    "0.1000000000000000055511151231257827|4.9e-324|1.7976931348623157e308"
)
STRANGE_NUMBERS += "".join(
    f"|{digits}" for digits in ("9" * 30, "9" * 31, "0." + "1" * 31, "0" * 40)
)
STRANGE_TIMES = (
    "2026-03-01|2026-02-28|2026-03-31|2026-04-31|2026-02-29|2024-02-29|2000-02-29|1900-02-29|"
    "2100-02-29|1900-01-01|1899-12-31|2199-12-31|2200-01-01|0000-00-00|0001-01-01|9999-12-31|"
    "10000-01-01|-2026-03-01|2026-13-01|2026-00-10|2026-3-1|20260301|2026-W10-1|2026-060|"
    "01/03/2026|03/01/2026|1 March 2026|1772359200|now|today|infinity|-infinity|epoch|2026|"
    "2026-03|10:00|2026-03-01T|2026-03-01T10|2026-03-01T10:00|2026-03-01 10:00:00|"
    "2026-03-01t10:00:00|2026-03-01  10:00|2026-03-01T24:00:00|2026-03-01T23:59:60Z|"
    "2026-03-01T23:60:00Z|2026-03-01T25:00Z|2026-03-01T10:00:00.|2026-03-01T10:00:00.1|"
    "2026-03-01T10:00:00.123456|2026-03-01T10:00:00,5|2026-03-01T10:00:00.123456789Z|"
    "2026-03-01T10:00:00.9999999Z|2026-03-01T10:00:00.1234567891Z|2026-03-01T10:00:00z|"
    "2026-03-01T10:00:00 Z|2026-03-01T10:00:00 UTC|2026-03-01T10:00:00UTC|"
    "2026-03-01T10:00:00+02|2026-03-01T10:00:00+0200|2026-03-01T10:00:00+02:00|"
    "2026-03-01T10:00Z|2026-03-01T10:00:00-12:30|2026-03-01T10:00:00+14:59|"
    "2026-03-01T10:00:00+15:00|2026-03-01T10:00:00 +02:00|2026-03-01T10:00:00+2:00|"
    "2026-03-01T10:00:00+02:60|2026-03-01Z|2026-03-01T10:00:00 Europe/Paris|"
    "2026-03-01T10:00:00 CET|2026-03-01T10:00:00GMT|2026-03-29T02:30:00|2026-03-01T10:00:00Z\n|"
    "２０２６-03-01|2026–03–01|2026-03-01T10:00:00-00:00|1900-01-01T00:00:00+14:00|"
    "2199-12-31T23:59:59.999999-14:00|99999999|100000000|1772359200.25|7258118399|7258118400|"
    "99999999999|100000000000|1772359200123|7258118400000|1772359200123456|7258118400000000|"
    "17723592001234567|-1772359200|+1772359200|1772359200.1234567891|1.7723592e9|"
    "Sun, 1 Mar 2026 10:00:00 +0000|1 Mar 2026 10:00 GMT|Sun,1 Mar 2026 10:00:00 UT|"
    "Sun, 01 Mar 2026 10:00:00 +0230|30 Feb 2026 10:00:00 +0000|29 Feb 2024 10:00:00 Z|"
    "Sun, 1 mar 2026 10:00:00 +0000|1 Mar 26 10:00:00 +0000|1 Mar 2026 24:00:00 +0000|"
    "1 Mar 2026 10:00:00 EST|1 Mar 2026 10:00:00|1 Mar 2026 10:00:00 +1500|32 Mar 2026 10:00 Z|"
    "Sunday, 1 Mar 2026 10:00:00 +0000|1 Mar 1899 10:00:00 Z|31 Dec 2199 23:59:59 -1400|"
    "1  Mar 2026 10:00:00 Z|1 Mai 2026 10:00:00 Z|1 Mar 2026 :::::::: Z"
)
STRANGE_BOOLEANS = (
    "true|TRUE|True|yes|YES|y|Y|t|T|1|false|no|n|N|f|0|on|off|2|-1|1.0|01|yes!|y e s|ja|oui|"
    "nein|✓|ｙes|tru|None"
)
STRANGE_WORDS = {
    "channel": "voice|IVR|chat|Transcript|fax|voice |voi ce",
    "language": "english|ENGLISH|en|EN_us|zh-hant-tw|pt-BR-x|pt-Bß|deu|123|-",
    "outcome_raw": "Hung Up|timed-out|VOICEMAIL|no answer|done?|user__hangup",
    "speaker": "User|ASSISTANT|system|Agent|BOT|customer|Caller|human|users|us er|supervisor",
    "direction": "INBOUND|outbound |web call|in_bound",
    "resolution": "Resolved|unresolved|un-resolved|success",
    "resolution_source": "USER|agent|model|Rule|survey",
    "latency_anchor": "speech end|END-OF-TURN|transcript|Unknown|vad",
    "error_type": "NOISE|No_Input|no-input|misunderstanding|repeat|x",
    "session_id": "home| home |HOME|away",
    "platform": "bot| bot|BOT|bot2",
}
ALPHABETS = [
    "0123456789",
    "+-.,eE:TZ/ ",
    "abcxyzNULL",
    "'\"\\;%$",
    "\t\n\r\x01\x1b",
    "é٣\u200d\u00a0ß日",
]


def strange(column):
    """Return the texts that a column's mutants start from."""
    if column in TIMES:
        texts = STRANGE_TIMES
    elif column in NUMBERS + INTEGERS:
        texts = STRANGE_NUMBERS
    elif column in BOOLEANS:
        texts = STRANGE_BOOLEANS
    else:
        texts = STRANGE_WORDS.get(column, STRANGE_TEXTS)
    return texts.split("|")


def edited(draw, text):
    """Return a text changed in one place, or unchanged."""
    start = draw.randrange(len(text) + 1)
    end = min(len(text), start + draw.choice([0, 1, 1, 2]))
    middle = draw.choice(
        [
            "",
            draw.choice(draw.choice(ALPHABETS)),
            draw.choice(draw.choice(ALPHABETS)),
            text[start:end] * 2,
            text[start:end].swapcase(),
        ]
    )
    return text[:start] + middle + text[end:]


def mutated(draw, table, column, badge):
    """Return a new text, or none, for a column of a row."""
    if draw.random() < 0.04:
        return None
    texts = strange(column) if draw.random() < 0.8 else STRANGE_TEXTS.split("|")
    text = draw.choice([*texts, BASE[table][column]])
    for _ in range(draw.choice([0, 0, 0, 1, 1, 2])):
        text = edited(draw, text)
    # Without the badge, two mutants could be versions of one row.
    if column == ID[table] and text.strip(" "):
        return draw.choice([f"{text}{badge}", f"{badge}{text}"])
    return text


# Columns that a warehouse has typed, and values that only typed columns can have.
TYPED = {
    "sessions": {
        "started_at": "timestamptz",
        "ended_at": "timestamp",
        "duration_seconds": "double precision",
        "turn_count": "bigint",
        "csat_score": "numeric(20, 6)",
        "cost_usd": "double precision",
        "asr_cost_usd": "numeric(20, 6)",
        "llm_input_tokens": "bigint",
        "updated_at": "date",
        "loaded_at": "timestamptz",
    },
    "turns": {
        "turn_index": "double precision",
        "started_at": "date",
        "ended_at": "timestamptz",
        "asr_confidence": "real",
        "intent_confidence": "numeric(20, 6)",
        "response_latency_ms": "integer",
        "endpointing_ms": "integer",
        "is_interruption": "boolean",
        "is_cancelled": "boolean",
        "updated_at": "timestamp",
        "loaded_at": "timestamp",
    },
    "users": {
        "has_disability": "boolean",
        "is_first_time_digital_user": "smallint",
        "updated_at": "timestamptz",
    },
}
# A warehouse with little more than the required columns, its flags typed as numbers.
NARROW = {
    "sessions": {
        **{"session_id": "text", "platform": "text", "bot_version": "text"},
        **{"started_at": "date", "turn_count": "smallint", "csat_score": "integer"},
        **{"duration_seconds": "bigint", "updated_at": "text", "user_id": "text"},
        **{"ended_at": "bigint", "loaded_at": "double precision"},
    },
    "turns": {
        **{"turn_id": "text", "session_id": "text", "platform": "text", "intent": "text"},
        **{"turn_index": "numeric(30, 3)", "speaker": "text", "is_interruption": "integer"},
        **{"asr_confidence": "integer", "response_latency_ms": "text"},
    },
    "users": {"user_id": "text", "badge": "text", "has_disability": "text"},
}
EPOCHS = ("bigint", "double precision")
PLAIN = {
    "date": "2026-03-01",
    "timestamp": "2026-03-01T10:05:00",
    "boolean": "true",
    "smallint": "1",
    "integer": "1",
}
TYPED_VALUES = {
    "double precision": "0 -0 0.1 1 1.5 5 5.000001 -1e-9 1e9 1.1e9 1e99 1e100 1e308 nan inf -inf",
    "real": "0 0.25 1 1.5 -0.5 nan inf -inf 1e30",
    "numeric(20, 6)": "0 0.999999 1 1.000001 5 5.000001 -0.000001 99999999999999.999999",
    "numeric(30, 3)": "0 1 1.5 2147483647 2147483647.5 2147483648 -1 99999999999999999999999999",
    "smallint": "0 1 2 -1 32767 -32768",
    "integer": "0 1 2 5 6 -1 2147483647 -2147483648",
    "bigint": "0 1 -1 2147483647 2147483648 -2147483648 9223372036854775807 -9223372036854775808"
    " 1772359200 1772359200123 1772359200123456",
    "boolean": "true false",
    "date": "2026-03-01 2026-02-28 2026-03-02 1900-01-01 2199-12-31 0001-01-01 9999-12-31"
    " infinity -infinity",
    "timestamp": "2026-03-01T10:04:59.999999 2026-03-01T09:59:59 2026-03-01 1970-01-01T00:00:00"
    " 0001-01-01 9999-12-31T23:59:59 infinity -infinity",
    "timestamptz": "2026-03-01T10:00:00+02:00 2026-03-01T10:04:59.999999-05:30 2026-03-01T00:00Z"
    " 0001-01-02T00:00Z 9999-12-30T00:00Z infinity -infinity",
}


def plain(types):
    """Return the values of a valid row in columns where its text doesn't fit the type."""
    row = {column: PLAIN[kind] for column, kind in types.items() if kind in PLAIN}
    return row | {column: "1772445600" for column in TIMES if types.get(column) in EPOCHS}


def mutants(draw, table, count, first, types):
    """Return rows with one or two columns changed to values that the column's type allows."""
    columns = [column for column in BASE[table] if types.get(column, "text") != "text"]
    columns = columns or [column for column in BASE[table] if column != "badge"]
    for number in range(count):
        badge = f"~{first + number:05}~"
        changed = {columns[number % len(columns)], draw.choice([None] * 4 * len(columns) + columns)}
        # One of the badge's two places stays unchanged.
        changed -= {None, BADGE_AGAIN[table]} if ID[table] in changed else {None}
        row = BASE[table] | {ID[table]: badge, BADGE_AGAIN[table]: badge}
        row |= plain(types)
        for column in changed:
            kind = types.get(column, "text")
            if kind == "text":
                row[column] = mutated(draw, table, column, badge)
            else:
                row[column] = draw.choice([None, *TYPED_VALUES[kind].split()])
        # The package derives an end or a duration from the other, if one is missing.
        for column in {"ended_at", "duration_seconds"} - changed:
            if column in row and draw.random() < 0.3:
                row[column] = None
        yield Mutant(table, badge, row, sorted(changed))


# --- what each must become ---

UNREADABLE = object()
INSTANT = re.compile(
    r"(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d)(:\d\d)?(\.\d{1,9})?"
    r"( ?(?:Z|z|UTC)|[+-]\d\d(?::?\d\d)?)?)?",
    re.ASCII,
)


def read_text(text):
    return (text and text.strip(" ")) or None


def read_number(text):
    """Parse a number as Python does, without the notations that only Python has."""
    if not text.isascii() or re.search(r"[_\s]", text):
        return UNREADABLE
    try:
        value = Decimal(text)
    except InvalidOperation:
        return UNREADABLE
    # More digits than any measurement has are rejected, because no engine may overflow.
    mantissa, _, exponent = text.lower().partition("e")
    whole, point, fraction = mantissa.lstrip("+-").partition(".")
    is_bounded = len(whole) <= (30 if point else 60) and len(fraction) <= 30
    is_bounded = is_bounded and len(exponent.lstrip("+-")) <= 2
    return float(value) if value.is_finite() and is_bounded else UNREADABLE


def read_boolean(text):
    if text.lower() in ("true", "yes", "t", "y", "1"):
        return True
    return False if text.lower() in ("false", "no", "f", "n", "0") else UNREADABLE


MAIL = re.compile(
    r"(?:[A-Z][a-z]{2}, *)?\d{1,2} (?:Jan|Feb|Mar|Apr|May|Jun|Jul|Aug|Sep|Oct|Nov|Dec) "
    r"(?:19|20|21)\d\d \d\d:\d\d(?::\d\d)? (?:GMT|UTC?|Z|[+-](?:0\d|1[0-4])[0-5]\d)",
    re.ASCII,
)


def read_epoch(number):
    """Return seconds, milliseconds or microseconds since 1970 as an instant."""
    for per_second in (1, 1000, 1_000_000):
        if 10**8 * per_second <= number <= 7258118399 * per_second:
            return datetime(1970, 1, 1) + timedelta(seconds=number / per_second)
    return UNREADABLE


def read_instant(text):
    """Return an instant of the years 1900 to 2199 in UTC: ISO 8601, RFC 2822 or since 1970."""
    if re.fullmatch(r"\d{9,16}(\.\d{1,9})?", text, re.ASCII):
        return read_epoch(float(text))
    if MAIL.fullmatch(text):
        try:
            return to_utc(parsedate_to_datetime(re.sub("(UTC?|Z)$", "GMT", text)))
        except ValueError:
            return UNREADABLE
    match = INSTANT.fullmatch(text)
    if not match or not 1900 <= int(text[:4]) <= 2199:
        return UNREADABLE
    day, time, seconds, fraction, zone = match.groups("")
    if fraction and not seconds:
        return UNREADABLE
    zone = "+00:00" if zone.strip().upper() in ("", "Z", "UTC") else zone
    if abs(int(zone[:3])) > 14 or int(zone[3:].removeprefix(":") or 0) > 59:
        return UNREADABLE
    try:
        instant = datetime.fromisoformat(f"{day}T{time or '00:00'}{seconds or ':00'}{zone}")
    except ValueError:
        return UNREADABLE
    return to_utc(instant) + timedelta(seconds=float(fraction or 0))


def to_utc(instant):
    return instant.astimezone(UTC).replace(tzinfo=None) if instant.tzinfo else instant


def read(column, given, kind):
    """Return the value of a raw column of some type."""
    if (text := read_text(given)) is None:
        return None
    if column in TIMES:
        if kind == "text":
            return read_instant(text)
        if kind in EPOCHS:
            return read_epoch(float(text))
        instant = datetime.max if "inf" in text else datetime.fromisoformat(text)
        return to_utc(instant) if 1900 <= instant.year <= 2199 else UNREADABLE
    if column in BOOLEANS:
        return read_boolean(text)
    if column in CODES:
        code = re.sub("[ -]", "_", text.translate(SMALL))
        return code if code in CODES[column] else UNREADABLE
    if column not in NUMBERS + INTEGERS:
        return text
    value = read_number(text) if kind == "text" else float(text)
    if value is UNREADABLE or (kind != "text" and not abs(value) <= 1e99):
        return UNREADABLE
    is_integer = value.is_integer() and -(2**31) <= value < 2**31
    return value if column in NUMBERS or is_integer else UNREADABLE


def owed(mutant, kinds):
    """Return why a row is rejected, or else its values, and which measurements are impossible."""
    table, row = mutant.table, mutant.row
    values = {name: read(name, row[name], kinds[name]) for name in kinds}
    impossible = set()
    for name in MEASUREMENTS[table].keys() & values.keys():
        least, most = MEASUREMENTS[table][name]
        given = values[name]
        if given is UNREADABLE or (given is not None and not least <= given <= most):
            impossible.add(f"impossible_{name}")
            values[name] = None
    reasons = {f"unreadable_{name}" for name in values if values[name] is UNREADABLE}
    reasons |= {f"missing_{name}" for name in REQUIRED[table] if values[name] is None}
    given = {name: None if value is UNREADABLE else value for name, value in values.items()}
    days = {
        name
        for name in set(TIMES) & kinds.keys()
        if kinds[name] == "date"
        or (kinds[name] == "text" and re.fullmatch("(?s)....-..-..", read_text(row[name]) or ""))
    }
    value = defaultdict(lambda: None, given)
    if value["ended_at"] and value["started_at"]:
        start = value["started_at"]
        if "ended_at" in days:
            start = start.replace(hour=0, minute=0, second=0, microsecond=0)
        if value["ended_at"] < start:
            reasons.add("ended_before_started")
    reasons |= broken_limits(table, value)
    if reasons:
        return reasons, {}, impossible
    return (
        reasons,
        {"sessions": owed_session, "turns": owed_turn, "users": owed_user}[table](value, days),
        impossible,
    )


def broken_limits(table, value):
    if table != "turns":
        return set()
    speaker, platform, session = value["speaker"], value["platform"], value["session_id"]
    limits = {
        "negative_turn_index": value["turn_index"] is not None and value["turn_index"] < 0,
        "unknown_speaker": speaker and speaker.lower() not in SPEAKERS,
        "unknown_session": platform and session and (platform, session) != ("bot", "home"),
    }
    return {reason for reason, is_broken in limits.items() if is_broken}


SPEAKERS = dict.fromkeys(("user", "customer", "caller", "human"), "user")
SPEAKERS |= dict.fromkeys(("assistant", "agent", "bot"), "assistant") | {"system": "system"}


def owed_session(value, days):
    started_at, duration = value["started_at"], value["duration_seconds"]
    ended_at = None if "ended_at" in days else value["ended_at"]
    is_time_known = "started_at" not in days
    if duration is None and ended_at and is_time_known:
        duration = (ended_at - started_at).total_seconds()
    elif duration is not None and ended_at is None:
        ended_at = started_at + timedelta(seconds=duration)
    channel = value["channel"] and value["channel"].lower()
    return {
        **{name: value[name] for name in ("session_id", "platform", "started_at", "outcome_raw")},
        **{name: value[name] for name in ("transfer_reason", "bot_version", "asr_model")},
        **{name: value[name] for name in ("csat_score", "cost_usd", "asr_cost_usd")},
        **{name: value[name] for name in ("account", "direction", "llm_input_tokens")},
        **{name: value[name] for name in ("resolution", "resolution_source")},
        "user_key": value["user_id"],
        "channel": channel and (channel if channel in CHANNELS else "other"),
        "language": value["language"] and owed_language(value["language"]),
        "outcome": OUTCOMES.get(
            re.sub("[ -]", "_", (value["outcome_raw"] or "").lower()), "unknown"
        ),
        "is_started_at_time_known": is_time_known,
        "ended_at": ended_at,
        "duration_seconds": duration,
        "declared_turn_count": value["turn_count"],
    }


def owed_language(text):
    if text.lower() in LANGUAGES:
        return LANGUAGES[text.lower()]
    first, *subtags = text.replace("_", "-").translate(SMALL).split("-")[:3]
    cased = [
        {2: subtag.translate(CAPITAL), 4: subtag[0].translate(CAPITAL) + subtag[1:]}.get(
            len(subtag), subtag
        )
        for subtag in subtags
        if subtag
    ]
    return "-".join([first, *cased])


# The case of any other letter is left alone.
SMALL = str.maketrans(ascii_uppercase, ascii_lowercase)
CAPITAL = str.maketrans(ascii_lowercase, ascii_uppercase)


def owed_turn(value, days):
    names = ("turn_id", "platform", "turn_index", "started_at", "asr_confidence", "intent")
    error = value["error_type"] and value["error_type"].lower()
    is_heard = not value["is_cancelled"]
    stages = ("response_latency_ms", "endpointing_ms", "tts_first_audio_ms")
    has_latency = is_heard and value["response_latency_ms"] is not None
    return {
        **{name: value[name] for name in names},
        **{name: value[name] if is_heard else None for name in stages},
        **{name: value[name] for name in ("is_backchannel", "is_cancelled", "intent_confidence")},
        "latency_anchor": (value["latency_anchor"] or "unknown") if has_latency else None,
        "speaker": SPEAKERS[value["speaker"].lower()],
        "ended_at": None if "ended_at" in days else value["ended_at"],
        "error_type": error and (error if error in ERRORS else "other"),
        "is_interruption": value["is_interruption"],
    }


def owed_user(value, days):
    names = ("has_disability", "is_first_time_digital_user", "plan", "badge")
    return {
        **{name: value[name] for name in names},
        "region": value["region"] and value["region"].lower(),
    }


def seed(name, key, value):
    with (REPOSITORY / "seeds" / f"{name}.csv").open(encoding="utf-8") as stream:
        return {
            row[key]: row[value]
            for row in csv.DictReader(stream)
            if row.get("platform", "*") == "*"
        }


OUTCOMES = seed("voice_ai_outcomes", "outcome_raw", "outcome")
LANGUAGES = seed("voice_ai_languages", "language_name", "language")
CHANNELS = ("voice", "ivr", "chat", "transcript")
ERRORS = ("misunderstanding", "no_input", "noise", "no_match", "repeat")

# --- rows ---

COUNTS = {
    "text": {"sessions": 3600, "turns": 3200, "users": 1000},
    "typed": {"sessions": 600, "turns": 700, "users": 200},
    "narrow": {"sessions": 150, "turns": 150, "users": 100},
}
TYPES = {"text": {}, "typed": TYPED, "narrow": NARROW}


@dataclass
class Fuzzed:
    """Mutants, the types of their columns, and what became of them, by badge."""

    mutants: list[Mutant]
    types: dict[str, dict[str, str]]
    salt: str
    accepted: dict[str, dict[str, list[dict]]]
    refused: dict[str, dict[str, list[dict]]]
    impossible: dict[str, dict[str, list[dict]]]


@pytest.fixture(scope="module")
def project_of(consumer):
    """Return one project per engine, so that dbt parses it once."""

    @cache
    def give(engine):
        project = consumer(None, engine)
        (project.directory / "dbt_project.yml").write_text(PROJECT)
        return project

    return give


@pytest.fixture(
    scope="module", params=[f"{engine} {typing}" for engine in ENGINES for typing in COUNTS]
)
def fuzzed(request, project_of):
    """Build the package on mutated rows, and return them with what became of them."""
    engine, typing = request.param.split()
    project = project_of(engine)
    for schema in (
        "voice_ai_raw",
        *(f"main_voice_ai{part}" for part in ("", "_staging", "_private")),
    ):
        project.rows(f"drop schema if exists {schema} cascade")
    project.rows("create schema voice_ai_raw")
    draw = random.Random(f"{SEED} {typing}")
    drawn, types = [], {}
    for table, count in COUNTS[typing].items():
        all_text = {} if typing == "narrow" else dict.fromkeys(BASE[table], "text")
        types[table] = all_text | TYPES[typing].get(table, {})
        drawn += mutants(draw, table, count * MANY, len(drawn), types[table])
    if engine == "postgres":  # no text of the package contains a NUL
        drawn = [
            mutant for mutant in drawn if "\0" not in "".join(filter(None, mutant.row.values()))
        ]
    raw = {table: [mutant.row for mutant in drawn if mutant.table == table] for table in BASE}
    home = BASE["sessions"] | {"session_id": "home"} | plain(types["sessions"])
    # Users are visible only through their sessions.
    raw["sessions"] += [home] + [
        home | {"session_id": f"for {mutant.badge}", "user_id": mutant.row["user_id"]}
        for mutant in drawn
        if mutant.table == "users"
    ]
    for table, rows in raw.items():
        write(project, table, types[table], rows)
    project.dbt("build", "--exclude-resource-types", "test", "unit_test")

    fact = read_table(project, "main_voice_ai.fact_voice_ai_sessions")
    quarantine = "main_voice_ai_staging.quarantine_voice_ai__"
    values = [{"user_id": None} | row for row in read_table(project, f"{quarantine}values")]
    ((salt,),) = project.rows("select salt from main_voice_ai_private.stg_voice_ai__salt")
    return Fuzzed(
        drawn,
        types,
        salt,
        {
            "sessions": by_badge(fact, "session_id", "bot_version"),
            "turns": by_badge(
                read_table(project, "main_voice_ai.fact_voice_ai_turns"), "turn_id", "intent"
            ),
            "users": by_badge(fact, "badge"),
        },
        {
            table: by_badge(read_table(project, quarantine + table), ID[table], BADGE_AGAIN[table])
            for table in BASE
        },
        {
            table: by_badge([row for row in values if row["table_name"] == table], ID[table])
            for table in MEASUREMENTS
        },
    )


def write(project, table, types, rows):
    """Create a raw table with the columns that have a type."""
    declared = ", ".join(f"{column} {kind}" for column, kind in types.items())
    project.rows(f"create table voice_ai_raw.{table} ({declared})")
    if project.engine == "postgres":
        with project.postgres() as connection, connection.cursor() as cursor:
            values = [[row[column] for column in types] for row in rows]
            execute_values(cursor, f"insert into voice_ai_raw.{table} values %s", values)
        return
    with duckdb.connect(str(project.directory / "consumer.duckdb")) as connection:
        connection.register("given", pd.DataFrame(rows, columns=[*types], dtype=object))
        cast = ", ".join(f"cast({column} as {kind})" for column, kind in types.items())
        connection.execute(f"insert into voice_ai_raw.{table} select {cast} from given")


def read_table(project, table):
    """Return a table's rows as dictionaries, with instants as text, as Python lacks some."""
    schema, name = table.split(".")
    columns = project.rows(
        "select column_name, data_type from information_schema.columns"
        f" where table_schema = '{schema}' and table_name = '{name}'"
    )
    select = ", ".join(
        f"cast({column} as text)" if kind.lower().startswith("timestamp") else column
        for column, kind in columns
    )
    return [
        dict(zip([column for column, _ in columns], row, strict=True))
        for row in project.rows(f"select {select} from {table}")
    ]


def by_badge(rows, *columns):
    found = defaultdict(list)
    for row in rows:
        if badge := BADGE.search(" ".join(row[column] or "" for column in columns)):
            found[badge[0]].append(row)
    return found


def is_same(found, expected):
    """Compare a value; engines round the seventh digit of a second differently."""
    if isinstance(expected, datetime):
        difference = datetime.fromisoformat(found) - expected if found else timedelta.max
        return abs(difference) <= timedelta(microseconds=1)
    if isinstance(expected, float) and isinstance(found, int | float | Decimal):
        return math.isclose(found, expected, rel_tol=1e-12, abs_tol=1e-5)
    return found == expected and isinstance(found, bool) == isinstance(expected, bool)


def mistakes(fuzzed, mutant):
    """Return what went wrong with a mutant."""
    reasons, values, impossible = owed(mutant, fuzzed.types[mutant.table])
    if values.get("user_key"):
        values["user_key"] = hashlib.sha256((fuzzed.salt + values["user_key"]).encode()).hexdigest()
    accepted = fuzzed.accepted[mutant.table].get(mutant.badge, [])
    refused = fuzzed.refused[mutant.table].get(mutant.badge, [])
    if len(accepted) + len(refused) != 1:
        return [f"accepted {len(accepted)} times, rejected {len(refused)} times"]
    if refused:
        (row,) = refused
        found = set(row["quarantine_reasons"].split(", "))
        wrong = [f"rejected for {found}, not {reasons or 'nothing'}"] if found != reasons else []
        kept = row["unreadable_values"] or ""
        for reason in reasons & found | impossible:
            name = re.sub("^(unreadable|impossible)_", "", reason)
            if name != reason and f"{name}=" not in kept:
                wrong.append(f"{name} is not among the unreadable values: {kept}")
        return wrong
    if reasons:
        return [f"accepted despite {reasons}"]
    (row,) = accepted
    told = fuzzed.impossible[mutant.table].get(mutant.badge, [])
    found = {reason for value in told for reason in value["quarantine_reasons"].split(", ")}
    if found != impossible:
        return [f"impossible are {found or 'none'}, not {impossible or 'none'}"]
    return [
        f"{column} is {row[column]!r}, not {value!r}"
        for column, value in values.items()
        if not is_same(row[column], value)
    ]


def test_each_row_is_read_rightly_or_refused_with_its_reasons(fuzzed):
    told = {mutant.badge: mistakes(fuzzed, mutant) for mutant in fuzzed.mutants}
    wrong = [
        f"{mutant}: {mistake}"[:500] for mutant in fuzzed.mutants for mistake in told[mutant.badge]
    ]
    assert not wrong, f"{len(wrong)} of {len(told)}:\n" + "\n".join(wrong[:40])


def test_mutants_are_of_both_kinds(fuzzed):
    refused = sum(map(len, fuzzed.refused.values()))
    assert 0.1 < refused / len(fuzzed.mutants) < 0.8
    assert sum(map(len, fuzzed.impossible.values())) / len(fuzzed.mutants) > 0.05


# --- files ---

NEW_ROWS = {
    "users": [["u1", "rural", "no", "yes"], ["u2", 'Québec, "north"', "", "no"]],
    "voice_sessions": [
        ["s1", "u1", "voice", "en", "12.5", "3", "completed", "", "2026-03-01 10:00:00"],
        ["s2", "u2", "chat", "fr", "8", "1", "", "two\nlines", "2026-03-02 10:00:00"],
    ],
    "voice_turns": [
        ["t1", "s1", "1", "user", "pay", "0.9", "0.8", "", "2.5", "2026-03-01 10:00:00"],
        ["t2", "s1", "2", "system", "", "", "", "noise", "1", "2026-03-01 10:00:05"],
    ],
    "voice_ai_metrics": [["s1", "0.8", "0.9", "0", "0.1", "true", "false"]],
    "applications": [["a1", "s1", "u1", "tax", "voice", "sent", "60", "2026-03-01"]],
}
SNIPPETS = (
    b'"',
    b",",
    b"\n",
    b"\r",
    b"\r\n",
    b"\0",
    b"\xff",
    b"\xef\xbb\xbf",
    b'""',
    b"\\",
    b"\xc3",
)


def as_csv(records):
    stream = io.StringIO()
    csv.writer(stream, lineterminator="\n").writerows(records)
    return stream.getvalue().encode()


def file_mutant(draw, table):
    """Return a file's content damaged in one or two ways."""
    records = [[*RAW_TABLES[table]], *(list(record) for record in NEW_ROWS[table])]

    def insert():
        place = draw.randrange(len(content) + 1)
        return content[:place] + draw.choice(SNIPPETS) + content[place:]

    def overwrite():
        place = draw.randrange(len(content) + 1)
        return content[:place] + draw.randbytes(draw.randrange(1, 4)) + content[place + 1 :]

    def cut():
        return content[: draw.randrange(len(content) + 1)]

    def remove():
        place = draw.randrange(len(content) + 1)
        return content[:place] + content[place + draw.randrange(1, 20) :]

    def repeat_a_line():
        lines = content.splitlines(keepends=True)
        return b"".join([*lines, draw.choice(lines)] if lines else [])

    def recode():
        text = content.decode("utf-8", "replace")
        return text.encode(
            draw.choice(["utf-16", "utf-16-le", "utf-32", "latin-1", "utf-7"]), "replace"
        )

    def end_lines_otherwise():
        return content.replace(b"\n", draw.choice([b"\r\n", b"\r", b"\n\n", b"\n\r", b";\n"]))

    def prefix():
        return (
            draw.choice([b"\xef\xbb\xbf", b"\n\n", b" ", b"\x1f\x8b\x08", b"sep=,\n", b"#"])
            + content
        )

    def replace_all():
        return draw.choice(
            [b"", b"\n", b"\0" * 100, b'"', b"{}", b"PK\x03\x04", draw.randbytes(500)]
        )

    def enlarge():
        return content + b'"' + b"x" * 3_000_000 + draw.choice([b'"', b'"\n', b""])

    def change_columns():
        column = draw.randrange(len(records[0]))
        way = draw.choice(["drop", "repeat", "add", "rename", "upper", "swap", "ragged"])
        for number, record in enumerate(records):
            if way == "drop":
                del record[column]
            elif way == "repeat":
                record.append(record[column])
            elif way == "add":
                record.insert(column, "" if number else draw.choice(["", "note", "é", "select"]))
            elif way == "swap":
                record.reverse()
        if way == "rename":
            records[0][column] += draw.choice(["_", " ", "\u200b", "s"])
        elif way == "upper":
            records[0] = [f" {name.upper()} " for name in records[0]]
        elif way == "ragged":
            draw.choice(records[1:]).append("more")
        return as_csv(records)

    content = change_columns() if draw.random() < 0.3 else as_csv(records)
    damages = [insert, overwrite, cut, remove, repeat_a_line, recode, end_lines_otherwise]
    damages += [prefix, replace_all, enlarge, insert, overwrite]
    for damage in draw.sample(damages, draw.choice([0, 1, 1, 2])):
        content = damage()
    return content


def owed_rows(content, table):
    """Return the rows of a file as Python reads it, or None if it must be rejected.

    Raises
    ------
    ValueError
        If no program would write such a file, and more than one reading is right.
    """
    text = content.decode("utf-8-sig").replace("\r\n", "\n").replace("\r", "\n")
    try:
        records = [record for record in csv.reader(io.StringIO(text), strict=True) if record]
    except csv.Error as error:
        raise ValueError from error
    lines = [line for line in text.split("\n") if line]
    if as_csv(records).decode().rstrip("\n").split("\n") != lines:
        raise ValueError
    while records and not any(records[0]):  # the header is the first line that isn't blank
        del records[0]
    if not records:
        return []
    names = [name.strip().lower() for name in records[0]]
    if any(names.count(name) != 1 for name in RAW_TABLES[table]):
        return None
    places = [names.index(name) for name in RAW_TABLES[table]]
    return [
        tuple(record[place].replace("\0", "") or None for place in places)
        for record in records[1:]
        if len(record) == len(names)
    ]


@pytest.fixture(params=ENGINES)
def database(request, project_of, monkeypatch):
    """Return a project without raw tables, with its variables in the environment."""
    project = project_of(request.param)
    project.rows("drop schema if exists voice_ai_raw cascade")
    for name, value in project.environment.items():
        monkeypatch.setenv(name, value)
    return project


def raw_tables(warehouse):
    """Return the rows of the raw tables, sorted, without their load time."""
    tables = {}
    with warehouse.connect() as connection:
        cursor = connection.cursor()
        for table, columns in RAW_TABLES.items():
            cursor.execute(f"select {', '.join(columns)} from voice_ai_raw.{table}")
            tables[table] = sorted(cursor.fetchall(), key=repr)
    return tables


def test_each_file_is_loaded_whole_or_refused_in_one_line(database, tmp_path):
    draw = random.Random(SEED)
    warehouse = Warehouse(DbtProject(database.directory))
    intact = {table: as_csv([RAW_TABLES[table], *rows]) for table, rows in NEW_ROWS.items()}
    for name, content in intact.items():
        (tmp_path / f"{name}.csv").write_bytes(content)
    load(tmp_path, warehouse)
    before = raw_tables(warehouse)
    endings = Counter()
    for number in range(FILES[database.engine]):
        table = draw.choice([*RAW_TABLES])
        content = file_mutant(draw, table)
        told = f"mutant {number}, {table}.csv: {content[:500]!r}"
        (tmp_path / f"{table}.csv").write_bytes(content)
        try:
            owed = owed_rows(content, table)
        except ValueError:
            owed = ...
        try:
            result = load(tmp_path, warehouse)
        except UserError as error:
            assert re.fullmatch(rf".*{table}\.csv: .+", str(error)), f"{error}\n{told}"
            assert owed in (None, ...), f"{error}\n{told}"
            assert error.exit_code == 2
            assert raw_tables(warehouse) == before, told
            endings["refused"] += 1
            continue
        finally:
            (tmp_path / f"{table}.csv").write_bytes(intact[table])
        assert owed is not None, f"not refused\n{told}"
        after = raw_tables(warehouse)
        assert {name: len(rows) for name, rows in after.items()} == {
            name: result.rows[name] for name in after
        }, told
        for name, rows in NEW_ROWS.items():
            values = [tuple(value or None for value in row) for row in rows]
            expected = owed if name == table else values
            assert expected is ... or after[name] == sorted(expected, key=repr), told
        before = after
        endings["read as owed" if owed is not ... else "read somehow"] += 1
    assert min(endings.values()) > FILES[database.engine] / 10, endings
