"""Tenants: made once, listed, changed."""

from datetime import timedelta
from threading import Thread
from typing import Any

import pytest
from sqlalchemy import Engine

from service.access.tenants import Tenant, TenantStore
from service.database.engine import make_engine
from service.errors import PolicyInvalid, TenantExists, TenantInvalid, TenantUnknown
from service.tenancy import Policy


def test_a_tenant_is_kept_as_it_was_made(database: Engine) -> None:
    chosen = Policy(seal="embed", erasable=True, lifetime=timedelta(days=30), approvals="once")
    made = TenantStore(database).create("acme", chosen)
    assert (made.name, made.policy) == ("acme", chosen)
    other = make_engine(database.url.render_as_string(hide_password=False))
    assert TenantStore(other).get("acme") == made
    other.dispose()


def test_exact_faces_are_kept_in_the_database_unless_chosen_otherwise(database: Engine) -> None:
    assert TenantStore(database).create("acme").policy == Policy(seal="record")


def test_tenants_are_listed_by_name(database: Engine) -> None:
    tenants = TenantStore(database)
    assert tenants.list() == ()
    made = {name: tenants.create(name) for name in ("globex", "acme", "initech")}
    assert tenants.list() == (made["acme"], made["globex"], made["initech"])


def test_a_change_concerns_one_tenant_and_keeps_the_rest(database: Engine) -> None:
    tenants = TenantStore(database)
    acme, globex = tenants.create("acme"), tenants.create("globex")
    assert tenants.set("acme", seal="off") == Tenant("acme", acme.created, Policy(seal="off"))
    changed = Tenant("acme", acme.created, Policy(seal="off", erasable=True))
    assert tenants.set("acme", erasable=True) == changed
    with pytest.raises(PolicyInvalid):
        tenants.set("acme", irreversible=True)
    assert tenants.list() == (changed, globex)
    assert (tenants.policy_of("acme"), tenants.policy_of("initech")) == (changed.policy, Policy())


def test_a_name_is_taken_once(database: Engine) -> None:
    tenants = TenantStore(database)
    made = tenants.create("acme", Policy(seal="off"))
    with pytest.raises(TenantExists, match="acme"):
        tenants.create("acme", Policy(seal="embed"))
    assert tenants.list() == (made,)


def test_one_of_many_who_take_a_name_at_once_gets_it(database: Engine) -> None:
    results: list[str] = []

    def take() -> None:
        try:
            TenantStore(database).create("acme")
            results.append("made")
        except TenantExists:
            results.append("exists")

    threads = [Thread(target=take) for _ in range(5)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(results) == ["exists"] * 4 + ["made"]


def test_names_no_tenant_can_have(database: Engine) -> None:
    tenants = TenantStore(database)
    for name in ("", "Acme", "../acme", "a" * 64, "acme\0", "acme\n"):
        with pytest.raises(TenantInvalid):
            tenants.create(name)
        with pytest.raises(TenantInvalid):
            tenants.get(name)
        with pytest.raises(TenantInvalid):
            tenants.set(name, seal="off")


def test_an_unknown_tenant(database: Engine) -> None:
    tenants = TenantStore(database)
    tenants.create("acme")
    with pytest.raises(TenantUnknown):
        tenants.get("globex")
    with pytest.raises(TenantUnknown):
        tenants.set("globex", seal="off")
    assert [tenant.name for tenant in tenants.list()] == ["acme"]


@pytest.mark.parametrize(
    "choices",
    [
        {"irreversible": True, "erasable": True},
        {"irreversible": True, "approvals": "once"},
        {"lifetime": timedelta(days=1)},
        {"erasable": True, "lifetime": timedelta(0)},
    ],
)
def test_choices_that_contradict_each_other(choices: dict[str, Any]) -> None:
    with pytest.raises(PolicyInvalid):
        Policy(**choices)
