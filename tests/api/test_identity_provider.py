"""Callers whom an identity provider vouches for, over HTTP."""

from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from service.app import create_app
from service.settings import Settings
from tests.access.provider import AUDIENCE, ISSUER, Provider, provider, token
from tests.api.conftest import TENANT, Service, assert_problem, close, make_tokens


@pytest.fixture(scope="module")
def issuer() -> Iterator[Provider]:
    with provider() as running:
        yield running


@pytest.fixture(scope="module")
def vouched(
    tmp_path_factory: pytest.TempPathFactory, settings_for: Callable[[Path], Settings], issuer: Provider
) -> Iterator[Service]:
    """A service that believes ``issuer``."""
    oidc = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE, "oidc_jwks_url": issuer.url}
    settings = settings_for(tmp_path_factory.mktemp("visard") / "home").model_copy(update=oidc)
    app = create_app(settings)
    yield Service(app, make_tokens(app.state.desk.tokens))
    close(app)


def _caller(service: Service, **claims: object) -> str:
    """The name of a token with these claims."""
    service.tokens["jwt"] = token(**{"tenant": TENANT, **claims})
    return "jwt"


def test_a_vouched_caller_does_what_its_scopes_allow(vouched: Service, photo: bytes) -> None:
    made = vouched.post("/v1/anonymize", _caller(vouched, scope="anonymize"), photo)
    assert made.status_code == 200
    back = vouched.post("/v1/recover", _caller(vouched, sub="Dr. Ada", scope="recover"), made.content, reason="court")
    assert back.headers["x-visard-verified"] == "image"
    assert vouched.entries()[-2]["subject"] == "Dr. Ada"
    assert_problem(vouched.post("/v1/recover", _caller(vouched, scope="audit"), photo), 403, "scope-missing")


def test_our_own_tokens_stay_valid(vouched: Service, grey: bytes) -> None:
    assert vouched.post("/v1/detect", "all", grey).status_code == 200


def test_a_late_token_is_in_the_audit_log(vouched: Service, photo: bytes) -> None:
    late = vouched.post("/v1/recover", _caller(vouched, sub="late", exp=1), photo, reason="court")
    assert_problem(late, 401, "token-refused")
    intent, outcome = vouched.entries()[-2:]
    assert (intent["subject"], outcome["result"], outcome["detail"]) == ("late", "denied", "token-refused")


@pytest.mark.parametrize("claims", [{"tenant": "nowhere"}, {"aud": "another"}, {"kid": "unknown"}])
def test_what_is_wrong_with_a_token_is_not_told(
    claims: dict[str, object], vouched: Service, photo: bytes, anonymized: httpx.Response
) -> None:
    before = len(vouched.entries())
    assert_problem(vouched.post("/v1/recover", _caller(vouched, **claims), photo), 401, "token-refused")
    assert len(vouched.entries()) == before


def test_keys_that_cannot_be_had_are_not_the_callers_fault(
    settings_for: Callable[[Path], Settings], tmp_path: Path, grey: bytes
) -> None:
    with provider() as gone:
        oidc = {"oidc_issuer": ISSUER, "oidc_audience": AUDIENCE, "oidc_jwks_url": gone.url}
    app = create_app(settings_for(tmp_path / "home").model_copy(update=oidc))
    alone = Service(app, make_tokens(app.state.desk.tokens))
    answer = alone.post("/v1/detect", _caller(alone, scope="anonymize"), grey)
    assert_problem(answer, 503, "identity-provider-unavailable")
    assert int(answer.headers["retry-after"]) > 0
    assert alone.post("/v1/detect", "all", grey).status_code == 200
    close(app)


def test_without_a_provider_a_jwt_is_no_token(service: Service, grey: bytes) -> None:
    assert_problem(service.post("/v1/detect", _caller(service), grey), 401, "token-refused")
