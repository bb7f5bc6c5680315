"""The committed OpenAPI document is the one the code gives."""

import json
from pathlib import Path

from tests.api.conftest import Service

DOCUMENT = Path(__file__).parents[2] / "docs" / "openapi.json"


def test_the_committed_document_is_current(service: Service) -> None:
    served = service.request("GET", "/openapi.json").json()
    assert served == json.loads(DOCUMENT.read_text()), "run: visard openapi > docs/openapi.json"


def test_every_operation_says_what_it_takes_and_how_it_fails(service: Service) -> None:
    document = service.request("GET", "/openapi.json").json()
    assert set(document["paths"]) == {
        "/v1/anonymize",
        "/v1/detect",
        "/v1/recover",
        "/v1/audit/entries",
        "/v1/audit/entries/{id}",
        "/v1/audit/checkpoint",
        "/v1/audit/proofs/inclusion",
        "/v1/audit/proofs/consistency",
        "/v1/records/{id}",
        "/v1/approvals",
        "/livez",
        "/readyz",
        "/healthz",
        "/metrics",
    }
    for path in ("/v1/anonymize", "/v1/detect", "/v1/recover"):
        post = document["paths"][path]["post"]
        assert post["security"] == [{"bearer": []}]
        assert {"401", "403", "413", "415", "422", "429", "503"} <= set(post["responses"])
        fields = post["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert "image" in fields["required"]
    fields = document["paths"]["/v1/recover"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(fields["properties"]) == {"image", "reason", "case", "record", "faces", "fidelity"}
    assert fields["required"] == ["image", "reason"]


def test_every_reference_leads_somewhere(service: Service) -> None:
    text = service.request("GET", "/openapi.json").text
    schemas = json.loads(text)["components"]["schemas"]
    references = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert references <= set(schemas)
    assert "HTTPValidationError" not in schemas
