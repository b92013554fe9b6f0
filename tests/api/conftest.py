"""Instances on the fake engine."""
import contextlib
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from conftest_names import Tenant, counter  # noqa: E402


@pytest.fixture
def label():
    """A name nobody has used."""
    return f"n{next(counter)}"


@pytest.fixture(scope="session")
def red(fake_system):
    return Tenant(fake_system.tenant("red"))


@pytest.fixture(scope="session")
def blue(fake_system):
    return Tenant(fake_system.tenant("blue"))


@pytest.fixture(scope="session")
def green(vms):
    return Tenant(vms.tenant("green"))


@pytest.fixture
def instance(red):
    """A running one, gone afterwards."""
    i = red.make()
    yield i
    red.drop(i["id"])


@pytest.fixture
def faults(fake_system):
    """faults("start slow=500 1", …) makes the fake engine misbehave until the test ends."""
    path = f"{fake_system.state}/fake/faults"

    def put(*lines):
        with open(path + ".new", "w") as f:
            f.write("".join(line + "\n" for line in lines))
        os.replace(path + ".new", path)

    yield put
    if os.path.exists(path):
        os.unlink(path)


@pytest.fixture
def held(fake_system, faults):
    """`with held("start"):` the next call of that verb ends when the block does, however long that takes."""
    @contextlib.contextmanager
    def hold(verb):
        path = f"{fake_system.state}/fake/hold"
        open(path, "w").close()
        try:
            faults(f"{verb} held 1")
            yield
        finally:
            os.unlink(path)

    return hold


@pytest.fixture(autouse=True)
def nothing_broken(request, fake_system):
    """No process was found faulty by its sanitizers, and no worker died."""
    before = fake_system.log("api").count("a worker ended")
    yield
    assert not fake_system.sanitizer_reports(), "\n".join(fake_system.sanitizer_reports())
    if not request.node.get_closest_marker("kills_workers"):
        assert fake_system.log("api").count("a worker ended") == before
