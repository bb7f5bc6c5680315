"""Run a command and print its exit code, peak memory and seconds as JSON: ``python -m service.evaluation.child CMD``.

A process between the evaluation and the command, because a child's peak memory starts at what its
parent had when it forked, and this parent has next to nothing.
"""

import json
import resource
import subprocess
import sys
import time


def main() -> None:
    """Measure the command in ``sys.argv``."""
    started = time.perf_counter()
    done = subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)  # noqa: S603
    seconds = time.perf_counter() - started
    # ru_maxrss is in KiB on Linux, in bytes on macOS.
    unit = 1 if sys.platform == "darwin" else 1024
    peak = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * unit
    print(json.dumps({"code": done.returncode, "peak_bytes": peak, "seconds": seconds}))


if __name__ == "__main__":
    main()
