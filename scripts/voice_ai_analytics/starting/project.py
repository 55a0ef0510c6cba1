"""What a dbt project needs for its first build: written where it is missing, never replaced."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import yaml

from voice_ai_analytics.dbt_project import REPOSITORY, DbtProject
from voice_ai_analytics.errors import UserError
from voice_ai_analytics.files import write_whole
from voice_ai_analytics.platforms import PLATFORMS, platform_named
from voice_ai_analytics.starting import stubs
from voice_ai_analytics.warehouse import Warehouse

ZONE = "dbt_date:time_zone"
SILENCED = "PackageNodeDependsOnRootProjectNode"


@dataclass
class Setup:
    """What was done to a project.

    Parameters
    ----------
    written : list of str
        Files that were missing.
    left : list of str
        Files of the user's that stay as they are, and what to add to them.
    next : str
        The next command.
    """

    written: list[str] = field(default_factory=list)
    left: list[str] = field(default_factory=list)
    next: str = ""


def set_up(
    directory: Path,
    platforms: Sequence[str] = (),
    profiles: Path | None = None,
    target: str | None = None,
) -> Setup:
    """Write what a dbt project lacks to build the package.

    Parameters
    ----------
    directory : Path
        Of the project; it is made if it doesn't exist.
    platforms : sequence of str
        Platforms to switch on, beside those that have a raw table already.
    profiles : Path, optional
        The directory of ``profiles.yml``.
    target : str, optional
        The dbt target whose tables are looked at.

    Raises
    ------
    UserError
        If a platform isn't known or has no models yet, or a file can't be read or written.
    """
    named = [_with_models(name) for name in platforms]
    done = Setup()
    settings = _read(directory / "dbt_project.yml")
    name = str(settings.get("name") or re.sub(r"\W+", "_", directory.resolve().name).strip("_"))
    name = name.lower() if re.match(r"[A-Za-z]", name) else f"voice_{name}"
    profile = str(settings.get("profile") or name)
    at = _write_profile(directory, profiles, profile, name, done)
    _write_packages(directory, done)
    if not settings:
        # Enough to find the database; the vars depend on what is in it.
        write_whole(directory / "dbt_project.yml", f"name: {name}\nprofile: {profile}\n")
    sources = _sources(DbtProject(directory, at, target))
    schema = _var(settings, "voice_ai_source_schema") or "voice_ai_raw"
    loaded = [
        table
        for full, columns in sources.items()
        if stubs.PAYLOADS.issubset(columns)
        and full.startswith(f"{schema}.")
        and (table := full.removeprefix(f"{schema}.")) in PLATFORMS
        and PLATFORMS[table].has_models
    ]
    named = list(dict.fromkeys([*named, *loaded]))
    tables = {} if named else stubs.own_tables(sources, schema)
    models = directory / (settings.get("model-paths") or ["models"])[0]
    for table, source in tables.items():
        file = models / f"input_voice_ai__{table}.sql"
        _write(file, stubs.stub(table, source, sources[source], name), directory, done)
    if tables:
        _write(models / "voice_ai_sources.yml", stubs.sources_yaml(tables), directory, done)
    _write_settings(directory, settings, name, profile, named, sorted(tables), done)
    done.next = _next(named, loaded, any("input_voice_ai" in file for file in done.written))
    if not tables and not named and f"{schema}.sessions" not in sources:
        done.next = (
            "voice-ai load PLATFORM PATH… for a vendor's export; or bring your own tables into the"
            " database and run voice-ai init again"
        )
    return done


def _read(file: Path) -> dict:
    if not file.is_file():
        return {}
    try:
        return yaml.safe_load(file.read_text(encoding="utf-8")) or {}
    except (ValueError, yaml.YAMLError) as error:
        reason = " ".join(str(error).split())
        raise UserError(f"{file}: can't be read as YAML: {reason}") from error


def _write(file: Path, text: str, directory: Path, done: Setup) -> None:
    shown = str(file.relative_to(directory)) if file.is_relative_to(directory) else str(file)
    if file.exists():
        done.left.append(f"{shown}: is there already")
        return
    write_whole(file, text)
    done.written.append(shown)


def _write_profile(
    directory: Path, profiles: Path | None, profile: str, name: str, done: Setup
) -> Path:
    """Write a profile on DuckDB if there is none; return the directory where it is."""
    elsewhere = os.environ.get("DBT_PROFILES_DIR")
    known = profiles or (Path(elsewhere) if elsewhere else None)
    places = [known] if known else [directory, Path.home() / ".dbt"]
    for place in places:
        if (place / "profiles.yml").is_file():
            if profile in _read(place / "profiles.yml"):
                done.left.append(f"{place / 'profiles.yml'}: has the profile {profile}")
                return place
            done.left.append(f"{place / 'profiles.yml'}: has no profile {profile}")
            if place in (known, directory):
                done.left[-1] += "; add one"
                return place
    databases = sorted(directory.glob("*.duckdb"))
    database = databases[0].name if len(databases) == 1 else f"{name}.duckdb"
    text = (
        f"{profile}:\n  target: dev\n  outputs:\n    dev:\n      type: duckdb\n"
        f"      path: {database}\n      schema: main\n      threads: 2\n"
    )
    _write(places[0] / "profiles.yml", text, directory, done)
    return places[0]


def _write_packages(directory: Path, done: Setup) -> None:
    file = directory / "packages.yml"
    text = f"packages:\n  - local: '{REPOSITORY}'\n"
    if not file.exists():
        _write(file, text, directory, done)
        return
    there = file.read_text(encoding="utf-8")
    if "voice" not in there and str(REPOSITORY) not in there:
        done.left.append(f"packages.yml: add under packages: - local: '{REPOSITORY}'")
    else:
        done.left.append("packages.yml: is there already")


def _var(settings: dict, name: str) -> object:
    everything = settings.get("vars") or {}
    return {**everything, **(everything.get("voice_ai_analytics") or {})}.get(name)


def _sources(project: DbtProject) -> dict[str, dict[str, str]]:
    """Return the tables of the target, none where there is no database yet."""
    if project.connection.type == "duckdb" and not Path(project.duckdb_path).exists():
        return {}
    return stubs.source_tables(Warehouse(project))


def _write_settings(
    directory: Path,
    settings: dict,
    name: str,
    profile: str,
    platforms: list[str],
    tables: list[str],
    done: Setup,
) -> None:
    wanted: dict = {"vars": {}}
    if _var(settings, ZONE) is None:
        wanted["vars"][ZONE] = "UTC"
    if platforms and not set(platforms) <= set(_names(_var(settings, "voice_ai_platforms"))):
        wanted["vars"]["voice_ai_platforms"] = platforms
    there = (settings.get("models") or {}).get("voice_ai_analytics") or {}
    replaced: dict = {}
    for table in tables:
        model = f"input_voice_ai__{table}"
        is_optional = (REPOSITORY / "models" / "optional_input" / f"{model}.sql").is_file()
        folder = "optional_input" if is_optional else "input"
        configured = there.get(folder) or {}
        if configured.get("+enabled") is not False and model not in configured:
            replaced.setdefault(folder, {})[model] = {"+enabled": False}
    if replaced:
        wanted["models"] = {"voice_ai_analytics": replaced}
        wanted["flags"] = {"warn_error_options": {"silence": [SILENCED]}}
    wanted = {key: value for key, value in wanted.items() if value}
    if settings:
        lines = yaml.safe_dump(wanted, sort_keys=False, width=100).rstrip() if wanted else ""
        added = "; add to it:\n" + "\n".join(f"  {line}" for line in lines.splitlines())
        done.left.append(f"dbt_project.yml: is there already{added if wanted else ''}")
        return
    text = {"name": name, "version": "0.1.0", "config-version": 2, "profile": profile} | wanted
    write_whole(directory / "dbt_project.yml", yaml.safe_dump(text, sort_keys=False, width=100))
    done.written.append("dbt_project.yml")


def _with_models(name: str) -> str:
    if platform_named(name).has_models:
        return name
    known = ", ".join(one.name for one in PLATFORMS.values() if one.has_models)
    raise UserError(f"{name}: the package doesn't read its payloads yet, only those of {known}")


def _names(platforms: object) -> list[str]:
    listed = platforms if isinstance(platforms, list) else []
    return [name for one in listed for name in (one if isinstance(one, dict) else [one])]


def _next(named: list[str], loaded: list[str], has_new_stubs: bool) -> str:
    build = "voice-ai deps && dbt build"
    if has_new_stubs:
        return f"check the lines marked TODO, then {build}"
    if unloaded := [name for name in named if name not in loaded]:
        return f"voice-ai load {unloaded[0]} PATH…, then {build}"
    return build
