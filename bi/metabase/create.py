"""Create this folder's questions and dashboards in Metabase through its REST API.

For the open-source edition, which can't import the files itself. Anything in our collection with
the same name is updated to match the files, so you can run it as often as you like.

Reads ``METABASE_URL``, and ``METABASE_API_KEY`` or ``METABASE_SESSION``, from the environment.
"""

from __future__ import annotations

import argparse
import os
import re
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import requests
import yaml

FOLDER = Path(__file__).resolve().parent / "collections"
SCHEMA = "demo_voice_ai"  # the name used in the files
CREDENTIALS = {"METABASE_API_KEY": "x-api-key", "METABASE_SESSION": "X-Metabase-Session"}
TIMEOUT_SECONDS = 60


class Refused(Exception):
    """A one-line message about what the user has to fix."""


class Metabase:
    """A Metabase server, with the credentials from the environment."""

    def __init__(self) -> None:
        self.url = os.environ.get("METABASE_URL", "").rstrip("/")
        if not self.url:
            raise Refused("METABASE_URL: not set; it is the address of your Metabase.")
        self.credential = next((name for name in CREDENTIALS if os.environ.get(name)), None)
        if not self.credential:
            raise Refused(
                "METABASE_API_KEY: not set; create a key in Admin settings > Authentication >"
                " API keys, or set METABASE_SESSION."
            )
        self.session = requests.Session()
        self.session.headers[CREDENTIALS[self.credential]] = os.environ[self.credential]

    def ask(self, method: str, path: str, body: dict | None = None) -> Any:
        """Return the response to a request, or fail with a one-line reason."""
        try:
            answer = self.session.request(
                method, f"{self.url}/api/{path}", json=body, timeout=TIMEOUT_SECONDS
            )
        except (requests.exceptions.InvalidHeader, UnicodeError) as error:
            raise Refused(f"{self.credential}: isn't a valid key; create a new one.") from error
        except requests.RequestException as error:
            raise Refused(
                f"METABASE_URL: {self.url} can't be reached ({type(error).__name__})."
            ) from error
        about = f"{method} /api/{path}" + (f" ({body['name']})" if body else "")
        if answer.status_code == 401:
            raise Refused(f"{self.credential}: {self.url} rejected it; create a new one.")
        if answer.status_code == 403:
            raise Refused(
                f"{self.credential}: {about} isn't allowed; the user must be in the group"
                " Administrators, or be able to write to our collection and to run native queries"
                " on both databases."
            )
        if not answer.ok:
            said = " ".join(answer.text.split())[:200]
            raise Refused(f"{about}: Metabase answered {answer.status_code}: {said}")
        try:
            return answer.json()
        except requests.JSONDecodeError as error:
            raise Refused(f"METABASE_URL: {self.url} answers, but isn't Metabase.") from error


class Database:
    """A database in Metabase: its id, and the ids of the columns that Metabase has found in it."""

    def __init__(self, metabase: Metabase, name: str) -> None:
        answer = metabase.ask("GET", "database")
        found = answer["data"] if isinstance(answer, dict) else answer
        self.name = name
        self.id = next((each["id"] for each in found if each["name"] == name), None)
        if self.id is None:
            raise Refused(
                f"{name}: Metabase has no database with this name; add it in Admin settings >"
                " Databases, as described in docs/dashboards/metabase.md."
            )
        self.columns = {
            (table["schema"], table["name"]): {each["name"]: each["id"] for each in table["fields"]}
            for table in metabase.ask("GET", f"database/{self.id}/metadata")["tables"]
        }

    def column(self, schema: str, table: str, column: str | None = None) -> int | None:
        """Return a column's id; fail if the column or table doesn't exist."""
        columns = self.columns.get((schema, table))
        if columns is None:
            raise Refused(
                f"{self.name}: Metabase has found no table {schema}.{table}; export the metrics"
                " and sync the database, name the right --schema, or leave its questions out with"
                f" --without {table}."
            )
        if column and column not in columns:
            raise Refused(
                f"{self.name}: {schema}.{table} has no column {column}; export the metrics again"
                " and sync the database."
            )
        return columns.get(column)


def read(schema: str, without: set[str]) -> dict[str, list[dict]]:
    """Read the files: entities by kind, parents first."""
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", schema):
        raise Refused(f"--schema {schema}: use only lowercase letters, digits and _.")
    found: dict[str, list[dict]] = {"Collection": [], "Card": [], "Dashboard": []}
    for path in sorted(FOLDER.rglob("*.yaml"), key=lambda path: (len(path.parts), path)):
        try:
            entity = yaml.safe_load(path.read_text(encoding="utf-8").replace(SCHEMA, schema))
        except yaml.YAMLError as error:
            said = " ".join(str(error).split())
            raise Refused(f"{path.relative_to(FOLDER)}: isn't valid YAML: {said}") from error
        found[entity["serdes/meta"][-1]["model"]].append(entity)
    tables = {table for card in found["Card"] for table in tables_of(card, schema)}
    if without - tables:
        raise Refused(f"--without {min(without - tables)}: no question reads this table.")
    left_out = {
        card["entity_id"] for card in found["Card"] if without & set(tables_of(card, schema))
    }
    found["Card"] = [card for card in found["Card"] if card["entity_id"] not in left_out]
    for dashboard in found["Dashboard"]:
        for parameter in dashboard["parameters"]:
            if parameter.get("values_source_config", {}).get("card_id") in left_out:
                raise Refused(f"--without {min(without)}: the filters need this table.")
        dashboard["dashcards"] = [
            each for each in dashboard["dashcards"] if each["card_id"] not in left_out
        ]
    return found


