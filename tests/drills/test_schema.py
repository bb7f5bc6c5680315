"""schemathesis against the OpenAPI document: whatever it allows or forbids, the service answers as it says."""

import json
from pathlib import Path

import numpy as np
import pytest
import schemathesis
import schemathesis.specs.openapi.warnings  # imported later, by a thread, it can fail: python/cpython#106905
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from schemathesis import CheckFunction, GenerationMode
from schemathesis.specs.openapi.checks import negative_data_rejection, positive_data_acceptance

from service.access.principal import Scope
from service.assembly import open_access
from tests.api.conftest import TENANT, encoded
from tests.effort import count
from tests.serving import PATIENCE_S, Process

DOCUMENT = json.loads((Path(__file__).parents[2] / "docs" / "openapi.json").read_text())
KINDS = ("PNG", "JPEG", "WEBP", "TIFF", "BMP")


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
    made = embedded.post("/v1/anonymize", "all", photos[0])
    assert made.status_code == 200
    real = st.sampled_from(photos) | st.just(made.content)
    schemathesis.openapi.format("binary", st.booleans().flatmap(lambda half: real if half else st.binary(max_size=300)))


# The caller is always the same one, who may do everything.
CONFIG = schemathesis.Config.from_dict({"generation": {"with-security-parameters": False}})
OPERATIONS = [(path, method) for path, operations in DOCUMENT["paths"].items() for method in operations]


@pytest.mark.parametrize(("path", "method"), OPERATIONS)
def test_every_answer_is_as_documented(
    path: str, method: str, embedded: Process, authorization: dict[str, str]
) -> None:
    operation = schemathesis.openapi.from_dict(DOCUMENT, config=CONFIG)[path][method]

    @settings(max_examples=count(20, 500))
    @given(case=st.one_of([operation.as_strategy(mode) for mode in GenerationMode]))
    def check(case: schemathesis.Case) -> None:
        case.call_and_validate(
            base_url=embedded.url, headers=authorization, excluded_checks=_beyond(case), timeout=PATIENCE_S
        )

    check()


def _beyond(case: schemathesis.Case) -> list[CheckFunction]:
    """What cannot be checked from the document: it does not say that an image must be one, or what its past allows.

    And in a form all is text, so that most values of a wrong type arrive as right ones.
    """
    form = case.media_type == "multipart/form-data"
    return [positive_data_acceptance, negative_data_rejection] if form else [positive_data_acceptance]
