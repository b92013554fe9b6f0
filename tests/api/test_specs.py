"""README.md's table of what the published APIs print: every row has its test, and no test's own list has a command the table has not."""
import importlib
import os
import re

import pytest

HERE = os.path.dirname(os.path.abspath(__file__))
# What each API prints at least, so that a row cannot just go.
AT_LEAST = {"unified": 19, "tenant": 21, "cloud": 14, "repl": 1}
# Modules with a list of their own; where in an entry the test stands.
LISTS = [("test_unified", "COMMANDS", 2), ("test_tenant", "COMMANDS", 3), ("test_cloud", "ENDPOINTS", 2), ("test_vms", "COMMANDS", 2)]


def rows():
    with open(f"{HERE}/README.md") as f:
        cells = [[c.strip() for c in line.strip().strip("|").split(" | ")] for line in f if line.startswith("| ") and " test_" in line]
    return [(c[0], c[1], c[2].split(", ")) for c in cells if len(c) == 3]


@pytest.mark.parametrize("api", AT_LEAST)
def test_nothing_printed_is_missing(api):
    commands = [command for a, command, _ in rows() if a == api]
    assert len(commands) >= AT_LEAST[api] and len(set(commands)) == len(commands)


@pytest.mark.parametrize("api, command, tests", rows(), ids=[f"{a} {c}" for a, c, _ in rows()])
def test_each_row_has_its_test(api, command, tests):
    for name in tests:
        module, function = name.split(".")
        found = importlib.import_module(module)
        assert callable(getattr(found, function, None)), f"{api}: {command}: there is no {name}"


@pytest.mark.parametrize("module, name, at", LISTS)
def test_the_lists_of_the_tests_are_in_it(module, name, at):
    named = {t for _, _, tests in rows() for t in tests}
    for entry in getattr(importlib.import_module(module), name):
        test = entry[at] if "." in entry[at] else f"{module}.{entry[at]}"
        assert test in named, f"{entry}: no row of tests/api/README.md names {test}"


def test_every_printed_script_is_one():
    """The commands that run in a shell are printed ones: curl with a whole address."""
    import test_gateway
    import test_printed
    texts = [test_gateway.LIFE, test_gateway.ISOLATION, test_gateway.FLAVORS, test_gateway.INTEGRATION, *test_printed.UNIFIED.values()]
    assert all(re.search(r"curl .*http://localhost:80\d\d/", t, re.S) for t in texts)
