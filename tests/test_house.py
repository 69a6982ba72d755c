"""The house itself: imports run downward, every route says who may call it, docs are whole.

A failure here names the rule that a line broke; `docs/architecture.md` says why it is one.
"""

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

from config import Settings
from moderation.core.comment import ATTRIBUTES
from moderation.core.decision import ReasonCode
from moderation.edge import PROBLEMS
from moderation.wire import EVENT_TYPES, REVIEW_REASONS

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = ROOT / "moderation"

FLOORS = {
    "core": 1,
    "reading": 1,
    "text": 2,
    "jsontext": 2,
    "wire": 2,
    "shapes": 3,
    "connections": 1,
    "sender": 2,
    "logs": 1,
    "heaps": 1,
    "handover": 1,
    "metrics": 1,
    "signing": 2,
    "scoring": 3,
    "checks": 4,
    "evaluation": 5,
    "training": 6,
    "store": 5,
    "flows": 6,
    "worker": 7,
    "edge": 8,
    "api": 9,
    "dialects": 9,
    "desk": 9,
    "demo": 9,
    "commands": 10,
    "app": 11,
    "gunicorn_conf": 12,
}
"""Room → floor. A file imports from floors below, or from its own room."""

FILES = sorted(p for p in PACKAGE.rglob("*.py") if p.name != "__init__.py")


def imports_of(path: Path) -> set[str]:
    """Every module that a file imports, anywhere in it."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{name.name}" for name in node.names}
        elif isinstance(node, ast.Import):
            found |= {name.name for name in node.names}
    return found


def room_of(module: str) -> str | None:
    parts = module.split(".")
    return parts[1] if parts[0] == "moderation" and len(parts) > 1 else None


@pytest.mark.parametrize("path", FILES, ids=lambda p: str(p.relative_to(PACKAGE)))
def test_imports_run_downward(path: Path) -> None:
    room = path.relative_to(PACKAGE).parts[0].removesuffix(".py")
    assert room in FLOORS, f"the room {room} has no floor; give it one in FLOORS"
    for module in imports_of(path):
        other = room_of(module)
        if other is None or other == room or other not in FLOORS:
            continue
        assert FLOORS[other] < FLOORS[room], f"{room} may not import {module}: it is not below"


def test_the_core_needs_the_standard_library_only() -> None:
    for path in (PACKAGE / "core").glob("*.py"):
        for module in imports_of(path):
            top = module.split(".")[0]
            assert top == "moderation" or top in STANDARD, f"{path.name} imports {module}"


STANDARD = {"collections", "dataclasses", "datetime", "enum", "hashlib", "json", "math", "typing"}


def test_flows_never_import_each_other() -> None:
    shared = {"runtime", "errors", "pressure", "conclude", "flight"}
    for path in (PACKAGE / "flows").glob("*.py"):
        for module in imports_of(path):
            parts = module.split(".")
            if parts[:2] == ["moderation", "flows"] and len(parts) > 2:
                assert parts[2] in shared, f"flows/{path.name} imports {module}"


def test_only_its_command_and_the_training_import_the_evaluation() -> None:
    for path in FILES:
        room = path.relative_to(PACKAGE).parts[0]
        if room not in ("evaluation", "commands", "training"):
            assert "evaluation" not in set(map(room_of, imports_of(path))), path


def test_only_entry_points_read_the_configuration() -> None:
    for path in FILES:
        if path.name == "gunicorn_conf.py":
            continue
        text = path.read_text()
        assert "config" not in {m.split(".")[0] for m in imports_of(path)}, path
        assert "os.environ[" not in text or "HF_HUB_OFFLINE" in text, (
            f"{path} reads the environment; config.py does"
        )


def test_only_the_ledger_writes_decisions_and_statuses() -> None:
    for path in FILES:
        if path.name in ("ledger.py", "tables.py"):
            continue
        text = path.read_text()
        assert not re.search(r"\bDecisionRow\(", text), f"{path} makes a decision"
        assert not re.search(r"\bcomment\.status = ", text), f"{path} moves a status"


def test_files_stay_short_enough_to_read() -> None:
    long = {
        str(path.relative_to(PACKAGE)): lines
        for path in FILES
        if (lines := len(path.read_text().splitlines())) > 450
    }
    assert not long, f"past 450 lines; look at the room: {long}"


def test_every_route_says_who_may_call_it(app) -> None:
    silent = [
        rule.rule
        for rule in app.url_map.iter_rules()
        if rule.endpoint != "static" and not hasattr(app.view_functions[rule.endpoint], "open_to")
    ]
    assert not silent, f"mark these with a decorator of edge.py: {silent}"


def document(name: str) -> str:
    return (ROOT / "docs" / name).read_text()


def test_every_setting_is_documented() -> None:
    for name in Settings().shown():
        assert f"`{name}`" in document("settings.md"), name


def test_every_attribute_and_rule_of_a_policy_is_documented() -> None:
    text = document("policy.md")
    for name in (*ATTRIBUTES, *ReasonCode, *REVIEW_REASONS):
        assert f"`{name}`" in text, name


def test_every_event_and_problem_is_documented() -> None:
    text = document("api.md")
    for name in (*EVENT_TYPES, *(kind for _, kind in PROBLEMS.values())):
        assert f"`{name}`" in text, name


def test_every_command_is_documented(app) -> None:
    text = document("commands.md")
    own = {"db", "site", "user", "deliveries", "init", "settings", "score", "model", "worker"}
    own |= {"evaluate"}
    assert own <= set(app.cli.commands), own - set(app.cli.commands)
    for name in set(app.cli.commands) - {"openapi"}:
        assert f"`flask {name}" in text, name


def test_no_page_loads_anything_from_elsewhere() -> None:
    outside = re.compile(r"""(?:src|href|action)\s*=\s*["'](?:https?:)?//""", re.I)
    for path in PACKAGE.rglob("*.html"):
        for line in path.read_text().splitlines():
            if outside.search(line):
                assert "<a " in line, f"{path.name}: {line.strip()}"


