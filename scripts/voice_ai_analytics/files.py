"""Writing files in one step."""

import os
import secrets
import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from io import StringIO
from pathlib import Path

from voice_ai_analytics.errors import UserError


@contextmanager
def whole_file(path: Path | None, unlike: Path | None = None) -> Iterator[StringIO]:
    """Collect the content of a file, and write it in one step if the block succeeds.

    Readers see either the old content or the new content. Whether the file can be written is
    checked first, before any work. Devices and pipes are written to, not replaced. A link is
    refused: whoever can put one there would choose which of the user's files is overwritten.

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
    if unlike is not None and os.path.realpath(path) == os.path.realpath(unlike):
        raise UserError(f"{path}: is read, and would be replaced; name another file")
    with _refusal(path):
        is_stream = str(path) in ("/dev/stdout", "/dev/stderr") or path.match("/dev/fd/*")
        if _is_link(path) and not is_stream:
            raise UserError(f"{path}: is a link, which is not followed; name the file itself")
        if path.is_dir():
            raise UserError(f"{path}: cannot be written (it is a directory): name a file")
        is_appended_to = is_stream or (path.exists() and not path.is_file())
        if not is_appended_to:
            path.parent.mkdir(parents=True, exist_ok=True)
            with _unfinished(path):
                pass
    yield content
    with _refusal(path):
        if is_appended_to:
            with path.open("a", encoding="utf-8") as stream:
                stream.write(content.getvalue())
            return
        with _unfinished(path) as unfinished:
            unfinished.write_text(content.getvalue(), encoding="utf-8")
            if path.exists():
                shutil.copymode(path, unfinished)
            os.replace(unfinished, path)


def _is_link(path: Path) -> bool:
    """Return whether a path is a link; fail if no file can have this name."""
    try:
        return stat.S_ISLNK(path.lstat().st_mode)
    except FileNotFoundError:
        return False


@contextmanager
def _unfinished(path: Path) -> Iterator[Path]:
    """Create a file beside another one, under a name that nobody could foresee."""
    unfinished = path.with_name(f".{secrets.token_hex(8)}.unfinished")
    try:
        unfinished.touch(exist_ok=False)
        yield unfinished
    finally:
        with suppress(OSError):
            unfinished.unlink()


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
