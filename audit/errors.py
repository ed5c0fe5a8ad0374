"""What can go wrong, each with where it is, what was found, and what to type next."""

from __future__ import annotations


class AuditError(Exception):
    """The base of every error that a user can mend.

    `what` says what was wrong and what exists, `where` names the place (a file and line, a
    column, an option), `hint` says what to type next. `exit_code` is what the command line ends
    with, `code` is the name under which the error is documented.

    >>> print(SpecError("unknown metric 'tpr'", where="audit.yaml:12", hint="Write true_positive_rate."))
    audit.yaml:12: unknown metric 'tpr'
      Hint: Write true_positive_rate.
    """

    code = "internal"
    exit_code = 4

    def __init__(self, what: str, *, where: str | None = None, hint: str | None = None) -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.hint = hint

    def __str__(self) -> str:
        head = f"{self.where}: {self.what}" if self.where else self.what
        return f"{head}\n  Hint: {self.hint}" if self.hint else head


class UsageError(AuditError):
    """The command, or an argument of a function, asks for something that cannot be."""

    code = "usage"
    exit_code = 2


class SpecError(UsageError):
    """`audit.yaml` says something that is not allowed; `where` is its file and line."""

    code = "spec"


class DataError(AuditError):
    """The data holds something that cannot be audited as it stands."""

    code = "data"


class BundleError(AuditError):
    """An evidence bundle is missing, incomplete or was changed."""

    code = "bundle"


class OutputError(AuditError):
    """The result could not be written; what stood there before still stands."""

    code = "output"
