"""Domain errors. No status codes here: the API and the command line map them at their edge.

Messages are shown to users: they never carry a key, a path of the server, a URL or pixels.
"""


class VisardError(Exception):
    """Base of all errors a caller can act on; the message is safe to show."""


def code_of(kind: type[VisardError]) -> str:
    """``NoFaces`` to ``no-faces``: stable, and the same in problem types, in the audit log and in manifests."""
    return "".join(f"-{c.lower()}" if c.isupper() else c for c in kind.__name__).strip("-")


class BadInput(VisardError):
    """The caller sent something that cannot be processed."""


class UnsupportedFormat(BadInput):
    """The bytes are no image of a kind that is read here."""


class ImageDamaged(BadInput):
    """The image is truncated or corrupt."""


class ImageTooLarge(BadInput):
    """The image, or something in it, exceeds a limit."""


class MultiFrame(BadInput):
    """The file holds an animation or several pages."""


class DepthUnsupported(BadInput):
    """The output format cannot hold 16 bits per channel."""


class AlphaUnsupported(BadInput):
    """The output format cannot hold transparency."""


class RecordDamaged(BadInput):
    """The image holds a record, but not a whole one."""


class RecordTooLarge(BadInput):
    """The record does not fit into an image file."""


class RecordVersionUnknown(BadInput):
    """The record was written in a format this version does not know."""


class SelectionInvalid(BadInput):
    """The boxes or indices that choose faces do not fit the image."""


class NoFaces(BadInput):
    """No face was found in the image."""


class TooManyFaces(BadInput):
    """The image holds more faces to replace than one request may."""


class ParameterInvalid(BadInput):
    """A parameter in the address of a request is unknown, missing or wrong."""


class FormInvalid(BadInput):
    """The form of a request is malformed, or a field of it is missing, unknown or wrong."""


class FormTypeUnsupported(BadInput):
    """The body of a request is no multipart form."""


class UploadTooLarge(BadInput):
    """The body of a request exceeds the limit."""


class UploadTooSlow(BadInput):
    """The body of a request did not arrive in time."""


class FileUnusable(BadInput):
    """A file cannot be read or written as asked."""


class NameUnusable(FileUnusable):
    """No file can have this name where it is to be written; others can have theirs."""


class ManifestUnusable(BadInput):
    """The manifest of a batch cannot be read or written, or another process works on it."""


class IdempotencyKeyInvalid(BadInput):
    """An idempotency key is malformed."""


class IdempotencyKeyReused(BadInput):
    """An idempotency key was used before, for another request."""


class TenantInvalid(BadInput):
    """No tenant can have this name."""


class PolicyInvalid(BadInput):
    """Two choices of a tenant contradict each other."""


class ApprovalInvalid(BadInput):
    """No approval can be made like this."""


class TokenInvalid(BadInput):
    """No token can be made like this."""


class ReasonInvalid(BadInput):
    """A text meant for the audit log is empty, too long, or holds characters it must not hold."""


class AuditValueInvalid(BadInput):
    """A value cannot stand in an audit entry."""


class CheckpointInvalid(BadInput):
    """A text is no signed checkpoint, or one of another log."""


class PublicKeyInvalid(BadInput):
    """No key to check checkpoints with was given, or it is none."""


class AuditExportDamaged(BadInput):
    """A file is no export of an audit log, or of another log than the one asked for."""


class AuditRangeInvalid(BadInput):
    """A proof was asked for about entries the log does not have."""


class Refused(VisardError):
    """The request is understood and denied."""


class AuditEntryUnknown(Refused):
    """The log has no such entry."""


class RecordRefused(Refused):
    """The record was changed, or the key is not the one it was made with: nobody can tell which."""


class TenantUnknown(Refused):
    """There is no such tenant, or it has no key."""


class TenantExists(Refused):
    """There is a tenant of this name already."""


class ScopeMissing(Refused):
    """The caller may not do this."""


