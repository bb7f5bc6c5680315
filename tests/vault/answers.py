"""The shapes of Vault's answers: https://developer.hashicorp.com/vault/api-docs."""

import re
import uuid
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any


@dataclass(frozen=True)
class Answer:
    """Status and JSON body; None for an empty one."""

    status: int
    body: Any = None


class Failed(Exception):
    """An answer that is an error."""

    def __init__(self, status: int, *errors: str) -> None:
        super().__init__(status)
        self.answer = Answer(status, {"errors": list(errors)})


def envelope(data: Any = None, auth: Any = None) -> dict[str, Any]:
    """What every successful answer is wrapped in."""
    return {
        "request_id": str(uuid.uuid4()),
        "lease_id": "",
        "renewable": False,
        "lease_duration": 0,
        "data": data,
        "wrap_info": None,
        "warnings": None,
        "auth": auth,
    }


def data(content: Any) -> Answer:
    return Answer(200, envelope(content))


EMPTY = Answer(204)
DENIED = Failed(403, "permission denied")
NOTHING = Failed(404)


def now(later_s: float = 0) -> str:
    """RFC 3339 with nanoseconds, as Go prints it."""
    return (datetime.now(UTC) + timedelta(seconds=later_s)).strftime("%Y-%m-%dT%H:%M:%S.%f") + "123Z"


def seconds(value: Any) -> float:
    """``90``, ``"90"`` or ``"1h30m"``."""
    text = str(value)
    if text.replace(".", "").isdecimal():
        return float(text)
    units = {"s": 1, "m": 60, "h": 3600, "d": 86400}
    return sum(float(number) * units[unit] for number, unit in re.findall(r"([\d.]+)([smhd])", text))
