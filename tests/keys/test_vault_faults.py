"""Vault when it is not well: what is said, what is repeated, and that nothing more is told than that."""

import uuid
from collections.abc import Iterator
from typing import Any

import pytest

from service.errors import KeysForbidden, KeysUnavailable, VisardError
from service.keys.vault_session import VaultSession
from tests.vault.running import Double, Vault

TENANT = "acme"


@pytest.fixture
def lone(healthy_double: Double) -> Iterator[VaultSession]:
    """A session without retries that has logged in."""
    session = healthy_double.session(timeout_s=1.0)
    healthy_double.keys("kv", session).create(TENANT)
    healthy_double.keys("transit", session).create(TENANT)
    yield session
    session.close()


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        ("drop", "does not answer"),
        ("lose", "does not answer"),
        ("delay", "does not answer"),
        ("malformed", "unreadable"),
        (429, "fewer requests"),
        (500, "failed"),
        (501, "not initialised"),
        (502, "failed"),
        (503, "sealed"),
    ],
)
@pytest.mark.parametrize("mode", ["kv", "transit"])
def test_faults_are_named_and_pass(
    kind: object, words: str, mode: str, healthy_double: Double, lone: VaultSession
) -> None:
    keys = healthy_double.keys(mode, lone)
    before = keys.record_key(TENANT, 1, b"c")
    healthy_double.fault(kind, times=1, seconds=10)
    with pytest.raises(KeysUnavailable, match=words) as caught:
        keys.record_key(TENANT, 1, b"c")
    _says_nothing(caught.value, healthy_double)
    assert keys.record_key(TENANT, 1, b"c") == before
    patient = healthy_double.keys(mode, healthy_double.session(timeout_s=1.0, retries=2))
    healthy_double.fault(kind, times=2, seconds=10)
    assert patient.record_key(TENANT, 1, b"c") == before
    patient.close()


def _says_nothing(error: VisardError, vault: Vault) -> None:
    """Neither the message nor what hangs on the exception knows where Vault is, or anything it holds."""
    assert type(error) in (KeysUnavailable, KeysForbidden)
    assert error.__cause__ is None
    chain = [str(error), repr(error)]
    context = error.__context__
    while context is not None:
        chain += [str(context), repr(context)]
        assert type(context).__module__.startswith("service.")
        context = context.__context__
    for word in (vault.url, vault.token, vault.kv, vault.transit, TENANT):
        assert not any(word in text for text in chain)


def test_a_denial_tells_nothing_either(healthy_double: Double, lone: VaultSession) -> None:
    healthy_double.fault(403, times=50)
    with pytest.raises(KeysUnavailable, match="credentials") as caught:
        healthy_double.keys("kv", lone).record_key(TENANT, 1, b"c")
    _says_nothing(caught.value, healthy_double)


@pytest.mark.parametrize(
    ("state", "well"),
    [
        ({}, True),
        ({"standby": True}, True),
        ({"sealed": True}, False),
        ({"initialized": False}, False),
    ],
)
def test_health(state: dict[str, bool], well: bool, healthy_double: Double, lone: VaultSession) -> None:
    healthy_double.order("state", **state)
    if well:
        lone.check()
    else:
        with pytest.raises(KeysUnavailable, match="sealed, not initialised"):
            lone.check()
    healthy_double.heal()
    lone.check()


def test_nobody_there() -> None:
    session = Vault("http://127.0.0.1:9", "token").session(timeout_s=1.0)
    for call in (session.check, lambda: Vault("", "").keys("kv", session).create(TENANT)):
        with pytest.raises(KeysUnavailable, match="does not answer"):
            call()
    session.close()


def test_a_write_whose_answer_was_lost_is_no_second_key(healthy_double: Double) -> None:
    tenant = f"t{uuid.uuid4().hex}"
    for mode in ("kv", "transit"):
        session = healthy_double.session(retries=2)
        session.check()
        keys = healthy_double.keys(mode, session)
        assert keys.create(tenant) == 1
        healthy_double.fault("lose", times=2)
        assert keys.create(tenant) == 1
        healthy_double.fault("drop", times=1)
        assert keys.current_version(tenant) == 1
        assert [key.version for key in keys.versions(tenant)] == [1]
        keys.close()


@pytest.mark.parametrize(("mode", "versions"), [("kv", [1, 2]), ("transit", [1, 2, 3])])
def test_a_rotation_whose_answer_was_lost(mode: str, versions: list[int], healthy_double: Double) -> None:
    """The KV engine knows the version it was asked to make; the transit engine is asked again, to be sure."""
    tenant = f"t{uuid.uuid4().hex}"
    session = healthy_double.session(retries=2)
    keys = healthy_double.keys(mode, session)
    keys.create(tenant)
    send = session.call

    def call(request: Any, *, tries: int | None = None) -> object:
        if tries:
            healthy_double.fault("lose")
        return send(request, tries=tries)

    session.call = call
    if mode == "kv":
        with pytest.raises(KeysUnavailable):
            keys.rotate(tenant)
    else:
        assert keys.rotate(tenant) == versions[-1]
    session.call = send
    assert [key.version for key in keys.versions(tenant)] == versions
    keys.close()
