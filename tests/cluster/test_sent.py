"""What is sent to a worker of a batch: keys of single images, never the one they come from."""

import base64
import pickle
from pathlib import Path

import pytest

from service.assembly import open_parts
from service.batch.work import Job
from service.imaging import Limits
from service.keys.local import LocalKeyStore
from service.operations.anonymize import AnonymizeRequest
from service.operations.keeping import NewImage
from service.settings import Settings
from service.tenancy import Policy

# Ray reads its environment when it is imported: late, and behind the tests that join a cluster.
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TENANT = "hospital"


def test_no_master_key_is_in_what_a_worker_gets(
    tmp_path: Path, small_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from service.cluster.crew import Order, drawing

    masters: list[bytes] = []
    real = LocalKeyStore._master

    def master(store: LocalKeyStore, *arguments: object) -> bytes:
        masters.append(real(store, *arguments))  # type: ignore[arg-type]
        return masters[-1]

    monkeypatch.setattr(LocalKeyStore, "_master", master)
    parts = open_parts(Settings(home=tmp_path / "home", weights=small_bundle))
    parts.keys.create(TENANT)
    job = Job("a.png", NewImage.begin(TENANT, Policy(), parts.keys))
    order = Order(
        source="photos",
        request=AnonymizeRequest(tenant=TENANT),
        weights=small_bundle,
        bundles=drawing(parts.bundles),
        device="cpu",
        limits=Limits(),
        max_faces=None,
        threads=1,
        guarded=True,
    )
    assert masters and all(len(key) == 32 for key in masters)
    sent = pickle.dumps((job, order))
    # The image's own are there: it is looked for as it would be found.
    assert job.new.nonce in sent
    for key in masters:
        assert not any(form in sent for form in (key, key.hex().encode(), base64.b64encode(key)))
