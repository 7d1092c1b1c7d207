"""Signed checkpoints and proofs: a record that grew is told from one that was rewritten."""

import json
import os
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tidemill.app.places import open_record
from tidemill.core.errors import InvalidInputError, NotAllowedError, NotFoundError, TidemillError
from tidemill.core.ref import RefName
from tidemill.lineage.artifacts import put_value
from tidemill.lineage.refs import move_alias
from tidemill.lineage.writing import opened
from tidemill.practices.governance.audit_keys import known_keys
from tidemill.practices.governance.operations import (
    make_audit_checkpoint,
    prove_audit,
    rotate_audit_key,
    show_audit_key,
    verify_audit,
)
from tidemill.wire.signed_note import parse_key, parse_note


def grown(record, text):
    ref = RefName(kind="model", project=record.project, name="delay")
    with opened(record, kind="pipeline", name="delay", because="more") as run:
        pending = run.version(ref, run.made(put_value(record, "model", text)))
    return pending.version


@pytest.fixture
def keys(tmp_path):
    return tmp_path / "elsewhere"


@pytest.fixture
def project(tmp_path, keys):
    """Return a function that opens the project's record anew."""
    folder = tmp_path / "mill"
    folder.mkdir()
    (folder / "tidemill.toml").write_text('[project]\nname = "mill"\n')
    records = []

    def opened_again():
        variables = {"TIDEMILL_ACTOR": "ada", "TIDEMILL_AUDIT_KEYS": str(keys)}
        records.append(open_record(folder, environment=variables))
        return records[-1]

    yield opened_again
    for record in records:
        record.ports.close()


@pytest.fixture
def record(project):
    record = project()
    grown(record, "one")
    return record


@pytest.fixture
def kept(record, tmp_path):
    """A checkpoint in a file of its own, as an auditor keeps it."""
    path = tmp_path / "kept.txt"
    path.write_text(f"{make_audit_checkpoint(record)}\n")
    return str(path)


def ledger_of(record):
    return record.ports.workspace.root / ".tidemill" / "ledger.db"


def problems(record, **given):
    return [problem.what for problem in verify_audit(record, quick=True, **given).problems]


def test_a_record_that_grew_goes_on_from_its_checkpoint(record, kept) -> None:
    for text in ("two", "three", "four"):
        grown(record, text)
    assert problems(record, checkpoint=kept) == []
    assert "goes on from" in str(verify_audit(record, checkpoint=kept))


def test_the_first_checkpoint_makes_a_key_that_its_owner_alone_can_read(record, kept, keys) -> None:
    (file,) = keys.iterdir()
    assert file.stat().st_mode & 0o777 == 0o600
    assert keys.stat().st_mode & 0o777 == 0o700
    assert show_audit_key(record).is_here
    assert [str(version) for version, _ in known_keys(record)] == ["key:audit@1"]


def test_a_key_that_others_can_read_signs_nothing(record, kept, keys) -> None:
    (file,) = keys.iterdir()
    file.chmod(0o644)
    with pytest.raises(NotAllowedError, match="mode 644"):
        make_audit_checkpoint(record)


def test_keys_inside_the_record_are_refused(record) -> None:
    folder = record.ports.workspace.root
    inside = open_record(folder, environment={"TIDEMILL_AUDIT_KEYS": ".tidemill/keys"})
    try:
        with pytest.raises(InvalidInputError, match="in the record's folder"):
            make_audit_checkpoint(inside)
    finally:
        inside.ports.close()


def test_a_record_without_its_private_key_says_so_and_takes_a_new_one(record, kept, keys) -> None:
    shutil.rmtree(keys)
    with pytest.raises(NotFoundError, match="private key"):
        make_audit_checkpoint(record)
    row = rotate_audit_key(record, because="the laptop was lost")
    assert row.version == "key:audit@2"
    assert make_audit_checkpoint(record).key == row.key
    assert problems(record, checkpoint=kept) == []


def test_a_rotated_key_is_signed_by_the_one_before(record, kept) -> None:
    rotate_audit_key(record, because="every year")
    assert problems(record, checkpoint=kept) == []
    grown(record, "two")
    assert problems(record) == []


