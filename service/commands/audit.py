"""``visard audit``: read, export and verify the audit log, without the service."""

import json
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from pathlib import Path

import click
from sqlalchemy import Engine

from service.access.tenants import TenantStore
from service.audit.checkpoint import SignedCheckpoint, origin_of
from service.audit.export import export_lines, read_export
from service.audit.shipping import SUFFIX
from service.audit.signing import public_pem, read_public_pem
from service.audit.stored import StoredLog, stored_log, tenants
from service.audit.verify import Finding, Severity, verify_entries
from service.commands.exits import DONE, FAULT
from service.commands.files import read_file, write_file
from service.datastore import open_database
from service.errors import AuditExportDamaged, CheckpointInvalid, PublicKeyInvalid, TenantUnknown
from service.settings import Settings
from service.signer import audit_public_key

_file = click.Path(exists=True, path_type=Path)


@click.group()
def audit() -> None:
    """The tamper-evident log of recoveries."""


@audit.command("list")
@click.option("--tenant", required=True)
def list_(tenant: str) -> None:
    """Print the entries of one log, one JSON object a line, as they were committed."""
    with stored_log(_database_of(tenant), tenant) as log:
        for entry in log.entries:
            print(entry.body.decode(errors="replace"))


@audit.command()
@click.option("--tenant", required=True)
@click.option("--out", type=click.Path(path_type=Path), help="A file instead of stdout.")
def export(tenant: str, out: Path | None) -> None:
    """Write one log as JSON lines that `visard audit verify --export` checks anywhere."""
    with stored_log(_database_of(tenant), tenant) as log:
        text = "".join(f"{line}\n" for line in export_lines(log))
    if out is None:
        print(text, end="")
    else:
        write_file(out, text.encode(), private=True)


@audit.command("public-key")
def public_key() -> None:
    """Print the public key that checkpoints are verified with; keep it where the database's owner cannot reach."""
    print(public_pem(_key(None)), end="")


@audit.command()
@click.option("--tenant", help="One log only.")
@click.option("--checkpoint", type=_file, help="A checkpoint kept outside the database, or a folder of them.")
@click.option("--export", "exported", type=_file, help="An export instead of the database.")
@click.option("--public-key", "pem", type=_file, help="PEM; the signing key of this installation if not given.")
@click.option("--json", "as_json", is_flag=True, help="Print one JSON object on stdout and nothing else.")
def verify(tenant: str | None, checkpoint: Path | None, exported: Path | None, pem: Path | None, as_json: bool) -> int:
    """Recompute every log and compare it with what was signed; exit code 1 if anything was tampered with."""
    key = _key(pem)
    outside = _outside(checkpoint)
    names = _names(tenant, exported, outside)
    if checkpoint is not None and not outside.keys() & set(names):
        # Exit code 0 would say that the log was compared with what is kept outside.
        raise CheckpointInvalid("there is no checkpoint of a log that is verified")
    found: dict[str, list[Finding]] = {}
    for name in names:
        with _log(name, exported) as log:
            found[name] = verify_entries(log, origin_of(name), key, *outside.get(name, ()))
    intact = not any(f.severity is Severity.TAMPERING for findings in found.values() for f in findings)
    if as_json:
        logs = [{"tenant": name, "findings": [asdict(f) for f in findings]} for name, findings in found.items()]
        print(json.dumps({"intact": intact, "logs": logs}))
    else:
        for name, findings in found.items():
            _say(name, findings)
    return DONE if intact else FAULT


def _database_of(tenant: str) -> Engine:
    """The database, in which there is this tenant, or a log of that name.

    Raises:
        TenantUnknown: there is neither.
    """
    database = open_database(Settings())
    try:
        TenantStore(database).get(tenant)
    except TenantUnknown:
        if tenant not in tenants(database):
            raise
    return database


def _say(tenant: str, findings: list[Finding]) -> None:
    for finding in findings:
        print(f"{tenant}: {finding.severity}: {finding.message}")
    if not any(f.severity is Severity.TAMPERING for f in findings):
        print(f"{tenant}: every entry is as it was signed")


def _names(tenant: str | None, exported: Path | None, outside: Iterable[str]) -> list[str]:
    """A log that only a checkpoint outside knows of was removed as a whole: it counts as well."""
    if exported is not None:
        found = [_exported(exported).tenant]
        if tenant is not None and found != [tenant]:
            raise AuditExportDamaged("the export is of another tenant")
        return found
    if tenant is None:
        return sorted({*tenants(open_database(Settings())), *outside})
    if tenant not in outside:
        _database_of(tenant)
    return [tenant]


@contextmanager
def _log(tenant: str, exported: Path | None) -> Iterator[StoredLog]:
    if exported is not None:
        yield _exported(exported)
        return
    with stored_log(open_database(Settings()), tenant) as log:
        yield log


def _exported(path: Path) -> StoredLog:
    return read_export(read_file(path).decode(errors="replace").splitlines())


def _outside(path: Path | None) -> dict[str, list[str]]:
    """Checkpoints kept outside, by tenant: there may be several of one."""
    if path is None:
        return {}
    notes: dict[str, list[str]] = {}
    for file in sorted(path.glob(f"*{SUFFIX}")) if path.is_dir() else [path]:
        note = read_file(file).decode(errors="replace")
        origin = SignedCheckpoint.parse(note).checkpoint.origin
        tenant = origin.rpartition("/")[2]
        if origin != origin_of(tenant):
            raise CheckpointInvalid("the checkpoint belongs to a log of another origin")
        notes.setdefault(tenant, []).append(note)
    return notes


def _key(pem: Path | None) -> bytes:
    if pem is not None:
        return read_public_pem(read_file(pem))
    key = audit_public_key(Settings())
    if key is None:
        raise PublicKeyInvalid("there is no signing key here: name the public key with --public-key")
    return key