def test_the_process_that_forks_has_no_runtime_of_models() -> None:
    """gunicorn's master forks: what has threads by then makes its children abort at their end."""
    asked = "import sys, moderation.gunicorn_conf; print(*sys.modules, sep='\\n')"
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    assert {"onnxruntime", "tokenizers", "torch", "numpy"}.isdisjoint(done.stdout.split())


READ_BY_THE_MASTER = {
    "config",
    "moderation",
    "moderation.gunicorn_conf",
    "moderation.handover",
    "moderation.heaps",
    "moderation.scoring",
    "moderation.scoring.detoxify",
    "moderation.scoring.fetch",
    "moderation.scoring.model",
    "moderation.scoring.naming",
}


def test_the_process_that_forks_has_little_that_a_worker_could_inherit() -> None:
    """What gunicorn's master has imported is old when workers are forked after an update."""
    asked = (
        "import sys, types, gunicorn.workers.gthread; before = set(sys.modules);"
        "import moderation.gunicorn_conf as conf; print(*set(sys.modules) - before);"
        "conf.on_starting(types.SimpleNamespace(signal=None)); print(*sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", asked], cwd=ROOT, capture_output=True, text=True, timeout=60
    )
    assert done.returncode == 0, done.stderr
    read, left = map(set, map(str.split, done.stdout.splitlines()))
    ours = {name for name in read if name.split(".")[0] in ("config", "moderation")}
    assert ours <= READ_BY_THE_MASTER, ours - READ_BY_THE_MASTER
    others = {name.split(".")[0] for name in read - ours} - sys.stdlib_module_names
    assert others <= {"pysqlite3"}, "import it where a worker needs it"
    assert ours.isdisjoint(left), "on_starting lets go of what was read"
