"""Checkpoints to another machine: sent, tried again, never in the way of a recovery."""

import io
import threading
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from sqlalchemy import Engine

from service.audit.background import BackgroundShipper
from service.audit.checkpoint import SignedCheckpoint
from service.audit.continuity import StoredHistory
from service.audit.log import AuditLog
from service.audit.shipping import FileShipper, ShipToAll
from service.audit.uploading import UrlShipper
from service.errors import CheckpointNotShipped, CheckpointUrlInvalid
from tests.audit.ledger import SIGNER, fill
from tests.audit.test_shipping import note

PATIENCE_S = 60


@dataclass
class Keeper:
    """A server for checkpoints."""

    url: str = ""
    status: int = 204
    kept: dict[str, str] = field(default_factory=dict)
    asked: list[tuple[str, str, str | None]] = field(default_factory=list)
    news: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def wait(self) -> None:
        assert self.news.acquire(timeout=PATIENCE_S)


@pytest.fixture
def keeper() -> Iterator[Keeper]:
    keeper = Keeper()

    class Handler(BaseHTTPRequestHandler):
        def do_PUT(self) -> None:
            body = self.rfile.read(int(self.headers["Content-Length"])).decode()
            keeper.asked.append((self.command, self.path, self.headers["Authorization"]))
            status = keeper.status
            if status < 300:
                keeper.kept[self.path] = body
            self.send_response(status)
            if status == 307:
                self.send_header("Location", f"{keeper.url}/elsewhere")
            self.send_header("Content-Length", "0")
            self.end_headers()
            keeper.news.release()

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    keeper.url = f"http://127.0.0.1:{server.server_port}/logs"
    thread = threading.Thread(target=server.serve_forever, args=(0.01,))
    thread.start()
    yield keeper
    server.shutdown()
    thread.join()
    server.server_close()


def test_a_checkpoint_is_put_under_the_tenants_name(keeper: Keeper) -> None:
    UrlShipper(keeper.url + "/").ship("acme", note(3))
    assert keeper.kept == {"/logs/acme.checkpoint": note(3)}
    assert keeper.asked == [("PUT", "/logs/acme.checkpoint", None)]


def test_a_checkpoint_goes_through_no_proxy(keeper: Keeper, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://127.0.0.1:1")
    UrlShipper(keeper.url).ship("acme", note(3))
    assert keeper.kept


@pytest.mark.parametrize(("status", "words"), [(409, "contradicts"), (500, "refused"), (307, "refused")])
def test_what_the_server_does_not_take_is_said(status: int, words: str, keeper: Keeper) -> None:
    keeper.status = status
    with pytest.raises(CheckpointNotShipped, match=words) as caught:
        UrlShipper(keeper.url).ship("acme", note(3))
    assert "127.0.0.1" not in f"{caught.value} {caught.value.__cause__}"
    assert len(keeper.asked) == 1


def test_a_server_that_is_not_there_is_said() -> None:
    with pytest.raises(CheckpointNotShipped):
        UrlShipper("http://127.0.0.1:1/logs").ship("acme", note(3))


@pytest.mark.parametrize(
    ("url", "token"),
    [
        ("ftp://host/logs", None),
        ("file:///etc", None),
        ("host/logs", None),
        ("https://user:hunter2@host/logs", None),
        ("https://host/logs?x=1", None),
        ("http://host/logs", "hunter2"),
    ],
)
def test_urls_that_are_none_for_it(url: str, token: str | None) -> None:
    with pytest.raises(CheckpointUrlInvalid) as caught:
        UrlShipper(url, token)
    assert "hunter2" not in str(caught.value)


def test_the_background_tries_again_and_ships_the_newest_only(keeper: Keeper) -> None:
    keeper.status = 500
    told: list[Exception] = []
    shipper = BackgroundShipper(UrlShipper(keeper.url), told.append, first_pause_s=0.01)
    shipper.ship("acme", note(1))
    keeper.wait()
    for size in (3, 2):
        shipper.ship("acme", note(size))
    keeper.wait()
    keeper.status = 204
    while not keeper.kept:
        keeper.wait()
    shipper.close()
    assert keeper.kept == {"/logs/acme.checkpoint": note(3)}
    assert told and all(isinstance(error, CheckpointNotShipped) for error in told)


def test_a_tenant_that_is_refused_does_not_slow_the_others() -> None:
    class Refusing:
        def __init__(self) -> None:
            self.shipped = threading.Event()

        def ship(self, tenant: str, text: str) -> None:
            if tenant == "acme":
                raise CheckpointNotShipped("it contradicts what is kept")
            self.shipped.set()

    place, told = Refusing(), threading.Event()
    shipper = BackgroundShipper(place, lambda _: told.set(), first_pause_s=PATIENCE_S * 2)
    shipper.ship("acme", note(1))
    assert told.wait(PATIENCE_S)
    shipper.ship("globex", note(1))
    assert place.shipped.wait(PATIENCE_S)
    assert shipper.failing
    shipper.close()


def test_what_waits_is_tried_once_more_at_the_end() -> None:
    class Gated:
        def __init__(self) -> None:
            self.begun, self.gate = threading.Event(), threading.Event()
            self.shipped: list[tuple[str, str]] = []

        def ship(self, tenant: str, text: str) -> None:
            self.begun.set()
            assert self.gate.wait(PATIENCE_S)
            self.shipped.append((tenant, text))

    slow = Gated()
    shipper = BackgroundShipper(slow, lambda _: None)
    shipper.ship("acme", note(1))
    assert slow.begun.wait(PATIENCE_S)
    shipper.ship("acme", note(2))
    shipper.ship("globex", note(1))
    slow.gate.set()
    shipper.close()
    assert slow.shipped == [("acme", note(1)), ("acme", note(2)), ("globex", note(1))]


def test_a_place_that_fails_does_not_keep_the_others_from_it(database: Engine, tmp_path: Path, keeper: Keeper) -> None:
    keeper.status = 500
    told: list[Exception] = []
    everywhere = ShipToAll([UrlShipper(keeper.url), FileShipper(tmp_path, StoredHistory(database))])
    fill(AuditLog(database, SIGNER, everywhere, on_failed_shipping=told.append), 2)
    assert len(told) == 2
    assert SignedCheckpoint.parse((tmp_path / "acme.checkpoint").read_text()).checkpoint.size == 2


def test_the_token_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    shipper, sent = UrlShipper("https://host/logs", "hunter2"), []

    def open_(request: urllib.request.Request, timeout: float) -> io.BytesIO:
        sent.append(request)
        return io.BytesIO()

    monkeypatch.setattr(shipper._opener, "open", open_)
    shipper.ship("acme", note(3))
    assert sent[0].get_header("Authorization") == "Bearer hunter2"
