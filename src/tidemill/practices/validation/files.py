"""Files and frames that are no version: checked against a contract, or a contract proposed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from tidemill.core.check import Finding, Verdict, worst
from tidemill.core.errors import ConflictError, InvalidInputError, NotFoundError
from tidemill.lineage.out_files import writing_to
from tidemill.practices.infrastructure.project import import_modules
from tidemill.practices.validation.contract import Contract
from tidemill.practices.validation.declared_contracts import find_contract
from tidemill.practices.validation.spec import polars_schema

if TYPE_CHECKING:
    from collections.abc import Iterator
    from datetime import datetime

    import polars as pl

    from tidemill.lineage.record import Record
    from tidemill.practices.validation.judge import Judge
    from tidemill.practices.validation.spec import ContractSpec


def is_outside(data: object) -> bool:
    """Return whether what was named is a file or a frame, and no version of the record."""
    if not isinstance(data, str | Path):
        return True
    text = str(data)
    return not text.startswith("data:") and (bool(Path(text).suffix) or Path(text).exists())


def name_of(data: object) -> str:
    """Return what a file's data are called: its name, as data are named.

    >>> name_of("raw/sales 2024.csv")
    'sales_2024'
    """
    if not isinstance(data, str | Path):
        return "frame"
    return "".join(c if c.isalnum() or c in "-_" else "_" for c in Path(str(data)).stem)


def checked_outside(record: Record, data: object, *, contract: str, at: datetime | None) -> Verdict:
    """Return the verdict on a file or a frame; nothing is kept.

    Args:
        record: the context.
        data: the file or frame.
        contract: the name of one that the project declares, or `FILE.py` or `FILE.py:NAME`; left
            out, it is the one declared for data of the file's name, else the only one.
        at: effective time, for freshness.

    Raises:
        NotFoundError: there is no such contract, or file.
        InvalidInputError: the file cannot be read at all.
    """
    spec = _contract(record, data, contract)
    findings = tuple(_findings(record, data, spec, record.moment(at)))
    return Verdict(
        check="contract", subjects=(), state=worst(findings), findings=findings,
        at=record.moment(at),
    )  # fmt: skip


def outside_rows(record: Record, data: object) -> pl.LazyFrame:
    """Return the rows of a file or frame."""
    import polars as pl  # noqa: PLC0415 - heavy

    return pl.concat(list(record.ports.sources.open(data).batches())).lazy()


def write_code(path: str, code: str) -> None:
    """Write proposed code into a new file.

    Raises:
        ConflictError: the file is there already.
    """
    with writing_to(path, "--out") as place:
        try:
            place.open("x", encoding="utf-8").close()
        except FileExistsError:
            raise ConflictError(
                f"{path} is there already", fix="give --out another file, or put it in by hand"
            ) from None
        place.write_text(code, encoding="utf-8")


def _contract(record: Record, data: object, contract: str) -> ContractSpec:
    file, _, name = contract.partition(":")
    if file.endswith(".py"):
        return _in_file(Path(file), name)
    if isinstance(data, str | Path):
        record.ports.sources.place(str(data))  # a file that is not there is told as that
    found = find_contract(record, name_of(data), contract)
    if found is None:
        raise NotFoundError(
            f"no contract is declared for {name_of(data)}",
            fix=f"tidemill contract infer {data} --out contracts.py proposes one; or name one:"
            " --contract NAME",
        )
    return found


def _in_file(path: Path, name: str) -> ContractSpec:
    if not path.is_file():
        raise NotFoundError(f"there is no file {path}", fix="give --contract FILE.py:NAME")
    (module,) = import_modules(path.resolve().parent, [path.stem])
    found = {
        value.__name__: value.contract_spec
        for value in vars(module).values()
        if isinstance(value, type) and issubclass(value, Contract) and value is not Contract
    }
    wanted = [spec for key, spec in found.items() if name in ("", key)]
    if len(wanted) != 1:
        raise NotFoundError(
            f"{path.name} has the contracts {', '.join(found) or 'none'}",
            fix=f"name one: --contract {path}:NAME",
        )
    return wanted[0]


def _findings(
    record: Record, data: object, spec: ContractSpec, moment: datetime
) -> Iterator[Finding]:
    from tidemill.practices.validation.findings import (  # noqa: PLC0415 - brings Polars
        row_findings,
        table_findings,
    )
    from tidemill.practices.validation.judge import Judge  # noqa: PLC0415 - as above

    judge = Judge(spec)
    try:
        _judge_all(record, data, judge)
    except InvalidInputError as error:
        yield Finding(rule="columns", state="fail", what=error.what, fix=error.fix)
        yield from (Finding(rule=name, state="not_run", what="") for name in judge.counts)
        return
    finally:
        judge.close()
    what = f"{len(spec.columns)} as declared"
    yield Finding(rule="columns", state="pass", what=what)
    yield from row_findings(judge, broken="fail")
    yield from table_findings(judge, version_rows=judge.rows, at=moment)


def _judge_all(record: Record, data: object, judge: Judge) -> None:
    """Judge all rows; a cell that cannot be read breaks a rule of its own."""
    import polars as pl  # noqa: PLC0415 - heavy

    from tidemill.practices.validation.judge import (  # noqa: PLC0415 - brings Polars
        check_columns,
        with_types,
    )

    waiting: list[pl.DataFrame] = []
    source = record.ports.sources.open(
        data, schema=polars_schema(judge.spec), unread=waiting.append
    )
    for batch in source.batches():
        record.tell.check()
        if not judge.rows:
            check_columns(batch.schema, judge.spec)
        unread = pl.concat(waiting) if waiting else None
        waiting.clear()
        judge.turn_to(source.file, judge.rows)
        judge.judge(with_types(batch, judge.spec), judge.rows, unread)
