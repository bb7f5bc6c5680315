"""Engine and batches on a real Ray cluster of two workers: the same pictures, and nothing lost."""

import base64
import io
import json
import os
import signal
import sqlite3
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from numpy.typing import NDArray
from PIL import Image

from service.assembly import open_parts
from service.engine import Engine, FaceTask
from service.errors import BundleUnknown, CallerGone, EngineBusy, EngineClosed, EngineUnavailable
from service.operations.anonymize import AnonymizeRequest, draw
from service.operations.keeping import NewImage
from service.operations.recover import RecoverRequest, recover
from service.settings import Settings
from service.tenancy import Policy
from service.weights.bundles import Bundles
from tests.cluster.conftest import ROOT, visard
from tests.cluster.ray_cluster import MEMORY, STORE_BYTES, Cluster, processor_s, title
from tests.engine.devices import PLAN
from tests.files import encoded
from tests.serving import Installation, serving
from tests.small_bundle import RESOLUTION, write_small_bundle
from tests.waiting import PATIENCE_S, until

# One cluster for all of them, also where tests run side by side.
pytestmark = [pytest.mark.xdist_group("ray"), pytest.mark.filterwarnings("ignore::DeprecationWarning")]

TENANT = "demo"
_ENDLESS = replace(PLAN, steps=100_000)


def _faces(count: int, seed: int = 0) -> list[FaceTask]:
    from service.core.context import Context

    made = []
    for i in range(count):
        generator = torch.Generator().manual_seed(1000 * seed + i)
        shape = (1, 1, RESOLUTION, RESOLUTION)
        generate = torch.zeros(shape, dtype=torch.bool)
        generate[..., 8:24, 8:24] = True
        pixels = torch.rand(1, 3, RESOLUTION, RESOLUTION, generator=generator, dtype=torch.float64) * 2 - 1
        context = Context((pixels * ~generate).float(), generate, ~generate, torch.zeros(shape))
        made.append(FaceTask(pixels, context, bytes([seed + 1, i + 1]) * 16))
    return made


def _says_nothing_of(room: Any, digest: bytes) -> bool:
    """Whether no replica finds the time to say that it does not know this bundle."""
    try:
        room.require(digest)
    except BundleUnknown:
        return False
    except EngineUnavailable:
        return True
    raise AssertionError("it is known")


def test_the_same_faces_as_in_this_process(room: Any, bundles: Bundles) -> None:
    tasks, digest = _faces(3), bundles.default.digest
    with Engine(bundles) as engine:
        here, there = (each.anonymize(digest, PLAN, tasks) for each in (engine, room))
        for (x, norms), (y, more) in zip(here, there, strict=True):
            assert torch.allclose(x, y, atol=1e-5)
            assert norms == pytest.approx(more, rel=1e-6)
        again = [replace(task, pixels=x[None], norms=norms) for task, (x, norms) in zip(tasks, here, strict=True)]
        for (x, far), (y, other) in zip(
            engine.recover(digest, PLAN, again), room.recover(digest, PLAN, again), strict=True
        ):
            assert torch.allclose(x, y, atol=1e-5)
            assert far == pytest.approx(other, abs=1e-5)
    assert room.alive
    assert room.waiting == 0


def test_the_same_file_to_the_last_bit(
    room: Any, small_bundle: Path, portrait: NDArray[np.uint8], tmp_path: Path
) -> None:
    parts = open_parts(Settings(home=tmp_path / "home", weights=small_bundle))
    parts.keys.create(TENANT)
    keys, request = NewImage.begin(TENANT, Policy(), parts.keys), AnonymizeRequest(tenant=TENANT)
    with closing(parts.engine):
        here, there = (
            draw(encoded(portrait), request, replace(parts, engine=engine), begin=lambda: keys, known=lambda _: False)
            for engine in (parts.engine, room)
        )
    assert here.answer.data == there.answer.data


