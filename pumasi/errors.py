"""Errors of the library: one root, one line per meaning.

Every message names the cause, the place and what to do. None carries a row value or an identifier.
"""


class PumasiError(Exception):
    """Root of every error that the library raises on purpose."""


class ConfigError(PumasiError):
    """A configuration file or variable is wrong or missing."""


class DeliveryError(PumasiError):
    """A delivery is refused: nothing of it enters, everything read before stays as it was."""


class PseudonymisationError(PumasiError):
    """The hospital's key is missing, readable by others, or two identifiers collide."""


class VocabularyError(PumasiError):
    """The vocabulary folder lacks a table or holds one that can't be read."""


class CompileError(PumasiError):
    """dbt is missing, or it can't compile the project."""


class WithdrawalError(PumasiError):
    """A withdrawal is asked for wrongly, or one did not end and stands in the way."""


class ReleaseError(PumasiError):
    """A release is missing, incomplete or not what was sealed."""


class GateClosedError(PumasiError):
    """The latest release may not be learned from; the message lists every reason."""


class ClosedForPurposeError(GateClosedError):
    """The latest release is open, but lacks what this purpose needs."""


class AuditError(PumasiError):
    """The audit log can't be written, so what it would tell of is not done."""


class AlertError(PumasiError):
    """A closed gate can't be told to the hospital's webhook now; it is tried again."""


class TaskError(PumasiError):
    """A learning task can't be fitted on the data it was given."""


class TooFewCasesError(TaskError):
    """A hospital has too few cases to learn a task from: a correct end, not a failure."""


class NotMappedError(TaskError):
    """A hospital has not mapped what a task rests on: a correct end, not a failure."""


class QualityError(PumasiError):
    """A database can't be checked: no such file, schema, or table of OMOP in it."""


class ApprovalError(PumasiError):
    """An approval can't be signed or revoked as asked; nothing was changed."""


class QueryError(PumasiError):
    """A query is unknown, badly formed, or asks for columns that the rows don't have."""


class EnrolmentError(PumasiError):
    """A key, certificate or list of hospitals is missing, or not what was agreed on."""


class FrameError(PumasiError):
    """What came on a socket is no message, or too long a one."""


class FederationError(PumasiError):
    """An exchange did not end: the message names the hospital and what to do."""


class RefusalError(FederationError):
    """A hospital answered that it does not answer; the message has its name and the code."""


class AimedError(RefusalError):
    """A hospital refused coefficients by which few persons would make most of a sum."""


class SuppressedError(PumasiError):
    """A sum counts fewer persons than may be shown; suppressed is not zero."""


class EstimationError(PumasiError):
    """No estimate can be given: too little data, separation, collinearity, no convergence."""
