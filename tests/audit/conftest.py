"""A log to tamper with."""

from pathlib import Path

import pytest

from service.audit.log import AuditLog
from service.database.engine import make_engine
from service.database.migrate import upgrade
from tests.audit.ledger import SIGNER, fill
from tests.audit.thief import SIZE


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A database file with nine entries of acme and four of globex."""
    path = tmp_path_factory.mktemp("original") / "visard.db"
    engine = make_engine(f"sqlite:///{path}")
    upgrade(engine)
    fill(AuditLog(engine, SIGNER), SIZE)
    fill(AuditLog(engine, SIGNER), 4, "globex")
    engine.dispose()
    return path