def test_a_replica_is_killed_and_every_request_is_answered(
    joined: Cluster, room: Any, bundles: Bundles, pool: ThreadPoolExecutor
) -> None:
    digest, long = bundles.default.digest, replace(PLAN, steps=1000)
    tasks = [_faces(2, seed=seed) for seed in range(12)]
    with Engine(bundles) as engine:
        here = [engine.anonymize(digest, PLAN, task) for task in tasks]
    before = {pid: processor_s(pid) for pid in joined.processes("ray::ServeReplica:visard:engine")}
    running = [pool.submit(room.anonymize, digest, long, _faces(1, seed=50 + i)) for i in range(4)]
    # What draws, and does nothing else for so long, has one of them.
    until(lambda: [pid for pid, idle in before.items() if processor_s(pid) > idle + 0.5])
    victim = max(before, key=lambda pid: processor_s(pid) - before[pid])
    asked = [pool.submit(room.anonymize, digest, PLAN, task) for task in tasks]
    os.kill(victim, signal.SIGKILL)
    there = [future.result(PATIENCE_S) for future in asked]
    assert [len(future.result(PATIENCE_S)) for future in running] == [1] * 4
    for one, other in zip(here, there, strict=True):
        assert all(torch.allclose(x, y, atol=1e-5) for (x, _), (y, _) in zip(one, other, strict=True))


def test_errors_are_ours(room: Any) -> None:
    with pytest.raises(BundleUnknown):
        room.anonymize(b"?" * 32, PLAN, _faces(1))
    with pytest.raises(BundleUnknown):
        room.require(b"?" * 32)


def test_more_than_the_limit_is_refused_and_who_leaves_frees_the_device(
    room: Any, bundles: Bundles, pool: ThreadPoolExecutor
) -> None:
    gone, digest = threading.Event(), bundles.default.digest
    room.require(digest)
    mine = room.cancelled_by(gone)
    endless = [pool.submit(mine.anonymize, digest, _ENDLESS, _faces(1, seed=i)) for i in range(32)]
    until(lambda: room.waiting == 32)
    with pytest.raises(EngineBusy):
        room.anonymize(digest, PLAN, _faces(1))
    # Once all have arrived, nobody has the time to say what bundles there are. Who was told before is content; who was
    # not must wait.
    until(lambda: _says_nothing_of(room, b"?" * 32))
    room.require(digest)
    gone.set()
    for future in endless:
        with pytest.raises(CallerGone):
            future.result(PATIENCE_S)
    # Both replicas are free again: had they not been told, all their threads would be taken for good.
    asked = [pool.submit(room.anonymize, digest, PLAN, _faces(count)) for count in (1, 2, 3, 4)]
    assert [len(future.result(PATIENCE_S)) for future in asked] == [1, 2, 3, 4]


def test_closing_ends_what_runs(room: Any, bundles: Bundles, pool: ThreadPoolExecutor) -> None:
    endless = pool.submit(room.anonymize, bundles.default.digest, _ENDLESS, _faces(1))
    until(lambda: room.waiting == 1)
    room.close(0.1)
    with pytest.raises(EngineClosed):
        endless.result(PATIENCE_S)
    with pytest.raises(EngineClosed):
        room.anonymize(bundles.default.digest, PLAN, _faces(1))
    assert not room.alive


def test_a_process_that_cannot_prove_where_its_objects_are_is_refused(joined: Cluster) -> None:
    from service.cluster.node import require_safe, unsafe

    require_safe(guarded=True)
    assert any("on a disk" in reason for reason in unsafe(guarded=True))


