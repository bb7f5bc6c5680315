"""What production is made of: Vault and PostgreSQL."""

from pathlib import Path

import numpy as np
import pytest

from service.app import create_app
from service.datastore import migrate
from service.errors import NotForProduction
from service.settings import Settings
from tests.api.conftest import pixels_of
from tests.custody.conftest import Start, photo, picture


def test_vault_and_postgresql_serve_in_production(mode: str, start: Start, postgres_url: str, tmp_path: Path) -> None:
    migrate(Settings(home=tmp_path / "home", database_url=postgres_url))
    service = start(mode, env="production", database_url=postgres_url, token_pepper="0f" * 32)
    made = service.post("/v1/anonymize", "all", photo(1))
    back = service.post("/v1/recover", "all", made.content, reason="test")
    assert np.array_equal(pixels_of(back.content), picture(1))
    assert service.request("GET", "/readyz").status_code == 200
    service.desk.parts.records._engine.dispose()
    service.desk.parts.audit._engine.dispose()


def test_the_local_keystore_does_not_even_with_a_passphrase(
    small_bundle: Path, postgres_url: str, tmp_path: Path
) -> None:
    settings = Settings(
        home=tmp_path,
        weights=small_bundle,
        env="production",
        database_url=postgres_url,
        keystore_passphrase="secret",  # noqa: S106
    )
    with pytest.raises(NotForProduction, match="local keystore"):
        create_app(settings)


def test_a_pepper_made_by_the_service_itself_does_not(tmp_path: Path) -> None:
    url = "postgresql+psycopg://nowhere/visard"
    with pytest.raises(NotForProduction, match="VISARD_TOKEN_PEPPER is not set"):
        create_app(Settings(home=tmp_path / "home", env="production", database_url=url, keystore="vault"))
    assert not (tmp_path / "home").exists()
