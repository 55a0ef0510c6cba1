"""Random event streams, what they leave in the raw tables, and what the package owes for them.

A stream is what one platform reports about a few sessions of a few users, in batches. Its rows are
drawn from small pools, so that ids meet: versions, re-sends, turns that move, turns before their
session. The pools say what each text means, so what is owed needs no reading of text.
"""

from __future__ import annotations

import hashlib
import math
from collections import Counter, defaultdict
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache

import hypothesis
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

BATCHES = 3
LOADS = [datetime(2026, 4, 1 + 3 * batch, 6) for batch in range(BATCHES)]
LOOK_BACK = timedelta(days=1)


def at(day, hour=0):
    return datetime(2026, 3, day, hour)


# What each text means; ids stand for themselves and get their stream's name in front.
UPDATES = {
    None: None,
    "2026-03-20": at(20),
    "2026-03-20T02:00:00+02:00": at(20),
    "2026-03-21 12:00:00": at(21, 12),
    "2026-03-22T00:00:00.000Z": at(22),
}
GOOD = {
    "sessions": {
        "session_id": {"s1": "s1", "s2": "s2", "s3": "s3"},
        "user_id": {"u1": "u1", "u2": "u2", None: None},
        "channel": {"voice": "voice", "Chat": "chat", "fax": "other", None: None},
        "started_at": {
            "2026-03-01T10:00:00Z": at(1, 10),
            "2026-03-01T12:00:00+02:00": at(1, 10),
            "2026-03-02 09:59:59": at(2, 9) + timedelta(minutes=59, seconds=59),
            "2026-03-02 10:00": at(2, 10),
            "2026-03-02": at(2),
            "2026-03-03T04:00:00-0600": at(3, 10),
            "2026-03-08T10:00:00Z": at(8, 10),
            "2026-03-09T10:00:00Z": at(9, 10),
        },
        "ended_at": {
            None: None,
            "2026-03-09T10:00:00Z": at(9, 10),
            "2026-03-02T10:00:00Z": at(2, 10),
        },
        "duration_seconds": {None: None, "0": 0, "60.5": 60.5, "8.64e4": 86400},
        "outcome_raw": {
            "Resolved": "completed",
            "user hangup": "abandoned",
            "Agent-Transfer": "transferred",
            "voicemail": "voicemail",
            "who knows": "unknown",
            None: "unknown",
        },
        "csat_score": {None: None, "5": 5, "1": 1},
        "updated_at": UPDATES,
    },
    "turns": {
        "turn_id": {"t1": "t1", "t2": "t2", "t3": "t3", "t4": "t4"},
        "session_id": {"s1": "s1", "s2": "s2", "s3": "s3"},
        "turn_index": {"0": 0, "1": 1, "2.0": 2},
        "speaker": {"user": "user", "ASSISTANT": "assistant", "system": "system"},
        "asr_confidence": {None: None, "0.1": 0.1, "0.7": 0.7, "1": 1},
        "error_type": {None: None, "noise": "noise", "No_Input": "no_input", "gremlins": "other"},
        "is_interruption": {None: None, "Yes": True, "f": False},
        "updated_at": UPDATES,
    },
    "users": {
        "user_id": {"u1": "u1", "u2": "u2"},
        "region": {None: None, "Rural": "rural", "urban": "urban"},
        "has_disability": {None: None, "yes": True, "0": False},
        "updated_at": UPDATES,
    },
}
# The reason for which each text quarantines its row.
BAD = {
    "sessions": {
        "session_id": {None: "missing_session_id", " ": "missing_session_id"},
        "platform": {None: "missing_platform"},
        "started_at": {
            None: "missing_started_at",
            "2026-02-30": "unreadable_started_at",
            "01/03/2026": "unreadable_started_at",
        },
        "duration_seconds": {
            "-1": "negative_duration_seconds",
            "1e10": "duration_seconds_too_large",
            "NaN": "unreadable_duration_seconds",
        },
        "csat_score": {"0": "csat_score_out_of_range", "five": "unreadable_csat_score"},
        "updated_at": {"soon": "unreadable_updated_at"},
        "loaded_at": {"yesterday": "unreadable_loaded_at"},
    },
    "turns": {
        "turn_id": {None: "missing_turn_id"},
        "session_id": {None: "missing_session_id", "ghost": "unknown_session"},
        "platform": {None: "missing_platform"},
        "turn_index": {"-1": "negative_turn_index", "1.5": "unreadable_turn_index"},
        "speaker": {None: "missing_speaker", "martian": "unknown_speaker"},
        "asr_confidence": {
            "1.01": "asr_confidence_out_of_range",
            "high": "unreadable_asr_confidence",
        },
        "is_interruption": {"maybe": "unreadable_is_interruption"},
        "loaded_at": {"yesterday": "unreadable_loaded_at"},
    },
    "users": {
        "user_id": {"": "missing_user_id"},
        "has_disability": {"perhaps": "unreadable_has_disability"},
        "loaded_at": {"yesterday": "unreadable_loaded_at"},
    },
}
IDS = {"sessions": "session_id", "turns": "turn_id", "users": "user_id"}
COLUMNS = {
    "sessions": ["platform", *GOOD["sessions"], "loaded_at"],
    "turns": ["platform", *GOOD["turns"], "loaded_at"],
    "users": [*GOOD["users"], "loaded_at"],
}


