"""``visard settings``: the table of what can be configured, made from the settings themselves."""

from typing import Any

import click

from service.environment import FILE_SUFFIX, secrets, variable
from service.settings import Settings

_HEAD = f"""\
# Settings

Every setting is an environment variable. A variable that begins with `VISARD_` and is not in this table is an
error. A secret may stand in a file instead: the variable's name with `{FILE_SUFFIX}` at its end names it.

This page is what `visard settings` prints.

| Variable | Value | Default | Meaning |
|---|---|---|---|
"""


@click.command()
def settings() -> None:
    """Print the table of settings, in Markdown."""
    click.echo(settings_table(), nl=False)


def settings_table() -> str:
    """The page, ending with a line break."""
    secret = secrets(Settings)
    schema = Settings.model_json_schema()["properties"]
    return _HEAD + "".join(_row(name, field, name in secret) for name, field in schema.items())


def _row(name: str, field: dict[str, Any], secret: bool) -> str:
    names = f"`{variable(name)}`" + (f", `{variable(name)}{FILE_SUFFIX}`" if secret else "")
    default = field.get("default")
    shown = "" if default in (None, "", []) else f"`{' '.join(default) if isinstance(default, list) else default}`"
    meaning = " ".join(field["description"].split())
    return f"| {names} | {'secret' if secret else _value(field)} | {shown} | {meaning} |\n"


def _value(field: dict[str, Any]) -> str:
    """What a value looks like, from its JSON schema."""
    if field.get("type") == "array":
        items = field["items"]
        return f"any of {_choices(items)}" if "enum" in items else f"{_value(items)}, any number"
    kinds = [kind for kind in field.get("anyOf", [field]) if kind.get("type") != "null"]
    kind = kinds[0]
    if "enum" in kind:
        return _choices(kind)
    format = kind.get("format", "text")
    name = {"string": _FORMATS.get(format, format), "integer": "integer", "number": "number"}[kind["type"]]
    bounds = [words.format(kind[key]) for key, words in _BOUNDS.items() if key in kind]
    return " ".join([name, *bounds])


_FORMATS = {"ipvanynetwork": "IP address or network"}
_BOUNDS = {"minimum": "from {}", "exclusiveMinimum": "above {}", "maximum": "to {}"}


def _choices(kind: dict[str, Any]) -> str:
    return ", ".join(f"`{choice}`" for choice in kind["enum"])
