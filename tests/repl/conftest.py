"""One Lodge with everything that code needs, for the whole folder."""
import pytest

from lodge_system import until
from repl_names import Repl, lodge_for_code


@pytest.fixture(scope="session")
def system():
    with lodge_for_code() as s:
        yield s


@pytest.fixture(scope="session")
def repl(system):
    return Repl(system.admin())


@pytest.fixture(scope="session")
def neighbour(system):
    """Another tenant's client."""
    return Repl(system.tenant("neighbour"))


@pytest.fixture(autouse=True)
def nothing_left(system, repl):
    """After each test nothing runs or waits, the pool is full again, no process was found faulty."""
    yield
    until("the sandboxes are at rest", lambda: (s := repl.status()) and not s["running"] and not s["waiting"] and not s["ending"]
          and not s["making"] and s["ready"] >= 3, timeout=90)
    assert not system.sanitizer_reports(), "\n".join(system.sanitizer_reports())