def tables_of(card: dict, schema: str) -> list[str]:
    """Return the names of the tables that a question reads."""
    return re.findall(
        rf"\b{re.escape(schema)}\.(\w+)", card["dataset_query"]["stages"][0]["native"]
    )


def native_query(card: dict, databases: dict[str, Database], schema: str) -> dict:
    """Return a question's query in the API's form, with columns by id."""
    query = card["dataset_query"]
    stage, database = query["stages"][0], databases[query["database"]]
    for table in tables_of(card, schema):
        database.column(schema, table)
    tags = {}
    for tag in stage["template-tags"]:
        if tag["type"] == "dimension":
            _, options, (_, *column) = tag["dimension"]
            tag = tag | {"dimension": ["field", database.column(*column), options or None]}
        tags[tag["name"]] = tag
    native = {"query": stage["native"], "template-tags": tags}
    return {"type": "native", "database": database.id, "native": native}


def create(metabase: Metabase, entities: dict[str, list[dict]], schema: str) -> Counter:
    """Create what is missing and update what exists; return how many of each."""
    metabase.ask("GET", "user/current")
    names = {card["dataset_query"]["database"] for card in entities["Card"]}
    databases = {name: Database(metabase, name) for name in sorted(names)}
    # Checked before anything is created, so a missing table leaves nothing half done.
    queries = {
        card["entity_id"]: native_query(card, databases, schema) for card in entities["Card"]
    }
    ids: dict[str | None, int | None] = {None: None}
    done: Counter = Counter()

    def put(kind: str, entity: dict, there: dict[str, int], body: dict) -> int:
        body = {"name": entity["name"], "description": entity["description"]} | body
        number = there.get(entity["name"])
        if number is None:
            number = metabase.ask("POST", kind, body)["id"]
            done[f"{kind} made"] += 1
        else:
            metabase.ask("PUT", f"{kind}/{number}", body)
            done[f"{kind} updated"] += 1
        ids[entity["entity_id"]] = number
        return number

    for collection in entities["Collection"]:
        parent = ids[collection.get("parent_id")]
        location = f"/{parent}/" if parent else "/"
        there = {
            each["name"]: each["id"]
            for each in metabase.ask("GET", "collection")
            if each.get("location") == location
        }
        put("collection", collection, there, {"parent_id": parent})

    there = items(metabase, entities["Card"], "card", ids)
    for card in entities["Card"]:
        body = {
            "type": card["type"],
            "display": card["display"],
            "collection_id": ids[card["collection_id"]],
            "dataset_query": queries[card["entity_id"]],
            "visualization_settings": card["visualization_settings"],
        }
        put("card", card, there, body)

    there = items(metabase, entities["Dashboard"], "dashboard", ids)
    for dashboard in entities["Dashboard"]:
        body = {
            "collection_id": ids[dashboard["collection_id"]],
            "collection_position": dashboard["collection_position"],
            "parameters": [with_numbers(each, ids) for each in dashboard["parameters"]],
        }
        number = put("dashboard", dashboard, there, body)
        # The API updates a dashboard card with a known id, and creates one with a negative id.
        former = sorted(
            each["id"] for each in metabase.ask("GET", f"dashboard/{number}")["dashcards"]
        )
        dashcards = [
            {
                "id": former[place] if place < len(former) else -1 - place,
                "card_id": ids[each["card_id"]],
                **{key: each[key] for key in ("row", "col", "size_x", "size_y")},
                "visualization_settings": each["visualization_settings"],
                "parameter_mappings": [
                    mapping | {"card_id": ids[mapping["card_id"]]}
                    for mapping in each.get("parameter_mappings", [])
                ],
            }
            for place, each in enumerate(dashboard["dashcards"])
        ]
        settings = {key: dashboard[key] for key in ("name", "width", "auto_apply_filters")}
        metabase.ask("PUT", f"dashboard/{number}", settings | {"dashcards": dashcards})
    return done


def items(metabase: Metabase, entities: list[dict], model: str, ids: dict) -> dict[str, int]:
    """Return what the entities' collection already has, by name; the older of two namesakes."""
    collection = ids[entities[0]["collection_id"]]
    found = metabase.ask("GET", f"collection/{collection}/items?models={model}")["data"]
    return {each["name"]: each["id"] for each in sorted(found, key=lambda each: -each["id"])}


def with_numbers(parameter: dict, ids: dict) -> dict:
    """Return a filter in the API's form: its values' card by id, its column's name first."""
    if "values_source_config" not in parameter:
        return parameter
    config = parameter["values_source_config"]
    field, options, column = config["value_field"]
    numbers = {"card_id": ids[config["card_id"]], "value_field": [field, column, options]}
    return parameter | {"values_source_config": numbers}


def main() -> None:
    """Run the command line."""
    parser = argparse.ArgumentParser(description=__doc__.split("\n")[0])
    parser.add_argument(
        "--schema", default=SCHEMA, help=f"the certified schema of your warehouse ({SCHEMA})"
    )
    parser.add_argument(
        "--without",
        metavar="TABLE",
        action="append",
        default=[],
        help="leave out the questions that read this table; repeatable",
    )
    options = parser.parse_args()
    try:
        entities = read(options.schema, set(options.without))
        done = create(Metabase(), entities, options.schema)
    except Refused as refused:
        sys.exit(str(refused))
    for kind in ("collection", "card", "dashboard"):
        print(f"{kind}s: {done[f'{kind} made']} created, {done[f'{kind} updated']} updated")


if __name__ == "__main__":
    main()
