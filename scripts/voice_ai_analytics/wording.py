"""How numbers, dates and the texts of others are written, in terminals and in the report."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Callable
from datetime import datetime

import numpy as np

NOT_KNOWN = "not known"


def clean(text) -> str:
    """Return text on one line, without marks that reorder what follows or can't be written."""
    text = re.sub("[\u200e\u200f\u202a-\u202e\u2066-\u2069]", "", " ".join(str(text).split()))
    return re.sub("[\\x00-\\x1f\\x7f-\\x9f\ud800-\udfff\ufffe\uffff]", "\ufffd", text) or "(empty)"


def shorten(text: str, width: int = 22) -> str:
    """Return text cut in the middle to a width in columns; wide characters take two."""
    taken = np.cumsum([2 if unicodedata.east_asian_width(c) in "WF" else 1 for c in text])
    if taken[-1] <= width:
        return text
    head = text[: (taken <= width // 2).sum()]
    tail = text[(taken <= taken[-1] - (width - 1) // 2).sum() :]
    return f"{head.rstrip()}…{tail.lstrip()}"


def capital(text: str) -> str:
    """Return text with a capital first letter."""
    return text[0].upper() + text[1:]


def _form(pattern: str, value: float | None, unknown: str) -> str:
    is_known = value is not None and np.isfinite(value)
    return pattern.format(value).replace("-", "−") if is_known else unknown


def percent(share: float, unknown: str = "–") -> str:
    """Return a share in percent."""
    return _form("{:.1%}", share, unknown)


def points(difference: float, unknown: str = "–") -> str:
    """Return a difference of two shares in percentage points, with its sign."""
    return _form("{:+z.1f}", 100 * difference, unknown)


def count(n: float | None, unknown: str = "–") -> str:
    """Return a whole number."""
    return _form("{:,.0f}", n, unknown)


def decimal(value: float, unknown: str = "–") -> str:
    """Return a number with two decimals."""
    return _form("{:.2f}", value, unknown)


def number(value: float | None, unknown: str = "–") -> str:
    """Return a number with three significant digits."""
    return _form("{:.3g}", value, unknown)


def probability(value: float | None, unknown: str = "–") -> str:
    """Return a p or q value."""
    return "<0.001" if value is not None and value < 0.001 else _form("{:.3f}", value, unknown)


def odds_ratio(value: float) -> str:
    """Return an odds ratio in few characters."""
    return f"{value:.2f}" if value < 100 else f"{value:.0e}"


def money(value: float, unknown: str = "–") -> str:
    """Return an amount in dollars."""
    return _form("${:,.2f}", value, unknown)


def milliseconds(value: float, unknown: str = "–") -> str:
    """Return a duration in milliseconds."""
    return _form("{:,.0f} ms", value, unknown)


def seconds(value: float, unknown: str = "–") -> str:
    """Return a duration in seconds, from one minute on in minutes and seconds."""
    if not np.isfinite(value) or value < 60:
        return _form("{:.0f}s", value, unknown)
    return "{}m {:02}s".format(*divmod(round(value), 60))


def span(low: float, high: float, text: Callable[[float], str]) -> str:
    """Return both ends of an interval in the same format."""
    return f"{text(low)} to {text(high)}" if np.isfinite([low, high]).all() else "–"


def tick(share: float) -> str:
    """Return the label of a share on an axis."""
    return f"{100 * share:.3g}%"


def tick_points(difference: float) -> str:
    """Return the label of a difference of two shares on an axis, in percentage points."""
    return _form("{:+.3g}", 100 * difference, "") if difference else "0"


def day(date: datetime) -> str:
    """Return a date as text."""
    return f"{date.day} {date:%b %Y}"
