"""The page that describes the HTTP service. It has no scripts: readers paste keys nearby."""

from __future__ import annotations

from html import escape

# Nothing is loaded from anywhere, not even from here.
HEADERS = {
    "Content-Security-Policy": "default-src 'none'; style-src 'unsafe-inline'",
    "X-Content-Type-Options": "nosniff",
}
STYLE = """
body { font: 16px/1.5 system-ui, sans-serif; max-width: 60rem; margin: 2rem auto; padding: 0 1rem }
code, pre { font: 14px/1.5 ui-monospace, monospace; background: #f3f3f3; padding: 0 .2rem }
pre { padding: .6rem; overflow-x: auto }
table { border-collapse: collapse } td, th { text-align: left; padding: .2rem .8rem .2rem 0 }
"""
EXAMPLE = """\
curl -s {base}v1/query -H "Authorization: Bearer $KEY" -H "Content-Type: application/json" \\
  -d '{{"metrics": ["voice_ai_completion_rate"], "group_by": ["metric_time__week"]}}'
"""


def description_page(openapi: dict, base: str) -> str:
    """Return the page as HTML.

    Parameters
    ----------
    openapi : dict
        The description of the service, which is at ``/openapi.json``.
    base : str
        The address of the service, with a slash at its end.
    """
    title = escape(openapi["info"]["title"])
    parts = [f"<h1>{title}</h1>", f"<p>{escape(openapi['info']['description'])}</p>"]
    parts.append(f"<pre>{escape(EXAMPLE.format(base=base))}</pre>")
    for path, methods in openapi["paths"].items():
        for method, operation in methods.items():
            parts.append(f"<h2><code>{method.upper()} {escape(path)}</code></h2>")
            parts.append(f"<p>{escape(operation['description'])}</p>")
            parts.append(_fields(_parameters(operation, openapi)))
    parts.append('<p>For programs: <a href="openapi.json">openapi.json</a></p>')
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        f"<title>{title}</title><style>{STYLE}</style></head><body>{''.join(parts)}</body></html>\n"
    )


def _parameters(operation: dict, openapi: dict) -> list[tuple[str, str]]:
    """Return the names and descriptions of what an operation takes, the body's fields included."""
    found = [(one["name"], one.get("description", "")) for one in operation.get("parameters", [])]
    if body := operation.get("requestBody"):
        reference = body["content"]["application/json"]["schema"]["$ref"]
        schema = openapi["components"]["schemas"][reference.rsplit("/", 1)[-1]]
        found += [(name, one.get("description", "")) for name, one in schema["properties"].items()]
    return found


def _fields(fields: list[tuple[str, str]]) -> str:
    rows = "".join(
        f"<tr><td><code>{escape(name)}</code></td><td>{escape(told)}</td></tr>"
        for name, told in fields
    )
    return f"<table>{rows}</table>" if rows else ""
