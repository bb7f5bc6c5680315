"""The local keystore: files nobody else can read. What all custodians have in common is in ``test_contract``."""

import json
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import (
    KeyDestroyed,
    KeystoreInsecure,
    KeysUnavailable,
)
from service.keys.derive import expand
from service.keys.local import LocalKeyStore
from service.keys.provider import KeyProvider


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "keys"


@pytest.fixture
def keys(directory: Path) -> KeyProvider:
    return LocalKeyStore(directory)


def _masters(directory: Path, tenant: str = "acme") -> list[str | None]:
    return [key["master"] for key in json.loads((directory / f"{tenant}.json").read_text())["keys"]]


def test_record_keys_are_expanded_from_the_master(keys: KeyProvider, directory: Path) -> None:
    keys.create("acme")
    (master,) = _masters(directory)
    assert master is not None
    assert keys.record_key("acme", 1, b"context") == expand(bytes.fromhex(master), b"context")


def test_a_destroyed_version_is_gone_from_disk_and_the_rest_stays(keys: KeyProvider, directory: Path) -> None:
    keys.create("acme")
    keys.rotate("acme")
    master, kept = _masters(directory)
    assert master is not None
    keys.destroy("acme", 1)
    keys.destroy("acme", 1)
    assert _masters(directory) == [None, kept]
    assert all(master.encode() not in path.read_bytes() for path in directory.iterdir())
    with pytest.raises(KeyDestroyed):
        keys.record_key("acme", 1, b"c")
    assert len(keys.record_key("acme", 2, b"c")) == 32
    assert [key.destroyed for key in keys.versions("acme")] == [True, False]


def test_files_are_private_and_say_what_they_are(keys: KeyProvider, directory: Path) -> None:
    keys.create("acme")
    keys.rotate("acme")
    assert stat.S_IMODE(directory.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in directory.iterdir()} == {0o600}
    assert "NOT FOR PRODUCTION" in (directory / "acme.json").read_text()


def test_what_others_can_read_is_not_used(keys: KeyProvider, directory: Path) -> None:
    keys.create("acme")
    (directory / "acme.json").chmod(0o640)
    with pytest.raises(KeystoreInsecure):
        keys.record_key("acme", 1, b"c")
    directory.chmod(0o750)
    with pytest.raises(KeystoreInsecure):
        LocalKeyStore(directory)


def test_a_damaged_file_is_a_clear_error_without_its_content(keys: KeyProvider, directory: Path) -> None:
    keys.create("acme")
    file = directory / "acme.json"
    (master,) = _masters(directory)
    assert master is not None
    file.write_text(file.read_text().replace('"version": 1', '"version": "x"'))
    with pytest.raises(KeysUnavailable) as caught:
        keys.record_key("acme", 1, b"c")
    assert caught.value.__cause__ is None
    assert master[:8] not in str(caught.value)
    file.write_text("{")
    with pytest.raises(KeysUnavailable):
        keys.rotate("acme")


def test_leftovers_of_a_crash_do_not_keep_a_key(keys: KeyProvider, directory: Path) -> None:
    keys.create("acme")
    leftover = directory / ".acme.json.new"
    leftover.write_bytes((directory / "acme.json").read_bytes())
    keys.destroy("acme", 1)
    assert not leftover.exists()


def test_repr_shows_nothing(keys: KeyProvider, directory: Path) -> None:
    assert str(directory) not in repr(keys)


def test_processes_that_create_and_rotate_together_lose_nothing(directory: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from service.keys.local import LocalKeyStore;"
        "keys = LocalKeyStore(Path(sys.argv[1])); print('ready', flush=True); sys.stdin.readline();"
        "keys.create('acme'); print(keys.record_key('acme', 1, b'c').hex());"
        "[keys.rotate('acme') for _ in range(20)]"
    )
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", script, str(directory)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for _ in range(3)
    ]
    for process in processes:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
    for process in processes:
        assert process.stdin is not None
        process.stdin.write("go\n")
        process.stdin.flush()
    derived = {process.communicate()[0] for process in processes}
    assert [process.returncode for process in processes] == [0, 0, 0]
    assert len(derived) == 1
    assert [key.version for key in LocalKeyStore(directory).versions("acme")] == list(range(1, 62))