class RateExceeded(Refused):
    """The caller asks more often than it may.

    Attributes:
        retry_s: seconds after which it may ask again.
    """

    def __init__(self, retry_s: int) -> None:
        super().__init__("too many requests of this caller: try again later")
        self.retry_s = retry_s


class RequestInProgress(Refused):
    """The same request is being answered already."""


class AnswerGone(Refused):
    """What was answered under an idempotency key is kept no more: its image was erased or expired, or it is damaged."""


class TokenUnknown(Refused):
    """No token has this id."""


class KeyVersionUnknown(Refused):
    """The tenant has no key of this version."""


class KeyDestroyed(Refused):
    """The key was destroyed, and with it everything it protected."""


class KeyHeldElsewhere(Refused):
    """The key of an image is held by another custodian than the one this installation uses."""


class KeysForbidden(Refused):
    """The key custody knows this service and denies it the key."""


class DestructionRefused(Refused):
    """The key custody cannot destroy this version as things are."""


class AlreadyAnonymized(Refused):
    """The image was anonymized before; doing it again must be asked for."""


class RecordUnknown(Refused):
    """This tenant has no record of the image."""


class RecordErased(Refused):
    """The record was erased or has expired: the image can never be recovered again."""


class PolicyForbids(Refused):
    """What was asked for is against what the tenant has chosen."""


class ApprovalMissing(Refused):
    """A second person has to approve this recovery first."""


class RecordMismatch(Refused):
    """The record belongs to another image, or the image was changed too much since."""


class BundleUnknown(Refused):
    """The weights an image was made with are not installed."""


class AuditEntriesPresent(Refused):
    """The step would destroy audit entries."""


class Unavailable(VisardError):
    """A part the service depends on does not answer now; trying again may help."""


class IdentityProviderUnavailable(Unavailable):
    """The keys that tokens are checked with cannot be had."""


class KeysUnavailable(Unavailable):
    """The key custody does not answer, or holds something unreadable."""


class KeystoreInsecure(KeysUnavailable):
    """The local keystore is accessible to other users of the machine."""


class DatabaseUnavailable(Unavailable):
    """The database does not answer or did not carry out a request."""


class DatabaseOutdated(DatabaseUnavailable):
    """The database has not the schema of this version."""


class AuditUnavailable(Unavailable):
    """An audit entry could not be committed."""


class AuditTampered(AuditUnavailable):
    """The log is not as it was left: nothing is added to it until a person has looked."""


class SigningKeyUnusable(Unavailable):
    """The key that signs checkpoints cannot be used."""


class CheckpointNotShipped(Unavailable):
    """A checkpoint did not get out of the database's reach."""


class EngineBusy(Unavailable):
    """Too much is waiting for the device."""


class EngineClosed(Unavailable):
    """The service is shutting down."""


class EngineUnavailable(Unavailable):
    """The machines that draw faces do not answer."""


class FilesUnavailable(Unavailable):
    """A folder or an object store does not answer."""


class CallerGone(Unavailable):
    """The caller went away before the answer was made."""


class CheckpointUrlInvalid(VisardError):
    """Checkpoints cannot be sent where they should."""


class DatabaseUrlInvalid(VisardError):
    """The configured database URL cannot be used."""


class BundleInvalid(VisardError):
    """The weights directory is not a usable bundle."""


class PepperUnusable(VisardError):
    """The key that hashes tokens cannot be made, is damaged, or is accessible to other users of the machine."""


class SettingsInvalid(VisardError):
    """A setting is unknown, or its value cannot be used."""


class AddressUnusable(VisardError):
    """The service cannot listen where it should."""


class NotForProduction(VisardError):
    """The configuration names production and asks for parts that are for development only."""


class HomeUnusable(VisardError):
    """The directory for keys, records and logs cannot be used."""


class EvaluationUnavailable(VisardError):
    """Something an evaluation needs is not installed or cannot be loaded."""
