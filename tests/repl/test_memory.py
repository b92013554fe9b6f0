"""A small pool, and a host that is short of memory: everybody is served all the while."""
import os
import re
import threading

import pytest

from lodge_system import System, until
from repl_names import Repl

NAP = {"language": "bash", "code": "sleep 50", "limits": {"timeMs": 60000}}


class Host:
    """The memory that Lodge believes the host to have."""

    def __init__(self, folder):
        self.file = f"{folder}/meminfo"
        self.has(50)

    def has(self, percent):
        with open(f"{self.file}.new", "w") as f:
            f.write(f"MemTotal:       1000 kB\nMemFree:        5 kB\nMemAvailable:   {10 * percent} kB\n")
        os.rename(f"{self.file}.new", self.file)


@pytest.fixture(scope="module")
def host(tmp_path_factory):
    return Host(tmp_path_factory.mktemp("host"))


@pytest.fixture(scope="module")
def system(host):
    """Of the smallest: one tenant may have one run going on, and two sandboxes of a kind are ready at most."""
    s = System(drivers="container", sign_in_per_minute=1000, sandbox_running=2, sandbox_max=4, sandbox_meminfo=host.file)
    try:
        s.start()
        Repl(s.admin()).prepare()
        yield s
    finally:
        s.close()


@pytest.fixture(scope="module")
def repl(system):
    return Repl(system.admin())


@pytest.fixture(scope="module")
def neighbour(system):
    return Repl(system.tenant("neighbour"))


def number(system):
    """How many sandboxes this Lodge has made: the last part of their names."""
    names = system.podman("ps", "-a", "--format", "{{.Names}}").stdout.split()
    return max((int(re.sub(r".*-", "", n)) for n in names if n.startswith("lodge-box-")), default=0)


def flood(clients, each):
    """All at once; the answers."""
    answers = []

    def ask(client):
        answers.append(client.call("POST", "/execute", {"language": "bash", "code": "echo fine", "limits": {"timeMs": 60000}}))

    crowd = [threading.Thread(target=ask, args=(c,)) for c in clients for _ in range(each)]
    for t in crowd:
        t.start()
    for t in crowd:
        t.join(120)
    return answers


def test_two_busy_tenants_on_a_small_pool(repl, neighbour):
    """The sandboxes that are left to others never are all there are."""
    answers = flood((repl, neighbour), 5)
    assert len(answers) == 10 and all(a.status == 200 and a.json["stdout"] == "fine\n" for a in answers), answers


def test_a_host_short_of_memory(system, host, repl, neighbour):
    before = number(system)
    try:
        host.has(2)
        until("no sandbox waits", lambda: (s := repl.status()) and s["memoryPressure"] and not s["ready"] and not s["making"], timeout=20)
        answers = flood((repl, neighbour), 4)
        assert len(answers) == 8 and all(a.status == 200 and a.json["stdout"] == "fine\n" for a in answers), answers
        until("no sandbox waits any more", lambda: (s := repl.status()) and not s["ready"] and not s["making"], timeout=20)
        run = repl.call("POST", "/runs", NAP).json["id"]
        until("it runs", lambda: repl.status()["running"] == 1)
        made = number(system) - before
        assert 0 < made <= 2 * len(answers), f"{made} sandboxes were made for {len(answers)} runs"
        assert repl.call("DELETE", f"/runs/{run}").status == 204
    finally:
        host.has(50)
    until("they are ready again", lambda: (s := repl.status()) and not s["memoryPressure"] and s["ready"] >= 3)
