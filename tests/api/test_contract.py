"""The committed OpenAPI document is the one the code gives."""

import json
from pathlib import Path

from service.api.answers import Problem
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
        assert {"401", "403", "413", "415", "422", "429", "503"} <= set(post["responses"])
        fields = post["requestBody"]["content"]["multipart/form-data"]["schema"]
        assert "image" in fields["required"]
    fields = document["paths"]["/v1/recover"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert set(fields["properties"]) == {"image", "reason", "case", "record", "faces", "fidelity"}
    assert fields["required"] == ["image", "reason"]


def test_every_error_is_documented_with_an_example_of_its_own(service: Service) -> None:
    document = service.request("GET", "/openapi.json").json()
    for path in ("/v1/anonymize", "/v1/detect", "/v1/recover"):
        for status, response in document["paths"][path]["post"]["responses"].items():
            if status == "200":
                continue
            examples = response["content"]["application/problem+json"]["examples"]
            assert examples
            for slug, example in examples.items():
                assert example["summary"]
                Problem.model_validate(example["value"])
                assert example["value"]["type"] == f"urn:visard:problem:{slug}"
                assert str(example["value"]["status"]) == status


def test_everything_that_is_sent_or_answered_has_an_example(service: Service) -> None:
    document = service.request("GET", "/openapi.json").json()
    for path, operations in document["paths"].items():
        for operation in operations.values():
            parameters = {parameter["name"]: parameter["schema"] for parameter in operation["parameters"]}
            assert "X-Request-Id" in parameters, path
            assert all(schema["examples"] for schema in parameters.values()), path
            body = operation.get("requestBody", {"content": {}})["content"]
            form = body.get("multipart/form-data", {"schema": {"properties": {}}})
            for name, field in form["schema"]["properties"].items():
                assert field["description"], name
                assert name == "image" or field["examples"], name
                if name != "image" and "enum" in field:
                    assert set(field["examples"]) <= set(field["enum"])
    for model, schema in document["components"]["schemas"].items():
        for name, field in schema.get("properties", {}).items():
            assert "examples" in field or "$ref" in field.get("items", {}), (model, name)


def test_every_format_may_be_asked_for(service: Service) -> None:
    document = service.request("GET", "/openapi.json").json()
    form = document["paths"]["/v1/anonymize"]["post"]["requestBody"]["content"]["multipart/form-data"]["schema"]
    assert form["properties"]["format"]["enum"] == ["same", "png", "jpeg", "webp", "tiff"]


def test_every_reference_leads_somewhere(service: Service) -> None:
    text = service.request("GET", "/openapi.json").text
    schemas = json.loads(text)["components"]["schemas"]
    references = {part.split('"')[0] for part in text.split("#/components/schemas/")[1:]}
    assert references <= set(schemas)
    assert "HTTPValidationError" not in schemas
