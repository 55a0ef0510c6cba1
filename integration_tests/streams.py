"""Random event streams, the raw tables they leave, and what the package must make of them.

A stream is what one platform reports about a few sessions of a few users, in batches. Ids are drawn
from small pools, so they meet: several versions of one row, the same turn id in several sessions,
turns sent again under another session, turns before their session, rows that leave the source and
rows that arrive late. The pools say what each text means, so the expectation parses no text.
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


def at(day, hour=0):
    return datetime(2026, 3, day, hour)


# What each text means. Ids stand for themselves and get their stream's name as a prefix.
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
            "abandon": "abandoned",
            "Agent-Transfer": "transferred",
            "voicemail": "voicemail",
            "who knows": "unknown",
            None: "unknown",
        },
        "csat_score": {None: None, "5": 5, "1": 1},
        "resolution": {None: None, "Resolved": "resolved", "unresolved": "unresolved"},
        "updated_at": UPDATES,
    },
    "turns": {
        # Numbered from 0 in each session, as many platforms do.
        "turn_id": {"0": "0", "1": "1", "2": "2"},
        "session_id": {"s1": "s1", "s2": "s2", "s3": "s3"},
        "turn_index": {"0": 0, "1": 1, "2.0": 2},
        "speaker": {"user": "user", "ASSISTANT": "assistant", "system": "system"},
        "asr_confidence": {None: None, "0.1": 0.1, "0.7": 0.7, "1": 1},
        "error_type": {None: None, "noise": "noise", "No_Input": "no_input", "gremlins": "other"},
        "is_interruption": {None: None, "Yes": True, "f": False},
        "is_backchannel": {None: None, "true": True, "N": False},
        "started_at": {None: None, "2026-03-01T10:00:00Z": at(1, 10)},
        "ended_at": {None: None, "2026-03-01 10:00:05": at(1, 10) + timedelta(seconds=5)},
        "updated_at": UPDATES,
    },
    "users": {
        "user_id": {"u1": "u1", "u2": "u2"},
        "region": {None: None, "Rural": "rural", "urban": "urban"},
        "has_disability": {None: None, "yes": True, "0": False},
        "updated_at": UPDATES,
    },
}
# Why each text sends its row to quarantine.
BAD = {
    "sessions": {
        "session_id": {None: "missing_session_id", " ": "missing_session_id"},
        "platform": {None: "missing_platform"},
        "started_at": {
            None: "missing_started_at",
            "2026-02-30": "unreadable_started_at",
            "01/03/2026": "unreadable_started_at",
        },
        "updated_at": {"soon": "unreadable_updated_at"},
        "loaded_at": {"yesterday": "unreadable_loaded_at"},
    },
    "turns": {
        "turn_id": {None: "missing_turn_id"},
        "session_id": {None: "missing_session_id", "ghost": "unknown_session"},
        "platform": {None: "missing_platform"},
        "turn_index": {"-1": "negative_turn_index", "1.5": "unreadable_turn_index"},
        "speaker": {None: "missing_speaker", "martian": "unknown_speaker"},
        "loaded_at": {"yesterday": "unreadable_loaded_at"},
    },
    "users": {
        "user_id": {"": "missing_user_id"},
        "has_disability": {"perhaps": "unreadable_has_disability"},
        "loaded_at": {"yesterday": "unreadable_loaded_at"},
    },
}
# Texts that cost only their value: measurements that can't be right.
IMPOSSIBLE = {
    "sessions": {
        "duration_seconds": ["-1", "1e10", "NaN"],
        "csat_score": ["0", "five"],
        "resolution": ["so so"],
    },
    "turns": {"asr_confidence": ["1.01", "high"], "is_interruption": ["maybe"]},
    "users": {},
}
# Rows with the same identity are versions. Ids contain the platform's name.
IDENTITY = {
    "sessions": ("session_id",),
    "turns": ("session_id", "turn_id"),
    "users": ("user_id",),
}
IDS = ("platform", "session_id", "turn_id", "user_id")
COLUMNS = {
    "sessions": ["platform", *GOOD["sessions"], "loaded_at"],
    "turns": ["platform", *GOOD["turns"], "loaded_at"],
    "users": [*GOOD["users"], "loaded_at"],
}


def deliveries():
    """Draw a batch and the load time in its row: on time, late, very late or unknown."""
    return st.integers(0, BATCHES - 1).flatmap(
        lambda batch: st.tuples(
            st.just(batch),
            st.sampled_from(
                [
                    LOADS[batch],
                    LOADS[batch],
                    LOADS[batch] - timedelta(minutes=1),
                    # A day that an earlier batch has already filled.
                    LOADS[max(batch - 1, 0)] - timedelta(days=1),
                    # Long before all other rows.
                    LOADS[0] - timedelta(days=30),
                    None,
                ]
            ),
        )
    )


def events(table):
    """Draw a row, rarely a bad one, its deliveries, and rarely the batch by which it is deleted."""
    spoils = [
        (column, text)
        for bad in (BAD[table], IMPOSSIBLE[table])
        for column, texts in bad.items()
        for text in texts
    ]
    once, often = (st.lists(deliveries(), min_size=n, max_size=n) for n in (1, 2))
    return st.tuples(
        st.fixed_dictionaries(
            # Most optional values are missing, even if there are only two to choose from.
            {
                column: st.sampled_from([*texts] + [None] * (None in texts))
                for column, texts in GOOD[table].items()
            }
        ),
        st.sampled_from([None] * 3 * len(spoils) + spoils),
        st.one_of(once, once, once, often),
        st.sampled_from([None] * 8 + [*range(1, BATCHES)]),
    )


# What a loader does with a row whose id is already there: add the new version, replace the old one,
# or also replace a turn with the same id in another session, as if the turn had moved.
LOADERS = ("appends", "replaces", "moves")


@cache
def draw_streams(count, seed=None):
    """Draw streams: always the same ones, unless a seed is given."""
    drawn = []
    tables = {"sessions": (2, 8), "turns": (4, 16), "users": (0, 4)}

    @settings(
        max_examples=count,
        derandomize=seed is None,
        phases=[Phase.generate],  # streams are small enough to read without shrinking
        database=None,
        deadline=None,
        suppress_health_check=[HealthCheck.too_slow],  # a stream takes hundreds of choices
    )
    @given(
        st.fixed_dictionaries(
            {
                table: st.lists(events(table), min_size=least, max_size=most)
                for table, (least, most) in tables.items()
            }
        ),
        st.sampled_from(LOADERS),
        st.sampled_from([None] * 5 + [*range(1, BATCHES)]),
    )
    def draw(tables, loader, s1_leaves):
        drawn.append(Stream(f"p{len(drawn)}", tables, loader, s1_leaves))

    (draw if seed is None else hypothesis.seed(seed)(draw))()
    return drawn


@dataclass
class Stream:
    """One platform's events, and how its loader works.

    Parameters
    ----------
    name : str
        The platform.
    events : dict of str to list
        Rows of each table, with their deliveries and the batch by which they are deleted.
    loader : str
        One of `LOADERS`.
    s1_leaves : int or None
        The batch by which every row of session s1 has left the source; later rows bring it back.
    users_are_dated : bool
        Whether user rows say when they were changed and loaded.
    """

    name: str
    events: dict
    loader: str
    s1_leaves: int | None
    users_are_dated: bool = True

    def columns(self, table):
        """Return the columns of a raw table."""
        undated = () if self.users_are_dated or table != "users" else ("updated_at", "loaded_at")
        return [column for column in COLUMNS[table] if column not in undated]

    def raw(self, table, batch):
        """Return the rows of a raw table after a batch."""
        rows = []  # (row, the batch by which it is deleted)
        for now in range(batch + 1):
            rows = [(row, until) for row, until in rows if until is None or until > now]
            for values, spoil, deliveries, until in self.events[table]:
                for arrival, instant in deliveries:
                    if arrival == now:
                        row = self.written(table, values, spoil, instant)
                        rows = [kept for kept in rows if not self.replaces(table, row, kept[0])]
                        rows.append((row, until if until and until > now else None))
            if now == self.s1_leaves:
                leaver = self.named("session_id", "s1")
                rows = [kept for kept in rows if kept[0].get("session_id") != leaver]
        return [row for row, _ in rows]

    def written(self, table, values, spoil, instant):
        """Return an event as its row."""
        row = {**values, "platform": self.name, "loaded_at": instant and f"{instant}"}
        row |= dict([spoil] if spoil else [])
        return {column: self.named(column, row[column]) for column in self.columns(table)}

    def replaces(self, table, row, other):
        """Return whether the loader replaces one row by another."""
        if self.loader == "appends" or self.broken_rules(table, row):
            return False
        names = IDENTITY[table]
        if self.loader == "moves" and table == "turns":
            names = ("turn_id",)
        is_same = all(row[name] == other[name] for name in names)
        return is_same and not self.broken_rules(table, other)

    def named(self, column, text):
        """Return an id with the stream's name as a prefix, so that no other stream has it."""
        is_id = column.endswith("_id") and (text or "").strip()
        return f"{self.name}/{text}" if is_id else text

    def read(self, table, row):
        """Return the values of a good row."""
        values = dict(row)
        for column, meanings in GOOD[table].items():
            if column in row and not column.endswith("_id"):
                values[column] = meanings.get(row[column])
        values["impossible"] = frozenset(
            f"impossible_{column}"
            for column, texts in IMPOSSIBLE[table].items()
            if row[column] in texts
        )
        loaded_at = row.get("loaded_at")
        values["loaded_at"] = loaded_at and datetime.fromisoformat(loaded_at)
        if table == "sessions":
            values["is_time_known"] = len(row["started_at"]) > len("2026-03-01")
        return values

    def broken_rules(self, table, row):
        """Return the reasons why a row is bad by itself."""
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
        """Return the current versions by identity, and the quarantine: counts of ids and reasons.

        Raises
        ------
        Undecided
            Where two different versions are equally new: nothing promises which one wins.
        """
        quarantine, versions = Counter(), defaultdict(list)
        for row in self.raw(table, batch):
            if reasons := self.broken_rules(table, row) | also_broken(row):
                quarantine[self.label(table, row, reasons)] += 1
            else:
                key = tuple(row[name] for name in IDENTITY[table])
                versions[key].append(self.read(table, row))
        current = {}
        for key, rows in versions.items():
            rows.sort(key=newness)
            if any(newness(row) == newness(rows[-1]) and row != rows[-1] for row in rows):
                raise Undecided
            current[key] = rows.pop()
            for row in rows:
                quarantine[self.label(table, row, {"duplicate"})] += 1
        return current, quarantine

    def label(self, table, row, reasons):
        """Return the part of a quarantined row that is compared."""
        return table, *((row.get(name) or "").strip() for name in IDS), frozenset(reasons)

    def current_sessions(self, batch):
        """Return the sessions certified after a batch by id: those in the source, those that left.

        A certified session of which no row is left in the source is kept as it was.
        """
        current, _ = self.split("sessions", batch)
        here = {key: row for (key,), row in current.items()}
        if batch == 0:
            return here, {}
        known = {row["session_id"] for row in self.raw("sessions", batch) if row["platform"]}
        before, left_before = self.current_sessions(batch - 1)
        return here, {k: row for k, row in (left_before | before).items() if k not in known}

    def owed(self, batch, horizon):
        """Return the expected fact by session id, in part, and the expected quarantine."""
        _, quarantine = self.split("sessions", batch)
        sessions, left = self.current_sessions(batch)
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
                "started_at": session["started_at"],
                "outcome": session["outcome_raw"],
                "csat_score": session["csat_score"],
                "resolution": session["resolution"],
                "is_deleted_upstream": key in left,
                **dict.fromkeys(JOURNEY),
            }
            for key, session in (sessions | left).items()
        }
        for label, rows in (("sessions", sessions.values()), ("turns", turns.values())):
            for row in rows:
                if row["impossible"]:
                    place = {**row, "user_id": None}
                    quarantine[self.label(f"values of {label}", place, row["impossible"])] += 1
        for key, session in sessions.items():
            owed[key]["region"] = users.get((session["user_id"],), {}).get("region")
            owed[key] |= count_turns([turn for (of, _), turn in turns.items() if of == key])
        if not self.reports_errors(batch):
            for key in sessions:
                owed[key] |= dict.fromkeys(("error_turn_count", "no_input_turn_count"))
        journeys = defaultdict(list)
        for key, session in (sessions | left).items():
            journeys[session["user_id"]].append((session["started_at"], session_key(session), key))
        for user, journey in journeys.items():
            journey.sort()
            for number, (_, _, key) in enumerate(journey if user else []):
                after = (sessions | left)[journey[number + 1][2]] if journey[number + 1 :] else None
                owed[key] |= {
                    "user_session_number": number + 1,
                    **calls_back((sessions | left)[key], after, horizon),
                }
        # A user without an id belongs to no stream.
        named = {label: n for label, n in quarantined_users.items() if any(label[1:-1])}
        return owed, quarantine + quarantined_turns + Counter(named)

    def reports_errors(self, batch):
        """Return whether a certified session has an error; sessions that left keep theirs."""
        return any(self.sessions_with_errors(batch).values())

    def sessions_with_errors(self, batch):
        """Return for each certified session whether a turn has an error."""
        sessions, left = self.current_sessions(batch)
        turns, _ = self.split("turns", batch)
        has_error = {key: False for key in sessions}
        for (of, _), turn in turns.items():
            if of in sessions:
                has_error[of] |= turn["error_type"] is not None
        if left:
            before = self.sessions_with_errors(batch - 1)
            has_error |= {key: before[key] for key in left}
        return has_error

    def good_users(self, batch):
        """Return the ids of users that aren't quarantined."""
        rows = self.raw("users", batch)
        return {row["user_id"] for row in rows if not self.broken_rules("users", row)}


