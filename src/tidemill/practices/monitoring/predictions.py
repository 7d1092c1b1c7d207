"""One prediction, found in the open tail or in a sealed window, and where it came from."""

from __future__ import annotations

import re
from datetime import datetime
from typing import TYPE_CHECKING, Any

import msgspec

from tidemill.core.errors import InvalidInputError, NotFoundError
from tidemill.core.query import Order, Query, Where
from tidemill.core.ref import Version
from tidemill.core.text import table
from tidemill.core.times import from_microseconds
from tidemill.practices.monitoring.deployments import (
    read_deployment,
    rule_names,
    watched_names,
)
from tidemill.practices.monitoring.prediction_keys import told_id
from tidemill.practices.monitoring.seals import PREDICTIONS, known_seals, scan_seals
from tidemill.wire.prediction_block import decode_block, stream_names

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    import polars as pl

    from tidemill.core.signature import Signature
    from tidemill.lineage.record import Record
    from tidemill.practices.monitoring.deployments import ServedModel
    from tidemill.practices.monitoring.seals import Seal
    from tidemill.wire.prediction_block import PredictionBlock

WHOLE = 32
_MOST_LISTED = 5
SHORT = 8
_DIGEST = re.compile(r"b3:[0-9a-f]{64}")
_ID = re.compile(rf"[0-9a-f]{{{SHORT},{WHOLE}}}")


_ROW, _PATH = "data_row", "data_path"
_REFUSED = "refused_because"
BY_DIGEST = "by its digest only (serving.log_array_bytes)"


class Logged(msgspec.Struct, frozen=True, kw_only=True):
    """One logged value of a prediction."""

    role: str
    name: str
    value: float | int | bool | str | None


class Prediction(msgspec.Struct, frozen=True, kw_only=True):
    """One prediction: who answered, with what, from which columns. `sealed` "" is the open tail.

    The logged `data_row` is the row's place from 0 in the data that were scored; people are told
    its number, from 1.
    """

    id: str
    name: str
    status: str
    at: datetime
    received_at: datetime
    deployment: str
    model: str
    model_version: str
    sealed: str
    logged: tuple[Logged, ...]
    failed_rules: tuple[str, ...]
    queue_us: int
    model_us: int

    @property
    def by_digest(self) -> tuple[str, ...]:
        """Names of large arrays, bytes and nested values of which only the digest was logged."""
        return tuple(one.name for one in self.logged if _is_digest(one.value))

    def values(self, role: str) -> dict[str, Any]:
        """Return the logged values of a role by name."""
        return {one.name: one.value for one in self.logged if one.role == role}

    def __str__(self) -> str:
        rows: list[list[object]] = [["", "status", self.status]]
        rows += [
            ["", "effective time", self.at.isoformat()],
            ["", "received", self.received_at.isoformat()],
            ["", "model", self.model_version],
            ["", "kept in", self.sealed or f"the open tail of {self.name}"],
            ["", "broken rules", ", ".join(self.failed_rules) or "none"],
        ]
        rows += [[one.role, _told_name(one), _shown(one.value)] for one in self.logged]
        rows += [["", f"{name} was kept", BY_DIGEST] for name in self.by_digest]
        return f"prediction:{self.id}\n{table(['is', 'name', 'value'], rows)}"

    __repr__ = __str__


def find_prediction(record: Record, id: str) -> Prediction:  # noqa: A002 - as people call it
    """Return a prediction by its id or the last 8 or more digits of it, or by `NAME/KEY`.

    `NAME/KEY` is the row key of what a caller told or asked, or the path of a scored file. A whole
    id of ours tells its time, so that only the windows are opened that may hold it.

    Raises:
        InvalidInputError: it is no id, or several predictions end with it.
        NotFoundError: no deployment of this project has logged it.
    """
    name, has_key, key = id.removeprefix("prediction:").partition("/")
    if has_key:
        return _find_by_key(record, name, key)
    digits = id.lower().removeprefix("prediction:").replace("-", "")
    if not _ID.fullmatch(digits):
        raise InvalidInputError(
            f"{id!r} is not the id of a prediction",
            fix="give all 32 hex digits, or its last 8 or more",
        )
    found = {one.id: one for name in watched_names(record) for one in _found(record, name, digits)}
    if not found:
        raise NotFoundError(
            f"no prediction of project {record.project} has an id that ends with {digits}",
            fix="the answer of the model server has it, as the output prediction_id",
        )
    return _sole(found, f"end with {digits}", "give more of the last digits")


