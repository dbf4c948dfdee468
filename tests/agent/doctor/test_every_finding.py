"""No finding without a test that provokes it, and none without its sentence."""

import ast
import importlib
import pkgutil
from pathlib import Path

import agent.doctor
from agent.doctor.model import Kind
from tests.agent.doctor.sentences import SENTENCES

HERE = Path(__file__).parent


def kinds() -> dict[str, Kind]:
    modules = (
        importlib.import_module(found.name) for found in pkgutil.iter_modules(agent.doctor.__path__, "agent.doctor.")
    )
    return {kind.id: kind for module in modules for kind in vars(module).values() if isinstance(kind, Kind)}


def provoked() -> set[str]:
    """The ids that tests hand to `sees`: as a constant, or as a parameter of the test."""
    found: set[str] = set()
    for path in HERE.glob("test_*.py"):
        for test in ast.walk(ast.parse(path.read_text())):
            if not isinstance(test, ast.FunctionDef | ast.AsyncFunctionDef):
                continue
            asked = [call.args[1] for call in ast.walk(test) if isinstance(call, ast.Call) and _is_sees(call)]
            found |= {str(ids.value) for ids in asked if isinstance(ids, ast.Constant)}
            if any(isinstance(ids, ast.Name) for ids in asked):
                decorators = [node for decorator in test.decorator_list for node in ast.walk(decorator)]
                found |= {str(node.value) for node in decorators if isinstance(node, ast.Constant)} & set(SENTENCES)
    return found


def _is_sees(call: ast.Call) -> bool:
    return isinstance(call.func, ast.Name) and call.func.id == "sees" and len(call.args) > 1


def test_every_finding_has_its_sentence_and_no_sentence_is_left_over() -> None:
    assert set(kinds()) == set(SENTENCES)


def test_every_finding_is_provoked() -> None:
    missing = set(kinds()) - provoked()
    assert not missing, f"no test provokes {sorted(missing)}"


def test_ids_are_unique_and_every_phrase_says_something() -> None:
    modules = [
        importlib.import_module(found.name) for found in pkgutil.iter_modules(agent.doctor.__path__, "agent.doctor.")
    ]
    every = [id(kind) for module in modules for kind in vars(module).values() if isinstance(kind, Kind)]
    assert len(set(every)) == len(kinds())
    assert all(phrases and all(len(phrase) > 1 for phrase in phrases) for phrases in SENTENCES.values())
