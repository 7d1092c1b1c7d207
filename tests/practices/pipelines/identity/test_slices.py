"""Every edit that changes what a step returns changes its slice; the others do not."""

import pytest
from code_edits import EDITS, FURTHER, Edit


@pytest.mark.parametrize("edit", [*EDITS, *FURTHER], ids=lambda edit: edit.name)
def test_a_slice_changes_exactly_when_the_step_may_return_something_else(judge, edit: Edit) -> None:
    judge(edit)
