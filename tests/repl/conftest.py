"""One Lodge with everything that code needs, for the whole folder."""
import pytest

from lodge_system import System, until
from repl_names import Repl


@pytest.fixture(scope="session")
def system():
    s = System(drivers="container", sign_in_per_minute=1000)
    try:
        s.start()
        Repl(s.admin()).prepare()
        yield s
    finally:
        s.close()


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
