"""Runs Superset on what `make demo` built: metadata database, server and dashboards.

`make dashboard` runs this, and so do the tests.
"""

from __future__ import annotations

import argparse
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import quote, urlencode

import requests
from bundle import bundle

from voice_ai_analytics.dbt_project import REPOSITORY, DbtProject
from voice_ai_analytics.demo import DemoPaths, target_environment
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.metrics.compiler import MetricCompiler
from voice_ai_analytics.metrics.exports import export_metrics
from voice_ai_analytics.postgres import embedded_postgres_server
from voice_ai_analytics.roles import (
    CERTIFIED_PASSWORD,
    CERTIFIED_ROLE,
    METRICS_PASSWORD,
    METRICS_ROLE,
    create_roles,
)
from voice_ai_analytics.warehouse import Warehouse

BIN = REPOSITORY / ".venv-superset" / "bin"
SECONDS_TO_START = 180


@dataclass(frozen=True)
class Superset:
    """A running server: its address, and the password of the user ``admin``."""

    address: str
    password: str
    process: subprocess.Popen

    def import_bundle(self, content: bytes) -> None:
        """Create the dashboards and everything they need, or update them from the bundle."""
        login = {"username": "admin", "password": self.password, "provider": "db"}
        with requests.Session() as session:
            token = self._asked(session, "post", "security/login", json=login)["access_token"]
            session.headers["Authorization"] = f"Bearer {token}"
            token = self._asked(session, "get", "security/csrf_token/")["result"]
            session.headers["X-CSRFToken"] = token
            files = {"bundle": ("bundle.zip", content, "application/zip")}
            self._asked(session, "post", "assets/import/", files=files)

    def _asked(self, session: requests.Session, method: str, path: str, **content) -> dict:
        response = session.request(method, f"{self.address}/api/v1/{path}", **content)
        if not response.ok:
            raise UserError(f"Superset rejected {path}: {' '.join(response.text.split())}")
        return response.json()


@contextmanager
def running(home: Path, port: int) -> Iterator[Superset]:
    """Run Superset on 127.0.0.1 with its own metadata database, and stop both at the end.

    Parameters
    ----------
    home : Path
        Where the metadata database, the generated secrets and the log are kept.
    port : int
        The port to listen on.

    Yields
    ------
    Superset
        Up and answering.

    Raises
    ------
    UserError
        If it isn't installed, the port is in use, or it doesn't start.
    """
    if not (BIN / "superset").exists():
        raise UserError(f"{BIN}: Superset isn't installed; run make dashboard, which installs it")
    with socket.socket() as listener, suppress(ConnectionRefusedError):
        listener.connect(("127.0.0.1", port))
        raise UserError(f"port {port} is in use; choose another one: make dashboard PORT=8089")
    home.mkdir(parents=True, exist_ok=True)
    password = secret(home / "admin_password")
    with (
        embedded_postgres_server(home / "metadata") as server,
        open(home / "superset.log", "w", encoding="utf-8") as log,
    ):
        environment = {
            **os.environ,
            "SUPERSET_CONFIG_PATH": str(Path(__file__).with_name("superset_config.py")),
            "SUPERSET_SECRET_KEY": secret(home / "secret_key"),
            "SUPERSET_METADATA_URI": postgres_uri(
                server["VOICE_AI_POSTGRES_HOST"],
                server["VOICE_AI_POSTGRES_PORT"],
                server["VOICE_AI_POSTGRES_DATABASE"],
                server["VOICE_AI_POSTGRES_USER"],
            ),
            "FLASK_APP": "superset.app:create_app()",
            "PYTHONWARNINGS": "ignore",
        }
        prepare(environment, password, log)
        command = [str(BIN / "gunicorn"), "--bind", f"127.0.0.1:{port}", "--workers", "1"]
        command += ["--worker-class", "gthread", "--threads", "8", "--timeout", "120"]
        process = subprocess.Popen(
            [*command, "superset.app:create_app()"], env=environment, stdout=log, stderr=log
        )
        try:
            superset = Superset(f"http://127.0.0.1:{port}", password, process)
            wait_for(superset, log.name)
            yield superset
        finally:
            process.terminate()
            process.wait()


