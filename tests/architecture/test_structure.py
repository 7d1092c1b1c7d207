"""The house stays in order: sizes, layers, cycles, rooms, words that practices must not know."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SOURCE = ROOT / "src" / "tidemill"
MODULES = sorted(SOURCE.rglob("*.py"))
PRACTICES = SOURCE / "practices"


def name_of(path: Path) -> str:
    parts = path.relative_to(SOURCE.parent).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


def functions(path: Path) -> Iterator[ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            yield node


def test_no_module_is_longer_than_400_lines() -> None:
    long = {name_of(p): n for p in MODULES if (n := len(p.read_text().splitlines())) > 400}
    assert not long


def test_no_function_is_longer_than_50_lines() -> None:
    long = [
        f"{name_of(path)}.{node.name}: {size}"
        for path in MODULES
        for node in functions(path)
        if (size := (node.end_lineno or 0) - node.lineno + 1) > 50
    ]
    assert not long


def test_every_module_says_its_subject_in_its_first_line() -> None:
    silent = [name_of(p) for p in MODULES if not ast.get_docstring(ast.parse(p.read_text()))]
    assert not silent


def test_no_room_has_a_drawer_for_odds_and_ends() -> None:
    odd = {"utils", "helpers", "manager", "base", "misc", "common", "legacy"}
    assert not [name_of(p) for p in MODULES if odd & set(p.with_suffix("").parts)]


def test_no_init_imports_anything_but_the_root() -> None:
    busy = [
        name_of(p)
        for p in MODULES
        if p.name == "__init__.py"
        and p.parent != SOURCE
        and any(
            isinstance(n, ast.Import | ast.ImportFrom) for n in ast.walk(ast.parse(p.read_text()))
        )
    ]
    assert not busy


def type_only_lines(tree: ast.Module) -> set[int]:
    lines: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            lines |= set(range(node.lineno, (node.end_lineno or 0) + 1))
    return lines


def test_there_is_no_import_cycle_lazy_imports_counted() -> None:
    known = {name_of(p) for p in MODULES}
    graph: dict[str, set[str]] = {}
    for path in MODULES:
        tree = ast.parse(path.read_text())
        skipped = type_only_lines(tree)
        found: set[str] = set()
        for node in ast.walk(tree):
            if getattr(node, "lineno", 0) in skipped:
                continue
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                inner = {f"{node.module}.{alias.name}" for alias in node.names}
                found |= inner & known or {node.module}
        graph[name_of(path)] = (found & known) - {name_of(path), "tidemill"}
    assert cycle_in(graph) == []


def cycle_in(graph: dict[str, set[str]]) -> list[str]:
    done: set[str] = set()

    def walk(node: str, path: list[str]) -> list[str]:
        if node in path:
            return [*path[path.index(node) :], node]
        if node in done:
            return []
        for following in sorted(graph[node]):
            if found := walk(following, [*path, node]):
                return found
        done.add(node)
        return []

    for start in sorted(graph):
        if found := walk(start, []):
            return found
    return []


def test_practices_know_nothing_of_the_example() -> None:
    words = re.compile(r".*(flight|carrier|nycflights).*", re.IGNORECASE)
    guilty = []
    for path in [*PRACTICES.rglob("*.py"), *(SOURCE / "kernels").rglob("*.py")]:
        tree = ast.parse(path.read_text())
        names = {n.id for n in ast.walk(tree) if isinstance(n, ast.Name)}
        names |= {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
        guilty += [f"{name_of(path)}: {name}" for name in names if words.fullmatch(name)]
    assert not guilty


def test_every_adapter_place_holds_only_what_is_named_as_a_port() -> None:
    ports = {p.stem for p in (SOURCE / "ports").glob("*.py")}
    for place in (p for p in (SOURCE / "adapters").iterdir() if p.is_dir() and p.name[0] != "_"):
        names = {p.stem for p in place.iterdir() if p.name[0] != "_"}
        assert names <= ports, f"{place.name}: {sorted(names - ports)}"


def error_classes() -> list[tuple[str, ast.ClassDef]]:
    return [
        (name_of(path), node)
        for path in MODULES
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef) and node.name.endswith("Error")
    ]


def test_every_error_code_is_used_by_one_class_only() -> None:
    codes: dict[str, list[str]] = {}
    for module, node in error_classes():
        for code in re.findall(r"\"(TM\d{3})\"", ast.unparse(node).replace("'", '"')):
            codes.setdefault(code, []).append(f"{module}.{node.name}")
    assert not {code: users for code, users in codes.items() if len(users) > 1}


def test_nobody_swallows_an_error() -> None:
    silent = []
    for path in MODULES:
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ExceptHandler):
                is_broad = node.type is None or ast.unparse(node.type) in {
                    "Exception",
                    "BaseException",
                }
                is_empty = all(isinstance(item, ast.Pass) for item in node.body)
                if is_broad and is_empty:
                    silent.append(f"{name_of(path)}:{node.lineno}")
    assert not silent


def output_of(*command: str) -> str:
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


@pytest.mark.parametrize("call", ["import tidemill", "from tidemill.app.command_line import main"])
def test_starting_loads_no_heavy_library(call: str) -> None:
    heavy = "{'numpy', 'polars', 'jinja2', 'lightgbm', 'uvicorn', 'lmdb', 'sqlite3'}"
    code = f"import sys; {call}; print(sorted(m for m in sys.modules if m in {heavy}))"
    answer = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert answer.stdout.strip() == "[]"


def test_no_committed_file_holds_a_path_of_a_machine() -> None:
    subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True)
    pattern = re.compile(r"(?<![\w.])/(?:home|root|Users|work)/\w")
    guilty = [
        name
        for name in output_of("git", "ls-files").split()
        if name != "uv.lock"
        and not name.endswith((".png", ".svg"))
        and Path(name) != Path(__file__).relative_to(ROOT)
        and pattern.search((ROOT / name).read_text(errors="ignore"))
    ]
    assert not guilty
