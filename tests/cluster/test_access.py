"""Who may use a cluster, and what its answers are; without one."""

import secrets
from pathlib import Path

import pytest

from service.assembly import cluster_access
from service.cluster.answers import answer_of, unpacked
from service.cluster.connection import LOCAL
from service.errors import EngineBusy, SettingsInvalid
from service.settings import Settings

_HEAD = "head.example:6379"


def test_a_token_is_needed_for_all_but_a_cluster_of_this_machine_in_development(tmp_path: Path) -> None:
    development, production = (Settings(home=tmp_path, env=env) for env in ("development", "production"))
    for settings, address in ((development, _HEAD), (production, _HEAD), (production, "127.0.0.1:6379")):
        with pytest.raises(SettingsInvalid, match="VISARD_RAY_TOKEN"):
            cluster_access(settings, address)
    assert not cluster_access(development, "127.0.0.1:6379").guarded
    assert not cluster_access(development, "[::1]:6379").guarded
    assert cluster_access(production, LOCAL).guarded


def test_a_token_guards_and_is_not_shown(tmp_path: Path) -> None:
    token = secrets.token_hex()
    access = cluster_access(Settings(home=tmp_path, ray_token=token), "127.0.0.1:6379")
    assert access.guarded
    assert access.token == token
    assert token not in repr(access)


def test_an_answer_carries_our_errors_and_nothing_of_others() -> None:
    def busy() -> list[int]:
        raise EngineBusy("later")

    def broken() -> list[int]:
        raise ValueError("b'secret'")

    assert unpacked(answer_of(lambda: [1, 2])) == [1, 2]
    with pytest.raises(EngineBusy, match="later"):
        unpacked(answer_of(busy))
    with pytest.raises(RuntimeError, match="ValueError"):
        unpacked(answer_of(broken))
    assert answer_of(broken).message == ""
    assert "1" not in repr(answer_of(lambda: [1]))
