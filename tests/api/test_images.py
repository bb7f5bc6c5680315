"""The three verbs over HTTP: what goes in, what comes out."""

import base64
import json
from dataclasses import replace

import httpx
import numpy as np
import pytest

from tests.api.conftest import TENANT, Pixels, Service, assert_problem, pixels_of
from tests.files import encoded


def test_anonymize_then_recover_gives_every_bit_back(
    service: Service, anonymized: httpx.Response, portrait: Pixels
) -> None:
    assert anonymized.headers["content-type"] == "image/png"
    assert anonymized.headers["x-visard-faces"] == "1"
    assert anonymized.headers["cache-control"] == "no-store"
    assert not np.array_equal(pixels_of(anonymized.content), portrait)
    back = service.post("/v1/recover", "recover", anonymized.content, reason="court order", case="4711")
    assert back.status_code == 200
    assert (back.headers["x-visard-fidelity"], back.headers["x-visard-verified"]) == ("exact", "image")
    assert np.array_equal(pixels_of(back.content), portrait)
    intent, outcome = service.entries()[-2:]
    assert intent["attempt"] == outcome["attempt"] == back.headers["x-visard-audit"]
    assert (intent["subject"], intent["reason"], intent["case"]) == ("court", "court order", "4711")
    assert intent["request"] == back.headers["x-request-id"]
    assert (outcome["result"], outcome["record"]) == ("granted", anonymized.headers["x-visard-record"])


def test_recover_by_record_id_without_metadata_and_by_pixels_alone(
    service: Service, anonymized: httpx.Response, portrait: Pixels
) -> None:
    bare = encoded(pixels_of(anonymized.content))
    record = anonymized.headers["x-visard-record"]
    for fields in ({"record": record}, {}, {"record": record, "faces": "[0]"}):
        back = service.post("/recover", "all", bare, reason="court order", **fields)
        assert np.array_equal(pixels_of(back.content), portrait)
    generative = service.post("/v1/recover", "all", bare, reason="court order", fidelity="generative")
    assert generative.headers["x-visard-fidelity"] == "generative"
    assert float(generative.headers["x-visard-confidence"]) > 0.8
    assert "x-visard-confidence" not in back.headers


def test_json_answer(service: Service, photo: bytes) -> None:
    answer = service.post("/anonymize", "anonymize", photo, headers={"Accept": "application/json"})
    body = answer.json()
    assert set(body) == {"record", "faces", "format", "image"}
    (face,) = body["faces"]
    assert set(face) == {"box", "confidence", "scale"}
    assert body["format"] == "png"
    assert pixels_of(base64.b64decode(body["image"])).shape == (220, 200, 3)
    back = service.post("/v1/recover", "all", base64.b64decode(body["image"]), reason="test")
    assert back.headers["x-visard-verified"] == "image"


@pytest.mark.parametrize("accept", ["*/*", "image/*, application/json;q=0.5", "application/json;q=0, */*", "nonsense"])
def test_the_image_unless_json_is_preferred(accept: str, service: Service, grey: bytes) -> None:
    answer = service.post("/v1/anonymize", "all", grey, no_faces="pass", headers={"Accept": accept})
    assert answer.headers["content-type"] == "image/png"


def test_choices_of_format_and_depth(service: Service, grey: bytes) -> None:
    for fields, kind in (
        ({"format": "jpeg"}, "image/jpeg"),
        ({"format": "tiff", "depth": 16}, "image/tiff"),
        ({"format": "webp", "coverage": "head", "seal": "embed", "metadata": "keep-safe"}, "image/webp"),
    ):
        answer = service.post("/v1/anonymize", "all", grey, no_faces="pass", **fields)
        assert (answer.status_code, answer.headers["content-type"]) == (200, kind)
    refused = service.post("/v1/anonymize", "all", grey, no_faces="pass", format="jpeg", depth=16)
    assert_problem(refused, 422, "depth-unsupported")


