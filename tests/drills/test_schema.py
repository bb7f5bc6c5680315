"""schemathesis against the OpenAPI document: whatever it allows or forbids, the service answers as it says."""

import json
from collections import Counter
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import schemathesis
import schemathesis.specs.openapi.warnings  # imported later, by a thread, it can fail: python/cpython#106905
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.strategies import SearchStrategy
from numpy.typing import NDArray
from schemathesis import CheckFunction, GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from service.access.principal import Scope
from service.administration import open_access
from tests.api.conftest import TENANT
from tests.effort import count
from tests.files import encoded
from tests.serving import PATIENCE_S, Process

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
KINDS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")
REASONS = st.text(st.characters(categories=("L", "N")), min_size=1, max_size=1000)
Fitting = tuple[str, SearchStrategy[dict[str, Any]]]


@pytest.fixture(scope="module")
def authorization(embedded: Process) -> dict[str, str]:
    """The header of a caller who may do everything."""
    with open_access(embedded.installation.settings) as access:
        _, token = access.tokens.create(TENANT, "operator", list(Scope))
    return {"Authorization": f"Bearer {token}"}


@pytest.fixture(scope="module", autouse=True)
def images(embedded: Process, portrait: NDArray[np.uint8]) -> None:
    """Half of what the document calls binary is an image: with a face, without one, or anonymized."""
    grey = np.full((60, 60, 3), 120, np.uint8)
    photos = [encoded(pixels, kind) for pixels in (portrait, grey) for kind in KINDS]
    real = st.sampled_from([*photos, _anonymized(embedded, portrait).content])
    schemathesis.openapi.format("binary", st.booleans().flatmap(lambda half: real if half else st.binary(max_size=300)))


@pytest.fixture(scope="module")
def fitting(embedded: Process, portrait: NDArray[np.uint8]) -> dict[str, Fitting]:
    """By operation, parts of a request that fit what is there: the document cannot say which do."""
    made, to_erase = (_anonymized(embedded, portrait) for _ in range(2))
    record = made.headers["x-visard-record"]
    recovered = embedded.post("/v1/recover", "all", made.content, reason="drill")
    assert recovered.status_code == 200
    tomorrow = (datetime.now(UTC) + timedelta(days=1)).isoformat()
    photo = {"image": st.sampled_from([encoded(portrait, kind) for kind in KINDS])}
    wishes = {"coverage": st.sampled_from(("face", "head")), "metadata": st.sampled_from(("strip", "keep-safe"))}
    form = {"image": st.just(made.content), "reason": REASONS}
    optional = {"record": st.just(record), "case": REASONS, "fidelity": st.sampled_from(("best", "generative"))}
    approval = {"reason": REASONS, "expires": st.just(tomorrow)}
    of_record = st.fixed_dictionaries({**approval, "record": st.just(record)})
    in_case = st.fixed_dictionaries({**approval, "case": REASONS})
    return {
        "detect": ("body", st.fixed_dictionaries(photo)),
        "anonymize": ("body", st.fixed_dictionaries(photo, optional=wishes)),
        "recover": ("body", st.fixed_dictionaries(form, optional=optional)),
        "approve": ("body", of_record | in_case),
        "get_record": ("path_parameters", st.just({"id": record})),
        # What is in the image itself stays: it can be erased again and again.
        "erase_record": ("path_parameters", st.just({"id": to_erase.headers["x-visard-record"]})),
        "get_audit_entries": ("path_parameters", st.just({"id": recovered.headers["x-visard-audit"]})),
    }


def _anonymized(service: Process, portrait: NDArray[np.uint8]) -> httpx.Response:
    made = service.post("/v1/anonymize", "all", encoded(portrait))
    assert made.status_code == 200
    return made


# The caller is always the same one, who may do everything.
CONFIG = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
OPERATIONS = [(path, method) for path, operations in DOCUMENT["paths"].items() for method in operations]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_as_documented(
    path: str, method: str, embedded: Process, authorization: dict[str, str], fitting: dict[str, Fitting]
) -> None:
    operation = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)[path][method]
    cases = drawn = st.one_of([operation.as_strategy(mode) for mode in GenerationMode])
    if (fits := fitting.get(DOCUMENT["paths"][path][method]["operationId"])) is not None:
        part, values = fits
        fit = st.builds(_with, operation.as_strategy(GenerationMode.POSITIVE), st.just(part), values)
        cases = st.booleans().flatmap(lambda half: fit if half else drawn)
    answered = Counter[int]()

    @settings(max_examples=count(20, 500))
    @given(case=cases)
    def check(case: schemathesis.Case) -> None:
        answer = case.call_and_validate(
            base_url=embedded.url, headers=authorization, excluded_checks=_beyond(case), timeout=PATIENCE_S
        )
        answered[answer.status_code] += 1

    check()
    assert any(200 <= status < 300 for status in answered), answered


def _with(case: schemathesis.Case, part: str, value: object) -> schemathesis.Case:
    setattr(case, part, value)
    return case


def _beyond(case: schemathesis.Case) -> list[CheckFunction]:
    """What cannot be checked from the document: it does not say that an image must be one, or what its past allows.

    And in a form all is text, so that most values of a wrong type arrive as right ones.
    """
    form = case.media_type == "multipart/form-data"
    return [positive_data_acceptance, negative_data_rejection] if form else [positive_data_acceptance]
