"""The errors that people see: a stable code, what was wrong, and what to do about it.

TidemillError            TM000  exit 1   our fault
├── UsageError           TM100  exit 2   the call itself is wrong
├── CheckFailedError     TM200  exit 3   a check gave its verdict: no
├── NotFoundError        TM300  exit 4   no such thing
├── InvalidInputError    TM400  exit 5   data, code or a file that cannot be taken as it is
│   ├── StepFailedError  TM410           a step of the user's own raised
│   └── CorruptError     TM420           stored bytes are not what their digest says
├── ConflictError        TM500  exit 6   somebody else was faster, or it exists already
│   └── LeaseHeldError   TM510           another process works on it
├── NotAllowedError      TM600  exit 7   a policy or a role says no
├── UnavailableError     TM700  exit 8   the other side does not answer, or there is no room
│   └── MissingExtraError TM710          an optional package is not installed
└── CancelledError       TM800  exit 130 somebody pressed Ctrl-C

A practice that needs a more telling error subclasses one of these in its own folder, with a code
of its own in the same hundred; exit code and HTTP status are inherited.
"""


class TidemillError(Exception):
    """Base of all our errors. `code` is stable for scripts; `fix` is shown to people."""

    code = "TM000"
    http_status = 500
    exit_code = 1

    def __init__(self, what: str, *, fix: str) -> None:
        super().__init__(f"{what}\n  fix: {fix}")
        self.what, self.fix = what, fix


class UsageError(TidemillError):
    """The call is wrong: an unknown option, a missing argument."""

    code, http_status, exit_code = "TM100", 400, 2


class CheckFailedError(TidemillError):
    """A check ran and said no; the verdict is in the record."""

    code, http_status, exit_code = "TM200", 409, 3


class NotFoundError(TidemillError):
    """Nothing has this name, number, alias or digest."""

    code, http_status, exit_code = "TM300", 404, 4


class InvalidInputError(TidemillError):
    """The input cannot be taken as it is; nothing was changed."""

    code, http_status, exit_code = "TM400", 422, 5


class StepFailedError(InvalidInputError):
    """A step raised; names the step and the line in the user's own file."""

    code = "TM410"


class CorruptError(InvalidInputError):
    """Stored bytes do not have the digest that names them."""

    code = "TM420"


class ConflictError(TidemillError):
    """The thing changed meanwhile, or exists already."""

    code, http_status, exit_code = "TM500", 409, 6


class LeaseHeldError(ConflictError):
    """Another process holds the lease; names it."""

    code = "TM510"


class NotAllowedError(TidemillError):
    """A policy or a role does not allow this."""

    code, http_status, exit_code = "TM600", 403, 7


class UnavailableError(TidemillError):
    """The other side does not answer, or the disk is full."""

    code, http_status, exit_code = "TM700", 503, 8


class MissingExtraError(UnavailableError):
    """An optional package is missing; the fix is the command that installs it."""

    code = "TM710"


class CancelledError(TidemillError):
    """Somebody asked to stop; what had finished is kept."""

    code, http_status, exit_code = "TM800", 499, 130
