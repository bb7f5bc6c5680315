"""When certificates end."""

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from service.errors import SettingsInvalid
from service.keys.certificates import first_end
from tests.certificates import written

END = datetime(2030, 1, 2, 3, 4, 5, tzinfo=UTC)


def test_the_first_end_of_several(tmp_path: Path) -> None:
    assert first_end(written(tmp_path / "ca.pem", END + timedelta(days=9), END, END + timedelta(days=1))) == END


def test_a_file_without_certificates(tmp_path: Path) -> None:
    (tmp_path / "empty.pem").write_text("nothing")
    for name in ("empty.pem", "missing.pem"):
        with pytest.raises(SettingsInvalid, match="no certificate"):
            first_end(tmp_path / name)
