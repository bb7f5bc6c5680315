"""Ray Serve, without its remarks on stderr: importing it sets its logger up."""

import logging

from ray import serve

logging.getLogger("ray.serve").setLevel(logging.ERROR)

__all__ = ["serve"]
