"""How much the tests try: little in ``make test``, much in ``make drills``. The hypothesis profile says which."""

import os

from hypothesis import HealthCheck, settings

_DRILLS = "drills"

# How long an example takes says nothing about the product: no deadline, no complaint about slow ones.
_PATIENT = {"deadline": None, "suppress_health_check": [HealthCheck.too_slow]}


def load_profile() -> None:
    """Make the profiles known and load the one named by ``HYPOTHESIS_PROFILE``."""
    settings.register_profile("default", **_PATIENT, max_examples=50, derandomize=True)
    settings.register_profile(_DRILLS, **_PATIENT, max_examples=1000, print_blob=True)
    settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "default"))


def drilling() -> bool:
    """Whether this is ``make drills``."""
    return settings.get_current_profile_name() == _DRILLS


def count(few: int, many: int) -> int:
    """``few`` in ``make test``, ``many`` in ``make drills``."""
    return many if drilling() else few
