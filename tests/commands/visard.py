"""The command line, run in this process."""

import sys

from service import cli


def visard(*arguments: object) -> int:
    """``visard ARGUMENTS``; returns the exit code."""
    old, sys.argv = sys.argv, ["visard", *map(str, arguments)]
    try:
        cli.main()
    except SystemExit as stop:
        return int(stop.code or 0)
    finally:
        sys.argv = old
    raise AssertionError("the command line must exit")
