"""What happens when a command is told to stop: it leaves nothing behind."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time

# To delete files and stop child processes.
SECONDS_TO_LEAVE = 5.0


def leave_when_told() -> None:
    """Leave on SIGTERM as on an error, instead of at once, so that everything is cleaned up.

    A database driver may wait for its server without coming back to Python; after a few seconds
    the process ends anyway.
    """
    signal.signal(signal.SIGTERM, _leave)
    listening, sending = socket.socketpair()
    sending.setblocking(False)
    signal.set_wakeup_fd(sending.fileno(), warn_on_full_buffer=False)
    threading.Thread(target=_end_after_a_while, args=(listening, sending), daemon=True).start()


def _leave(number: int, frame: object) -> None:
    raise SystemExit(128 + number)


def _end_after_a_while(listening: socket.socket, sending: socket.socket) -> None:
    while listening.recv(1) != bytes([signal.SIGTERM]):
        pass
    # The server has a handler and a time limit of its own.
    if signal.getsignal(signal.SIGTERM) is _leave:
        time.sleep(SECONDS_TO_LEAVE)
        os._exit(128 + signal.SIGTERM)
    sending.close()
