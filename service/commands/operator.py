"""Who types a command, as the audit log names them."""

import os
import pwd


def operator() -> str:
    """``cli:`` and the account of the operating system: the kernel vouches for it, the environment would not."""
    number = os.getuid()
    try:
        return f"cli:{pwd.getpwuid(number).pw_name}"
    except KeyError:
        return f"cli:{number}"
