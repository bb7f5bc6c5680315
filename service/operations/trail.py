"""What becomes known while a recovery goes on, for the audit log."""

from dataclasses import dataclass
from datetime import UTC, datetime
from uuid import UUID

from service.audit.entry import Outcome, RecoveryAttempt, Result
from service.imaging import Picture, pixels_digest
from service.operations.foreign import DeniedAttempt


@dataclass(slots=True)
class Trail:
    """What became known on the way.

    Attributes:
        picture: that was handed in.
        named: the record it was asked for, or that the file names; nobody knows yet whose.
        record: the record that was found.
        key_version: of the key it needs.
        approval: the approval that was claimed.
        unsure: one is being claimed, or nobody knows whether it was: the answer to a commit can be lost.
    """

    picture: Picture | None = None
    named: UUID | None = None
    record: UUID | None = None
    key_version: int | None = None
    approval: UUID | None = None
    unsure: bool = False

    def denied(self, attempt: RecoveryAttempt) -> DeniedAttempt:
        """For the log of who owns what was meant."""
        digest = None if self.picture is None else pixels_digest(self.picture)
        return DeniedAttempt(
            tenant=attempt.tenant,
            subject=attempt.subject,
            attempt=attempt.id,
            record=self.named,
            pixels_digest=digest,
        )

    def outcome(self, attempt: UUID, result: Result, detail: str, fidelity: str | None = None) -> Outcome:
        """For the caller's own log."""
        return Outcome(
            attempt=attempt,
            time=datetime.now(UTC),
            result=result,
            detail=detail,
            record=self.record,
            key_version=self.key_version,
            fidelity=fidelity,
            approval=self.approval,
        )
