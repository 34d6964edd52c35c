"""What must hold of the repository as a whole, whatever is in it."""

from __future__ import annotations

import ast
import re
import subprocess
import tomllib
from functools import cache
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from pumasi.config import project_root
from tests.needs import unavailable

ROOT = project_root()
LARGEST = 1_000_000  # bytes; a screenshot fits, an extract or a model does not
# Folders of people's machines, spelt so that this file doesn't hold one.
MACHINE_PATH = re.compile(r"(?<![\w.$}])/(?:work|home|root|Users)/\w")
PRIVATE_KEY = re.compile(r"-----BEGIN [A-Z ]*PRIVATE KEY-----")
LINK = re.compile(r"!?\[[^\]]*\]\(([^)\s]+)\)")


@cache
def repository_files() -> tuple[Path, ...]:
    """Every file that is in the repository or would be with the next commit."""
    if not (ROOT / ".git").exists():
        unavailable("not a git repository: git knows which files are the project's")
    listed = subprocess.run(
        ["git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    return tuple(path for name in listed.split("\0") if name and (path := ROOT / name).is_file())


def text_of(path: Path) -> str:
    return path.read_bytes().decode("utf-8", errors="ignore")


def names(paths: list[Path]) -> list[str]:
    return [str(path.relative_to(ROOT)) for path in paths]


def locked() -> dict[str, Requirement]:
    lines = (ROOT / "requirements.lock").read_text(encoding="utf-8").splitlines()
    pinned = [Requirement(line.rstrip(" \\")) for line in lines if not line.startswith(" ")]
    return {canonicalize_name(requirement.name): requirement for requirement in pinned}


def imports(path: Path) -> set[str]:
    """Top-level names of the modules that a file imports."""
    nodes = list(ast.walk(ast.parse(text_of(path))))
    plain = [alias.name for node in nodes if isinstance(node, ast.Import) for alias in node.names]
    named = [n.module for n in nodes if isinstance(n, ast.ImportFrom) and n.module and not n.level]
    return {name.split(".")[0] for name in [*plain, *named]}


def test_what_is_not_there_is_skipped_by_a_user_and_fails_in_ci(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr("tests.test_repository.ROOT", tmp_path)
    monkeypatch.delenv("CI", raising=False)
    with pytest.raises(pytest.skip.Exception, match="not a git repository"):
        repository_files.__wrapped__()
    monkeypatch.setenv("CI", "true")
    with pytest.raises(pytest.fail.Exception, match=r"under CI=true this is not skipped"):
        repository_files.__wrapped__()


def test_the_lock_names_no_registry_and_hashes_everything() -> None:
    text = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    assert "://" not in text
    assert "--index" not in text
    assert "--find-links" not in text
    for requirement in text.replace("\\\n", " ").splitlines():
        assert "==" in requirement
        assert "--hash=sha256:" in requirement


def test_the_lock_satisfies_what_the_project_asks_for() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    lock = locked()
    for line in [*project["dependencies"], *project["optional-dependencies"]["dev"]]:
        wanted = Requirement(line)
        pin = lock[canonicalize_name(wanted.name)]
        version = str(pin.specifier).removeprefix("==")
        assert wanted.specifier.contains(version), f"{wanted}: run `make lock`"


def test_what_is_imported_is_asked_for_by_name() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    asked = [*project["dependencies"], *project["optional-dependencies"]["dev"]]
    declared = {canonicalize_name(Requirement(line).name) for line in asked} | {"pumasi"}
    distributions = packages_distributions()
    imported = {
        name for path in repository_files() if path.suffix == ".py" for name in imports(path)
    }
    missing = {
        name
        for name in imported & distributions.keys()
        if declared.isdisjoint(map(canonicalize_name, distributions[name]))
    }
    assert missing - {"pydantic_core"} == set()  # part of pydantic


def test_no_file_holds_a_path_of_one_machine() -> None:
    assert names([p for p in repository_files() if MACHINE_PATH.search(text_of(p))]) == []


def test_no_file_holds_a_private_key() -> None:
    assert names([p for p in repository_files() if PRIVATE_KEY.search(text_of(p))]) == []


def test_no_file_is_big() -> None:
    assert names([p for p in repository_files() if p.stat().st_size > LARGEST]) == []


def test_every_module_says_what_it_is_for() -> None:
    modules = [path for path in repository_files() if path.suffix == ".py"]
    silent = [p for p in modules if not ast.get_docstring(ast.parse(text_of(p)))]
    assert names(silent) == []


def test_every_link_in_a_document_points_at_a_file_that_exists() -> None:
    documents = [path for path in repository_files() if path.suffix == ".md"]
    broken = [
        f"{document.relative_to(ROOT)}: {target}"
        for document in documents
        for target in LINK.findall(text_of(document))
        if "://" not in target and not target.startswith(("#", "mailto:"))
        if not (document.parent / target.split("#")[0]).exists()
    ]
    assert broken == []


def test_every_make_command_explains_itself() -> None:
    makefile = (ROOT / "Makefile").read_text(encoding="utf-8")
    phony = re.search(r"^\.PHONY: (.*)$", makefile, re.MULTILINE)
    assert phony
    shown = subprocess.run(
        ["make", "--no-print-directory", "help"],
        cwd=ROOT,
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    assert [line.split()[1] for line in shown.splitlines()] == phony.group(1).split()
