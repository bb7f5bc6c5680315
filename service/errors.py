"""Domain errors. No status codes here: the API and the command line map them at their edge.

Messages are shown to users: they never carry a key, a path of the server, a URL or pixels.
"""


class VisardError(Exception):
    """Base of all errors a caller can act on; the message is safe to show."""


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


class FileUnusable(BadInput):
    """A file cannot be read or written as asked."""


class TenantInvalid(BadInput):
    """No tenant can have this name."""


class ReasonInvalid(BadInput):
    """A text meant for the audit log is empty, too long, or holds characters it must not hold."""


class Refused(VisardError):
    """The request is understood and denied."""


class RecordRefused(Refused):
    """The record was changed, or the key is not the one it was made with: nobody can tell which."""


class TenantUnknown(Refused):
    """The tenant has no key."""


class KeyVersionUnknown(Refused):
    """The tenant has no key of this version."""


class KeyDestroyed(Refused):
    """The key was destroyed, and with it everything it protected."""


class AlreadyAnonymized(Refused):
    """The image was anonymized before; doing it again must be asked for."""


class RecordUnknown(Refused):
    """This tenant has no record of the image."""


class RecordMismatch(Refused):
    """The record belongs to another image, or the image was changed too much since."""


class BundleUnknown(Refused):
    """The weights an image was made with are not installed."""


class Unavailable(VisardError):
    """A part the service depends on does not answer now; trying again may help."""


class KeysUnavailable(Unavailable):
    """The key custody does not answer, or holds something unreadable."""


class KeystoreInsecure(KeysUnavailable):
    """The local keystore is accessible to other users of the machine."""


class DatabaseUnavailable(Unavailable):
    """The database does not answer or did not carry out a request."""


class AuditUnavailable(Unavailable):
    """An audit entry could not be committed."""


class DatabaseUrlInvalid(VisardError):
    """The configured database URL cannot be used."""


class BundleInvalid(VisardError):
    """The weights directory is not a usable bundle."""


class HomeUnusable(VisardError):
    """The directory for keys, records and logs cannot be used."""
