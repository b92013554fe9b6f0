"""Instances on the fake engine."""
import os
import sys

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from conftest_names import Tenant, counter  # noqa: E402
from lodge_client import operation_of  # noqa: E402
from lodge_system import System  # noqa: E402


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
def vms():
    """A Lodge whose fake engines serve both backends, with one VM image that is everybody's default."""
    s = System(drivers="fake,fake-vm", pool=os.environ.get("LODGE_TEST_VM_POOL", "127.93.0.0/16"), sign_in_per_minute=1000,
               fetch_allow="127.0.0.1, localhost")
    try:
        s.start()
        admin = s.admin()
        a = admin.call("POST", "/images/upload?name=tiny&kind=vm&format=raw&minMemoryBytes=100663296&defaultUser=lodge",
                       os.urandom(4096), 202, Content_Type="application/octet-stream")
        assert admin.operation(operation_of(a))["status"] == "done"
        admin.put(f"/images/{a.json['id']}", {"public": True, "default": True,
                                              "aliases": ["ubuntu-22.04", "nginx-1.24", "postgresql-15"]}, 200)
        yield s
    finally:
        s.close()


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


@pytest.fixture(autouse=True)
def nothing_broken(request, fake_system):
    """No process was found faulty by its sanitizers, and no worker died."""
    before = fake_system.log("api").count("a worker ended")
    yield
    assert not fake_system.sanitizer_reports(), "\n".join(fake_system.sanitizer_reports())
    if not request.node.get_closest_marker("kills_workers"):
        assert fake_system.log("api").count("a worker ended") == before
