"""How many replaced faces the detector finds again, in the whole picture."""

from service.evaluation.studio import Made
from service.faces.again import shows
from service.faces.detection import Detector
from service.faces.search import find_faces
from service.operations.picture import as_bytes


def found_again(made: Made, detector: Detector) -> list[bool]:
    """For each replaced face, whether the detector finds one with IoU > 0.5 to the old box."""
    found = find_faces(as_bytes(made.picture.pixels), detector)
    return [shows(found, face.box) for face in made.faces]
