"""The part of the command ``vault`` that our bootstrap script uses, for machines that have none.

python -m tests.vault.cli ARGUMENTS          with VAULT_ADDR and VAULT_TOKEN
"""

import json
import os
import sys
from pathlib import Path
from typing import Any

from tests.vault.http import ask


def main(arguments: list[str]) -> None:
    server = os.environ["VAULT_ADDR"], os.environ["VAULT_TOKEN"]
    match arguments:
        case ["secrets" | "auth" as area, "list", "-format=json"]:
            path = "sys/mounts" if area == "secrets" else "sys/auth"
            print(json.dumps(ask(*server, "GET", path)["data"], indent=2))
        case ["secrets", "enable", *options, kind]:
            found = _options(options)
            versions = {"version": found["version"]} if "version" in found else None
            ask(*server, "POST", f"sys/mounts/{found['path']}", {"type": kind, "options": versions})
        case ["auth", "enable", *options, kind]:
            ask(*server, "POST", f"sys/auth/{_options(options)['path']}", {"type": kind})
        case ["policy", "write", name, "-"]:
            ask(*server, "PUT", f"sys/policies/acl/{name}", {"policy": sys.stdin.read()})
        case ["write", path, *values]:
            ask(*server, "POST", path, dict(value.split("=", 1) for value in values))
        case _:
            sys.exit(f"not a command the double knows: {arguments}")


def _options(options: list[str]) -> dict[str, Any]:
    return dict(option.removeprefix("-").split("=", 1) for option in options)


def write_command(directory: Path) -> Path:
    """An executable that is this module."""
    command = directory / "vault"
    root = Path(__file__).parents[2]
    command.write_text(f'#!/bin/sh\nPYTHONPATH="{root}" exec "{sys.executable}" -m tests.vault.cli "$@"\n')
    command.chmod(0o755)
    return command


if __name__ == "__main__":
    main(sys.argv[1:])
