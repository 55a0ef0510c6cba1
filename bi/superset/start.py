"""Superset over a demo's metrics: metadata database, server, dashboards; `make dashboard` runs it."""

from __future__ import annotations

import argparse
import json
import os
import secrets
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import requests
from bundle import bundle

from voice_ai_analytics.dbt_project import REPOSITORY, DbtProject
from voice_ai_analytics.demo import DemoPaths, target_environment
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.exports import certified_schema
from voice_ai_analytics.postgres import embedded_postgres_server

BIN = REPOSITORY / ".venv-superset" / "bin"
SECONDS_TO_START = 120


@dataclass(frozen=True)
class Superset:
    """A running server: its address, and the password of its user ``admin``."""

    address: str
    password: str

    def logged_in(self) -> requests.Session:
        """Log in; the session may change things."""
        session = requests.Session()
        login = {"username": "admin", "password": self.password, "provider": "db"}
        token = self._told(session.post(f"{self.address}/api/v1/security/login", json=login))
        session.headers["Authorization"] = f"Bearer {token['access_token']}"
        told = self._told(session.get(f"{self.address}/api/v1/security/csrf_token/"))
        session.headers["X-CSRFToken"] = told["result"]
        return session

    def import_bundle(self, content: bytes) -> None:
        """Make the dashboards and all they need, or make them what the bundle says."""
        self._told(
            self.logged_in().post(
                f"{self.address}/api/v1/assets/import/",
                files={"bundle": ("bundle.zip", content, "application/zip")},
            )
        )

    @staticmethod
    def _told(response: requests.Response) -> dict:
        if not response.ok:
            raise UserError(f"Superset refuses {response.request.path_url}: {response.text}")
        return response.json()


@contextmanager
def running(home: Path, port: int) -> Iterator[Superset]:
    """Run Superset on 127.0.0.1 with a metadata database of its own, and stop both at the end.

    Parameters
    ----------
    home : Path
        Holds the metadata database, the secrets that were made for it, and the log.
    port : int
        Where to listen.

    Yields
    ------
    Superset
        Ready to be asked.
    """
    home.mkdir(parents=True, exist_ok=True)
    password = secret(home / "admin_password")
    with (
        embedded_postgres_server(home / "metadata") as postgres,
        open(home / "superset.log", "w", encoding="utf-8") as log,
    ):
        environment = {
            **os.environ,
            "SUPERSET_CONFIG_PATH": str(Path(__file__).with_name("superset_config.py")),
            "SUPERSET_SECRET_KEY": secret(home / "secret_key"),
            "SUPERSET_METADATA_URI": postgres_uri(postgres),
            "FLASK_APP": "superset.app:create_app()",
            "PYTHONWARNINGS": "ignore",
        }
        prepare(environment, password, log)
        command = [
            *(str(BIN / "gunicorn"), "--workers", "1", "--worker-class", "gthread"),
            *("--threads", "8", "--timeout", "120", "--bind", f"127.0.0.1:{port}"),
            "superset.app:create_app()",
        ]
        server = subprocess.Popen(command, env=environment, stdout=log, stderr=log)
        try:
            superset = Superset(f"http://127.0.0.1:{port}", password)
            wait_for(f"{superset.address}/health", server, log.name)
            yield superset
        finally:
            server.terminate()
            server.wait()


def prepare(environment: Mapping[str, str], password: str, log) -> None:
    """Bring the metadata database to Superset's version, with its roles and an admin."""
    for arguments in (
        ["db", "upgrade"],
        ["init"],
        ["fab", "create-admin", "--username", "admin", "--firstname", "Voice", "--lastname", "AI"]
        + ["--email", "admin@localhost", "--password", password],
    ):
        done = subprocess.run(
            [str(BIN / "superset"), *arguments], env=environment, stdout=log, stderr=log
        )
        if done.returncode:
            raise UserError(f"superset {' '.join(arguments[:2])} failed; see {log.name}")


def wait_for(address: str, server: subprocess.Popen, log: str) -> None:
    """Wait until a server answers; say where it tells why it does not."""
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and server.poll() is None:
        try:
            if requests.get(address, timeout=5).ok:
                return
        except requests.RequestException:
            time.sleep(0.2)
    raise UserError(f"Superset did not start; see {log}")


def secret(path: Path) -> str:
    """Read a secret that only this user can read; make it at random where there is none."""
    if not path.exists():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text()


def postgres_uri(variables: Mapping[str, str], user: str = "", password: str = "") -> str:
    """Give SQLAlchemy's address of a PostgreSQL that `embedded_postgres_server` runs."""
    where = {
        "host": variables["VOICE_AI_POSTGRES_HOST"],
        "port": variables["VOICE_AI_POSTGRES_PORT"],
    }
    who = quote(user or variables["VOICE_AI_POSTGRES_USER"], safe="")
    who += f":{quote(password, safe='')}" if password else ""
    database = quote(variables["VOICE_AI_POSTGRES_DATABASE"], safe="")
    return f"postgresql+psycopg2://{who}@/{database}?{urlencode(where)}"


if __name__ == "__main__":
    pass
