"""The device: faces in, faces out, on one thread of its own behind a bounded queue.

Faces of all requests share the evaluations of the network, and come and go between two of them.
"""

from service.engine.batch import MAX_BATCH
from service.engine.engine import Engine, Networks
from service.engine.observer import Observer
from service.engine.room import EngineRoom
from service.engine.task import FaceTask

__all__ = ["MAX_BATCH", "Engine", "EngineRoom", "FaceTask", "Networks", "Observer"]
