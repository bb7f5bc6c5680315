"""Find the faces of one image, so that a person can decide which are replaced."""

from dataclasses import replace

from service.errors import BadInput
from service.faces.detection import Detection, visible
from service.faces.search import DEFAULT_CONFIDENCE
from service.imaging import decode
from service.operations.finding import faces_in
from service.operations.parts import Parts
from service.operations.phases import timed


def detect(data: bytes, parts: Parts, min_confidence: float = DEFAULT_CONFIDENCE) -> tuple[Detection, ...]:
    """Faces of an image file, best first; boxes are what the upright image shows of them, in pixels.

    Raises:
        BadInput: the image cannot be read, or the confidence is not in [0, 1].
    """
    with timed(parts.observer, "decode"):
        picture = decode(data, parts.limits)
    with timed(parts.observer, "detect"):
        found = faces_in(picture, parts.detector, checked(min_confidence))
    size = (picture.pixels.shape[0], picture.pixels.shape[1])
    return tuple(replace(face, box=visible(face.box, size)) for face in found)


def checked(min_confidence: float) -> float:
    """The confidence, if it is one.

    Raises:
        BadInput: it is not in [0, 1].
    """
    if not 0 <= min_confidence <= 1:
        raise BadInput("min_confidence lies between 0 and 1")
    return min_confidence
