"""What the tests make that must never show, and everything that was shown."""

import logging
import os
import secrets
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import psycopg
from psycopg import sql
from sqlalchemy import make_url

from service.access.tokens import TokenStore
from service.api.logs import JsonLines
from service.keys import derive, keyfile, local, passphrase, vault_kv, vault_login
from tests.leaks.mark import MARK
from tests.leaks.search import Search

VARIABLE = "TEST_LEAKS"
"""Names the folder to processes that tests start."""
_SQLITE = b"SQLite format 3\0"
_NOTICE = keyfile._NOTICE.encode()
Patch = Callable[[Any, str, Any], None]


class Watch:
    """Collects in a folder, which several processes may share.

    Attributes:
        temp: where files are temporary, for those who are told so.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self._secrets, self._shown, self.temp = (folder / name for name in ("secrets", "shown", "temp"))
        for made in (self._secrets, self._shown, self.temp):
            made.mkdir(parents=True, exist_ok=True)
        self._known: set[bytes] = set()
        self._lock = threading.Lock()

    def key(self, value: bytes) -> None:
        """A key, which may be nowhere but in the key files of a local keystore."""
        # Keys that tests make up, of one byte or of zeros, are found everywhere.
        if len(set(value)) >= 16:
            self._note("keys", value)

    def word(self, value: str) -> None:
        """A token or a passphrase, which nothing that the product writes may hold."""
        if len(value) >= 16:
            self._note("words", value.encode())

    def keep(self, kind: str, content: bytes) -> None:
        """Something that was shown."""
        with self._lock, (self._shown / f"{kind}-{os.getpid()}").open("ab") as file:
            file.write(content + b"\n")

    def answer(self, answer: httpx.Response) -> None:
        """What an answer of the service says; pictures are looked at elsewhere."""
        if not answer.headers.get("content-type", "").startswith("image/"):
            self.keep("answers", answer.content)
        self.keep("headers", str(answer.headers).encode())

    def database(self, url: str) -> None:
        """All tables of a PostgreSQL database."""
        plain = make_url(url).set(drivername="postgresql").render_as_string(hide_password=False)
        with psycopg.connect(plain) as connection:
            tables = connection.execute("SELECT schemaname, tablename FROM pg_tables WHERE schemaname = 'public'")
            for name in tables.fetchall():
                for row in connection.execute(sql.SQL("SELECT * FROM {}").format(sql.Identifier(*name))):
                    self.keep(
                        "postgresql", b" ".join(one if isinstance(one, bytes) else str(one).encode() for one in row)
                    )

    def findings(self, below: Path) -> list[Path]:
        """The files below a folder, this one's among them, that hold what they must not."""
        keys, words = Search({MARK, *self._noted("keys")}), Search(self._noted("words"))
        return [
            path
            for path in _files(below)
            if self._secrets not in path.parents
            and not _is_key_file(path)
            and (keys.finds_in_file(path) or (self._is_products(path) and words.finds_in_file(path)))
        ]

    def _is_products(self, path: Path) -> bool:
        """Not what a test wrote itself."""
        return bool({self._shown, self.temp} & set(path.parents)) or _begins(path, _SQLITE)

    def _note(self, kind: str, value: bytes) -> None:
        with self._lock:
            if value not in self._known:
                self._known.add(value)
                with (self._secrets / f"{kind}-{os.getpid()}").open("a") as file:
                    file.write(value.hex() + "\n")

    def _noted(self, kind: str) -> set[bytes]:
        lines = (line for path in self._secrets.glob(f"{kind}-*") for line in path.read_text().split("\n"))
        return {bytes.fromhex(line) for line in lines if line}


class Keeper(logging.Handler):
    """Keeps what is logged, as the product would write it."""

    def __init__(self, watch: Watch) -> None:
        super().__init__()
        self._watch = watch
        self.setFormatter(JsonLines())

    def emit(self, record: logging.LogRecord) -> None:
        self._watch.keep("log", self.format(record).encode())


def here() -> Watch | None:
    """That of the run which this process belongs to, if there is one."""
    folder = os.environ.get(VARIABLE)
    return None if folder is None else Watch(Path(folder))


def shown(answer: httpx.Response) -> httpx.Response:
    """An answer of the service, kept: all that is not a picture."""
    if (watch := here()) is not None:
        watch.answer(answer)
    return answer


def plant(watch: Watch, patch: Patch = setattr) -> None:
    """Have this process make recognisable master keys, and note every key and token that comes of them."""
    expand, granted, look_up = derive.expand, vault_login._granted, vault_login._looked_up
    create, stretch = TokenStore.create, passphrase.Stretching.key

    def expanded(key: bytes, info: bytes) -> bytes:
        made = expand(key, info)
        watch.key(key)
        watch.key(made)
        return made

    def leased(answer: object) -> Any:
        lease = granted(answer)
        watch.word(lease.token)
        return lease

    def looked_up(client: Any, token: str) -> Any:
        watch.word(token)
        return look_up(client, token)

    def created(store: TokenStore, *arguments: Any, **more: Any) -> Any:
        made = create(store, *arguments, **more)
        watch.word(made[1])
        return made

    def stretched(stretching: passphrase.Stretching, word: str) -> bytes:
        watch.word(word)
        watch.key(made := stretch(stretching, word))
        return made

    marked = SimpleNamespace(token_bytes=lambda size: MARK + secrets.token_bytes(size - len(MARK)))
    for module in (local, vault_kv):
        patch(module, "secrets", marked)
    for user in (derive, local, vault_kv):
        patch(user, "expand", expanded)
    patch(vault_login, "_granted", leased)
    patch(vault_login, "_looked_up", looked_up)
    patch(TokenStore, "create", created)
    patch(passphrase.Stretching, "key", stretched)


def _files(below: Path) -> Iterator[Path]:
    for folder, _, names in os.walk(below):
        yield from (path for name in names if (path := Path(folder, name)).is_file() and not path.is_symlink())


def _begins(path: Path, start: bytes) -> bool:
    with path.open("rb") as file:
        return file.read(len(start)) == start


def _is_key_file(path: Path) -> bool:
    """Of a local keystore, which holds master keys as they are or wrapped."""
    return path.stat().st_size < 1 << 20 and _NOTICE in path.read_bytes()
