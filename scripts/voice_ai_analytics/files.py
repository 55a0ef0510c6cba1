"""Writing files in one step."""

import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path

from voice_ai_analytics.errors import UserError


@contextmanager
def whole_file(path: Path | None, unlike: Path | None = None) -> Iterator[StringIO]:
    """Collect the content of a file, and write it in one step if the block succeeds.

    Readers see either the old content or the new content. Whether the file can be written is
    checked first, before any work. Devices and pipes are written to, not replaced.

    Parameters
    ----------
    path : pathlib.Path or None
        The file; its directory is created. None to write nothing.
    unlike : pathlib.Path or None
        A file that must not be replaced, such as one that is being read.

    Yields
    ------
    io.StringIO
        For the content.

    Raises
    ------
    UserError
        If the file can't be written, or must not be replaced.
    """
    content = StringIO()
    if path is None:
        yield content
        return
    place = Path(os.path.realpath(path))
    if unlike is not None and place == Path(os.path.realpath(unlike)):
        raise UserError(f"{path}: is read, and would be replaced; name another file")
    if place.is_dir():
        raise UserError(f"{path}: cannot be written (it is a directory): name a file")
    # By its own name: what /dev/stdout points to may have none.
    if path.exists() and (not path.is_file() or path.is_relative_to("/dev")):
        yield content
        with _refusal(path), path.open("a", encoding="utf-8") as stream:
            stream.write(content.getvalue())
        return
    unfinished = place.with_name(place.name + ".unfinished")
    try:
        with _refusal(path):
            place.parent.mkdir(parents=True, exist_ok=True)
            unfinished.touch()
        yield content
        with _refusal(path):
            unfinished.write_text(content.getvalue(), encoding="utf-8")
            if place.exists():
                shutil.copymode(place, unfinished)
            os.replace(unfinished, place)
    finally:
        with suppress(OSError):
            unfinished.unlink(missing_ok=True)


@contextmanager
def _refusal(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        reason = error.strerror or error
        raise UserError(f"{path}: cannot be written ({reason}): name another file") from error


def write_whole(path: Path, text: str) -> None:
    """Write a file so that readers see either the old content or the new content.

    Parameters
    ----------
    path : pathlib.Path
        As for `whole_file`.
    text : str
        All of the new content.

    Raises
    ------
    UserError
        If the file can't be written.
    """
    with whole_file(path) as content:
        content.write(text)
