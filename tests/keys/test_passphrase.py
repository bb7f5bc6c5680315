"""The local keystore under a passphrase: nothing at rest opens without it."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from service.errors import KeystoreInsecure, KeysUnavailable
from service.keys.derive import expand
from service.keys.local import LocalKeyStore
from service.keys.passphrase import COST as DEFAULT_COST
from service.keys.passphrase import Stretching
from service.keystore import open_keys
from service.settings import Settings
from tests.keys.conftest import COST

PASSPHRASE = "correct horse battery staple"  # noqa: S105


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    return tmp_path / "keys"


def _open(directory: Path, passphrase: str | None = PASSPHRASE) -> LocalKeyStore:
    return LocalKeyStore(directory, passphrase, cost=COST)


def _stored(directory: Path) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads((directory / "acme.json").read_text())["keys"]
    return found


def test_no_key_is_at_rest_and_each_opens_with_the_passphrase(directory: Path) -> None:
    keys = _open(directory)
    keys.create("acme")
    keys.rotate("acme")
    assert [key["master"] for key in _stored(directory)] == [None, None]
    assert len({key["wrapped"] for key in _stored(directory)}) == 2
    assert _open(directory).record_key("acme", 1, b"c") == keys.record_key("acme", 1, b"c")


@pytest.mark.parametrize("passphrase", [None, "another"])
def test_without_it_nothing_opens_and_nothing_is_added(passphrase: str | None, directory: Path) -> None:
    _open(directory).create("acme")
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    wrong = _open(directory, passphrase)
    for call in (lambda: wrong.record_key("acme", 1, b"c"), lambda: wrong.rotate("acme"), lambda: wrong.create("new")):
        with pytest.raises(KeysUnavailable, match=r"passphrase|PASSPHRASE") as caught:
            call()
        assert PASSPHRASE not in str(caught.value)
    assert {path.name: path.read_bytes() for path in directory.iterdir()} == before
    assert wrong.current_version("acme") == 1


def test_keys_made_without_it_are_wrapped_when_they_are_used(directory: Path) -> None:
    plain = _open(directory, None)
    plain.create("acme")
    plain.rotate("acme")
    before = plain.record_key("acme", 1, b"c")
    masters = [key["master"] for key in _stored(directory)]
    assert _open(directory).record_key("acme", 1, b"c") == before
    content = (directory / "acme.json").read_text()
    assert not any(master in content for master in masters)
    assert _open(directory).record_key("acme", 2, b"c") == expand(bytes.fromhex(masters[1]), b"c")


@pytest.mark.parametrize("where", ["tenant", "version", "byte"])
def test_a_wrapped_key_opens_only_where_it_belongs(where: str, directory: Path) -> None:
    keys = _open(directory)
    keys.create("acme")
    keys.create("globex")
    keys.rotate("acme")
    file = directory / "acme.json"
    content = json.loads(file.read_text())
    if where == "tenant":
        shutil.copy(directory / "globex.json", file)
    elif where == "version":
        first, second = content["keys"]
        first["wrapped"], second["wrapped"] = second["wrapped"], first["wrapped"]
        file.write_text(json.dumps(content))
    else:
        wrapped = bytearray.fromhex(content["keys"][0]["wrapped"])
        wrapped[20] ^= 1
        content["keys"][0]["wrapped"] = wrapped.hex()
        file.write_text(json.dumps(content))
    with pytest.raises(KeysUnavailable):
        keys.record_key("acme", 1, b"c")


def test_a_destroyed_key_leaves_nothing(directory: Path) -> None:
    keys = _open(directory)
    keys.create("acme")
    wrapped = _stored(directory)[0]["wrapped"]
    keys.destroy("acme", 1)
    assert not any(wrapped in path.read_text() for path in directory.iterdir())


def test_the_parameters_are_those_of_the_rfc_and_kept(directory: Path) -> None:
    # RFC 7914, section 12: the second vector, cut to our length.
    vector = Stretching.model_construct(salt=b"NaCl", cost=1024, block=8, parallel=16)
    assert vector.key("password").hex().startswith("fdbabe1c9d3472007856e7190d01e9fe7c6ad7cbc8237830e77376634b373162")
    _open(directory).create("acme")
    kept = json.loads((directory / ".passphrase.json").read_text())
    assert (kept["cost"], kept["block"], kept["parallel"]) == (COST, 8, 1)
    assert DEFAULT_COST == 2**17
    assert (directory / ".passphrase.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("content", ["", "{", '{"format": 1, "salt": "00", "cost": 16}', None])
def test_damaged_parameters_are_a_clear_error(content: str | None, directory: Path) -> None:
    _open(directory).create("acme")
    file = directory / ".passphrase.json"
    if content is None:
        content = json.dumps({**json.loads(file.read_text()), "cost": 17})
    file.write_text(content)
    with pytest.raises(KeysUnavailable):
        _open(directory).record_key("acme", 1, b"c")
    file.chmod(0o644)
    with pytest.raises(KeystoreInsecure):
        _open(directory).record_key("acme", 1, b"c")


def test_it_comes_from_the_settings(tmp_path: Path) -> None:
    settings = Settings(home=tmp_path, keystore_passphrase=PASSPHRASE)
    open_keys(settings).create("acme")
    assert _stored(tmp_path / "keys")[0]["master"] is None
    assert PASSPHRASE not in repr(settings) + repr(open_keys(settings))


def test_another_passphrase_takes_its_place(directory: Path) -> None:
    keys = _open(directory)
    keys.create("acme")
    keys.rotate("acme")
    before = [keys.record_key("acme", version, b"c") for version in (1, 2)]
    files = {path: path.read_bytes() for path in directory.glob("*.json") if path.name != ".passphrase.json"}
    for old, new in ((PASSPHRASE, "second"), ("second", "third"), ("third", "third")):
        _open(directory, old).change_passphrase(new)
        changed = _open(directory, new)
        assert [changed.record_key("acme", version, b"c") for version in (1, 2)] == before
        assert keys.record_key("acme", 1, b"c") == before[0]
        for wrong in {PASSPHRASE, "second", "third", None} - {new}:
            with pytest.raises(KeysUnavailable, match=r"passphrase|PASSPHRASE"):
                _open(directory, wrong).record_key("acme", 1, b"c")
    assert {path: path.read_bytes() for path in files} == files
    assert _open(directory, "third").rotate("acme") == 3
    assert (directory / ".passphrase.json").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(("passphrase", "words"), [(None, "PASSPHRASE"), ("another", "does not open")])
def test_who_does_not_know_it_cannot_change_it(passphrase: str | None, words: str, directory: Path) -> None:
    with pytest.raises(KeysUnavailable, match="no passphrase yet"):
        _open(directory, None).change_passphrase("new")
    _open(directory).create("acme")
    before = (directory / ".passphrase.json").read_bytes()
    with pytest.raises(KeysUnavailable, match=words):
        _open(directory, passphrase).change_passphrase("new")
    stale = _open(directory)
    stale.record_key("acme", 1, b"c")
    _open(directory).change_passphrase("second")
    with pytest.raises(KeysUnavailable, match="does not open"):
        stale.change_passphrase("third")
    assert (directory / ".passphrase.json").read_bytes() != before
    _open(directory, "second").record_key("acme", 1, b"c")


# Ends without a word at the n-th thing it does in the directory; the interpreter reports each before it is done.
_KILLED = """
import os, sys
from pathlib import Path
from service.keys.local import LocalKeyStore
directory, old, new, cost, step = sys.argv[1:]
keys = LocalKeyStore(Path(directory), old, cost=int(cost))
seen = 0
def watch(event, arguments):
    global seen
    if event.startswith(("open", "os.")) and any(str(value).startswith(directory) for value in arguments):
        seen += 1
        if seen == int(step):
            os._exit(9)
sys.addaudithook(watch)
keys.change_passphrase(new)
"""


def test_a_change_that_is_killed_leaves_one_of_both(directory: Path) -> None:
    keys = _open(directory)
    keys.create("acme")
    before, step, code = keys.record_key("acme", 1, b"c"), 0, 9
    opened: list[list[bool]] = []
    while code == 9:
        step += 1
        code = subprocess.run(
            [sys.executable, "-c", _KILLED, directory, PASSPHRASE, "second", str(COST), str(step)], check=False
        ).returncode
        opened.append([_opens(directory, passphrase, before) for passphrase in (PASSPHRASE, "second")])
        if opened[-1] == [False, True]:
            _open(directory, "second").change_passphrase(PASSPHRASE)
    assert code == 0
    # At least: lock, parameters, what a crash left, the new file, its renaming, the directory.
    assert len(opened) >= 6 and all(sum(one) == 1 for one in opened)
    assert opened[0] == [True, False] and opened[-1] == [False, True]


def _opens(directory: Path, passphrase: str, key: bytes) -> bool:
    try:
        return _open(directory, passphrase).record_key("acme", 1, b"c") == key
    except KeysUnavailable:
        return False
