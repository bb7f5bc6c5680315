"""Checkpoints to a server: whoever owns the database cannot take back what another machine has received."""

import http.client
import urllib.parse
import urllib.request
from urllib.error import HTTPError

from service.audit.shipping import SUFFIX
from service.errors import CheckpointNotShipped, CheckpointUrlInvalid
from service.transport import bare_opener

_TIMEOUT_S = 5.0
_CONTRADICTIONS = (409, 412)


class UrlShipper:
    """``PUT URL/<tenant>.checkpoint`` with the note as its body; any 2xx says that it is kept.

    The server is to refuse with 409 or 412 what contradicts what it has. Redirects are not followed.
    """

    def __init__(self, url: str, token: str | None = None) -> None:
        """Ship below ``url``.

        Args:
            url: a folder: ``https://...``, or ``http://...``; without credentials, query or fragment.
            token: sent as a bearer token; over https only.

        Raises:
            CheckpointUrlInvalid: it is no such URL.
        """
        parsed = urllib.parse.urlsplit(url)
        if parsed.scheme not in ("https", "http") or not parsed.hostname or parsed.username or parsed.password:
            raise CheckpointUrlInvalid("checkpoints go to an https or http URL without credentials in it")
        if parsed.query or parsed.fragment:
            raise CheckpointUrlInvalid("the URL for checkpoints is that of a folder: without query and fragment")
        if token is not None and parsed.scheme != "https":
            raise CheckpointUrlInvalid("the token for checkpoints is sent over https only")
        self._folder = url.rstrip("/")
        self._headers = {"Content-Type": "text/plain; charset=utf-8"}
        if token is not None:
            self._headers["Authorization"] = f"Bearer {token}"
        self._opener = bare_opener(proxies=False)

    def ship(self, tenant: str, note: str) -> None:
        """Hand it over, or give up after seconds.

        Raises:
            CheckpointNotShipped: the server did not take it.
        """
        request = urllib.request.Request(  # noqa: S310
            f"{self._folder}/{tenant}{SUFFIX}", note.encode(), self._headers, method="PUT"
        )
        try:
            self._opener.open(request, timeout=_TIMEOUT_S).close()
        except HTTPError as error:
            error.close()
            if error.code in _CONTRADICTIONS:
                raise CheckpointNotShipped("the checkpoint contradicts the one kept outside the database") from None
            raise CheckpointNotShipped("the server for checkpoints refused one") from None
        except (OSError, http.client.HTTPException):
            # The cause quotes the URL.
            raise CheckpointNotShipped("the server for checkpoints did not take one") from None