def deliveries():
    """Draw a batch and the instant of load that its row carries, which may be late or unknown."""
    return st.integers(0, BATCHES - 1).flatmap(
        lambda batch: st.tuples(
            st.just(batch),
            st.sampled_from(
                [
                    LOADS[batch],
                    LOADS[batch],
                    LOADS[batch] - timedelta(minutes=1),
                    # The earliest that the run after this batch still has to look for.
                    LOADS[max(batch - 1, 0)] - LOOK_BACK,
                    None,
                ]
            ),
        )
    )


def events(table):
    """Draw a row, seldom a bad one, and when it is delivered, seldom more than once."""
    spoils = [(column, text) for column, texts in BAD[table].items() for text in texts]
    once, often = (st.lists(deliveries(), min_size=n, max_size=n) for n in (1, 2))
    return st.tuples(
        st.fixed_dictionaries(
            # Most optional values are not given, also where it is one of two that would be.
            {
                column: st.sampled_from([*texts] + [None] * (None in texts))
                for column, texts in GOOD[table].items()
            }
        ),
        st.sampled_from([None] * 3 * len(spoils) + spoils),
        st.one_of(once, once, once, often),
    )


@cache
def draw_streams(count, seed=None):
    """Draw streams, always the same ones unless a seed is given."""
    drawn = []
    tables = {"sessions": (2, 8), "turns": (4, 16), "users": (0, 4)}

    @settings(
        max_examples=count,
        derandomize=seed is None,
        phases=[Phase.generate],  # a stream is small enough to be read as it is
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],  # a stream is hundreds of choices
    )
    @given(
        st.fixed_dictionaries(
            {
                table: st.lists(events(table), min_size=least, max_size=most)
                for table, (least, most) in tables.items()
            }
        ),
        st.booleans(),
        st.sampled_from([None] * 5 + ["s1"]),
    )
    def draw(tables, overwrites, leaver):
        drawn.append(Stream(f"p{len(drawn)}", tables, overwrites, leaver))

    (draw if seed is None else hypothesis.seed(seed)(draw))()
    return drawn