def test_what_does_not_fit_the_object_store_stays_in_memory(joined: Cluster) -> None:
    import ray

    held = [ray.put(np.full(STORE_BYTES // 2, 7, np.uint8)) for _ in range(3)]
    raylet = next(pid for pid in joined.processes("/") if "/raylet/raylet " in title(pid))
    maps = [line.split() for line in Path(f"/proc/{raylet}/maps").read_text().splitlines()]
    shared = {entry[5] for entry in maps if "s" in entry[1] and "w" in entry[1] and len(entry) > 5}
    assert len(shared) > 1
    assert all(path.startswith(MEMORY) for path in shared)
    assert not list(joined.folder.rglob("ray_spilled_objects*"))
    assert all(int(ray.get(one)[-1]) == 7 for one in held)


def test_no_key_and_no_pixel_is_in_the_files_of_the_cluster(joined: Cluster, room: Any, bundles: Bundles) -> None:
    task = _faces(1, seed=90)[0]
    room.anonymize(bundles.default.digest, PLAN, [task])
    with pytest.raises(RuntimeError):
        room.anonymize(bundles.default.digest, PLAN, [replace(task, key=task.key[:5])])
    secrets = [task.key, task.pixels.numpy().tobytes()[:64], joined.token.encode()]
    needles = [form for one in secrets for form in (one, one.hex().encode(), base64.b64encode(one), repr(one).encode())]
    files = [path for path in joined.folder.rglob("*") if path.is_file() and not path.is_symlink()]
    assert len(files) > 10
    for path in files:
        content = path.read_bytes()
        assert not any(needle in content for needle in needles), path


def test_without_the_token_nobody_gets_in(cluster: Cluster, tmp_path: Path) -> None:
    done = visard(cluster, "ray", "deploy", token="f" * 64, VISARD_ENGINE="ray", RAY_py_gcs_connect_timeout_s=3)
    assert done.returncode == 1
    assert "refuses the token" in done.stderr


def test_a_worker_is_killed_in_the_middle_of_a_batch_and_nothing_is_lost(
    cluster: Cluster, small_bundle: Path, portrait: NDArray[np.uint8], tmp_path: Path
) -> None:
    source, out, home = tmp_path / "source", tmp_path / "out", tmp_path / "home"
    source.mkdir()
    sources = {f"{number:02}.png" for number in range(12)}
    for name in sources:
        (source / name).write_bytes(encoded(portrait))
    (source / "broken.png").write_bytes(b"")
    choices = ("--ray", cluster.address, "--workers", "2", "--threads", "2", "--json")
    running = subprocess.Popen(
        [sys.executable, "-m", "service", "batch", source, out, *choices],
        env=cluster.environment() | {"VISARD_HOME": str(home), "VISARD_WEIGHTS": str(small_bundle)},
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    manifest = out / "manifest.jsonl"
    until(lambda: running.poll() is not None or (manifest.exists() and manifest.read_text().count("\n") >= 3))
    os.kill(cluster.processes("ray::Worker")[0], signal.SIGKILL)
    said, complained = running.communicate(timeout=300)
    assert running.returncode == 2, complained
    lines = [json.loads(line) for line in manifest.read_text().splitlines()[1:]]
    assert sorted(line["source"] for line in lines) == sorted({*sources, "broken.png"})
    assert [line["source"] for line in lines if line["status"] == "failed"] == ["broken.png"]
    assert json.loads(said)["repeated"] > 0
    parts = open_parts(Settings(home=home, weights=small_bundle))
    for name in sources:
        answer = recover((out / name).read_bytes(), RecoverRequest(tenant=TENANT, subject="t", reason="a test"), parts)
        assert np.array_equal(np.asarray(Image.open(io.BytesIO(answer.data))), portrait)
    # Of what was lost with the worker, no record stays.
    with closing(sqlite3.connect(home / "visard.db")) as database:
        assert database.execute("SELECT count(*) FROM records").fetchone() == (len(sources),)


def test_the_service_asks_the_replicas_and_is_ready_while_there_are_any(
    joined: Cluster, small_bundle: Path, portrait: NDArray[np.uint8], tmp_path: Path
) -> None:
    from service.cluster.quiet import serve

    installation = Installation.make(Settings(home=tmp_path / "home", weights=small_bundle))
    chosen = {name: value for name, value in joined.environment().items() if name.startswith("VISARD_")}
    with serving(installation, VISARD_ENGINE="ray", **chosen) as service:
        made = service.post("/v1/anonymize", "anonymize", encoded(portrait))
        assert (made.status_code, made.headers["x-visard-faces"]) == (200, "1")
        back = service.post("/v1/recover", "recover", made.content, reason="a test", fidelity="generative")
        assert back.headers["x-visard-fidelity"] == "generative"
        until(lambda: service.get("/readyz").status_code == 200, pause_s=0.5)
        newer = write_small_bundle(tmp_path / "newer", seed=2)
        with serving(installation, VISARD_ENGINE="ray", VISARD_WEIGHTS=str(newer), **chosen) as upgraded:
            until(lambda: upgraded.get("/readyz").json()["parts"]["engine"] == "ok", pause_s=0.5)
            assert upgraded.post("/v1/anonymize", "anonymize", encoded(portrait)).status_code == 409
            ready = upgraded.get("/readyz")
            assert (ready.status_code, ready.json()["parts"]["weights"]) == (503, "unavailable")
        serve.delete("visard")
        until(lambda: service.get("/readyz").json()["parts"]["engine"] == "unavailable", pause_s=0.5)
        assert service.get("/readyz").status_code == 503
