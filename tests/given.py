"""What the caller of the tests tells them in ``VISARD_TEST_…`` variables.

The service refuses variables that begin like its own and are no settings. So those for the tests are renamed before
the first test, for this process and for all that it starts: workers of pytest-xdist find what their parent renamed.
"""

import os

_NAMES = ("VISARD_TEST_POSTGRES_URL", "VISARD_TEST_VAULT_ADDR", "VISARD_TEST_VAULT_TOKEN")


def take() -> None:
    """Rename the variables that are set."""
    for name in _NAMES:
        if name in os.environ:
            os.environ[_taken(name)] = os.environ.pop(name)


def given(name: str) -> str | None:
    """What a ``VISARD_TEST_…`` variable said; None if it is not set."""
    return os.environ.get(_taken(name))


def _taken(name: str) -> str:
    return name.removeprefix("VISARD_")
