"""Transit secrets engine: keys, rotation, configuration, trimming, HMAC and Ed25519 signatures."""

import base64
import hashlib
import hmac
import re
import secrets
import time
from dataclasses import dataclass, field
from typing import Any

from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from tests.leaks.mark import MARK
from tests.vault.answers import EMPTY, NOTHING, Answer, Failed, data, now

_NAME = re.compile(r"\w(([\w.-]+)?\w)?")


@dataclass
class Key:
    options: dict[str, Any]
    type: str = "aes256-gcm96"
    masters: dict[int, bytes] = field(default_factory=dict)
    made: dict[int, int] = field(default_factory=dict)
    latest: int = 0
    min_decryption: int = 1
    min_encryption: int = 0
    min_available: int = 0

    def rotate(self) -> None:
        self.latest += 1
        self.masters[self.latest] = MARK + secrets.token_bytes(32 - len(MARK))
        self.made[self.latest] = int(time.time())

    def listed(self, number: int) -> Any:
        """What is told of a version: when it was made, and its public key if it has one."""
        if self.type != "ed25519":
            return self.made[number]
        public_key = self.private(number).public_key().public_bytes_raw()
        return {"creation_time": now(), "name": self.type, "public_key": base64.b64encode(public_key).decode()}

    def private(self, number: int) -> Ed25519PrivateKey:
        return Ed25519PrivateKey.from_private_bytes(self.masters[number])


class Transit:
    def __init__(self) -> None:
        self.keys: dict[str, Key] = {}

    def exists(self, path: str) -> bool:
        """Whether writing is an update and not a creation."""
        kind, _, name = path.partition("/")
        return kind != "keys" or "/" in name or name in self.keys

    def handle(self, method: str, path: str, body: dict[str, Any], query: dict[str, str]) -> Answer:
        kind, name, *more = path.split("/")
        if not _NAME.fullmatch(name):
            raise Failed(404, f'no handler for route "{path}". route entry not found.')
        if kind == "hmac" and method == "POST":
            return self._hmac(name, body, more[0] if more else body.get("algorithm", "sha2-256"))
        if kind == "sign" and method == "POST" and not more:
            return self._sign(name, body)
        if (kind, name, method) == ("export", "hmac-key", "GET"):
            return self._export(*more)
        action = {
            ("GET", ()): self._read,
            ("POST", ()): self._create,
            ("DELETE", ()): self._delete,
            ("POST", ("rotate",)): self._rotate,
            ("POST", ("config",)): self._configure,
            ("POST", ("trim",)): self._trim,
        }.get((method, tuple(more)))
        if kind != "keys" or action is None:
            raise Failed(405, "unsupported operation")
        return action(name, body)

    def _create(self, name: str, body: dict[str, Any]) -> Answer:
        type_ = body.get("type", "aes256-gcm96")
        if type_ not in ("aes256-gcm96", "ed25519"):
            raise Failed(400, "the double knows aes256-gcm96 and ed25519 only")
        if name not in self.keys:
            self.keys[name] = Key({option: body.get(option, False) for option in ("derived", "exportable")}, type_)
            self.keys[name].rotate()
        return EMPTY

    def _delete(self, name: str, body: dict[str, Any]) -> Answer:
        if not self._key(name).options.get("deletion_allowed"):
            raise Failed(400, "deletion is not allowed for this key")
        del self.keys[name]
        return EMPTY

    def _read(self, name: str, body: dict[str, Any]) -> Answer:
        if name not in self.keys:
            raise NOTHING
        key = self.keys[name]
        return data(
            {
                "deletion_allowed": False,
                **key.options,
                "allow_plaintext_backup": False,
                "keys": {str(n): key.listed(n) for n in key.made if n >= key.min_decryption},
                "latest_version": key.latest,
                "min_available_version": key.min_available,
                "min_decryption_version": key.min_decryption,
                "min_encryption_version": key.min_encryption,
                "name": name,
                "supports_derivation": True,
                "supports_signing": key.type == "ed25519",
                "type": key.type,
            }
        )

    def _rotate(self, name: str, body: dict[str, Any]) -> Answer:
        self._key(name).rotate()
        return EMPTY

    def _configure(self, name: str, body: dict[str, Any]) -> Answer:
        key = self._key(name)
        decryption = body.get("min_decryption_version", key.min_decryption)
        encryption = body.get("min_encryption_version", key.min_encryption)
        if max(decryption, encryption) > key.latest:
            raise Failed(400, f"cannot set min version, latest key version is {key.latest}")
        if 0 < encryption < decryption:
            raise Failed(400, "cannot set min encryption version less than min decryption version")
        if key.min_available and (encryption < key.min_available or decryption < key.min_available):
            raise Failed(400, "min encryption version should not be less than min available version")
        key.min_decryption, key.min_encryption = decryption, encryption
        key.options["deletion_allowed"] = body.get("deletion_allowed", key.options.get("deletion_allowed", False))
        return EMPTY

    def _trim(self, name: str, body: dict[str, Any]) -> Answer:
        key, first = self._key(name), int(body["min_available_version"])
        if not key.min_encryption or first > min(key.min_encryption, key.min_decryption):
            raise Failed(400, "minimum available version cannot be greater than the minimum versions in use")
        if first < key.min_available:
            raise Failed(400, "minimum available version cannot be decremented")
        key.min_available = first
        for number in [number for number in key.masters if number < first]:
            del key.masters[number], key.made[number]
        return EMPTY

    def _hmac(self, name: str, body: dict[str, Any], algorithm: str) -> Answer:
        if name not in self.keys:
            raise Failed(400, "encryption key not found")
        key, number = self.keys[name], int(body.get("key_version", 0))
        number = number or key.latest
        if algorithm != "sha2-256":
            raise Failed(400, "the double knows sha2-256 only")
        if number > key.latest:
            raise Failed(400, f"key version does not exist; latest key version is {key.latest}")
        if number < key.min_encryption:
            raise Failed(400, "cannot generate HMAC: version is too old (disallowed by policy)")
        mac = hmac.digest(key.masters[number], base64.b64decode(body["input"]), hashlib.sha256)
        return data({"hmac": f"vault:v{number}:{base64.b64encode(mac).decode()}"})

    def _sign(self, name: str, body: dict[str, Any]) -> Answer:
        if name not in self.keys:
            raise Failed(400, "signing key not found")
        key, number = self.keys[name], int(body.get("key_version", 0))
        number = number or key.latest
        if key.type != "ed25519":
            raise Failed(400, f"key type {key.type} does not support signing")
        if number > key.latest or number not in key.masters:
            raise Failed(400, "requested version for signing is not available")
        if number < key.min_encryption:
            # As OpenBao 2.7 has it.
            raise Failed(500, "requested version for signing is less than the minimum encryption key version")
        signature = key.private(number).sign(base64.b64decode(body["input"]))
        return data({"signature": f"vault:v{number}:{base64.b64encode(signature).decode()}"})

    def _export(self, name: str, version: str) -> Answer:
        key = self._key(name)
        if not key.options["exportable"]:
            raise Failed(400, "private key material is not exportable")
        return data({"name": name, "keys": {version: base64.b64encode(key.masters[int(version)]).decode()}})

    def _key(self, name: str) -> Key:
        if name not in self.keys:
            raise Failed(400, "key not found")
        return self.keys[name]
