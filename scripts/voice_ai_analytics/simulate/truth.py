"""The truth about a run, counted while it is written."""

import numpy as np

from voice_ai_analytics.simulate.ids import session_id, turn_id
from voice_ai_analytics.simulate.world import BROKEN_SESSIONS, BROKEN_TURNS, DIRT

SAMPLE = 20  # ids kept of each kind of dirt


class Tally:
    """Counts what was written, chunk by chunk.

    Parameters
    ----------
    repeats_turn_ids : bool
        Whether turn ids come again in each session, so that only session and turn id name a turn.
    """

    def __init__(self, repeats_turn_ids: bool) -> None:
        self.repeats_turn_ids = repeats_turn_ids
        self.counts: dict[str, int] = {}
        self.asr_thousandths = 0
        self._dirt = {name: {"rows": 0} for name in (*DIRT, *BROKEN_SESSIONS, *BROKEN_TURNS)}

    def count(self, **numbers: int) -> None:
        """Add to counts."""
        for name, number in numbers.items():
            self.counts[name] = self.counts.get(name, 0) + int(number)

    def note(
        self,
        name: str,
        dirty: np.ndarray,
        session: np.ndarray,
        ordinal: np.ndarray | None = None,
        named: np.ndarray | None = None,
    ) -> None:
        """Count dirty rows, and keep the ids of the first few.

        Parameters
        ----------
        name : str
            The kind of dirt.
        dirty : numpy.ndarray of bool, shape (n,)
            Which rows have it.
        session, ordinal : numpy.ndarray, shape (n,)
            Each row's session and, for turns, its place there.
        named : numpy.ndarray, shape (n,)
            The session that a turn names, where it may differ from its own.
        """
        entry = self._dirt[name]
        entry["rows"] += int(np.count_nonzero(dirty))
        ids = entry.setdefault("session_ids" if ordinal is None else "turn_ids", [])
        for place in np.flatnonzero(dirty)[: SAMPLE - len(ids)]:
            if ordinal is None:
                ids.append(session_id(session[place] + 1))
                continue
            turn = turn_id(session[place] + 1, ordinal[place], self.repeats_turn_ids)
            if self.repeats_turn_ids:
                owner = (session if named is None else named)[place] + 1
                turn = {"session_id": session_id(owner), "turn_id": turn}
            ids.append(turn)

    def rates(self) -> dict[str, float | None]:
        """Return outcome shares over sessions, and mean ASR confidence over user turns."""
        asked = self.counts["user_turns_with_asr_confidence"]
        return {
            "completion": self.counts["completed_sessions"] / self.counts["sessions"],
            "abandonment": self.counts["abandoned_sessions"] / self.counts["sessions"],
            "transfer": self.counts["transferred_sessions"] / self.counts["sessions"],
            "asr_confidence": self.asr_thousandths / asked / 1000 if asked else None,
        }

    def dirt(self, rows: dict[str, int]) -> dict[str, dict]:
        """Return what truth.json says about each kind of dirt, given the rows per file."""
        of = {name: (kind, self.counts[kind]) for name, (kind, _) in DIRT.items()}
        of |= dict.fromkeys(BROKEN_SESSIONS, ("voice_sessions rows", rows["voice_sessions"]))
        of |= dict.fromkeys(BROKEN_TURNS, ("voice_turns rows", rows["voice_turns"]))
        return {
            name: {
                "rows": entry["rows"],
                "share": entry["rows"] / max(of[name][1], 1),
                "share_of": of[name][0],
                "breaks_contract": name not in DIRT,
            }
            | entry
            for name, entry in self._dirt.items()
        }