def prepare(environment: Mapping[str, str], password: str, log) -> None:
    """Migrate the metadata database to this Superset version and create its roles and an admin."""
    names = ["--username", "admin", "--firstname", "Voice", "--lastname", "AI"]
    for arguments, answers in (
        (["db", "upgrade"], ""),
        (["init"], ""),
        # Superset asks for the password twice; without a terminal, it reads standard input.
        (["fab", "create-admin", *names, "--email", "admin@localhost"], f"{password}\n" * 2),
    ):
        done = subprocess.run(
            [str(BIN / "superset"), *arguments],
            env=environment,
            input=answers,
            text=True,
            stdout=log,
            stderr=log,
            start_new_session=True,
        )
        if done.returncode:
            raise UserError(f"superset {' '.join(arguments[:2])} failed; see {log.name}")


def wait_for(superset: Superset, log: str) -> None:
    """Wait until the server answers."""
    until = time.monotonic() + SECONDS_TO_START
    while time.monotonic() < until and superset.process.poll() is None:
        with suppress(requests.RequestException):
            if requests.get(f"{superset.address}/health", timeout=5).ok:
                return
        time.sleep(0.2)
    raise UserError(f"Superset didn't start; see {log}")


def secret(path: Path) -> str:
    """Return a secret that only this user can read; generate it if there is none."""
    if not path.exists():
        with open(os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600), "w") as file:
            file.write(secrets.token_urlsafe(32))
    return path.read_text(encoding="utf-8")


def postgres_uri(host: str, port: int | str, database: str, user: str, password: str = "") -> str:
    """Return the SQLAlchemy URL of a PostgreSQL database; its host may be a socket directory."""
    who = ":".join(quote(part, safe="") for part in (user, password) if part)
    where = urlencode({"host": host, "port": port})
    return f"postgresql+psycopg2://{who}@/{quote(database, safe='')}?{where}"


def connections(project: DbtProject, home: Path) -> dict[str, str]:
    """Return the bundle's environment variables; on PostgreSQL, create the reading roles.

    Parameters
    ----------
    project : DbtProject
        Built, with its metrics exported.
    home : Path
        Where the roles' passwords are kept.

    Returns
    -------
    dict of str to str
        Two connection URLs, and the name of the certified schema.
    """
    warehouse = Warehouse(project)
    schema = {"VOICE_AI_CERTIFIED_SCHEMA": project.node("fact_voice_ai_sessions")["schema"]}
    if warehouse.engine == "duckdb":
        uri = f"duckdb:///{quote(project.duckdb_path)}?access_mode=read_only"
        return schema | {"VOICE_AI_METRICS_URI": uri, "VOICE_AI_CERTIFIED_URI": uri}
    uris = {}
    where = project.postgres_parameters
    for variable, role, name in (
        ("VOICE_AI_METRICS_URI", METRICS_ROLE, METRICS_PASSWORD),
        ("VOICE_AI_CERTIFIED_URI", CERTIFIED_ROLE, CERTIFIED_PASSWORD),
    ):
        os.environ.setdefault(name, secret(home / f"{role}_password"))
        uris[variable] = postgres_uri(
            where["host"], where["port"], where["dbname"], role, os.environ[name]
        )
    create_roles(project, warehouse)
    return schema | uris


def main() -> None:
    """Export the demo's metrics and serve them in Superset until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument(
        "--output", type=Path, default=Path("output"), help="output directory of make demo"
    )
    parser.add_argument("--target", choices=["duckdb", "postgres"], default="duckdb")
    parser.add_argument("--port", type=int, default=8088)
    arguments = parser.parse_args()
    paths = DemoPaths(arguments.output.resolve())
    home = paths.output / "superset"
    made = paths.database if arguments.target == "duckdb" else paths.postgres
    if not made.exists():
        raise UserError(
            f"{made}: no such file or directory; run make demo TARGET={arguments.target} first"
        )
    with target_environment(paths, arguments.target):
        project = DbtProject(paths.project)
        print("Exporting metrics …", flush=True)
        export_metrics(project, MetricCompiler(project), Warehouse(project))
        home.mkdir(exist_ok=True)
        variables = connections(project, home)
        print("Starting Superset; the first time takes a minute …", flush=True)
        with running(home, arguments.port) as superset:
            superset.import_bundle(bundle(variables, project.manifest))
            print(f"Dashboards: {superset.address}/dashboard/list/")
            print(f"Log in as admin with the password in {home / 'admin_password'}")
            print("Press Ctrl-C to stop.", flush=True)
            superset.process.wait()
            raise UserError(f"Superset stopped; see {home / 'superset.log'}")


if __name__ == "__main__":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        main()
    except UserError as error:
        sys.exit(f"make dashboard: {error}")
    except KeyboardInterrupt:
        sys.exit(0)
