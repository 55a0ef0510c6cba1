"""The comparison per day, the likely time zone of the vendor's days, and the verdict."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.reconciling.expected import Expected
from voice_ai_analytics.reconciling.ours import Ours

# By how many hours the vendor's days may differ from UTC.
OFFSETS = range(-12, 15)
# Costs and minutes are rounded by vendors, day by day.
ROUNDING = {"sessions": 0.0, "minutes": 1.0, "cost": 0.01}
CAUSES = {
    "quarantined": "quarantined",
    "not_connected": "not connected",
    "in_progress": "in progress",
    "loaded_since": "loaded since",
    "no_duration": "without a duration",
    "no_cost": "without a cost",
    "unexplained": "unexplained",
}
# What we may count and the vendor not.
MORE = ("not_connected", "in_progress", "loaded_since")


@dataclass(frozen=True)
class Reconciliation:
    """A vendor's figures beside ours.

    Parameters
    ----------
    platform, time_zone : str
        What was compared, in whose days.
    measures : list of str
        Of sessions, minutes and cost, those that the file has.
    days : list of dict
        Per day: theirs, ours and difference of each measure, and ``causes`` with counts.
    reasons : dict of str to int
        Quarantined rows of these days, and those without a day, by reason.
    other_zone : str or None
        The time zone of the vendor's days, where another one fits better.
    notes : list of str
        What else to know.
    """

    platform: str
    time_zone: str
    measures: list[str]
    days: list[dict]
    reasons: dict[str, int]
    other_zone: str | None
    notes: list[str]

    @property
    def exit_code(self) -> int:
        """Return 0, or 3 where no day has sessions on both sides."""
        both = any(day["ours"]["sessions"] for day in self.days)
        return 0 if both else 3

    @property
    def verdict(self) -> str:
        """Return the finding in one sentence."""
        if self.exit_code:
            return (
                f"Nothing can be compared: no certified session of {self.platform} on the"
                f" {len(self.days)} days of the file."
            )
        told = [self._total(measure) for measure in self.measures]
        text = f"{self.platform}, {len(self.days)} days: {'; '.join(told)}"
        if self.other_zone:
            text += f"; the vendor's days look like days of {self.other_zone}"
        causes: Counter[str] = Counter()
        for day in self.days:
            causes.update(day["causes"])
        listed = [f"{causes[name]:,} {words}" for name, words in CAUSES.items() if causes[name]]
        return text + (f"; sessions to look at: {', '.join(listed)}." if listed else ".")

    def _total(self, measure: str) -> str:
        theirs = sum(day["theirs"][measure] for day in self.days)
        ours = sum(day["ours"][measure] for day in self.days)
        digits = 0 if measure == "sessions" else 2
        if all(abs(day["difference"][measure]) <= ROUNDING[measure] for day in self.days):
            return f"{measure} agree on every day ({ours:,.{digits}f})"
        return (
            f"the vendor counts {theirs:,.{digits}f} {measure} and we {ours:,.{digits}f}"
            f" ({ours - theirs:+,.{digits}f})"
        )

    def to_json(self) -> dict:
        """Return the result as plain JSON values."""
        return {
            "verdict": self.verdict,
            "platform": self.platform,
            "time_zone": self.time_zone,
            "other_time_zone": self.other_zone,
            "days": [day | {"day": day["day"].isoformat()} for day in self.days],
            "quarantine_reasons": self.reasons,
            "notes": self.notes,
        }


def compare(platform: str, expected: Expected, ours: Ours, time_zone: str) -> Reconciliation:
    """Compare a vendor's figures with ours.

    Parameters
    ----------
    platform : str
        Whose figures they are.
    expected : Expected
        The vendor's.
    ours : Ours
        The warehouse's.
    time_zone : str
        In which the vendor's days begin and end, such as UTC or America/New_York.

    Raises
    ------
    UserError
        If there is no such time zone.
    """
    try:
        zone = ZoneInfo(time_zone)
    except (ZoneInfoNotFoundError, ValueError) as error:
        raise UserError(
            f"{time_zone}: no such time zone; name one as America/New_York or UTC"
        ) from error

    def day_of(at: datetime) -> date:
        return at.replace(tzinfo=UTC).astimezone(zone).date()

    totals: dict[date, Counter] = defaultdict(Counter)
    for quarter in ours.quarters:
        totals[day_of(quarter["at"])].update(
            {name: value for name, value in quarter.items() if name != "at"}
        )
    quarantined: Counter[date] = Counter()
    reasons: Counter[str] = Counter()
    undated = 0
    for at, told, count in ours.quarantined:
        day = day_of(at) if at else None
        if day is None:
            undated += count
        elif day in expected.days:
            quarantined[day] += count
        else:
            continue
        for reason in told.split(", "):
            reasons[reason] += count
    measures = list(expected.columns)
    days = []
    for day, theirs in sorted(expected.days.items()):
        mine = totals[day]
        causes = {"quarantined": quarantined[day]} | {
            name: int(mine[name])
            for name in CAUSES
            if name not in ("quarantined", "unexplained")
            and (name != "no_duration" or "minutes" in measures)
            and (name != "no_cost" or "cost" in measures)
        }
        figures = {name: mine[name] for name in {"sessions", *measures}}
        days.append(
            {
                "day": day,
                "theirs": theirs,
                "ours": figures,
                "difference": {name: figures[name] - theirs[name] for name in measures},
                "causes": {name: count for name, count in causes.items() if count},
            }
        )
        if unexplained := _unexplained(days[-1]):
            days[-1]["causes"]["unexplained"] = unexplained
    notes = []
    if undated:
        notes.append(f"{undated:,} quarantined rows have no day and may belong to any")
    if ours.unbuilt:
        notes.append(f"{ours.unbuilt:,} payloads were loaded after the last build; run dbt build")
    if expected.ignored:
        notes.append(f"columns that aren't compared: {', '.join(expected.ignored)}")
    other = _other_zone(expected, ours) if "sessions" in measures and time_zone == "UTC" else None
    return Reconciliation(platform, time_zone, measures, days, dict(reasons), other, notes)


def _unexplained(day: dict) -> int:
    """Return how many sessions of a day's difference no cause can explain."""
    difference, causes = int(day["difference"].get("sessions", 0)), day["causes"]
    if difference < 0:
        return max(0, -difference - causes.get("quarantined", 0))
    return max(0, difference - sum(causes.get(name, 0) for name in MORE))


def _other_zone(expected: Expected, ours: Ours) -> str | None:
    """Return the offsets from UTC at which the sessions per day fit best, if 0 isn't one."""

    def away(hours: int) -> float:
        counts: Counter[date] = Counter()
        for quarter in ours.quarters:
            counts[(quarter["at"] + timedelta(hours=hours)).date()] += quarter["sessions"]
        return sum(abs(counts[day] - one["sessions"]) for day, one in expected.days.items())

    distances = {hours: away(hours) for hours in OFFSETS}
    least = min(distances.values())
    # A better fit by chance isn't a time zone: most of the difference must go.
    if least > distances[0] / 2 or distances[0] - least < 2:
        return None
    best = [hours for hours in OFFSETS if distances[hours] == least]
    return f"UTC{best[0]:+d}" + (f" to UTC{best[-1]:+d}" if len(best) > 1 else "")
