"""Ids of sessions and turns."""


def session_id(number: int) -> str:
    """Return the id of the session with this number, which counts from 1."""
    return f"S{number:08d}"


def turn_id(session_number: int, ordinal: int, repeats_turn_ids: bool) -> str:
    """Return the id of a session's turn.

    Parameters
    ----------
    session_number, ordinal : int
        Both count from 1.
    repeats_turn_ids : bool
        Whether turns are numbered anew in each session, from 0, as most platforms do.

    Returns
    -------
    str
    """
    return str(ordinal - 1) if repeats_turn_ids else f"T{session_number:08d}-{ordinal:02d}"
