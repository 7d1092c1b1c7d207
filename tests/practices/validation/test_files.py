"""A file is checked against a contract inferred from another one, in a folder with nothing else."""

import numpy as np
import polars as pl


def sales(rows=2000):
    rng = np.random.default_rng(0)
    return pl.DataFrame(
        {"shop": rng.choice(["north", "south"], rows), "amount": rng.uniform(1, 100, rows)}
    )


def test_two_commands_check_a_file_in_an_empty_folder(tmp_path, tidemill):
    sales().write_csv(tmp_path / "sales.csv")
    inferred = tidemill("contract", "infer", "sales.csv", "--out", "contracts.py", cwd=tmp_path)
    assert inferred.returncode == 0, inferred.stderr
    assert tidemill("data", "check", "sales.csv", cwd=tmp_path).returncode == 0
    broken = sales().with_columns(
        pl.when(pl.int_range(pl.len()) == 6).then(pl.lit("west")).otherwise("shop").alias("shop")
    )
    broken.write_csv(tmp_path / "june.csv")
    done = tidemill("data", "check", "june.csv", "--contract", "Sales", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "row 7" in done.stdout


def test_cells_that_cannot_be_read_are_named_by_row(tmp_path, tidemill):
    sales().write_csv(tmp_path / "sales.csv")
    tidemill("contract", "infer", "sales.csv", "--out", "contracts.py", cwd=tmp_path)
    (tmp_path / "july.csv").write_text("shop,amount\nnorth,12.5\nsouth,much\n")
    done = tidemill("data", "check", "july.csv", "--contract", "contracts.py", cwd=tmp_path)
    assert done.returncode == 3, done.stderr
    assert "row 2" in done.stdout
    assert "'much'" in done.stdout


def test_an_existing_file_is_never_written_over(tmp_path, tidemill):
    sales().write_csv(tmp_path / "sales.csv")
    (tmp_path / "contracts.py").write_text("# mine\n")
    done = tidemill("contract", "infer", "sales.csv", "--out", "contracts.py", cwd=tmp_path)
    assert done.returncode == 6
    assert (tmp_path / "contracts.py").read_text() == "# mine\n"


def test_a_file_without_a_contract_says_how_to_get_one(tmp_path, tidemill):
    sales().write_csv(tmp_path / "sales.csv")
    done = tidemill("data", "check", "sales.csv", cwd=tmp_path)
    assert done.returncode == 4
    assert "contract infer sales.csv" in done.stderr
