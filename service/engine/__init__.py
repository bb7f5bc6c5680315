"""The device: faces in, faces out, in batches, on one thread of its own behind a bounded queue."""

from service.engine.batch import MAX_BATCH, FaceTask
from service.engine.device import Observer
from service.engine.engine import Engine, Networks

__all__ = ["MAX_BATCH", "Engine", "FaceTask", "Networks", "Observer"]
