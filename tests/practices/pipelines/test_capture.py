"""What the record says of captured code: the state of its Git where there is one, else nothing."""

import subprocess

from tidemill.practices.pipelines.capture import capture


def test_code_that_no_git_knows_is_neither_clean_nor_dirty(record, project_folder) -> None:
    (project_folder / "flow.py").write_text("n = 1\n")
    assert capture(record).code.summary == {"files": 2}
    subprocess.run(["git", "init", "--quiet", project_folder], check=True)
    (project_folder / "flow.py").write_text("n = 2\n")
    assert capture(record).code.summary == {"files": 2, "commit": "", "dirty": True}
