"""Many clients at once: no error but being told to come back, and every recovery is in the log."""

import shutil
from pathlib import Path

from service.settings import Settings
from tests.drills.load import WISHES, Visitor, load, until
from tests.effort import count, drilling
from tests.serving import ANALYTIC, Installation, serving


def test_many_clients_at_once(installation: Installation, photo: bytes) -> None:
    with serving(installation, ANALYTIC) as service:
        goes = (lambda: until(60)) if drilling() else (lambda: range(4))
        answers = load(Visitor(service, photo), count(10, 50), goes)
    assert {answer.status for answer in answers} <= {200, 429}
    assert {answer.what for answer in answers if answer.status == 200} == {*WISHES}
    installation.check_log({answer.attempt for answer in answers if answer.attempt and answer.status == 200})


def test_no_network_is_in_the_way(tmp_path: Path, small_bundle: Path, photo: bytes) -> None:
    weights = shutil.copytree(small_bundle, tmp_path / "weights")
    for file in weights.glob("unet/*.safetensors"):
        file.write_bytes(b"no network")
    with serving(Installation.make(Settings(home=tmp_path / "home", weights=weights)), ANALYTIC) as service:
        assert service.post("/v1/anonymize", "all", photo).status_code == 200
