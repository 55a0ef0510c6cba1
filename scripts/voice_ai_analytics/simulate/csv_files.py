"""The five CSV files: their columns, and how codes and numbers are written in them."""

import shutil
from pathlib import Path

import duckdb
import pandas as pd

from voice_ai_analytics.simulate.world import IMPOSSIBLE_CONFIDENCES

HEADERS = {
    "users": "user_id,region,disability_flag,first_time_digital_user",
    "voice_sessions": (
        "session_id,user_id,channel,language,total_duration_sec,total_turns,final_outcome,"
        "transfer_reason,created_at"
    ),
    "voice_turns": (
        "turn_id,session_id,turn_number,speaker,detected_intent,intent_confidence,asr_confidence,"
        "error_type,turn_duration_sec,created_at"
    ),
    "voice_ai_metrics": (
        "session_id,avg_asr_confidence,avg_intent_confidence,misunderstanding_rate,silence_rate,"
        "recovery_success,escalation_flag"
    ),
    "applications": (
        "application_id,session_id,user_id,service_code,channel,status,time_to_submit_sec,"
        "submitted_at"
    ),
}

_SESSION_ID = "'S' || format('{:08d}', session_number)"
_USER_ID = "'U' || format('{:07d}', user_number)"
_INSTANT = "strftime(instant::timestamp, '%Y-%m-%dT%H:%M:%SZ')"
_CREATED_AT = f"if(dateless, strftime(instant::timestamp, '%Y-%m-%d'), {_INSTANT})"
_IMPOSSIBLE = " ".join(f"when {n} then '{text}'" for n, text in IMPOSSIBLE_CONFIDENCES.items())
_UNPARSABLE = "'2026-13-45T25:61:00Z'"

# How codes and numbers are written, in DuckDB's SQL; other columns are written as they are.
EXPRESSIONS = {
    "users": {"user_id": _USER_ID},
    "voice_sessions": {
        "session_id": f"if(broken = 'session_id_missing', null, {_SESSION_ID})",
        "user_id": _USER_ID,
        "created_at": (
            f"if(broken = 'session_created_at_unparsable', {_UNPARSABLE}, {_CREATED_AT})"
        ),
    },
    "voice_turns": {
        "turn_id": "'T' || format('{:08d}', session_number) || '-' || format('{:02d}', ordinal)",
        "session_id": "'S' || format('{:08d}', turn_session_number)",
        "speaker": "if(broken = 'speaker_unknown', 'supervisor', speaker)",
        "intent_confidence": "nullif(intent_confidence, -1) / 1000",
        "asr_confidence": (
            f"case asr_confidence {_IMPOSSIBLE} "
            "else (nullif(asr_confidence, -1) / 1000)::varchar end"
        ),
        "turn_duration_sec": "if(broken = 'turn_duration_negative', -1, 1) * duration / 10",
        "created_at": f"if(broken = 'turn_created_at_unparsable', {_UNPARSABLE}, {_CREATED_AT})",
    },
    "voice_ai_metrics": {"session_id": _SESSION_ID},
    "applications": {
        "application_id": "'A' || format('{:08d}', session_number)",
        "session_id": _SESSION_ID,
        "user_id": _USER_ID,
        "time_to_submit_sec": "if(submitted, seconds, null)",
        "submitted_at": f"if(submitted, {_INSTANT}, null)",
    },
}


class CsvFile:
    """A CSV file that frames are appended to.

    Parameters
    ----------
    path : Path
        The file; it is written anew.
    table : str
        A key of `HEADERS`.
    connection : duckdb.DuckDBPyConnection
        Writes the rows.
    repeats_turn_ids : bool
        Whether turn ids come again in each session.
    """

    def __init__(
        self,
        path: Path,
        table: str,
        connection: duckdb.DuckDBPyConnection,
        repeats_turn_ids: bool,
    ) -> None:
        self.rows = 0
        self._path = path
        self._connection = connection
        names = HEADERS[table].split(",")
        written = EXPRESSIONS[table] | ({"turn_id": "ordinal - 1"} if repeats_turn_ids else {})
        self._columns = ", ".join(written.get(name, name) for name in names)
        path.write_text(HEADERS[table] + "\n", encoding="utf-8")

    def append(self, frame: pd.DataFrame) -> None:
        """Append a frame's rows."""
        part = self._path.with_suffix(".part")
        rows = self._connection.from_df(frame).project(self._columns)
        rows.write_csv(str(part), header=False)
        with part.open("rb") as source, self._path.open("ab") as target:
            shutil.copyfileobj(source, target, 1 << 20)
        self.rows += len(frame)
