"""What stands in for the base image where no registry of images can be reached: a fresh Debian with its Python."""

import subprocess
from pathlib import Path

_RELEASE = "bookworm"
_PACKAGES = "ca-certificates,python3,python3-venv,python3-pip-whl"
# As python:3.11-slim has it: `python` and pip below /usr/local, and pip may be used.
_AS_THE_REAL_ONE = """
set -e
rm -f /usr/lib/python3*/EXTERNALLY-MANAGED
ln -s /usr/bin/python3 /usr/local/bin/python
wheel=$(echo /usr/share/python-wheels/pip-*.whl)
python "$wheel/pip" install -q --root-user-action=ignore --no-index "$wheel"
"""


def make_base(root: Path) -> None:
    """Fill an empty directory; needs root, debootstrap and a mirror of Debian."""
    subprocess.run(["debootstrap", "--variant=minbase", f"--include={_PACKAGES}", _RELEASE, root], check=True)
    subprocess.run(["chroot", root, "sh", "-c", _AS_THE_REAL_ONE], check=True)
    for left in (*(root / "var/cache/apt/archives").glob("*.deb"), *(root / "var/lib/apt/lists").glob("*Packages")):
        left.unlink()
