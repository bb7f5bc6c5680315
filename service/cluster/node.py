"""Whether a node of the cluster may be trusted with faces: nothing of them may reach a disk, and nobody may join."""

import os
from pathlib import Path

import ray

from service.cluster.connection import SPILLING
from service.errors import EngineUnavailable
from service.keys.memory import forbid_core_dumps

_PATIENCE_S = 120
_IN_MEMORY = ("tmpfs", "ramfs")


def settle(guarded: bool) -> None:
    """Prepare a worker process for plaintext.

    Args:
        guarded: whether the cluster has to ask for a token.

    Raises:
        EngineUnavailable: the node is not safe.
    """
    _refuse(unsafe(guarded))
    forbid_core_dumps()


def unsafe(guarded: bool) -> list[str]:
    """What is wrong with the node of this worker process.

    Objects spill to a disk once memory is short; and where they may not, Ray puts them into files of its fallback
    directory. So spilling has to be off, and the directories have to be in memory.
    """
    found = []
    if guarded and os.environ.get("RAY_AUTH_MODE") != "token":
        found.append("it asks for no token (RAY_AUTH_MODE=token)")
    if not _spilling_is_off():
        found.append("objects spill (on the head: ray start --system-config)")
    if not all(map(_in_memory, _directories())):
        found.append("its object store is on a disk (ray start --temp-dir below /dev/shm)")
    return found


def require_safe(guarded: bool) -> None:
    """Ask one node of the cluster this process is connected to; each worker asks its own again.

    Raises:
        EngineUnavailable: it is not safe, or does not answer.
    """
    try:
        found = ray.get(ray.remote(num_cpus=0)(unsafe).remote(guarded), timeout=_PATIENCE_S)
    except ray.exceptions.RayError:
        raise EngineUnavailable("the Ray cluster does not answer") from None
    _refuse(found)


def _refuse(found: list[str]) -> None:
    if found:
        raise EngineUnavailable(f"a node of the Ray cluster is not safe: {'; '.join(found)}")


def _spilling_is_off() -> bool:
    # The head's configuration decides for all nodes; Ray overrules the environment variable of this name.
    return ray._private.state.state.get_system_config().get(SPILLING) is False


def _directories() -> list[Path]:
    """Where the node's object store is, and where it goes when it is full."""
    # The parent of a worker is the node's raylet.
    arguments = Path(f"/proc/{os.getppid()}/cmdline").read_bytes().decode().split("\0")
    options = {name: value for name, equals, value in (argument.partition("=") for argument in arguments) if equals}
    return [Path(options.get(name, "/")) for name in ("--plasma_directory", "--fallback_directory")]


def _in_memory(directory: Path) -> bool:
    mounts = [line.split()[1:3] for line in Path("/proc/self/mounts").read_text().splitlines()]
    holding = [(point, kind) for point, kind in mounts if directory.resolve().is_relative_to(point)]
    return bool(holding) and max(holding, key=lambda mount: len(mount[0]))[1] in _IN_MEMORY
