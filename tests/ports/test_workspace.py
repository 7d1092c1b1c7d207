"""The workspace port: what a capture of code, environment and machine sees, and leaves alone."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidemill.adapters import git_tree, ignore_rules
from tidemill.adapters.installed import editable_folders
from tidemill.adapters.local.workspace import LocalWorkspace
from tidemill.adapters.secrets_found import secret_in
from tidemill.core.digest import digest_of
from tidemill.core.errors import InvalidInputError
from tidemill.practices.pipelines.code_identity import environment_identity

RANDOM = "q7Zk1Vw9" + "Xb3Lm5Tn8Rd2"


def git(folder: Path, *words: str) -> str:
    environment = {k: v for k, v in os.environ.items() if not k.startswith("GIT_")}
    environment["GIT_OPTIONAL_LOCKS"] = "0"
    done = subprocess.run(
        ["git", "-c", "user.name=a", "-c", "user.email=a@b", *words],
        cwd=folder, capture_output=True, text=True, check=True, env=environment,
    )  # fmt: skip
    return done.stdout.strip()


def put(folder: Path, name: str, text: str = "x") -> None:
    (folder / name).parent.mkdir(parents=True, exist_ok=True)
    (folder / name).write_text(text)


def names(workspace: LocalWorkspace) -> list[str]:
    return [entry.path for entry, _ in workspace.code().files]


@pytest.fixture
def repository(tmp_path) -> Path:
    root = tmp_path / "repository"
    root.mkdir()
    git(root, "init", "--quiet")
    put(root, "a.py", "a = 1\n")
    put(root, "examples/flights/steps.py", "def train(): ...\n")
    put(root, ".gitignore", "*.log\n")
    git(root, "add", "-A")
    git(root, "commit", "--quiet", "-m", "first")
    return root


def state(root: Path) -> tuple[object, ...]:
    """Everything of a repository that a capture must not touch."""
    inside = root / ".git"
    objects = sorted(str(path) for path in (inside / "objects").rglob("*"))
    index = (inside / "index").read_bytes()
    return objects, index, git(root, "for-each-ref"), git(root, "status", "--short")


def test_a_clean_project_is_its_commit(repository) -> None:
    code = LocalWorkspace(repository).code()
    assert [entry.path for entry, _ in code.files] == [
        ".gitignore", "a.py", "examples/flights/steps.py",
    ]  # fmt: skip
    assert code.commit == git(repository, "rev-parse", "HEAD")
    assert code.git_tree == git(repository, "rev-parse", "HEAD^{tree}")
    assert not code.is_dirty
    entry, path = code.files[1]
    assert entry.digest == digest_of(path.read_bytes())
    assert (entry.size_bytes, entry.is_executable) == (6, False)


def test_what_is_not_committed_is_captured_as_the_commit_it_would_be_and_nothing_is_touched(
    repository,
) -> None:
    put(repository, "new.py", "n = 1\n")
    put(repository, "noise.log")
    put(repository, "a.py", "a = 2\n")
    git(repository, "add", "a.py")
    put(repository, "a.py", "a = 3\n")
    (repository / "examples/flights/steps.py").unlink()
    (repository / "new.py").chmod(0o755)
    before = state(repository)
    code = LocalWorkspace(repository).code()
    assert state(repository) == before
    assert [(entry.path, entry.is_executable) for entry, _ in code.files] == [
        (".gitignore", False), ("a.py", False), ("new.py", True),
    ]  # fmt: skip
    assert code.is_dirty
    git(repository, "add", "-A")
    git(repository, "commit", "--quiet", "-m", "later")
    assert code.git_tree == git(repository, "rev-parse", "HEAD^{tree}")
    assert LocalWorkspace(repository).code().git_tree == code.git_tree


def test_a_project_within_a_larger_repository_sees_its_own_files_only(repository) -> None:
    workspace = LocalWorkspace(repository / "examples" / "flights")
    put(repository, "a.py", "dirty elsewhere\n")
    code = workspace.code()
    assert [entry.path for entry, _ in code.files] == ["steps.py"]
    assert code.commit == git(repository, "rev-parse", "HEAD")
    assert code.git_tree == git(repository, "rev-parse", "HEAD:examples/flights")
    assert not code.is_dirty
    put(repository, "examples/flights/new.py")
    assert workspace.code().is_dirty


def test_a_repository_without_a_commit_is_captured_too(tmp_path) -> None:
    git(tmp_path, "init", "--quiet")
    put(tmp_path, "a.py")
    code = LocalWorkspace(tmp_path).code()
    assert (code.commit, code.is_dirty, len(code.git_tree), len(code.files)) == ("", True, 40, 1)


def test_a_capture_within_a_hook_of_git_looks_at_the_project_and_not_at_the_hook(
    repository, monkeypatch, tmp_path
) -> None:
    monkeypatch.setenv("GIT_DIR", str(tmp_path / "elsewhere"))
    monkeypatch.setenv("GIT_INDEX_FILE", str(tmp_path / "index of the hook"))
    assert "a.py" in names(LocalWorkspace(repository))


def test_files_of_nested_repositories_are_captured(repository) -> None:
    nested = repository / "nested"
    nested.mkdir()
    git(nested, "init", "--quiet")
    put(nested, "inner.py")
    git(nested, "add", "-A")
    git(nested, "commit", "--quiet", "-m", "inner")
    assert "nested/inner.py" in names(LocalWorkspace(repository))


DATA = ("pics", "more.csv", "data/seen.csv")


def test_data_that_git_does_not_track_is_no_code_and_leaves_the_tree_clean(repository) -> None:
    put(repository, "data/seen.csv", "kept\n")
    git(repository, "add", "data/seen.csv")
    git(repository, "commit", "--quiet", "-m", "data that are tracked")
    for name in ("pics/1.png", "pics/deep/2.png", "more.csv"):
        put(repository, name)
    code = LocalWorkspace(repository).code(DATA)
    assert code.skipped == ("more.csv", "pics/1.png", "pics/deep/2.png")
    assert {entry.path for entry, _ in code.files} == {
        ".gitignore", "a.py", "data/seen.csv", "examples/flights/steps.py",
    }  # fmt: skip
    assert not code.is_dirty
    assert code.git_tree == git(repository, "rev-parse", "HEAD^{tree}")
    put(repository, "pictures/3.png")
    again = LocalWorkspace(repository).code(DATA)
    assert "pictures/3.png" in [entry.path for entry, _ in again.files]
    assert again.is_dirty


def test_data_that_a_submodule_tracks_stay(repository, tmp_path) -> None:
    lake = tmp_path / "lake"
    lake.mkdir()
    git(lake, "init", "--quiet")
    put(lake, "rows.csv")
    git(lake, "add", "-A")
    git(lake, "commit", "--quiet", "-m", "rows")
    git(repository, "-c", "protocol.file.allow=always", "submodule", "add", "-q", str(lake), "lake")
    put(repository, "lake/fresh.csv")
    code = LocalWorkspace(repository).code(("lake",))
    assert "lake/rows.csv" in [entry.path for entry, _ in code.files]
    assert code.skipped == ("lake/fresh.csv",)


def test_without_git_all_data_is_left_out_but_what_the_code_needs(tmp_path) -> None:
    put(tmp_path, "flow.py", "import corpus.words\n")
    put(tmp_path, "tidemill.toml")
    for name in ("corpus/__init__.py", "corpus/words.py", "corpus/other.py", "corpus/a.txt"):
        put(tmp_path, name, "")
    code = LocalWorkspace(tmp_path).code(("corpus", "flow.py", "tidemill.toml"))
    assert [entry.path for entry, _ in code.files] == [
        "corpus/__init__.py", "corpus/words.py", "flow.py", "tidemill.toml",
    ]  # fmt: skip
    assert code.skipped == ("corpus/a.txt", "corpus/other.py")


@pytest.mark.parametrize("place", [".", "src"])
def test_a_folder_of_data_that_holds_the_code_as_well_says_nothing(tmp_path, place) -> None:
    put(tmp_path, "src/flow.py")
    put(tmp_path, "src/rows.csv")
    code = LocalWorkspace(tmp_path, tmp_path / "src").code((place,))
    assert len(code.files) == 2


def test_of_a_release_all_is_code(tmp_path) -> None:
    put(tmp_path, "more.csv")
    assert LocalWorkspace(tmp_path, holds="release").code(("more.csv",)).skipped == ()


def test_a_project_that_its_repository_ignores_is_a_plain_folder(repository) -> None:
    put(repository, ".gitignore", "scratch/\n")
    put(repository, "scratch/p/a.py")
    put(repository, "scratch/p/.gitignore", "*.tmp\n")
    put(repository, "scratch/p/b.tmp")
    code = LocalWorkspace(repository / "scratch" / "p").code()
    assert [entry.path for entry, _ in code.files] == [".gitignore", "a.py"]
    assert code.git_tree == ""


RULES = "# comment\n*.log\n!keep.log\n/top.txt\nbuild/\ndocs/*.html\n**/deep/x\na/**/z\n[ab]?.c\n"
PLAIN = [
    "a.py", "x.log", "keep.log", "sub/y.log", "top.txt", "sub/top.txt", "build/o", "sub/build/o",
    "docs/i.html", "docs/s/i.html", "q/deep/x", "deep/x", "a/z", "a/b/c/z", "a1.c", "c1.c", "é.py",
    ".tidemill/ledger.db", ".venv/lib/m.py", "sub/__pycache__/m.pyc",
]  # fmt: skip
KEPT = [".gitignore", "a.py", "c1.c", "docs/s/i.html", "keep.log", "sub/top.txt", "é.py"]


@pytest.mark.parametrize("has_git", [True, False])
def test_a_plain_folder_honours_gitignore_with_git_or_without(
    tmp_path, monkeypatch, has_git
) -> None:
    for name in PLAIN:
        put(tmp_path, name)
    put(tmp_path, ".gitignore", RULES)
    if not has_git:
        monkeypatch.setenv("PATH", "")
    code = LocalWorkspace(tmp_path).code()
    assert [entry.path for entry, _ in code.files] == KEPT
    assert (code.commit, code.git_tree, code.is_dirty) == ("", "", False)


patterns = st.text("ab/*?!.", min_size=1, max_size=6).filter(
    lambda text: "//" not in text and text.strip("/!") and "***" not in text
)


@given(st.lists(patterns, min_size=1, max_size=3))
def test_our_rules_are_those_of_git(tmp_path_factory, lines) -> None:
    folder = tmp_path_factory.mktemp("rules")
    for name in ("a", "b", "ab", "a.b", "d/a", "d/b", "d/e/a", "d/ab/b"):
        put(folder, name)
    put(folder, ".gitignore", "\n".join(lines) + "\n")
    assert sorted(ignore_rules.plain_files(folder)) == sorted(git_tree.plain_listing(folder))


def test_links_to_files_of_the_project_are_files_and_others_are_skipped(tmp_path) -> None:
    root = tmp_path / "project"
    put(root, "a.py", "a = 1\n")
    put(root, "sub/b.py")
    (root / "link.py").symlink_to("a.py")
    (root / "folder").symlink_to("sub")
    (root / "out").symlink_to("/etc/hostname")
    (root / "broken").symlink_to("nowhere")
    code = LocalWorkspace(root).code()
    digests = {entry.path: entry.digest for entry, _ in code.files}
    assert digests["link.py"] == digests["a.py"]
    assert set(code.skipped) == {"broken", "folder", "out"}


def test_a_large_file_stops_the_capture_with_its_name(tmp_path) -> None:
    with (tmp_path / "model.bin").open("wb") as file:
        file.truncate((10 << 20) + 1)
    with pytest.raises(InvalidInputError, match=r"model\.bin has 10\.0 MiB") as caught:
        LocalWorkspace(tmp_path).code()
    assert ".gitignore" in caught.value.fix
    assert len(LocalWorkspace(tmp_path, allow=["*.bin"]).code().files) == 1


SECRETS = [
    (".env", "A=1"),
    ("sub/.env.prod", "A=1"),
    ("id_rsa", "x"),
    ("server.pem", "x"),
    ("tls.key", "x"),
    ("credentials.json", "{}"),
    *(
        (name, "x")
        for name in (
            "prod.env",
            ".npmrc",
            ".pypirc",
            ".git-credentials",
            "service-account-7.json",
            "infra/terraform.tfstate",
            ".htpasswd",
            ".streamlit/secrets.toml",
            "kubeconfig",
            ".netrc",
        )
    ),
    ("db.py", "DB = 'postgresql://admin:" + "S3cr3tPassw0rd@db/prod'"),
    ("db.py", "PASS" + "WORD = 'hunter2hunter2'"),
    ("a.py", "-----BEGIN RSA PRIVATE" + " KEY-----\nMIIE"),
    ("a.py", "key = '" + "AKIA" + "ABCDEFGHIJKLMN23" + "'"),
    ("a.py", f"x = 1\nAPI_TOKEN = '{RANDOM}'"),
    ("conf.yml", f"db_password: {RANDOM}\n"),
    ("conf.json", f'{{"client_secret": "{RANDOM}"}}'),
]
HARMLESS = [
    (".env.example", "TOKEN=change-me"),
    ("secrets.py", "import os"),
    ("environment.yml", "name: a"),
    ("credentials.py", "import os"),
    ("a.py", "token = tokens[index]\npassword = os.environ['DATABASE_PASSWORD_1']"),
    ("a.py", "SECRET = 'the quick brown fox jumps'"),
    ("a.py", "password_field = 'password_confirmation_field'"),
    ("uv.lock", f'hash = "sha256:{"0123456789abcdef" * 4}"'),
    ("a.py", 'b"-----BEGIN PRIVATE KEY-----" in data'),
]


@pytest.mark.parametrize(("name", "text"), SECRETS)
def test_what_looks_like_a_secret_stops_the_capture_with_its_name(tmp_path, name, text) -> None:
    put(tmp_path, name, text)
    with pytest.raises(InvalidInputError, match="looks like a secret") as caught:
        LocalWorkspace(tmp_path).code()
    assert name in caught.value.what
    assert RANDOM not in str(caught.value)
    assert LocalWorkspace(tmp_path, allow=[name]).code().files


@pytest.mark.parametrize(("name", "text"), HARMLESS)
def test_what_only_speaks_of_secrets_is_code(name, text) -> None:
    assert secret_in(name, text.encode()) == ""


IMPORTED = {
    "flow.py": "import direct\nfrom pack import inner\n\n\ndef step():\n    import late_one\n",
    "direct.py": "from . import nothing\nimport os, by_direct\n",
    "by_direct.py": "import importlib\nimportlib.import_module('by_name')\nimport direct\n",
    "by_name.py": "",
    "late_one.py": "",
    "pack/__init__.py": "from .sibling import x\n",
    "pack/inner.py": "from .deep.er import y\n",
    "pack/sibling.py": "",
    "pack/deep/er.py": "this is no python\n",
    "pack/other.py": "",
    "not_imported.py": "",
    "local_secrets.py": "API_TOKEN = '" + RANDOM + "'\n",
}


@pytest.mark.parametrize("has_git", [True, False])
def test_ignored_modules_are_captured_where_a_captured_one_imports_them(tmp_path, has_git) -> None:
    for name, text in IMPORTED.items():
        put(tmp_path, name, text)
    put(tmp_path, ".gitignore", "*.py\n!flow.py\n")
    if has_git:
        git(tmp_path, "init", "--quiet")
    assert names(LocalWorkspace(tmp_path)) == sorted([
        ".gitignore", "flow.py", "direct.py", "by_direct.py", "by_name.py", "late_one.py",
        "pack/__init__.py", "pack/inner.py", "pack/sibling.py", "pack/deep/er.py",
    ])  # fmt: skip


def test_modules_are_found_below_the_code_folder_and_compiled_ones_too(tmp_path) -> None:
    put(tmp_path, "src/flow.py", "import made\nimport fast\n")
    put(tmp_path, "src/made.py")
    put(tmp_path, "src/fast.cpython-311-x86_64-linux-gnu.so")
    put(tmp_path, ".gitignore", "made.py\n*.so\n")
    found = names(LocalWorkspace(tmp_path, tmp_path / "src"))
    assert {"src/made.py", "src/fast.cpython-311-x86_64-linux-gnu.so"} <= set(found)


def test_an_imported_module_that_is_ignored_keeps_the_limits_and_is_named(tmp_path) -> None:
    put(tmp_path, "flow.py", "import local_secrets\n")
    put(tmp_path, "local_secrets.py", IMPORTED["local_secrets.py"])
    put(tmp_path, ".gitignore", "local_*\n")
    with pytest.raises(InvalidInputError, match=r"local_secrets\.py looks like a secret") as caught:
        LocalWorkspace(tmp_path).code()
    assert "a captured module imports it" in caught.value.what
    assert caught.value.fix.startswith("read it from the environment")
    assert RANDOM not in str(caught.value)
    put(tmp_path, "local_secrets.py", "#" * (10 << 20) + "\n")
    with pytest.raises(InvalidInputError, match=r"local_secrets\.py has 10\.0 MiB") as caught:
        LocalWorkspace(tmp_path).code()
    assert caught.value.fix.startswith("import it no more")


def test_sources_are_all_python_files_of_the_project_ignored_ones_and_tests_too(tmp_path) -> None:
    own = ["other.py", "src/a.py", "src/b.py", "src/gen.py", "tests/test_a.py"]
    others = [
        "src/data.csv", ".venv/x.py", ".demo/x.py", "src/__pycache__/x.py", "node_modules/x.py",
        "venv/pyvenv.cfg", "venv/lib/x.py", "lib/site-packages/x.py", "other/tidemill.toml",
        "other/x.py",
    ]  # fmt: skip
    for name in [*own, *others]:
        put(tmp_path / "project", name)
    put(tmp_path / "project", ".gitignore", "gen.py\n")
    workspace = LocalWorkspace(tmp_path / "project", tmp_path / "project" / "src")
    root = workspace.root
    assert [path.relative_to(root).as_posix() for path in workspace.sources()] == own
    put(tmp_path, "beside/c.py")
    beside = LocalWorkspace(tmp_path / "project", tmp_path / "beside").sources()
    assert beside[0].name == "c.py"
    assert len(beside) == 6


def test_an_environment_names_what_is_installed_and_no_path(tmp_path, repository) -> None:
    put(repository, "uv.lock", "version = 1\n")
    project = repository / "examples" / "flights"
    captured = LocalWorkspace(project).environment()
    by_name = {name: (version, digest) for name, version, digest in captured.distributions}
    import msgspec

    assert by_name["msgspec"][0] == msgspec.__version__
    assert all(len(digest) in {0, 64} for _, digest in by_name.values())
    assert captured.python == ".".join(map(str, sys.version_info[:3]))
    assert f"msgspec=={msgspec.__version__}\n" in captured.requirements
    assert captured.lock == b"version = 1\n"
    assert str(Path.home()) not in repr(captured)
    assert sys.prefix not in repr(captured)
    assert LocalWorkspace(project).environment() == captured
    (project / ".tidemill" / "cache" / "installed.json").write_text("rubbish")
    assert LocalWorkspace(project).environment() == captured


def test_a_distribution_is_known_by_its_content_and_an_editable_one_by_its_sources(
    tmp_path, monkeypatch
) -> None:
    site, source = tmp_path / "site", tmp_path / "elsewhere" / "src"
    put(site, "thing-1.0.dist-info/RECORD", "../bin/t,sha256=1,1\nthing/a.py,sha256=2,1\n")
    put(site, "mine-0.1.dist-info/RECORD", "_mine.pth,sha256=3,1\n")
    put(site, "mine-0.1.dist-info/direct_url.json", '{"url": "x", "dir_info": {"editable": true}}')
    put(site, "_mine.pth", f"{source}\n")
    put(source, "mine/a.py", "a = 1\n")
    monkeypatch.setattr(sys, "path", [str(site)])
    workspace = LocalWorkspace(tmp_path / "project")
    (tmp_path / "project").mkdir()

    def digests() -> dict[str, str]:
        return {name: digest for name, _, digest in workspace.environment().distributions}

    first = digests()
    identity = environment_identity(workspace.environment())
    assert set(first) == {"thing", "mine"}
    assert editable_folders() == [source]
    put(site, "thing-1.0.dist-info/RECORD", "../bin/t,sha256=9,9\nthing/a.py,sha256=2,1\n#\n"[:-2])
    assert digests() == first
    put(source, "mine/a.py", "a = 2\n")
    assert environment_identity(workspace.environment()) != identity
    put(site, "thing-1.0.dist-info/RECORD", "thing/a.py,sha256=changed,1\n")
    changed = digests()
    assert changed["mine"] != first["mine"]
    assert changed["thing"] != first["thing"]


def test_a_machine_is_told_with_its_threads(tmp_path, monkeypatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    machine = LocalWorkspace(tmp_path).machine()
    assert machine.threads["OMP_NUM_THREADS"] == "3"
    assert machine.cores >= 1
    assert machine.memory_bytes > 1 << 28
    assert machine.cpu
    assert machine.timezone
