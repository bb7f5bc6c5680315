"""``visard approve``: a second person lets a recovery happen."""

import json
from datetime import datetime
from uuid import UUID

import click

from service.administration import open_books
from service.commands.expiry import Expiry
from service.commands.instants import instant
from service.commands.operator import operator
from service.commands.options import json_option
from service.operations.approve import ApproveRequest
from service.operations.approve import approve as approve_recovery
from service.settings import Settings


@click.command()
@click.option("--tenant", required=True, help="Whose recoveries.")
@click.option("--record", type=click.UUID, help="The record that may be recovered.")
@click.option("--case", help="Or the case in which any may be.")
@click.option("--reason", required=True, help="Why; goes into the audit log.")
@click.option("--expires", type=Expiry(), default="1d", show_default=True, help="30d, 12h, or a date like 2030-01-31.")
@json_option
def approve(tenant: str, record: UUID | None, case: str | None, reason: str, expires: datetime, as_json: bool) -> None:
    """Approve the recovery of one record, or recoveries in one case, by somebody else.

    It does not count for the account that types this. Whether it counts once or until it expires is the
    tenant's policy.
    """
    ask = ApproveRequest(tenant=tenant, subject=operator(), record=record, case=case, reason=reason, expires=expires)
    with open_books(Settings()) as books:
        books.tenants.get(tenant)
        made = approve_recovery(ask, books)
    until = instant(made.expires)
    if as_json:
        print(json.dumps({"approval": str(made.id), "record": _text(record), "case": made.case, "expires": until}))
        return
    print(f"{made.id} approves {f'record {record}' if record else f'case {made.case}'} until {until}")


def _text(record: UUID | None) -> str | None:
    return None if record is None else str(record)
