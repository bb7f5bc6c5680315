"""Which addresses a secret may be sent to, and how servers are asked."""

from ipaddress import ip_address
from urllib.parse import urlsplit
from urllib.request import (
    HTTPDefaultErrorHandler,
    HTTPErrorProcessor,
    HTTPHandler,
    HTTPSHandler,
    OpenerDirector,
    ProxyHandler,
)


def is_protected(url: str) -> bool:
    """Whether nobody on the way can read what is sent to a URL: over TLS, or to this machine itself.

    Raises:
        ValueError: this is no URL.
    """
    parts = urlsplit(url)
    return parts.scheme == "https" or (parts.scheme == "http" and is_this_machine(parts.hostname or ""))


def is_this_machine(host: str) -> bool:
    """Whether a name or an address is the loopback's."""
    if host == "localhost":
        return True
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return False


def bare_opener(*, proxies: bool) -> OpenerDirector:
    """Opens HTTP and HTTPS URLs. A redirect is an error: a server is asked where it was said to be, or nowhere.

    Args:
        proxies: go through those of the environment (``HTTPS_PROXY``): right for what is public, like an identity
            provider's keys, and often the only way out; wrong for what is to arrive where it was said.
    """
    opener = OpenerDirector()
    for handler in (HTTPHandler, HTTPSHandler, HTTPDefaultErrorHandler, HTTPErrorProcessor):
        opener.add_handler(handler())
    if proxies:
        opener.add_handler(ProxyHandler())
    return opener
