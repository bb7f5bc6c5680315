"""KV secrets engine, version 2."""

from dataclasses import dataclass, field
from typing import Any

from tests.vault.answers import EMPTY, NOTHING, Answer, Failed, data, envelope, now, seconds

DEFAULT_MAX_VERSIONS = 10


@dataclass
class Version:
    data: Any
    created_time: str = field(default_factory=now)
    deletion_time: str = ""
    destroyed: bool = False

    @property
    def gone(self) -> bool:
        """Times of one format compare as texts do."""
        return self.destroyed or "" < self.deletion_time <= now()

    def metadata(self, number: int | None = None) -> dict[str, Any]:
        found = {
            "created_time": self.created_time,
            "deletion_time": self.deletion_time,
            "destroyed": self.destroyed,
        }
        return found if number is None else {**found, "custom_metadata": None, "version": number}


@dataclass
class Secret:
    versions: dict[int, Version] = field(default_factory=dict)
    current: int = 0
    max_versions: int = 0


class Kv:
    def __init__(self) -> None:
        self.secrets: dict[str, Secret] = {}
        self.max_versions = 0
        self.delete_after_s = 0.0

    def exists(self, path: str) -> bool:
        """Whether writing is an update and not a creation."""
        kind, _, name = path.partition("/")
        return kind != "data" or name in self.secrets

    def handle(self, method: str, path: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        kind, _, name = path.partition("/")
        if kind == "metadata" and method == "LIST":
            return self._list(name.rstrip("/"))
        action = {
            ("data", "GET"): self._read,
            ("data", "POST"): self._write,
            ("data", "DELETE"): self._delete_latest,
            ("delete", "POST"): self._delete,
            ("undelete", "POST"): self._undelete,
            ("destroy", "POST"): self._destroy,
            ("metadata", "GET"): self._metadata,
            ("metadata", "POST"): self._configure,
            ("metadata", "DELETE"): self._forget,
            ("config", "POST"): self._configure_engine,
            ("config", "GET"): self._read_engine,
        }.get((kind, method))
        if action is None:
            raise Failed(405, "unsupported operation")
        return action(name, body, query)

    def _list(self, folder: str) -> Answer:
        prefix = f"{folder}/" if folder else ""
        below = [name.removeprefix(prefix) for name in self.secrets if name.startswith(prefix)]
        names = sorted({head + ("/" if slash else "") for head, slash, _ in (name.partition("/") for name in below)})
        if not names:
            raise NOTHING
        return data({"keys": names})

    def _read(self, name: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        secret = self._secret(name)
        number = int(query.get("version", 0)) or secret.current
        version = secret.versions.get(number)
        if version is None:
            raise NOTHING
        content = {"data": version.data, "metadata": version.metadata(number)}
        if version.gone:
            return Answer(404, envelope({**content, "data": None}))
        return data(content)

    def _write(self, name: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        secret = self.secrets.get(name, Secret())
        cas = body.get("options", {}).get("cas")
        if cas is not None and cas != secret.current:
            raise Failed(400, "check-and-set parameter did not match the current version")
        self.secrets[name] = secret
        secret.current += 1
        doomed = now(self.delete_after_s) if self.delete_after_s else ""
        secret.versions[secret.current] = Version(body["data"], deletion_time=doomed)
        kept = secret.max_versions or self.max_versions or DEFAULT_MAX_VERSIONS
        for number in [number for number in secret.versions if number <= secret.current - kept]:
            del secret.versions[number]
        return data(secret.versions[secret.current].metadata(secret.current))

    def _delete_latest(self, name: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        if name in self.secrets:
            self._delete(name, {"versions": [self.secrets[name].current]}, query)
        return EMPTY

    def _delete(self, name: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        for version in self._chosen(name, body):
            version.deletion_time = version.deletion_time or now()
        return EMPTY

    def _undelete(self, name: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        for version in self._chosen(name, body):
            version.deletion_time = ""
        return EMPTY

    def _destroy(self, name: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        for version in self._chosen(name, body):
            version.data, version.destroyed = None, True
        return EMPTY

    def _metadata(self, name: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        secret = self._secret(name)
        versions = {str(number): version.metadata() for number, version in secret.versions.items()}
        times = [version.created_time for version in secret.versions.values()]
        return data(
            {
                "cas_required": False,
                "created_time": times[0],
                "current_version": secret.current,
                "custom_metadata": None,
                "delete_version_after": "0s",
                "max_versions": secret.max_versions,
                "oldest_version": min(secret.versions),
                "updated_time": times[-1],
                "versions": versions,
            }
        )

    def _configure(self, name: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        self.secrets.setdefault(name, Secret()).max_versions = int(body.get("max_versions", 0))
        return EMPTY

    def _forget(self, name: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        self.secrets.pop(name, None)
        return EMPTY

    def _configure_engine(self, name: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        self.max_versions = int(body.get("max_versions", 0))
        self.delete_after_s = seconds(body.get("delete_version_after", 0))
        return EMPTY

    def _read_engine(self, name: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        return data({"cas_required": False, "delete_version_after": "0s", "max_versions": self.max_versions})

    def _secret(self, name: str) -> Secret:
        if name not in self.secrets:
            raise NOTHING
        return self.secrets[name]

    def _chosen(self, name: str, body: dict[str, Any]) -> list[Version]:
        versions = self.secrets[name].versions if name in self.secrets else {}
        return [versions[int(number)] for number in body["versions"] if int(number) in versions]