def test_the_operator_decides_who_stays_visible(service: Service, photo: bytes, portrait: Pixels) -> None:
    (face,) = service.post("/v1/detect", "anonymize", photo).json()["faces"]
    assert 0.35 <= face["confidence"] <= 1
    assert service.post("/v1/detect", "all", photo, min_confidence=1).json() == {"faces": []}
    left, top, right, bottom = face["box"]
    around = json.dumps([[left - 2, top - 2, right + 2, bottom + 2]])
    kept = service.post("/v1/anonymize", "all", photo, keep=around, no_faces="pass")
    assert kept.headers["x-visard-faces"] == "0"
    assert "x-visard-record" not in kept.headers
    assert np.array_equal(pixels_of(kept.content), portrait)
    both = service.post("/v1/anonymize", "all", photo, only=around, extra="[[4, 150, 44, 200]]")
    assert both.headers["x-visard-faces"] == "2"


def test_tenants_policy_decides_where_exact_faces_are_kept(service: Service, photo: bytes) -> None:
    service.desk.tenants.set(TENANT, seal="off")
    try:
        made = service.post("/v1/anonymize", "all", photo)
        assert service.post("/v1/recover", "all", made.content, reason="t").headers["x-visard-fidelity"] == "generative"
        made = service.post("/v1/anonymize", "all", photo, seal="embed")
        assert service.post("/v1/recover", "all", made.content, reason="t").headers["x-visard-fidelity"] == "exact"
    finally:
        service.desk.tenants.set(TENANT, seal="record")


def test_faces_beyond_the_limit_are_refused_and_none_stays_visible(service: Service, photo: bytes) -> None:
    desk = service.desk
    assert desk.parts.max_faces == 100
    extra = "[[4, 150, 44, 200], [50, 150, 90, 200]]"
    service.app.state.desk = replace(desk, parts=replace(desk.parts, max_faces=2))
    try:
        assert service.post("/v1/anonymize", "all", photo, extra="[[4, 150, 44, 200]]").status_code == 200
        answer = service.post("/v1/anonymize", "all", photo, extra=extra)
        spared = service.post("/v1/anonymize", "all", photo, extra=extra, keep="[[1, 1, 200, 140]]")
    finally:
        service.app.state.desk = desk
    assert_problem(answer, 422, "too-many-faces")
    assert answer.json()["detail"] == "3 faces are to be replaced, the limit of one image is 2"
    assert spared.headers["x-visard-faces"] == "2"


def test_an_image_without_faces(service: Service, grey: bytes) -> None:
    assert_problem(service.post("/v1/anonymize", "all", grey), 422, "no-faces")
    assert service.post("/v1/detect", "all", grey).json() == {"faces": []}


def test_anonymizing_twice_is_refused(service: Service, anonymized: httpx.Response) -> None:
    assert_problem(service.post("/v1/anonymize", "all", anonymized.content), 409, "already-anonymized")


def test_metrics_count_and_name_nobody(service: Service, anonymized: httpx.Response) -> None:
    service.post("/v1/recover", "all", anonymized.content, reason="test")
    assert service.request("GET", "/nowhere/at/all").status_code == 404
    text = service.request("GET", "/metrics").text
    assert 'visard_requests_total{route="/v1/anonymize",status="2xx"}' in text
    assert 'visard_requests_total{route="unmatched",status="4xx"}' in text
    assert 'visard_recoveries_total{fidelity="exact",outcome="granted"}' in text
    for phase in ("decode", "detect", "queue", "key", "solve", "encode"):
        assert f'visard_phase_duration_seconds_count{{phase="{phase}"}}' in text
    # The one that asks is in flight itself.
    assert "visard_requests_in_flight 1.0" in text
    assert 'visard_faces_total{operation="anonymize"}' in text
    assert "visard_queue_depth 0.0" in text
    assert f'weights="{service.desk.parts.bundles.default.digest.hex()}"' in text
    for secret in (TENANT, "auditor", anonymized.headers["x-visard-record"]):
        assert secret not in text
