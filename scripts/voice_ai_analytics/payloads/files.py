"""Which files a load reads, and their bytes: plain or gzip, whatever they are called."""

from __future__ import annotations

import gzip
import io
import zlib
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from glob import glob, has_magic
from pathlib import Path
from typing import BinaryIO

from voice_ai_analytics.errors import UserError
from voice_ai_analytics.platforms import Platform

# Without a suffix: AWS delivers contact records under such names.
JSON = (".json", ".jsonl", ".ndjson", "")
LINES = (".csv", ".vtt")
GZIP = b"\x1f\x8b"


def find_files(paths: Sequence[str], platform: Platform) -> tuple[list[Path], list[Path]]:
    """Return the files that some paths mean, in one order, and those left out of folders.

    Parameters
    ----------
    paths : sequence of str
        Files, folders and globs. A file that is named is read whatever its suffix.
    platform : Platform
        Whose files they are.

    Raises
    ------
    UserError
        If a path means no file.
    """
    suffixes = {*JSON, *(LINES if platform.is_lines else ())}
    found, left = {}, []
    for path in paths:
        for one in _matches(path):
            if one.is_dir():
                inside = [
                    file
                    for file in sorted(one.rglob("*"))
                    if file.is_file() and not file.name.startswith(".")
                ]
                read = [file for file in inside if kind(file) in suffixes]
                left += [file for file in inside if kind(file) not in suffixes]
                if not read:
                    raise UserError(
                        f"{one}: no {', '.join(filter(None, sorted(suffixes)))} file in this"
                        " folder; name files, or another folder"
                    )
            elif kind(one) in LINES and kind(one) not in suffixes:
                raise UserError(
                    f"{one}: {platform.title} is read from JSON; for CSV or WebVTT, bring"
                    " conversation, speaker, text and time and load transcripts"
                )
            else:
                read = [one]
            found |= {file.resolve(): file for file in read}
    return sorted(found.values()), left


def kind(path: Path) -> str:
    """Return a file's suffix in lower case, without ``.gz``."""
    name = path.with_suffix("") if path.suffix.lower() == ".gz" else path
    return name.suffix.lower()


def _matches(path: str) -> list[Path]:
    one = Path(path)
    if one.exists():
        return [one]
    if not has_magic(path):
        raise UserError(f"{path}: no such file or folder; name one that exists")
    if not (matches := [Path(match) for match in glob(path, recursive=True)]):
        raise UserError(f"{path}: no file matches; name one that exists")
    return matches


class _Counted(io.RawIOBase):
    """A file that counts the bytes that were read."""

    def __init__(self, file: BinaryIO) -> None:
        self.file = file
        self.done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer) -> int:
        count = self.file.readinto(buffer)
        self.done += count
        return count


class Blocks:
    """The bytes of a file, unpacked, block by block.

    Attributes
    ----------
    done : int
        How many bytes of the file were read, packed as they are.
    """

    def __init__(self, path: Path, file: BinaryIO) -> None:
        self.path = path
        self._counted = _Counted(file)
        stream = io.BufferedReader(self._counted, 1 << 16)
        packed = stream.peek(2)[:2] == GZIP
        self._stream = gzip.GzipFile(fileobj=stream) if packed else stream

    @property
    def done(self) -> int:
        """Return how many bytes of the file were read."""
        return self._counted.done

    def read(self, size: int) -> bytes:
        """Return the next bytes, fewer than asked only at the end.

        Raises
        ------
        UserError
            If the file is gzip and cut off or damaged.
        """
        try:
            return self._stream.read(size)
        except (EOFError, gzip.BadGzipFile, zlib.error) as error:
            raise UserError(
                f"{self.path}: the gzip file is cut off or damaged; export or copy it again"
            ) from error


@contextmanager
def opened(path: Path) -> Iterator[Blocks]:
    """Open a file for reading in blocks.

    Raises
    ------
    UserError
        If it can't be read.
    """
    try:
        file = path.open("rb")
    except OSError as error:
        raise UserError(f"{path}: can't be read ({error.strerror}); name another file") from error
    with closing(file):
        yield Blocks(path, file)
