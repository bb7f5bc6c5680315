"""Tenants: made once, listed, changed."""

from threading import Thread

import pytest
from sqlalchemy import Engine

from service.access.tenants import Tenant, TenantStore
from service.database.engine import make_engine
from service.errors import TenantExists, TenantInvalid, TenantUnknown


def test_a_tenant_is_kept_as_it_was_made(database: Engine) -> None:
    made = TenantStore(database).create("acme", "embed")
    assert (made.name, made.seal) == ("acme", "embed")
    other = make_engine(database.url.render_as_string(hide_password=False))
    assert TenantStore(other).get("acme") == made
    other.dispose()


def test_exact_faces_are_kept_in_the_database_unless_chosen_otherwise(database: Engine) -> None:
    assert TenantStore(database).create("acme").seal == "record"


def test_tenants_are_listed_by_name(database: Engine) -> None:
    tenants = TenantStore(database)
    assert tenants.list() == ()
    made = {name: tenants.create(name) for name in ("globex", "acme", "initech")}
    assert tenants.list() == (made["acme"], made["globex"], made["initech"])


def test_a_change_concerns_one_tenant_and_keeps_the_rest(database: Engine) -> None:
    tenants = TenantStore(database)
    acme, globex = tenants.create("acme"), tenants.create("globex")
    assert tenants.set("acme", seal="off") == Tenant("acme", acme.created, "off")
    assert tenants.list() == (Tenant("acme", acme.created, "off"), globex)


def test_a_name_is_taken_once(database: Engine) -> None:
    tenants = TenantStore(database)
    made = tenants.create("acme", "off")
    with pytest.raises(TenantExists, match="acme"):
        tenants.create("acme", "embed")
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