@dataclass
class Stream:
    """One platform's events and its loader's ways.

    Parameters
    ----------
    name : str
        The platform.
    events : dict of str to list
        Rows of each table, with their deliveries.
    overwrites : bool
        Whether a row takes the place of an earlier one of its id, rather than joining it.
    leaver : str or None
        A session of which every row is deleted at the source before the last batch.
    users_are_dated : bool
        Whether the users' rows say when they were changed and loaded.
    """

    name: str
    events: dict
    overwrites: bool
    leaver: str | None
    users_are_dated: bool = True

    def columns(self, table):
        """Give the columns of a raw table."""
        undated = () if self.users_are_dated or table != "users" else ("updated_at", "loaded_at")
        return [column for column in COLUMNS[table] if column not in undated]

    def raw(self, table, batch):
        """Give the rows of a raw table after a batch."""
        rows, gone = [], self.gone(batch)
        arrivals = [
            (arrival, instant, values, spoil)
            for values, spoil, deliveries in self.events[table]
            for arrival, instant in deliveries
            if arrival <= batch
        ]
        for arrival, instant, values, spoil in sorted(arrivals, key=lambda arrival: arrival[0]):
            row = {**values, "platform": self.name, "loaded_at": instant and f"{instant}"}
            row |= dict([spoil] if spoil else [])
            row = {column: self.named(column, row[column]) for column in self.columns(table)}
            if gone and arrival == batch and row.get("session_id") == gone:
                continue
            if self.overwrites and not self.broken_rules(table, row):
                name = IDS[table]
                rows = [
                    other
                    for other in rows
                    if other[name] != row[name] or self.broken_rules(table, other)
                ]
            rows.append(row)
        return [row for row in rows if not gone or row.get("session_id") != gone]

    def gone(self, batch):
        """Give the session that has left the source; one that never was certified stays."""
        if self.leaver and batch == BATCHES - 1:
            leaver = self.named("session_id", self.leaver)
            for row in self.raw("sessions", batch - 1):
                if row["session_id"] == leaver and not self.broken_rules("sessions", row):
                    return leaver
        return None

    def named(self, column, text):
        """Put the stream's name in front of an id, so that no other stream has it."""
        is_id = column.endswith("_id") and (text or "").strip()
        return f"{self.name}/{text}" if is_id else text

    def read(self, table, row):
        """Give a good row as its values."""
        values = dict(row)
        for column, meanings in GOOD[table].items():
            if column in row and not column.endswith("_id"):
                values[column] = meanings[row[column]]
        loaded_at = row.get("loaded_at")
        values["loaded_at"] = loaded_at and datetime.fromisoformat(loaded_at)
        if table == "sessions":
            values["is_time_known"] = len(row["started_at"]) > len("2026-03-01")
        return values

    def broken_rules(self, table, row):
        """Give the reasons for which a row is bad by itself."""
        reasons = set()
        for column, text in row.items():
            text = text and text.removeprefix(f"{self.name}/")
            reasons |= {BAD[table].get(column, {}).get(text)} - {None}
        if table == "sessions":
            started_at = GOOD[table]["started_at"].get(row["started_at"])
            ended_at = GOOD[table]["ended_at"][row["ended_at"]]
            if started_at and ended_at and ended_at < started_at:
                reasons.add("ended_before_started")
        return frozenset(reasons)

    def split(self, table, batch, also_broken=lambda row: frozenset()):
        """Give the versions that win, by id, and the quarantine: a count of ids and reasons.

        Raises
        ------
        Undecided
            Where two unlike versions are equally new: which one wins is fixed, but not promised.
        """
        quarantine, versions = Counter(), defaultdict(list)
        for row in self.raw(table, batch):
            if reasons := self.broken_rules(table, row) | also_broken(row):
                quarantine[self.label(table, row, reasons)] += 1
            else:
                versions[row[IDS[table]]].append(self.read(table, row))
        winners = {}
        for key, rows in versions.items():
            rows.sort(key=newness)
            if any(newness(row) == newness(rows[-1]) and row != rows[-1] for row in rows):
                raise Undecided
            winners[key] = rows.pop()
            for row in rows:
                quarantine[self.label(table, row, {"duplicate"})] += 1
        return winners, quarantine

    def label(self, table, row, reasons):
        """Give what is compared of a row in quarantine."""
        ids = [(row.get(name) or "").strip() for name in ("platform", *IDS.values())]
        return table, *ids, frozenset(reasons)

    def owed(self, batch, horizon):
        """Give the fact by session id, in part, and the quarantine that are owed after a batch."""
        if self.gone(batch):
            raise Undecided
        sessions, quarantine = self.split("sessions", batch)
        known = {row["session_id"] for row in self.raw("sessions", batch) if row["platform"]}

        def has_no_session(turn):
            session = turn["session_id"]
            if not session or not turn["platform"] or session in sessions:
                return frozenset()
            is_bad = session in known
            return frozenset({"quarantined_session" if is_bad else "unknown_session"})

        turns, quarantined_turns = self.split("turns", batch, has_no_session)
        users, quarantined_users = self.split("users", batch)
        owed = {
            key: {
                "channel": session["channel"],
                "region": users.get(session["user_id"], {}).get("region"),
                "started_at": session["started_at"],
                "outcome": session["outcome_raw"],
                "csat_score": session["csat_score"],
                **count_turns([turn for turn in turns.values() if turn["session_id"] == key]),
                **dict.fromkeys(JOURNEY),
            }
            for key, session in sessions.items()
        }
        journeys = defaultdict(list)
        for key, session in sessions.items():
            journeys[session["user_id"]].append((session["started_at"], session_key(session), key))
        for user, journey in journeys.items():
            journey.sort()
            for number, (_, _, key) in enumerate(journey if user else []):
                after = sessions[journey[number + 1][2]] if journey[number + 1 :] else None
                owed[key] |= {
                    "user_session_number": number + 1,
                    **calls_back(sessions[key], after, horizon),
                }
        # A user without an id is no stream's.
        named = {label: n for label, n in quarantined_users.items() if any(label[1:-1])}
        return owed, quarantine + quarantined_turns + Counter(named)


