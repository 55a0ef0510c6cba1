"""A fake Metabase: the part of its REST API that bi/metabase/create.py uses, in memory.

It follows the API's documentation and source: a body with a key that Metabase doesn't know is
rejected; ids must exist; a dashboard card with a known id is updated, one with a negative id is
created, and any that isn't sent is removed.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from itertools import count
from urllib.parse import parse_qs, urlsplit

CARD = {
    "name", "description", "type", "display", "collection_id", "collection_position",
    "dataset_query", "visualization_settings", "parameters", "result_metadata",
}  # fmt: skip
COLLECTION = {"name", "description", "parent_id", "authority_level", "namespace"}
NEW_DASHBOARD = {"name", "description", "parameters", "collection_id", "collection_position"}
DASHBOARD = NEW_DASHBOARD | {"width", "auto_apply_filters", "dashcards", "tabs", "archived"}
DASHCARD = {
    "id", "card_id", "row", "col", "size_x", "size_y", "dashboard_tab_id", "series",
    "parameter_mappings", "visualization_settings", "inline_parameters",
}  # fmt: skip
TAG = {"id", "name", "display-name", "type", "default", "required", "dimension", "widget-type"}
KNOWN = {
    ("POST", "card"): CARD,
    ("PUT", "card"): CARD | {"archived"},
    ("POST", "collection"): COLLECTION,
    ("PUT", "collection"): COLLECTION | {"archived"},
    ("POST", "dashboard"): NEW_DASHBOARD,
    ("PUT", "dashboard"): DASHBOARD,
}


class Answer(Exception):
    """An unsuccessful response."""

    def __init__(self, status: int, body: object) -> None:
        self.status, self.body = status, body


class FakeMetabase:
    """A server's collections, cards and dashboards by id, and the databases it knows."""

    key = "mb_right"

    def __init__(self, databases: dict[str, dict[tuple[str, str], list[str]]]) -> None:
        numbers = count(1)
        self.databases, self.fields = {}, set()
        for name, tables in databases.items():
            listed = [
                {
                    "id": next(numbers),
                    "schema": schema,
                    "name": table,
                    "fields": [{"id": next(numbers), "name": column} for column in columns],
                }
                for (schema, table), columns in tables.items()
            ]
            self.databases[next(numbers)] = {"name": name, "tables": listed}
            self.fields |= {field["id"] for table in listed for field in table["fields"]}
        self.numbers = count(100)
        # A root collection as in any installation, with somebody else's things in it.
        self.things: dict[str, dict[int, dict]] = {
            "collection": {7: {"id": 7, "name": "Examples", "location": "/", "archived": False}},
            "card": {8: {"id": 8, "name": "How do sessions end?", "collection_id": 7}},
            "dashboard": {},
        }
        self.requests: list[str] = []
        self.break_at: int | None = None

    def answer(self, method: str, address: str, key: str | None, body: dict | None) -> object:
        """Answer a request, or raise an `Answer`."""
        path, query = urlsplit(address).path.removeprefix("/api/"), urlsplit(address).query
        self.requests.append(f"{method} {path}")
        if key != self.key:
            raise Answer(401, "Unauthenticated")
        if self.break_at is not None and len(self.requests) >= self.break_at:
            raise Answer(500, {"message": "the application database is gone"})
        match method, path.split("/"):
            case "GET", ["user", "current"]:
                return {"id": 1, "is_superuser": True}
            case "GET", ["database"]:
                found = [{"id": id, "name": each["name"]} for id, each in self.databases.items()]
                return {"data": found, "total": len(found)}
            case "GET", ["database", id, "metadata"]:
                return {"id": int(id), **self.databases[int(id)]}
            case "GET", ["collection"]:
                return [{"id": "root", "name": "Our analytics"}, *self.live("collection")]
            case "GET", ["collection", id, "items"]:
                (model,) = parse_qs(query)["models"]
                held = [each for each in self.live(model) if each["collection_id"] == int(id)]
                return {"data": [{"model": model, **each} for each in held], "total": len(held)}
            case "GET", ["dashboard", id]:
                return self.found("dashboard", int(id))
            case "POST", [("card" | "collection" | "dashboard") as kind]:
                self.check(method, kind, body)
                number = next(self.numbers)
                self.things[kind][number] = {"id": number, "archived": False}
                return self.change(kind, number, body)
            case "PUT", [("card" | "collection" | "dashboard") as kind, id]:
                self.found(kind, int(id))
                self.check(method, kind, body)
                return self.change(kind, int(id), body)
        raise Answer(404, "API endpoint does not exist.")

    def live(self, kind: str) -> list[dict]:
        return [each for each in self.things[kind].values() if not each.get("archived")]

    def found(self, kind: str, number: int | None) -> dict:
        if number not in self.things[kind]:
            raise Answer(404, "Not found.")
        return self.things[kind][number]

    def check(self, method: str, kind: str, body: dict) -> None:
        """Reject what Metabase would reject."""
        closed(body, KNOWN[method, kind], kind)
        if method == "POST" and not body.get("name"):
            raise Answer(400, {"errors": {"name": "value must be a non-blank string."}})
        if body.get("collection_id") is not None:
            self.found("collection", body["collection_id"])
        if "dataset_query" in body:
            self.check_query(body["dataset_query"])
        for parameter in body.get("parameters", []):
            config = parameter.get("values_source_config", {})
            if config:
                self.found("card", config["card_id"])
                legacy(config["value_field"], str)
        seen = set()
        for dashcard in body.get("dashcards", []):
            closed(dashcard, DASHCARD, "dashcards")
            if dashcard["id"] in seen:
                raise Answer(400, {"errors": {"dashcards": "ids must be unique"}})
            seen.add(dashcard["id"])
            for number in [dashcard["card_id"]] if dashcard["card_id"] is not None else []:
                self.found("card", number)
            for mapping in dashcard.get("parameter_mappings", []):
                closed(mapping, {"parameter_id", "card_id", "target"}, "parameter_mappings")
                self.found("card", mapping["card_id"])

    def check_query(self, query: dict) -> None:
        closed(query, {"type", "database", "native"}, "dataset_query")
        closed(query["native"], {"query", "template-tags"}, "native")
        if query["database"] not in self.databases:
            raise Answer(404, "Not found.")
        for name, tag in query["native"]["template-tags"].items():
            closed(tag, TAG, "template-tags")
            if tag["name"] != name:
                raise Answer(400, {"errors": {"template-tags": "the key is not the name"}})
            if tag["type"] == "dimension":
                legacy(tag["dimension"], int)
                if tag["dimension"][1] not in self.fields:
                    raise Answer(400, {"errors": {"dimension": "no such field"}})

    def change(self, kind: str, number: int, body: dict) -> dict:
        thing = self.things[kind][number]
        body = copy.deepcopy(body)
        if kind == "collection" and "parent_id" in body:
            parent = body.pop("parent_id")
            thing["location"] = f"/{parent}/" if parent else "/"
        if kind == "dashboard":
            former = {each["id"] for each in thing.setdefault("dashcards", [])}
            for dashcard in body.get("dashcards", []):
                if dashcard["id"] not in former:
                    dashcard["id"] = next(self.numbers)
        thing.update(body)
        return thing


def closed(body: dict, known: set[str], what: str) -> None:
    """Reject unknown keys."""
    if set(body) - known:
        unknown = sorted(set(body) - known)
        raise Answer(400, {"specific-errors": {what: f"disallowed key: {unknown}"}})


def legacy(clause: list, name: type) -> None:
    """Reject a column that isn't in the API's form."""
    head, column, options = clause
    if head != "field" or not isinstance(column, name) or not isinstance(options, dict | None):
        raise Answer(400, {"errors": {"field": f"not a legacy field clause: {clause}"}})


@contextmanager
def serving(fake: FakeMetabase) -> Iterator[str]:
    """Serve on a free local port and yield the address."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = json.loads(self.rfile.read(length)) if length else None
            key = self.headers.get("x-api-key") or self.headers.get("X-Metabase-Session")
            try:
                status, said = 200, fake.answer(self.command, self.path, key, body)
            except Answer as answer:
                status, said = answer.status, answer.body
            text = said if isinstance(said, str) else json.dumps(said)
            self.send_response(status)
            self.end_headers()
            self.wfile.write(text.encode())

        do_POST = do_PUT = do_GET

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{server.server_address[1]}"
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
