"""Folders and external data in a pipeline: taken lazily, returned, refused when they changed."""

import json

import polars as pl
import pytest

from tidemill.core.errors import ConflictError
from tidemill.core.query import Query, Where
from tidemill.core.ref import Version
from tidemill.lineage.explain import explained
from tidemill.practices.validation.operations import add_data

FLOW = """
    from pathlib import Path
    import polars as pl
    import tidemill as tm

    @step
    def shrunk(pictures: tm.Folder) -> tm.Folder:
        out = Path("scratch")
        out.mkdir(exist_ok=True)
        for picture in pictures.files("*.png"):
            (out / picture.name).write_bytes(picture.read_bytes()[:2])
        return tm.Folder(out)

    @step
    def size(pictures: Path) -> int:
        return sum(file.stat().st_size for file in pictures.rglob("*.png"))

    @pipeline
    def flow():
        small = shrunk(tm.data("pictures"))
        return size(small)
"""
LAKE = """
    import polars as pl
    import tidemill as tm

    @step
    def lines(lake: pl.LazyFrame) -> int:
        return lake.select(pl.len()).collect().item()

    @step
    def names(lake: tm.Folder) -> list[str]:
        return list(lake.names)

    @pipeline
    def flow():
        return lines(tm.data("lake")), names(tm.data("lake"))
"""


def test_a_folder_goes_through_steps_and_is_memoized_by_its_files(mill) -> None:
    pictures = mill.folder / "pictures"
    pictures.mkdir()
    for name in "ab":
        (pictures / f"{name}.png").write_bytes(b"12345")
    (pictures / "notes.txt").write_text("x")
    mill.write(FLOW)
    add_data(mill.record, "pictures", str(pictures))
    first = mill.run()
    assert first.count("done") == 2
    run = mill.record.ports.ledger.edges([first.steps[1].run], "up", 1)
    assert any(edge.artifact.startswith("tree1:") for edge in run)
    assert mill.run().is_reused
    (pictures / "c.png").write_bytes(b"1")
    add_data(mill.record, "pictures", str(pictures))
    assert mill.run().count("done") == 2
    assert "data:pictures@2" in str(explained(mill.record, f"run:{mill.run().run[-8:]}", 5))


def test_a_path_that_is_no_folder_is_no_result(mill) -> None:
    mill.write("""
        from pathlib import Path

        @step
        def made() -> Path:
            Path("one.txt").write_text("x")
            return Path("one.txt")

        @pipeline
        def flow():
            made()
    """)
    assert "there is a file" in json.dumps(mill.run_elsewhere())


def test_external_data_are_read_where_they_lie_and_refused_once_changed(mill) -> None:
    lake = mill.folder / "lake"
    lake.mkdir()
    for name in "ab":
        pl.DataFrame({"x": [1, 2]}).write_parquet(lake / f"{name}.parquet")
    add_data(mill.record, "lake", "lake", external=True)
    mill.write(LAKE)
    assert mill.run().count("done") == 2
    pl.DataFrame({"x": [1, 2, 3, 4, 5]}).write_parquet(lake / "b.parquet")
    with pytest.raises(ConflictError, match=r"data:mill/lake@1.*b\.parquet|b\.parquet"):
        mill.run()
    add_data(mill.record, "lake", "lake", external=True)
    assert mill.run().count("done") == 2
    query = Query(Version, where=(Where("ref.kind", "=", "data"),), limit=10)
    assert {one.number for one in mill.record.ports.ledger.find(query)} == {1, 2}
