"""The whole service in process, on a small network: SQLite, local keys, CenterFace; and callers of two tenants."""

import asyncio
import io
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from fastapi import FastAPI
from numpy.typing import NDArray
from PIL import Image

from service.access.principal import Scope
from service.access.tokens import TokenStore
from service.administration import open_access
from service.api import Desk
from service.app import create_app
from service.settings import Settings
from tests.audit.ledger import bodies
from tests.files import encoded
from tests.leaks.watch import shown
from tests.waiting import until

TENANT, OTHER = "hospital", "newspaper"
Pixels = NDArray[np.uint8]


def pixels_of(data: bytes) -> Pixels:
    with Image.open(io.BytesIO(data)) as image:
        return np.asarray(image)


@dataclass(frozen=True)
class Service:
    """An application, and tokens for it by what they are for."""

    app: FastAPI
    tokens: dict[str, str]

    def __post_init__(self) -> None:
        # Made once and kept; threads must not make it at the same time.
        self.app.openapi()

    @property
    def desk(self) -> Desk:
        return self.app.state.desk

    def settle(self) -> None:
        """Let be done what earlier answers left to be done."""
        settled = threading.Event()
        self.desk.workers.afterwards(settled.set)
        assert settled.wait(60)

    def entries(self, tenant: str = TENANT) -> list[dict[str, Any]]:
        """The audit log as it is now."""
        return bodies(self.desk.parts.audit._engine, tenant)

    def measured(self, name: str) -> float:
        """A metric as it is now; ``name`` with its labels."""
        lines = self.request("GET", "/metrics").text.splitlines()
        return next(float(line.split()[1]) for line in lines if line.startswith(name))

    @contextmanager
    def at(self, desk: Desk) -> Iterator[None]:
        """Work at another desk for a while."""
        before = self.desk
        self.app.state.desk = desk
        try:
            yield
        finally:
            self.app.state.desk = before

    def request(self, method: str, path: str, token: str | None = None, **options: Any) -> httpx.Response:
        """One request; ``token`` by its name."""
        headers = dict(options.pop("headers", {}))
        if token is not None:
            headers["Authorization"] = f"Bearer {self.tokens[token]}"

        async def ask() -> httpx.Response:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=True)
            async with httpx.AsyncClient(transport=transport, base_url="http://visard") as client:
                return await client.request(method, path, headers=headers, **options)

        # A loop of its own, whatever the test itself runs in.
        with ThreadPoolExecutor(1) as thread:
            answer = shown(thread.submit(asyncio.run, ask()).result(60))
        assert_documented(self.app.openapi()["paths"], method.lower(), path, answer)
        return answer

    def post(self, path: str, token: str | None, image: bytes | None, **fields: object) -> httpx.Response:
        """A form; with ``headers`` if given."""
        headers = fields.pop("headers", {})
        files = {name: (None, str(value)) for name, value in fields.items()}
        if image is not None:
            files["image"] = ("photo", image)
        return self.request("POST", path, token, files=files, headers=headers)


def make_tenants(settings: Settings) -> None:
    """The two tenants, and their keys."""
    with open_access(settings) as access:
        for tenant in (TENANT, OTHER):
            access.tenants.create(tenant)
            access.keys.create(tenant)


def make_tokens(tokens: TokenStore) -> dict[str, str]:
    """One token for each thing that may be wrong, or right."""
    both = [Scope.ANONYMIZE, Scope.RECOVER]
    soon = datetime.now(UTC) + timedelta(days=1)
    long_ago = TokenStore(tokens._engine, tokens._pepper, lambda: datetime.now(UTC) - timedelta(days=2))
    return {
        "all": tokens.create(TENANT, "auditor", both, soon)[1],
        "anonymize": tokens.create(TENANT, "camera", [Scope.ANONYMIZE])[1],
        "recover": tokens.create(TENANT, "court", [Scope.RECOVER])[1],
        "audit": tokens.create(TENANT, "revisor", [Scope.AUDIT])[1],
        "other-audit": tokens.create(OTHER, "revisor", [Scope.AUDIT])[1],
        "erase": tokens.create(TENANT, "clerk", [Scope.ERASE])[1],
        "other-erase": tokens.create(OTHER, "clerk", [Scope.ERASE])[1],
        "approve": tokens.create(TENANT, "judge", [Scope.APPROVE])[1],
        "other": tokens.create(OTHER, "editor", both)[1],
        "expired": long_ago.create(TENANT, "late", both, datetime.now(UTC) - timedelta(days=1))[1],
    }


@pytest.fixture(scope="session")
def settings_for(small_bundle: Path) -> Callable[[Path], Settings]:
    """Settings of an installation with two tenants below a directory."""

    def make(home: Path) -> Settings:
        settings = Settings(home=home, weights=small_bundle)
        make_tenants(settings)
        return settings

    return make


@pytest.fixture(scope="session")
def service(tmp_path_factory: pytest.TempPathFactory, settings_for: Callable[[Path], Settings]) -> Iterator[Service]:
    """One for all tests: each reads only what it adds to the log."""
    app = create_app(settings_for(tmp_path_factory.mktemp("visard") / "home"))
    yield Service(app, make_tokens(app.state.desk.tokens))
    close(app)


def close(app: FastAPI, once: Callable[[], object] = lambda: True) -> None:
    """Run the application's lifespan to its end, which begins once the condition holds."""

    async def live() -> None:
        async with app.router.lifespan_context(app):
            await asyncio.to_thread(until, once)

    with ThreadPoolExecutor(1) as thread:
        thread.submit(asyncio.run, live()).result()


@pytest.fixture(scope="session")
def grey() -> bytes:
    """A small image without a face."""
    return encoded(np.full((60, 60, 3), 120, np.uint8))


@pytest.fixture(scope="session")
def anonymized(service: Service, photo: bytes) -> httpx.Response:
    """The photo, anonymized for the first tenant."""
    answer = service.post("/v1/anonymize", "all", photo)
    assert answer.status_code == 200, answer.text
    return answer


def assert_documented(paths: dict[str, Any], method: str, path: str, answer: httpx.Response) -> None:
    """``answer`` is one that the OpenAPI document has for this operation: status, media type, problem, headers."""
    operation = paths.get(path if path in paths else f"/v1{path}", {}).get(method)
    if operation is None:
        return
    response = operation["responses"][str(answer.status_code)]
    assert "x-request-id" in answer.headers
    content = response["content"][answer.headers["content-type"].partition(";")[0]]
    if "examples" in content:
        known = {example["value"]["type"] for example in content["examples"].values()}
        assert answer.json()["type"] in known, f"not documented: {answer.text}"
    headers = {name.lower() for name in response["headers"]}
    told = {name for name in answer.headers if name.startswith("x-visard-") or name == "retry-after"}
    assert told <= headers, "not documented"


def assert_problem(answer: httpx.Response, status: int, slug: str) -> None:
    """``answer`` is a problem document of this kind."""
    assert (answer.status_code, answer.headers["content-type"]) == (status, "application/problem+json"), answer.text
    body = answer.json()
    assert set(body) == {"type", "title", "status", "detail", "instance"}
    assert (body["type"], body["status"]) == (f"urn:visard:problem:{slug}", status)
    assert body["detail"]
    assert body["instance"] == answer.headers["x-request-id"]
