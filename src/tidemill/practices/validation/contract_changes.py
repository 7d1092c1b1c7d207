"""What a change of a contract means to those who read the data: widening, narrowing, breaking."""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import msgspec

from tidemill.core.text import table

if TYPE_CHECKING:
    from collections.abc import Iterator

    from tidemill.practices.validation.spec import ColumnSpec, ContractSpec

Effect = Literal["widening", "narrowing", "breaking", "wording"]
_ORDER: tuple[Effect, ...] = ("wording", "widening", "narrowing", "breaking")


class ContractChange(msgspec.Struct, frozen=True, kw_only=True):
    """One difference, and what it means: new data may be more, less, or not what it was."""

    what: str
    effect: Effect
    old: str
    new: str


class ContractChanges(msgspec.Struct, frozen=True, kw_only=True):
    """All differences of two contracts; `effect` is the gravest one, None: they are equal."""

    changes: tuple[ContractChange, ...]
    effect: Effect | None

    def __str__(self) -> str:
        if not self.changes:
            return "the contracts are equal"
        rows = [[change.what, change.effect, change.old, change.new] for change in self.changes]
        return f"{self.effect}\n{table(['what', 'effect', 'before', 'now'], rows)}"

    __repr__ = __str__


def contract_changes(old: ContractSpec, new: ContractSpec) -> ContractChanges:
    """Return what differs between two contracts, column by column."""
    changes = tuple(_changes(old, new))
    effects = [change.effect for change in changes]
    return ContractChanges(
        changes=changes, effect=max(effects, key=_ORDER.index) if effects else None
    )


def _changes(old: ContractSpec, new: ContractSpec) -> Iterator[ContractChange]:
    before = {column.name: column for column in old.columns}
    now = {column.name: column for column in new.columns}
    for name in dict.fromkeys([*before, *now]):
        if name not in now:
            yield _change(name, "breaking", "a column", "gone")
        elif name not in before:
            effect: Effect = "widening" if now[name].is_nullable else "narrowing"
            yield _change(name, effect, "-", "a column")
        else:
            yield from _column_changes(before[name], now[name])
    yield from _rule_changes(old, new)
    for field in ("key", "unique"):
        yield from _if_other(field, "breaking", getattr(old, field), getattr(new, field))
    for field in ("min_rows", "fresh_within", "max_quarantined_share", "takes_more_columns"):
        yield from _if_other(field, "narrowing", getattr(old, field), getattr(new, field))


def _column_changes(old: ColumnSpec, new: ColumnSpec) -> Iterator[ContractChange]:
    name = new.name
    yield from _if_other(f"{name}: type", "breaking", old.type, new.type)
    yield from _if_other(f"{name}: unit", "breaking", old.unit, new.unit)
    yield from _if_other(f"{name}: meaning", "wording", old.meaning, new.meaning)
    null_effect: Effect = "widening" if new.is_nullable else "narrowing"
    yield from _if_other(f"{name}: may be missing", null_effect, old.is_nullable, new.is_nullable)
    if old.between != new.between:
        effect = _wider(_lies_in(old.between, new.between))
        yield _change(f"{name}: between", effect, old.between, new.between)
    if old.one_of != new.one_of:
        fits = new.one_of is None or (old.one_of is not None and set(old.one_of) <= set(new.one_of))
        yield _change(f"{name}: one_of", _wider(fits), old.one_of, new.one_of)
    yield from _if_other(f"{name}: pattern", _wider(not new.pattern), old.pattern, new.pattern)
    shares = old.max_null_share, new.max_null_share
    fits = shares[1] is None or (shares[0] is not None and shares[0] <= shares[1])
    yield from _if_other(f"{name}: max_null_share", _wider(fits), *shares)
    yield from _if_other(f"{name}: unique", _wider(not new.is_unique), old.is_unique, new.is_unique)


def _rule_changes(old: ContractSpec, new: ContractSpec) -> Iterator[ContractChange]:
    before = {rule.name: rule.expression for rule in old.rules}
    now = {rule.name: rule.expression for rule in new.rules}
    for name in dict.fromkeys([*before, *now]):
        effect = _wider(name not in now)
        yield from _if_other(f"rule {name}", effect, before.get(name, "-"), now.get(name, "-"))


def _lies_in(old: tuple[object, object] | None, new: tuple[object, object] | None) -> bool:
    """Return whether every value of the old range is in the new one."""
    if new is None:
        return True
    if old is None:
        return False
    low, high = new
    return (low is None or (old[0] is not None and old[0] >= low)) and (  # type: ignore[operator]
        high is None or (old[1] is not None and old[1] <= high)  # type: ignore[operator]
    )


def _wider(is_wider: bool) -> Effect:  # noqa: FBT001 - a truth value turned into a word
    return "widening" if is_wider else "narrowing"


def _if_other(what: str, effect: Effect, old: object, new: object) -> Iterator[ContractChange]:
    if old != new:
        yield _change(what, effect, old, new)


def _change(what: str, effect: Effect, old: object, new: object) -> ContractChange:
    return ContractChange(what=what, effect=effect, old=_spelled(old), new=_spelled(new))


def _spelled(value: object) -> str:
    if isinstance(value, tuple):
        return ", ".join(map(_spelled, value)) or "-"
    return "-" if value in (None, "") else str(value)
