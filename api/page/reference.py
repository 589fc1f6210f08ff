"""The reference at `/docs`: the API description as a page. Ready-made ones fetch their code from other machines."""

from collections.abc import Iterator, Mapping
from typing import Any

from api import page


def render(api: Mapping[str, Any]) -> str:
    """An OpenAPI description as HTML."""
    operations = [
        {"method": method.upper(), "path": path, **operation}
        for path, methods in api["paths"].items()
        for method, operation in methods.items()
    ]
    context = {
        "api": api,
        "operations": operations,
        "schemas": api["components"]["schemas"],
        "kind": _kind,
        "asked": _asked,
        "fields": _fields,
        "schema_of": _schema_of,
    }
    return page.template("reference.html").render(context)


def _kind(schema: Mapping[str, Any]) -> str:
    """What a value may be, in words.

    >>> _kind({"type": "integer", "minimum": 1, "maximum": 100})
    'integer, 1 to 100'
    >>> _kind({"anyOf": [{"type": "array", "items": {"$ref": "#/components/schemas/HitOut"}}, {"type": "null"}]})
    'list of HitOut, or null'
    """
    if "anyOf" in schema:
        return ", or ".join(_kind(one) for one in schema["anyOf"])
    if "$ref" in schema:
        return str(schema["$ref"]).rpartition("/")[2]
    if "enum" in schema or "const" in schema:
        return " or ".join(f"“{value}”" for value in schema.get("enum", [schema.get("const")]))
    if schema.get("type") == "array":
        return f"list of {_kind(schema['items'])}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"object of {_kind(schema['additionalProperties'])} by name"
    words = str(schema.get("type", "anything"))
    if "minimum" in schema:
        words += (
            f", {schema['minimum']:g} to {schema['maximum']:g}" if "maximum" in schema else f", at least {schema['minimum']:g}"
        )
    if "maxLength" in schema:
        words += f", at most {schema['maxLength']} characters"
    return words


def _asked(operation: Mapping[str, Any]) -> Iterator[tuple[str, bool, Mapping[str, Any]]]:
    """Name, whether it is needed, and schema of each part of an address; those that are needed first."""
    parameters = sorted(operation.get("parameters", []), key=lambda one: not one.get("required"))
    for one in parameters:
        yield one["name"], one.get("required", False), {"description": one.get("description", ""), **one["schema"]}


def _fields(schema: Mapping[str, Any]) -> Iterator[tuple[str, bool, Mapping[str, Any]]]:
    """The same of each part of an object."""
    for name, field in schema.get("properties", {}).items():
        yield name, name in schema.get("required", []), field


def _schema_of(content: Mapping[str, Any]) -> str:
    """The name of the schema of a body."""
    return next((_kind(media["schema"]) for media in content.values()), "")
