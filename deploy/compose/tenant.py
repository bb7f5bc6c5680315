"""Make the box's first tenant and print a token for its auditor, unless that was done before."""

import json
import subprocess
from typing import Any

_TENANT, _AUDITOR = "first", "auditor"


def main() -> None:
    """Do what is missing, with the ``visard`` command line."""
    tenants = json.loads(_visard("tenant", "list", "--json"))["tenants"]
    if _TENANT not in _values(tenants, "name"):
        _visard("tenant", "create", _TENANT)
    tokens = json.loads(_visard("token", "list", "--tenant", _TENANT, "--json"))["tokens"]
    if _AUDITOR not in _values(tokens, "subject"):
        whose = ("--tenant", _TENANT, "--subject", _AUDITOR)
        token = _visard("token", "create", *whose, "--scope", "recover", "--expires", "30d")
        print(f"The auditor's token of the tenant '{_TENANT}', shown this once: {token.strip()}", flush=True)


def _values(rows: list[dict[str, Any]], key: str) -> set[str]:
    return {row[key] for row in rows}


def _visard(*arguments: str) -> str:
    """What a command printed; its errors go to ours."""
    return subprocess.run(("visard", *arguments), check=True, stdout=subprocess.PIPE, text=True).stdout


if __name__ == "__main__":
    main()