def _find_by_key(record: Record, name: str, key: str) -> Prediction:
    """Return the prediction of a row key: told ones are found by the id that their key gives."""
    found = {one.id: one for one in _found(record, name, told_id(record.project, name, key))}
    found = found or {one.id: one for one in rows_of_key(record, name, key)}
    if not found:
        raise NotFoundError(
            f"no prediction of {name} has the row key {key!r}",
            fix=f"tidemill data get predictions:{name} shows rows with their prediction_id",
        )
    return _sole(found, f"of {name} have the row key {key!r}", "name one by its id")


def revisions_of(record: Record, prediction: Prediction) -> list[Prediction]:
    """Return the other sealed rows of the prediction's id: those that it corrects."""
    seals = known_seals(record, prediction.name)
    rows = [
        one
        for seal in seals
        if seal.first_id <= prediction.id <= seal.last_id
        for one in _in_seal(record, prediction.name, seal, prediction.id)
    ]
    return [one for one in rows if one.sealed != prediction.sealed]


def rows_of_key(record: Record, name: str, key: str) -> Iterator[Prediction]:
    """Yield the predictions whose row key, or the path of whose scored file, is this text."""
    import polars as pl  # noqa: PLC0415 - heavy

    stream = record.ports.stream
    for one in stream_names(stream.names(name), name):
        for _, data in stream.read(one):
            block = decode_block(data)
            names = _key_names(read_deployment(record, block.deployment))
            for column in block.columns:
                if column.name in names:
                    texts = [str(_plain(value)) for value in column.values]
                    for row in (place for place, text in enumerate(texts) if text == key):
                        yield _of_block(record, name, block, row)
    for seal in known_seals(record, name):
        rows = scan_seals(record, [seal])
        if rows is None:
            continue
        columns = rows.collect_schema().names()
        deployments = rows.select(pl.col("deployment").unique()).collect().to_series()
        for deployment in deployments:
            names = _key_names(read_deployment(record, deployment)) & {*columns}
            if names:
                is_named = pl.any_horizontal(pl.col(one).cast(pl.String) == key for one in names)
                wanted = (pl.col("deployment") == deployment) & is_named
                yield from _of_rows(record, name, seal, rows.filter(wanted))


def _key_names(served: ServedModel) -> set[str]:
    from tidemill.practices.monitoring.blocks import SCORED_COLUMNS, stored_name  # noqa: PLC0415

    row_key = served.signature.row_key
    return {SCORED_COLUMNS[1], *((row_key, stored_name("context", row_key)) if row_key else ())}


def _sole(found: dict[str, Prediction], what: str, fix: str) -> Prediction:
    if len(found) > 1:
        raise InvalidInputError(
            f"{len(found)} predictions {what}:"
            f" {', '.join(f'prediction:{id_}' for id_ in sorted(found)[:_MOST_LISTED])}",
            fix=fix,
        )
    return next(iter(found.values()))


def _found(record: Record, name: str, digits: str) -> Iterator[Prediction]:
    yield from _in_tail(record, name, digits)
    for seal in known_seals(record, name):
        if len(digits) < WHOLE or seal.first_id <= digits <= seal.last_id:
            yield from _in_seal(record, name, seal, digits)


def _in_tail(record: Record, name: str, digits: str) -> Iterator[Prediction]:
    stream = record.ports.stream
    for one in stream_names(stream.names(name), name):
        for _, data in stream.read(one):
            block = decode_block(data)
            text = block.ids.tobytes().hex()
            if digits not in text:  # most blocks have no row that could be meant
                continue
            for row in range(block.rows):
                if text[WHOLE * row : WHOLE * (row + 1)].endswith(digits):
                    yield _of_block(record, name, block, row)


def _of_block(record: Record, name: str, block: PredictionBlock, row: int) -> Prediction:
    served = read_deployment(record, block.deployment)
    logged = tuple(
        Logged(
            role=column.role, name=column.name,
            value=None
            if column.valid is not None and not column.valid[row]
            else _plain(column.values[row]),
        )
        for column in block.columns
    )  # fmt: skip
    return Prediction(
        id=block.ids[row].tobytes().hex(), name=name, status=block.status,
        at=from_microseconds(int(block.at_us[row])),
        received_at=from_microseconds(block.received_us), deployment=block.deployment,
        model=block.model, model_version=served.short_name, sealed="", logged=logged,
        failed_rules=_failed(served, int(block.contract_bits[row])), queue_us=block.queue_us,
        model_us=block.model_us,
    )  # fmt: skip


