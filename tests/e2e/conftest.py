"""Helpers of the end-to-end tests: a real engine behind the front door."""
import itertools

import pytest

from lodge_client import EventTail

counter = itertools.count(1)


@pytest.fixture
def admin(system):
    return system.admin()


@pytest.fixture
def name():
    """A name nobody has used."""
    return f"t{next(counter)}"


@pytest.fixture
def tail(admin):
    t = EventTail(admin)
    yield t
    t.stop()


@pytest.fixture(scope="session")
def tenants(system):
    """Two tenants besides the admin's own: their users' clients."""
    return system.tenant("alpha"), system.tenant("beta")


@pytest.fixture(autouse=True)
def nothing_broken(system):
    """After each test every process answers and none was found faulty by its sanitizers."""
    yield
    assert not system.sanitizer_reports(), "\n".join(system.sanitizer_reports())
