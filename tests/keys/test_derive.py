"""Derivation: the vectors of RFC 5869, and contexts that never collide."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from service.keys.derive import Purpose, expand, framed, record_context, subkey

KEY = bytes(range(32))
tenants = st.from_regex(r"[a-z0-9][a-z0-9._-]{0,62}", fullmatch=True)
versions = st.integers(1, 2**32 - 1)
nonces = st.binary(min_size=16, max_size=16)


def test_expand_is_hkdf_expand_of_rfc_5869() -> None:
    # Appendix A.1 and A.3, first 32 bytes of OKM.
    prk = bytes.fromhex("077709362c2e32df0ddc3f0dc47bba6390b6c73bb50f9c3122ec844ad7c2b3e5")
    okm = "3cb25f25faacd57a90434f64d0362f2a2d2d0a90cf1a5a4c5db02d56ecc4c5bf"
    assert expand(prk, bytes.fromhex("f0f1f2f3f4f5f6f7f8f9")).hex() == okm
    prk = bytes.fromhex("19ef24a32c717b167f33a91d6f648bdf96596776afdb6377ac434c1c293ccb04")
    assert expand(prk, b"").hex() == "8da4e775a563c18f715f802a063c5a31b8a11f5c5ee1879ec3454e5f3c738d2d"


@given(st.lists(st.binary(max_size=6), max_size=5), st.lists(st.binary(max_size=6), max_size=5))
def test_framing_is_injective(a: list[bytes], b: list[bytes]) -> None:
    assert (framed(*a) == framed(*b)) == (a == b)


@given(tenants, versions, nonces, tenants, versions, nonces)
def test_contexts_differ_when_a_field_differs(
    tenant_a: str, version_a: int, nonce_a: bytes, tenant_b: str, version_b: int, nonce_b: bytes
) -> None:
    same = (tenant_a, version_a, nonce_a) == (tenant_b, version_b, nonce_b)
    context = record_context(tenant_a, version_a, nonce_a)
    assert (context == record_context(tenant_b, version_b, nonce_b)) == same
    assert context.startswith(b"visard-record-1")


@given(tenants, versions, nonces, nonces)
def test_two_nonces_never_share_a_key(tenant: str, version: int, a: bytes, b: bytes) -> None:
    keys = [expand(KEY, record_context(tenant, version, nonce)) for nonce in (a, b)]
    assert (keys[0] == keys[1]) == (a == b)


def test_every_use_has_its_own_subkey() -> None:
    uses = [(purpose, face, binding) for purpose in Purpose for face in (0, 1) for binding in (b"", b"a", b"b")]
    keys = {subkey(KEY, purpose, face=face, binding=binding) for purpose, face, binding in uses}
    assert len(keys) == len(uses)
    assert {len(key) for key in keys} == {32}


def test_what_is_no_key_or_no_nonce_is_a_fault() -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        expand(b"short", b"")
    with pytest.raises(ValueError, match="16 bytes"):
        record_context("acme", 1, b"short")