def test_an_older_copy_put_back_is_found(record, project, kept, tmp_path) -> None:
    record.ports.close()
    copy = tmp_path / "copy.db"
    shutil.copy(ledger_of(record), copy)
    again = project()
    grown(again, "two")
    newer = tmp_path / "newer.txt"
    newer.write_text(f"{make_audit_checkpoint(again)}\n")
    again.ports.close()
    shutil.copy(copy, ledger_of(record))
    back = project()
    assert problems(back) == []
    assert problems(back, checkpoint=kept) == []
    (found,) = problems(back, checkpoint=str(newer))
    assert "blocks are missing at the end" in found


def test_a_journal_cut_at_its_end_with_its_facts_is_found(record, project, kept, tmp_path) -> None:
    grown(record, "two")
    newer = tmp_path / "newer.txt"
    newer.write_text(f"{make_audit_checkpoint(record)}\n")
    with sqlite3.connect(ledger_of(record)) as ledger:
        last = ledger.execute("SELECT max(sequence) FROM block").fetchone()[0]
        ledger.execute("DELETE FROM entry WHERE block = ?", (last,))
        ledger.execute("DELETE FROM block WHERE sequence = ?", (last,))
    told = problems(record, checkpoint=str(newer))
    assert any("blocks are missing at the end" in one for one in told)
    assert len(told) > 1  # facts without entries


def test_a_record_written_anew_by_somebody_else_is_another_record(project, kept, tmp_path) -> None:
    folder = tmp_path / "other"
    folder.mkdir()
    (folder / "tidemill.toml").write_text('[project]\nname = "mill"\n')
    other = open_record(folder, environment={"TIDEMILL_AUDIT_KEYS": str(tmp_path / "other keys")})
    try:
        grown(other, "one")
        make_audit_checkpoint(other)
        told = problems(other, checkpoint=kept)
        assert "this is another record" in told[0]
        assert "no key that the record knows signed it" in told[1]
    finally:
        other.ports.close()


def test_a_replaced_key_is_found(record, kept) -> None:
    rotate_audit_key(record, because="a key of the forger's own")
    with sqlite3.connect(ledger_of(record)) as ledger:
        mine = "SELECT artifact FROM version v WHERE v.ref = version.ref AND number = 2"
        kinds = "SELECT ref FROM version JOIN artifact a ON a.node = artifact WHERE kind = 'key'"
        ledger.execute(
            f"UPDATE version SET artifact = ({mine}) WHERE number = 1 AND ref IN ({kinds})"
        )
    told = problems(record, checkpoint=kept)
    assert any("no key that the record knows signed it" in one for one in told)
    assert any("was not signed by the key before it" in one for one in told)
    assert len(told) > 2  # and the version is not the one that was journaled


@pytest.mark.parametrize("pointer", ["model:delay@1", "model:delay@champion", "key:audit@1"])
def test_a_fact_is_proved_without_the_record(record, kept, tmp_path, pointer) -> None:
    move_alias(record, grown(record, "two"), "champion", because="better")
    for text in ("three", "four", "five"):
        grown(record, text)
    proof = tmp_path / "proof.json"
    prove_audit(record, pointer, out=str(proof))
    told = verify_audit(stranger(tmp_path), proof=str(proof), key=show_audit_key(record).key)
    assert told.problems == ()
    assert told.proven.startswith("proved: ")
    assert proof.stat().st_size < 4_000


def test_a_run_is_proved_by_its_seal(record, tmp_path) -> None:
    version = grown(record, "two")
    proof = tmp_path / "proof.json"
    prove_audit(record, f"run:{version.run}", out=str(proof))
    told = verify_audit(stranger(tmp_path), proof=str(proof))
    assert told.problems == ()
    assert "run-sealed" in told.proven


