"""A vendor's figures per day, from a CSV file with whatever columns it has."""

from __future__ import annotations

import csv
import math
import re
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

from voice_ai_analytics.errors import UserError

DAYS = ("day", "date", "start_date", "call_date", "period")
# What a column of a vendor's file may be called, the likeliest first, and what its unit is worth.
MEASURES = {
    "sessions": {
        **dict.fromkeys(("sessions", "calls", "conversations", "contacts", "chats"), 1),
        **dict.fromkeys(("interactions", "total_calls", "total_sessions", "count"), 1),
        **dict.fromkeys(("session_count", "call_count", "conversation_count"), 1),
    },
    "minutes": {
        **dict.fromkeys(
            ("minutes", "mins", "total_minutes", "call_minutes", "duration_minutes"), 1
        ),
        **dict.fromkeys(("hours", "total_hours"), 60),
        **dict.fromkeys(("seconds", "duration_seconds", "total_seconds", "total_duration"), 1 / 60),
    },
    "cost": dict.fromkeys(
        ("cost", "cost_usd", "total_cost", "spend", "amount", "total_spend", "price", "credits"),
        1.0,
    ),
}


@dataclass(frozen=True)
class Expected:
    """A vendor's figures.

    Parameters
    ----------
    days : dict
        By day, the figures by measure: sessions, minutes and cost, as far as the file has them.
    columns : dict of str to str
        The file's column by measure.
    ignored : list of str
        Columns that mean none of these.
    written_at : datetime
        When the file was last written, in UTC.
    """

    days: dict[date, dict[str, float]]
    columns: dict[str, str]
    ignored: list[str]
    written_at: datetime


def read_expected(path: Path) -> Expected:
    """Read a vendor's figures; rows of one day are added up.

    Parameters
    ----------
    path : Path
        CSV in UTF-8 with a header, separated by commas, semicolons or tabs.

    Raises
    ------
    UserError
        If the file, a column or a value can't be read.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
        written_at = datetime.fromtimestamp(path.stat().st_mtime, UTC).replace(tzinfo=None)
    except (OSError, UnicodeDecodeError) as error:
        reason = getattr(error, "strerror", None) or "it isn't UTF-8"
        raise UserError(f"{path}: can't be read ({reason}); name a CSV file in UTF-8") from error
    lines = [line for line in text.splitlines() if line.strip()]
    if not lines:
        raise UserError(f"{path}: is empty; expected a CSV file with a header")
    rows = list(csv.reader(lines, delimiter=max(",;\t", key=lines[0].count)))
    names = [re.sub(r"\W+", "_", name.strip().lower()).strip("_") for name in rows[0]]
    day = next((names.index(name) for name in DAYS if name in names), None)
    found = {
        measure: next((name for name in known if name in names), None)
        for measure, known in MEASURES.items()
    }
    columns = {measure: name for measure, name in found.items() if name}
    if day is None or not columns:
        wanted = (
            "for the day; name it day or date" if day is None else "of sessions, minutes or cost"
        )
        raise UserError(f"{path}: no column {wanted}; it has {', '.join(rows[0])}")
    days: dict[date, dict[str, float]] = {}
    for number, row in enumerate(rows[1:], start=2):
        if len(row) != len(names):
            raise UserError(
                f"{path}: row {number} has {len(row)} values, and the header {len(names)}"
            )
        figures = days.setdefault(_day(path, number, row[day]), dict.fromkeys(columns, 0.0))
        for measure, name in columns.items():
            value = _number(path, number, name, row[names.index(name)])
            figures[measure] += value * MEASURES[measure][name]
    if not days:
        raise UserError(f"{path}: has no row; export the vendor's figures per day")
    used = {names[day], *columns.values()}
    ignored = [
        shown.strip() for name, shown in zip(names, rows[0], strict=True) if name not in used
    ]
    return Expected(days, columns, ignored, written_at)


def _day(path: Path, number: int, text: str) -> date:
    try:
        return date.fromisoformat(text.strip()[:10])
    except ValueError as error:
        raise UserError(
            f"{path}: row {number}: {text.strip()!r} isn't a day; write it as 2026-01-31"
        ) from error


def _number(path: Path, number: int, name: str, text: str) -> float:
    plain = re.sub(r"[\s$€£]|,(?=\d{3}(?:\D|$))", "", text)
    try:
        value = float(plain or 0)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise UserError(
            f"{path}: row {number}, column {name}: {text!r} isn't a number; write it as 1234.5"
        )
    return value
