"""Flower's programs at a hospital look for work often, which needs names of Flower's to stay."""

from __future__ import annotations

import ast
import inspect
import time
from importlib import import_module

import pytest

from orchestration.flower.node.look_often import LOOK, often

MODULES = ["flwr.supernode.start_client_internal", "flwr.supercore.superexec.run_superexec"]


@pytest.mark.parametrize("name", MODULES)
def test_the_module_uses_time_to_sleep_and_for_nothing_else(name: str) -> None:
    tree = ast.parse(inspect.getsource(import_module(name)))
    used = {
        node.attr
        for node in ast.walk(tree)
        if isinstance(node, ast.Attribute)
        and isinstance(node.value, ast.Name)
        and node.value.id == "time"
    }
    assert used == {"sleep"}


@pytest.mark.parametrize("name", MODULES)
def test_a_long_wait_is_cut_and_a_short_one_stays(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    module = import_module(name)
    monkeypatch.setattr(module, "time", module.time)
    often(name)
    waited: list[float] = []
    monkeypatch.setattr(time, "sleep", waited.append)
    module.time.sleep(3)
    module.time.sleep(0.1)
    assert waited == [LOOK, 0.1]
