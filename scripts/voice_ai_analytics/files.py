"""Writing files whole."""

import os
from pathlib import Path

from voice_ai_analytics.errors import UserError


def write_whole(path: Path, text: str) -> None:
    """Write a file so that a reader sees the old one or the new one, whole.

    Parameters
    ----------
    path : pathlib.Path
        The file; its directory is made.
    text : str
        All of the new content.

    Raises
    ------
    UserError
        If the file cannot be written.
    """
    unfinished = path.with_name(path.name + ".unfinished")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        unfinished.write_text(text, encoding="utf-8")
        os.replace(unfinished, path)
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path}: cannot be written ({reason}): name another file") from error