class Undecided(Exception):
    """The result of a stream isn't promised."""


JOURNEY = ("user_session_number", "is_callback_24h_known", "is_called_back_24h")


def newness(version):
    """Return what decides between versions: an unknown instant is the oldest."""
    return tuple(version.get(name) or datetime.min for name in ("updated_at", "loaded_at"))


def session_key(session):
    """Return the key that orders a user's sessions with the same start."""
    text = f"{len(session['platform'])}:{session['platform']}:{session['session_id']}"
    return hashlib.md5(text.encode()).hexdigest()


def count_turns(turns):
    """Return the counts of a session's turns."""
    confidences = [
        turn["asr_confidence"]
        for turn in turns
        if turn["speaker"] == "user" and turn["asr_confidence"] is not None
    ]
    barge_ins = [
        turn["is_interruption"]
        for turn in turns
        if turn["speaker"] == "user"
        and not turn["is_backchannel"]
        and turn["is_interruption"] is not None
    ]
    spoken = [turn for turn in turns if turn["speaker"] != "system"]
    timed = [turn for turn in spoken if turn["started_at"] and turn["ended_at"]]
    is_timed = spoken and timed == spoken
    return {
        "barge_in_known_turn_count": len(barge_ins),
        "barge_in_turn_count": sum(barge_ins),
        "untimed_turn_count": len(spoken) - len(timed),
        "user_speaking_seconds": (
            sum(5 for turn in timed if turn["speaker"] == "user") if is_timed else None
        ),
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
    """Return whether a session's user came back within a day, and whether that is known."""
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