class Undecided(Exception):
    """What a stream leads to is not promised."""


JOURNEY = ("user_session_number", "is_callback_24h_known", "is_called_back_24h")


def newness(version):
    """Give what decides between versions: an unknown instant is the oldest."""
    return tuple(version.get(name) or datetime.min for name in ("updated_at", "loaded_at"))


def session_key(session):
    """Give the key that decides which of a user's sessions of one start is the first."""
    text = f"{len(session['platform'])}:{session['platform']}:{session['session_id']}"
    return hashlib.md5(text.encode()).hexdigest()


def count_turns(turns):
    """Give a session's counts of its turns."""
    confidences = [
        turn["asr_confidence"]
        for turn in turns
        if turn["speaker"] == "user" and turn["asr_confidence"] is not None
    ]
    return {
        "turn_count": len(turns),
        "user_turn_count": sum(turn["speaker"] == "user" for turn in turns),
        "error_turn_count": sum(turn["error_type"] is not None for turn in turns),
        "no_input_turn_count": sum(turn["error_type"] == "no_input" for turn in turns),
        "interruption_turn_count": sum(turn["is_interruption"] is True for turn in turns),
        "repeated_turn_index_count": len(turns) - len({turn["turn_index"] for turn in turns}),
        "asr_confidence_count": len(confidences),
        "asr_confidence_sum": math.fsum(confidences) if confidences else None,
    }


def calls_back(session, after, horizon):
    """Give whether a session's user came back within a day, and whether that can be told."""
    ended_at = session["ended_at"]
    if not ended_at:
        ended_at = session["started_at"] + timedelta(seconds=session["duration_seconds"] or 0)
    limit = ended_at + timedelta(days=1)
    is_known = session["is_time_known"] and limit <= horizon
    if after and not after["is_time_known"] and after["started_at"] <= limit:
        is_known = False
    is_called_back = after is not None and after["started_at"] <= limit
    return {
        "is_callback_24h_known": is_known,
        "is_called_back_24h": is_called_back if is_known else None,
    }
