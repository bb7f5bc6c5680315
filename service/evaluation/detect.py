"""Is there still a face where one was?"""

from service.evaluation.studio import Made
from service.faces.detection import Detector
from service.faces.search import find_faces
from service.operations.picture import as_bytes

_SAME = 0.5
Box = tuple[float, float, float, float]


def found_again(made: Made, detector: Detector) -> list[bool]:
    """For each replaced face, whether the detector finds one with IoU > 0.5 to the old box."""
    found = find_faces(as_bytes(made.picture.pixels), detector)
    return [any(iou(face.box, other.box) > _SAME for other in found) for face in made.faces]


def iou(a: Box, b: Box) -> float:
    """Intersection over union of two boxes: left, top, right, bottom."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    shared = max(0.0, width) * max(0.0, height)
    union = (a[2] - a[0]) * (a[3] - a[1]) + (b[2] - b[0]) * (b[3] - b[1]) - shared
    return shared / union if union > 0 else 0.0
