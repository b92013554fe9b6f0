"""Fixtures of every pytest folder. See lodge_system.py: `System` is a whole Lodge of its own."""
import os
import pathlib
import shutil
import signal
import sys
import tempfile

import pytest

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from lodge_system import System, until  # noqa: E402,F401


def pytest_runtest_makereport(item, call):
    """A failing test of a system shows what its processes said."""
    if call.when == "call" and call.excinfo is not None:
        for value in getattr(item, "funcargs", {}).values():
            if isinstance(value, System):
                item.add_report_section("call", "lodge up", value.said())
                item.add_report_section("call", "logs", value.logs())


@pytest.fixture(autouse=True)
def no_test_hangs(request):
    """A test that waits for ever fails instead, so that what it started is still taken down."""
    marker = request.node.get_closest_marker("within")
    seconds = marker.args[0] if marker else 240

    def give_up(*_):
        raise TimeoutError(f"the test took longer than {seconds} seconds")

    before = signal.signal(signal.SIGALRM, give_up)
    signal.alarm(seconds)
    yield
    signal.alarm(0)
    signal.signal(signal.SIGALRM, before)


@pytest.fixture
def common_path():
    """A folder that every user may enter, as /usr is. pytest's own may be entered by one, and every run sees to that again."""
    path = pathlib.Path(tempfile.mkdtemp(prefix="lodge-test-", dir=os.environ.get("LODGE_TEST_DIR", "/tmp")))
    path.chmod(0o755)
    yield path
    shutil.rmtree(path)


@pytest.fixture
def make_system():
    """Systems for one test, stopped and verified at its end: make_system(drivers="fake", api_workers=2)."""
    made = []

    def make(**settings):
        made.append(System(**settings))
        return made[-1]

    yield make
    for s in reversed(made):
        s.close()


@pytest.fixture(scope="session")
def fake_system():
    """One Lodge with the fake driver for a whole folder of tests. Its instances' addresses are loopback's, so that what
    ingress sends to them never leaves this host, and a test may listen there itself."""
    s = System(drivers="fake", pool=os.environ.get("LODGE_TEST_FAKE_POOL", "127.96.0.0/16"), sign_in_per_minute=1000)
    try:
        s.start()
        yield s
    finally:
        s.close()


@pytest.fixture(scope="session")
def vms():
    """A Lodge whose fake engines serve both backends, with one VM image that is everybody's default."""
    s = System(drivers="fake,fake-vm", pool=os.environ.get("LODGE_TEST_VM_POOL", "127.93.0.0/16"), sign_in_per_minute=1000,
               fetch_allow="127.0.0.1, localhost")
    try:
        s.start()
        s.add_machine_image()
        yield s
    finally:
        s.close()


@pytest.fixture(scope="session")
def system():
    """One Lodge on the real engine for a whole folder of tests."""
    s = System(drivers="container", sign_in_per_minute=1000,
               reconcile_ms=1000, sample_ms=1000)
    try:
        s.start()
        yield s
    finally:
        s.close()
