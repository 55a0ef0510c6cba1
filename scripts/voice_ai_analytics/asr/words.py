"""An ASR evaluation in words: its verdict, and what a reader has to know."""

from __future__ import annotations

from typing import TYPE_CHECKING

from voice_ai_analytics.asr.calibration import warning

if TYPE_CHECKING:
    from voice_ai_analytics.asr.spool import Spool

FEWEST_CLUSTERS = 30  # resampling fewer tells little
ON_THE_LOGARITHM = "t on the logarithm"


def rate_sentence(overall: dict) -> str:
    """Return an overall error rate in one sentence, with its interval and the counts behind it.

    Parameters
    ----------
    overall : dict
        `AsrEvaluation.overall`, where anything was estimated.

    Returns
    -------
    str
    """
    units = {"word": "words", "character": "characters"}.get(overall["unit"], "words or characters")
    interval = f"no interval: {overall['interval']}"
    if overall["ci_low"] is not None:
        interval = f"95% interval {overall['ci_low']:.1%} to {overall['ci_high']:.1%}"
        if overall["interval"].startswith(ON_THE_LOGARITHM):
            interval += f" by {overall['interval']}"
    clusters = (
        "" if overall["cluster"] == "turn" else f" of {_many(overall, 'clusters', 'session')}"
    )
    errors = _many(overall, "errors", "error")
    return (
        f"In {_many(overall, 'turns', 'turn')}{clusters}, {errors}"
        f" {'was' if overall['errors'] == 1 else 'were'} made in"
        f" {overall['reference_words']:,.0f} {units}: an error rate of"
        f" {overall['word_error_rate']:.1%} ({interval}; normalizer {overall['normalizer']})."
    )


def _many(overall: dict, count: str, noun: str) -> str:
    return f"{overall[count]:,.0f} {noun}{'' if overall[count] == 1 else 's'}"


def nothing_sentence(excluded: dict[str, int], empty: dict[str, int]) -> str:
    """Return why nothing was estimated, in one sentence.

    Parameters
    ----------
    excluded, empty : dict of str to int
        As in `AsrEvaluation`.

    Returns
    -------
    str
    """
    left_out = excluded | {"with an empty reference": empty.get("turns")}
    reasons = ", ".join(f"{count:,} {reason}" for reason, count in left_out.items() if count)
    given = f": every reference was left out ({reasons})" if reasons else ""
    return f"There is no reference to compare with{given}; nothing was estimated."


def notes(
    spool: Spool,
    overall: dict,
    groups: list[dict],
    undivided: dict[str, int],
    calibration: list[dict],
    empty: dict[str, int],
    knows_sessions: bool,
) -> list[str]:
    """Return what a reader has to know about an evaluation.

    Parameters
    ----------
    spool : Spool
        Scored.
    overall, groups, calibration, empty
        As in `AsrEvaluation`.
    undivided : dict of str to int
        From `group_rates`.
    knows_sessions : bool
        Whether certified sessions were read.

    Returns
    -------
    list of str
    """
    if not overall["reference_words"]:
        return []
    ((unusable, uncertified, unknown),) = spool.database.execute(
        """
        select
            count(*) filter (is_confidence_unusable),
            count(*) filter (not is_certified),
            (select count(*) from word_errors where is_clear and language is null)
        from scored
        """
    ).fetchall()
    few = sum(group["interval"].startswith(ON_THE_LOGARITHM) for group in groups)
    hypotheses, normalizer = overall["empty_hypotheses"], overall["normalizer"]
    candidates = [
        *(
            (True, f"{name} has {values:,} values: no groups are made by it.")
            for name, values in undivided.items()
        ),
        (
            not calibration,
            "No turn with a language and an ASR model has a confidence to calibrate.",
        ),
        (
            unusable,
            f"Calibration leaves out {unusable:,} turns whose asr_confidence isn't a number from 0"
            " to 1.",
        ),
        (
            few,
            f"Groups of fewer than {FEWEST_CLUSTERS} sessions, or turns of no known session, have"
            f" intervals by {ON_THE_LOGARITHM} ({few:,} groups).",
        ),
        (
            overall["cluster"] == "turn",
            "No session is known, so intervals take turns as independent. Turns of one session are"
            " alike, so the true intervals are wider.",
        ),
        (
            "character" in overall["unit"],
            "Languages written without spaces are counted in characters, which reference_words then"
            " holds; their rates do not compare with rates of words.",
        ),
        (
            normalizer == "none",
            "Texts were compared as they are: capitals and punctuation count as parts of words.",
        ),
        (
            hypotheses,
            f"Empty hypotheses: {hypotheses:,} turns, all of whose words count as deleted.",
        ),
        (
            empty["turns"],
            f"Empty references: {empty['turns']:,} turns that are in no rate;"
            f" {empty['insertions']:,} words were recognized in them.",
        ),
        (True, warning({one["asr_model"] for one in calibration})),
        (
            normalizer == "whisper" and unknown,
            f"{unknown:,} turns have no language; whisper treated them as not English.",
        ),
        (
            knows_sessions and uncertified,
            f"{uncertified:,} turns belong to no certified session; the metric"
            " voice_ai_word_error_rate leaves them out.",
        ),
    ]
    return [text for is_true, text in candidates if is_true and text]
