"""What a serving process does every so often, beside its requests."""

import logging
from collections import defaultdict
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from uuid import uuid4

from service.access.tokens import TokenStore
from service.api import Desk
from service.api.refusals import Surplus
from service.audit.entry import Kind
from service.errors import AuditUnavailable
from service.keys.certificates import first_end
from service.metrics import Metrics
from service.operations.upkeep import in_turn, never, tidy

_SOON = timedelta(days=7)
_log = logging.getLogger(__name__)


def keep_up(
    desk: Desk, tokens: TokenStore, certificates: Mapping[str, Path], stopped: Callable[[], bool] = never
) -> None:
    """Do everything once; what fails is raised after the rest.

    Args:
        certificates: files whose end is watched, by the name of their setting.
        stopped: whether to leave the rest undone.
    """
    tidy_up = partial(tidy, desk.parts.audit, desk.parts.records, partial(_interrupted, desk), stopped)
    in_turn(
        lambda: _audited(desk, tidy_up),
        lambda: write_surplus(desk, stopped),
        desk.replays.forget_expired,
        lambda: _forget_quotas(desk),
        lambda: desk.metrics.expiring(tokens.expiring(_SOON)),
        *(partial(_watch, name, file, desk.metrics) for name, file in certificates.items()),
        stopped=stopped,
    )


def finish(desk: Desk) -> None:
    """Write down what waits for the end of a minute; after the last request.

    The first that cannot be written ends it: each may take as long as the log is waited for, and nobody waits for it.
    """
    waiting = desk.refusals.take(unfinished=True)
    try:
        _write(desk, waiting)
    except Exception as error:  # noqa: BLE001
        lost = sum(surplus.count for surplus in waiting)
        _log.warning("%d refusals are not counted in the audit log: %s", lost, type(error).__name__)


def _interrupted(desk: Desk) -> None:
    desk.metrics.recovery("interrupted")


def _audited(desk: Desk, call: Callable[[], object]) -> None:
    try:
        call()
    except AuditUnavailable:
        desk.metrics.audit_failed()
        raise


def write_surplus(desk: Desk, stopped: Callable[[], bool] = never) -> None:
    """Say how many refusals were not written down one by one; a log that fails holds up no other."""
    of_tenants: dict[str, list[Surplus]] = defaultdict(list)
    for surplus in desk.refusals.take():
        of_tenants[surplus.tenant].append(surplus)
    in_turn(*(partial(_write_or_keep, desk, waiting, stopped) for waiting in of_tenants.values()))


def _write_or_keep(desk: Desk, waiting: list[Surplus], stopped: Callable[[], bool]) -> None:
    """Write those of one log; behind the first that fails the others wait for the next time, too."""
    try:
        if not stopped():
            _write(desk, waiting)
    finally:
        for surplus in waiting:
            desk.refusals.put_back(surplus)


def _write(desk: Desk, waiting: list[Surplus]) -> None:
    """Write one after the other; what is written leaves the list."""
    while waiting:
        _audited(desk, partial(_append, desk, waiting[0]))
        del waiting[0]


def _append(desk: Desk, surplus: Surplus) -> None:
    desk.parts.audit.append(surplus.tenant, Kind.REFUSALS, uuid4(), surplus.fields(), datetime.now(UTC))


def _forget_quotas(desk: Desk) -> None:
    if desk.quota is not None:
        desk.quota.forget_rested()


def _watch(name: str, certificate: Path, metrics: Metrics) -> None:
    metrics.certificate_ends(name, first_end(certificate).timestamp())
