"""At the end of a run everything that was shown is searched; what is found there fails the run."""

import logging
import tempfile
from collections.abc import Iterator

import pytest

from tests.leaks.watch import VARIABLE, Keeper, Watch, plant


@pytest.fixture(scope="session", autouse=True)
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    """From the first test on; with several workers each has its own."""
    base = tmp_path_factory.getbasetemp()
    watch = Watch(base / "leaks")
    keeper = Keeper(watch)
    logging.getLogger().addHandler(keeper)
    with pytest.MonkeyPatch.context() as patches:
        patches.setenv(VARIABLE, str(watch.folder))
        patches.setenv("TMPDIR", str(watch.temp))
        patches.setattr(tempfile, "tempdir", str(watch.temp))
        plant(watch, patches.setattr)
        yield watch
    logging.getLogger().removeHandler(keeper)
    found = watch.findings(base)
    assert not found, f"key material, a token or a passphrase in {', '.join(map(str, found))}"
