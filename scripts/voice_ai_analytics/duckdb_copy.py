"""A private copy of a DuckDB file, so that whoever reads all the time never keeps a writer out."""

from __future__ import annotations

import fcntl
import os
import shutil
import tempfile
import threading
import time
from pathlib import Path

import duckdb

# The clock of a file system may be this coarse: two writes in between have the same time.
TICK_SECONDS = 0.05


class Busy(Exception):
    """The file can't be copied now, and there is no earlier copy."""


class PrivateCopy:
    """Connections to a copy of a DuckDB file, made anew when the file has changed.

    A process can open a DuckDB file for writing only while no other has it open, and dbt tries
    once. Copying takes no lock, so a build can start at any moment; while one is at work, its
    predecessor's copy stays in use. A copy during which something was written is thrown away.

    Parameters
    ----------
    path : str
        The file.
    """

    def __init__(self, path: str) -> None:
        self._path = Path(path)
        self._lock = threading.Lock()
        self._state: tuple | None = None
        self._place: tempfile.TemporaryDirectory | None = None
        # Keeps the copy's buffers between queries.
        self._open: duckdb.DuckDBPyConnection | None = None

    def connect(self) -> duckdb.DuckDBPyConnection:
        """Open a connection that only reads.

        Raises
        ------
        Busy
            If the file is being written, isn't there or doesn't fit on the disk, and there is no
            earlier copy.
        """
        with self._lock:
            try:
                self._renew()
            except (OSError, duckdb.Error) as error:
                if self._place is None:
                    raise Busy(str(error).splitlines()[0]) from error
            return duckdb.connect(self._file(self._place), read_only=True)

    def close(self) -> None:
        """Delete the copy; connections that are open can go on."""
        with self._lock:
            self._keep(None, None, None)

    def _renew(self) -> None:
        state = _state(self._path)
        if state == self._state:
            return
        if _is_being_written(self._path):
            raise OSError("another process is writing it")
        # What is written from now on must get another time than what was written before.
        time.sleep(TICK_SECONDS)
        place = tempfile.TemporaryDirectory(prefix="voice-ai-", ignore_cleanup_errors=True)
        copy, opened = self._file(place), None
        try:
            for suffix in ("", ".wal"):
                if os.path.exists(f"{self._path}{suffix}"):
                    shutil.copyfile(f"{self._path}{suffix}", f"{copy}{suffix}")
            if _state(self._path) != state or _is_being_written(self._path):
                raise OSError("another process is writing it")
            opened = duckdb.connect(copy, read_only=True)
        finally:
            if opened is None:
                place.cleanup()
        self._keep(state, place, opened)

    def _keep(self, state, place, opened) -> None:
        old_place, old_open = self._place, self._open
        self._state, self._place, self._open = state, place, opened
        if old_open is not None:
            old_open.close()
        if old_place is not None:
            old_place.cleanup()

    def _file(self, place: tempfile.TemporaryDirectory) -> str:
        # DuckDB names a database after its file, and queries name the database.
        return str(Path(place.name) / self._path.name)


def _state(path: Path) -> tuple:
    """Return what changes when a database is written: of its file, and of its log if it has one."""
    found = []
    for suffix in ("", ".wal"):
        try:
            status = os.stat(f"{path}{suffix}")
            found.append((status.st_ino, status.st_size, status.st_mtime_ns))
        except FileNotFoundError:
            if not suffix:
                raise
            found.append(None)
    return tuple(found)


def _is_being_written(path: Path) -> bool:
    """Return whether another process has the file open for writing; DuckDB locks it then."""
    with path.open("rb") as stream:
        try:
            fcntl.lockf(stream, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except OSError:
            return True
    return False