def _in_seal(record: Record, name: str, seal: Seal, digits: str) -> Iterator[Prediction]:
    import polars as pl  # noqa: PLC0415 - heavy

    rows = scan_seals(record, [seal])
    if rows is not None:
        wanted = rows.filter(pl.col("prediction_id").str.ends_with(digits))
        yield from _of_rows(record, name, seal, wanted)


def _of_rows(record: Record, name: str, seal: Seal, rows: pl.LazyFrame) -> Iterator[Prediction]:
    for row in rows.collect().to_dicts():
        served = read_deployment(record, row["deployment"])
        yield Prediction(
            id=row["prediction_id"], name=name, status=row["status"], at=row["at"],
            received_at=row["received_at"], deployment=row["deployment"], model=row["model"],
            model_version=row["model_version"], sealed=f"{PREDICTIONS}:{name}@{seal.number}",
            logged=tuple(_logged(served, row)),
            failed_rules=_failed(served, row["contract_bits"]),
            queue_us=row["queue_us"], model_us=row["model_us"],
        )  # fmt: skip


def _logged(served: ServedModel, row: dict[str, Any]) -> Iterator[Logged]:
    from tidemill.practices.monitoring.blocks import (  # noqa: PLC0415 - heavy
        META,
        SCORED_COLUMNS,
        stored_name,
    )

    signature = served.signature
    told = set(META)
    for role, fields in (("context", signature.context), ("input", signature.inputs)):
        for field in fields:
            column = stored_name(role, field.name)
            if column in row:
                told.add(column)
                yield Logged(role=role, name=field.name, value=row[column])
    for column in SCORED_COLUMNS:
        if row.get(column) is not None:
            yield Logged(role="context", name=column, value=row[column])
    for column, value in row.items():  # one output may be several columns, `score.CLASS`
        is_output = column.removeprefix("output.") in {f.name for f in signature.outputs}
        if column not in told and (is_output or _is_part(column, signature)):
            yield Logged(role="output", name=column, value=value)


def _is_part(column: str, signature: Signature) -> bool:
    return any(column.startswith(f"{field.name}.") for field in signature.outputs)


def _failed(served: ServedModel, bits: int) -> tuple[str, ...]:
    names = rule_names(served)
    return tuple(name for place, name in enumerate(names) if place < 64 and bits >> place & 1)


def _is_digest(value: object) -> bool:
    return isinstance(value, str) and _DIGEST.fullmatch(value) is not None


def _told_name(one: Logged) -> str:
    return f"{one.name} (from 0)" if (one.role, one.name) == ("context", _ROW) else one.name


def _place(one: Logged) -> str:
    """Return which row, from 1, or file of scored data a logged value names; "" if it is none."""
    if one.role == "context" and one.name == _ROW and isinstance(one.value, int):
        return f"row {one.value + 1:,} of what was scored"
    is_path = one.role == "context" and one.name == _PATH
    return f"file {one.value} of what was scored" if is_path else ""


def _shown(value: float | str | None) -> object:  # a year has no comma
    return str(value) if type(value) is int else value


def _plain(value: Any) -> float | int | bool | str | None:  # noqa: ANN401 - NumPy's own scalars
    plain: float | int | bool | str | None = value.item() if hasattr(value, "item") else value
    return plain


def deployment_version(record: Record, artifact: str) -> Version | None:
    """Return the newest version that a deployment's artifact is; None: it has none."""
    query = Query(
        Version, where=(Where("artifact", "=", artifact),),
        order=(Order("recorded_at", descending=True),), limit=1,
    )  # fmt: skip
    found = record.ports.ledger.find(query)
    return found[0] if found else None


def came_from(record: Record, prediction: Prediction) -> tuple[tuple[str, str], ...]:
    """Return what `why` goes on with: the deployment, and through its run the model."""
    version = deployment_version(record, prediction.deployment)
    if version is None:
        return (("deployment", prediction.deployment),)
    return ((version.ref.kind, str(version)),)


def described(lines: Iterable[str], prediction: Prediction) -> tuple[str, ...]:
    """Return the lines of a prediction in `why`: its outputs first, then what is given."""
    told = [f"{one.name} = {one.value}" for one in prediction.logged if one.role == "output"]
    told += [
        f"{one.name} = {one.value}, kept {BY_DIGEST}"
        for one in prediction.logged
        if one.role != "output" and _is_digest(one.value)
    ]
    told += [place for one in prediction.logged if (place := _place(one))]
    told += [f"refused: {one.value}" for one in prediction.logged if one.name == _REFUSED]
    told += [f"broke the rule {rule}" for rule in prediction.failed_rules]
    kept = prediction.sealed or "open tail"
    return (f"{prediction.status} at {prediction.at.isoformat()}, kept in {kept}", *told, *lines)
