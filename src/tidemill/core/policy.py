"""What the move of an alias needs: who, which verdicts, how many approvals. A value under a ref."""

import msgspec

from tidemill.core.text import counted


class Policy(msgspec.Struct, frozen=True, kw_only=True):
    """The rule of one alias of one ref. An empty policy lets everybody move it with a reason."""

    alias: str
    actors: tuple[str, ...] = ()
    """Names of actors or teams that may move it; empty: anybody who may write."""
    verdicts: tuple[str, ...] = ()
    """Checks that must have passed on the artifact, by name (`gates`, `comparison`)."""
    approvals: int = 0
    """Approvals by others than who moves it."""
    needs_reason: bool = True

    def __str__(self) -> str:
        needs = [
            "a reason" if self.needs_reason else "",
            f"a pass of {', '.join(self.verdicts)}" if self.verdicts else "",
            counted(self.approvals, "approval") if self.approvals else "",
            f"one of {', '.join(self.actors)} to do it" if self.actors else "",
        ]
        told = ", ".join(need for need in needs if need) or "nothing"
        return f"@{self.alias} moves only with {told}"

    __repr__ = __str__
