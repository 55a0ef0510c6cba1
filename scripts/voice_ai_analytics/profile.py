"""The connection that a dbt profile describes, read without importing dbt, which takes seconds.

Only plain profiles are read here: YAML with ``env_var``. dbt itself reads any other, and says what
is wrong with one that can't be read.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from voice_ai_analytics.errors import UserError

# Options of libpq that dbt's PostgreSQL profiles may set.
LIBPQ = ("sslmode", "sslcert", "sslkey", "sslrootcert")
# What dbt calls these in other words.
ALIASES = {"dbname": "database", "pass": "password"}


@dataclass(frozen=True)
class Connection:
    """Where a target's database is.

    Parameters
    ----------
    type : str
        The name of dbt's adapter: ``duckdb`` or ``postgres``; others are told apart by it only.
    path : str
        The file of DuckDB, as the profile has it.
    host, user, password : str
        Of PostgreSQL.
    database : str
        The name of the database.
    port : int
        Of PostgreSQL.
    schema : str
        The target's own schema, from which dbt derives the package's.
    options : tuple of pairs of str
        Options of libpq, such as ``sslmode``.
    """

    type: str
    path: str = ":memory:"
    host: str = ""
    port: int = 5432
    user: str = ""
    password: str = ""
    database: str = ""
    schema: str = ""
    options: tuple[tuple[str, str], ...] = ()


def read_profile(project: Path, profiles: Path, target: str | None) -> Connection:
    """Return the connection of a target.

    Parameters
    ----------
    project : Path
        The directory of ``dbt_project.yml``, which names the profile.
    profiles : Path
        The directory of ``profiles.yml``.
    target : str or None
        The profile's own default if None.

    Raises
    ------
    UserError
        If dbt can't read the profile either.
    """
    try:
        return _connection(_plain_output(project, profiles, target))
    # Whatever is unusual about a profile, dbt knows it or says what is wrong.
    except Exception as error:
        return _connection(_output_by_dbt(project, profiles, target, error))


def _connection(output: dict) -> Connection:
    output = {ALIASES.get(name, name): value for name, value in output.items()}
    schema = output.get("schema", "")
    if output["type"] == "duckdb":
        path = output.get("path") or ":memory:"
        # DuckDB names a database after its file.
        database = output.get("database") or Path(path.strip(":")).stem
        return Connection("duckdb", path=path, database=database, schema=schema or "main")
    if output["type"] != "postgres":
        return Connection(output["type"], schema=schema)
    return Connection(
        "postgres",
        host=output["host"],
        port=int(output["port"]),
        user=output["user"],
        password=str(output.get("password") or ""),
        database=output["database"],
        schema=schema,
        options=tuple((name, str(output[name])) for name in LIBPQ if output.get(name)),
    )


def _plain_output(project: Path, profiles: Path, target: str | None) -> dict:
    import yaml
    from jinja2 import Environment, StrictUndefined

    templates = Environment(undefined=StrictUndefined, autoescape=False)  # noqa: S701, no HTML
    templates.globals["env_var"] = _environment_variable
    for kind in ("as_native", "as_number", "as_bool", "as_text"):
        templates.filters[kind] = lambda value: value

    def rendered(value):
        return templates.from_string(value).render() if isinstance(value, str) else value

    def read(file: Path) -> dict:
        return yaml.safe_load(file.read_text(encoding="utf-8"))

    profile = read(profiles / "profiles.yml")[
        rendered(read(project / "dbt_project.yml")["profile"])
    ]
    output = profile["outputs"][target or rendered(profile.get("target", "default"))]
    if output["type"] not in ("duckdb", "postgres"):
        raise ValueError("dbt tells whether its adapter is installed")
    return {name: rendered(value) for name, value in output.items()}


def _environment_variable(name: str, default: str | None = None) -> str:
    return os.environ[name] if default is None else os.environ.get(name, default)


def _output_by_dbt(project: Path, profiles: Path, target: str | None, unusual: Exception) -> dict:
    from argparse import Namespace

    try:
        from dbt.config.runtime import load_profile
        from dbt.flags import set_from_args
        from dbt_common.context import set_invocation_context
    except ImportError as error:
        reason = " ".join(f"{type(unusual).__name__} {unusual}".split())
        raise UserError(
            f"{profiles / 'profiles.yml'}: can't be read without dbt-core: {reason}"
        ) from error

    set_from_args(Namespace(PROFILES_DIR=str(profiles)), None)
    set_invocation_context(dict(os.environ))
    try:
        profile = load_profile(str(project), {}, target_override=target)
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{profiles / 'profiles.yml'}: {reason}") from error
    return {**profile.credentials.to_dict(omit_none=True), "type": profile.credentials.type}
