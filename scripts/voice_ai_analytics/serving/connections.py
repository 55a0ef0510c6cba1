"""How long the server waits for a request, and how many connections it keeps.

uvicorn waits for the rest of a half-sent request for ever and accepts any number of connections,
so that a thousand of them would keep everyone else out, without a key.
"""

from __future__ import annotations

import asyncio
import resource

import h11
from uvicorn.protocols.http.h11_impl import H11Protocol

# From the first byte to the last; a question is short.
REQUEST_SECONDS = 10.0
# Connections that the operating system keeps until they are accepted, all of them in one go.
BACKLOG = 128
LONGEST_HEADERS = 16 * 1024


def most_connections() -> int:
    """Return how many connections to keep, with files left for the backlog and the warehouse."""
    files, _ = resource.getrlimit(resource.RLIMIT_NOFILE)
    if files == resource.RLIM_INFINITY:
        return 512
    return max(16, min(512, files - BACKLOG - 128))


class ImpatientProtocol(H11Protocol):
    """HTTP that closes connections whose request doesn't arrive.

    Where there are too many connections, the one that has been in arrears the longest makes room.
    """

    def __init__(self, *arguments, **options) -> None:
        super().__init__(*arguments, **options)
        self._most = most_connections()
        self._since = 0.0
        self._patience: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:
        """Start waiting for a request; close another connection if this one is one too many."""
        super().connection_made(transport)
        self._since = self.loop.time()
        self._watch()
        if len(self.connections) > self._most:
            self._make_room()

    def data_received(self, data: bytes) -> None:
        """Read on."""
        super().data_received(data)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop waiting."""
        super().connection_lost(exc)
        self._stop_watching()

    def _watch(self) -> None:
        if self.conn.their_state not in (h11.IDLE, h11.SEND_BODY):
            self._stop_watching()
        elif self._patience is None:
            # Not renewed by the next byte: the whole request has to come in this time.
            self._patience = self.loop.call_later(REQUEST_SECONDS, self.transport.abort)

    def _stop_watching(self) -> None:
        if self._patience is not None:
            self._patience.cancel()
            self._patience = None

    def _make_room(self) -> None:
        in_arrears = [one for one in self.connections if one._patience is not None]
        # A connection that is closed stays in the set until the loop's next round.
        oldest = min(in_arrears, key=lambda one: one._since)
        oldest._stop_watching()
        oldest.transport.abort()
