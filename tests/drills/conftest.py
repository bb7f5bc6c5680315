"""Installations on either database, and a service on the closed-form denoiser."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from service.settings import Settings
from tests.serving import ANALYTIC, Installation, Process, serving


@pytest.fixture(params=["sqlite", "postgres"])
def installation(request: pytest.FixtureRequest, tmp_path: Path, small_bundle: Path) -> Installation:
    """One on each kind of database."""
    url = None if request.param == "sqlite" else request.getfixturevalue("postgres_url")
    return Installation.make(Settings(home=tmp_path / "home", weights=small_bundle, database_url=url))


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory, small_bundle: Path) -> Iterator[Process]:
    """A service with the embedded defaults."""
    home = tmp_path_factory.mktemp("visard") / "home"
    with serving(Installation.make(Settings(home=home, weights=small_bundle)), ANALYTIC) as process:
        yield process