def test_growth_is_proved_and_a_rewritten_record_cannot_prove_it(record, kept, tmp_path) -> None:
    grown(record, "two")
    proof = tmp_path / "growth.json"
    prove_audit(record, since=kept, out=str(proof))
    assert verify_audit(stranger(tmp_path), proof=str(proof)).problems == ()
    with sqlite3.connect(ledger_of(record)) as ledger:
        ledger.execute("UPDATE block SET hash = ? WHERE sequence = 1", ("0" * 64,))
    with pytest.raises(InvalidInputError, match="cannot be proved"):
        prove_audit(record, since=kept)


@settings(max_examples=150, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(st.data())
def test_a_proof_changed_anywhere_proves_nothing_else(proven, data) -> None:
    text, key, who, place = proven
    at = data.draw(st.integers(0, len(text) - 1))
    changed = text[:at] + data.draw(st.characters(codec="ascii")) + text[at + 1 :]
    place.write_text(changed)
    try:
        told = verify_audit(who, proof=str(place), key=key)
    except TidemillError:
        return
    same = json.loads(changed) == json.loads(text)
    if not told.problems and not same:
        # what was changed is no part of what is proved: a word for the reader alone
        old, new = json.loads(text), json.loads(changed)
        assert {name for name in old if old[name] != new.get(name)} <= {"key"}


@pytest.fixture
def proven(record, tmp_path):
    grown(record, "two")
    text = f"{prove_audit(record, 'model:delay@1')}\n"
    return text, show_audit_key(record).key, stranger(tmp_path), tmp_path / "changed.json"


def stranger(tmp_path):
    """Somebody with no project at all."""
    folder = tmp_path / "nowhere"
    folder.mkdir(exist_ok=True)
    return open_record(folder, environment={}, needs_project=False)


def test_another_key_has_not_signed_a_proof(record, kept, tmp_path) -> None:
    proof = tmp_path / "proof.json"
    old = show_audit_key(record).key
    rotate_audit_key(record, because="every year")
    prove_audit(record, "model:delay@1", out=str(proof))
    (problem,) = verify_audit(stranger(tmp_path), proof=str(proof), key=old).problems
    assert "was not signed by" in problem.what


def test_many_first_checkpoints_at_once_make_one_key(record, keys) -> None:
    folder = record.ports.workspace.root
    code = "import tidemill as tm, sys; print(tm.open(sys.argv[1]).make_audit_checkpoint().key)"
    variables = os.environ | {"TIDEMILL_ACTOR": "ada", "TIDEMILL_AUDIT_KEYS": str(keys)}
    running = [
        subprocess.Popen(
            [sys.executable, "-c", code, str(folder)], env=variables, text=True,
            stdout=subprocess.PIPE,
        )
        for _ in range(4)
    ]  # fmt: skip
    told = {process.communicate(timeout=60)[0] for process in running}
    assert told == {f"{show_audit_key(record).key}\n"}
    assert len(list(keys.iterdir())) == 1


def test_a_checkpoint_is_a_signed_note_that_other_tools_read(record) -> None:
    made = make_audit_checkpoint(record)
    note, key = parse_note(str(made) + "\n"), parse_key(made.key)
    assert note is not None
    assert key is not None
    origin, size, *_ = note.text.splitlines()
    assert origin.startswith("tidemill/")
    assert int(size) == made.size
    assert note.signatures[0].key_id == key.id
    assert parse_key(made.key.replace("+", "-", 1)) is None


def test_what_is_no_fact_of_the_journal_cannot_be_proved(record, tmp_path) -> None:
    artifact = grown(record, "two").artifact
    with pytest.raises(InvalidInputError, match="no fact of the journal by itself"):
        prove_audit(record, artifact)
    with pytest.raises(NotFoundError):
        prove_audit(record, "model:nope@1")
    text = tmp_path / "text.txt"
    text.write_text("hello\n")
    with pytest.raises(InvalidInputError, match="no signed checkpoint"):
        verify_audit(record, checkpoint=str(text))
    with pytest.raises(InvalidInputError, match="no proof"):
        verify_audit(record, proof=str(text))
    with pytest.raises(NotFoundError, match="no file"):
        verify_audit(record, proof=str(Path(tmp_path) / "absent"))
