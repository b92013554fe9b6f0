"""The memory of the pool and of the host: what is too much waits or is told to come again, and others are served all the while."""
import os
import re
import threading

import pytest

from lodge_system import until
from repl_names import Repl, lodge_for_code

MIB = 1 << 20
BIG = "#" * (9 * MIB)
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
    with lodge_for_code(sandbox_running=2, sandbox_max=4, sandbox_room_mib=48, sandbox_tenant_room_mib=40,
                        sandbox_meminfo=host.file) as s:
        yield s


@pytest.fixture(scope="module")
def repl(system):
    return Repl(system.admin())


@pytest.fixture(scope="module")
def neighbour(system):
    return Repl(system.tenant("neighbour"))


def submit(repl, code, language="bash", **more):
    return repl.call("POST", "/runs", {"language": language, "code": code, **more})


@pytest.fixture
def naps(repl, neighbour):
    """Runs that take both tenants' only turns."""
    runs = [(r, r.call("POST", "/runs", NAP).json["id"]) for r in (repl, neighbour)]
    until("they run", lambda: repl.status()["running"] == 2)
    yield [run for _, run in runs]
    for r, run in runs:
        r.call("DELETE", f"/runs/{run}")


def refused(a):
    assert a.status == 429 and a.error == "RATE_LIMITED" and int(a.header("Retry-After")) >= 1, a
    return True


def test_what_waits_is_bounded_in_bytes(repl, neighbour, naps):
    own = [submit(repl, BIG) for _ in range(3)]
    assert [a.status for a in own] == [201, 201, 429] and refused(own.pop())
    assert refused(submit(neighbour, BIG)), "there is no room for all of it"
    little = submit(neighbour, "echo 1")
    assert little.status == 201, "what is little is let in"
    assert repl.call("DELETE", f"/runs/{own.pop().json['id']}").status == 204
    others = submit(neighbour, BIG)
    assert others.status == 201 and refused(submit(repl, BIG)), others
    for client, a in ((repl, own.pop()), (neighbour, little), (neighbour, others)):
        assert client.call("DELETE", f"/runs/{a.json['id']}").status == 204


def test_answers_that_nobody_fetches_are_bounded(repl, neighbour, naps):
    loud = [submit(repl, "head -c 8388608 /dev/zero | tr '\\0' x", limits={"outputBytes": 8 * MIB, "timeMs": 60000}) for _ in range(5)]
    assert [a.status for a in loud] == [201] * 5, loud
    for client, run in zip((repl, neighbour), naps):
        assert client.call("DELETE", f"/runs/{run}").status == 204
    until("what was said and not fetched holds the others back", lambda: (s := repl.status()) and not s["running"] and s["waiting"]
          and (a := submit(repl, "echo 1")).status != 201 and refused(a))
    assert neighbour.run("bash", "echo served")["stdout"] == "served\n"
    until("the forgotten ones made room for the others", lambda: (s := repl.status()) and not s["running"] and not s["waiting"])
    big = until("there is room again", lambda: (a := submit(repl, BIG)).status == 201 and a, step=3)
    repl.call("DELETE", f"/runs/{big.json['id']}")


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
        own = submit(repl, BIG)
        assert own.status == 429, "what is big does not wait while memory is short"
        assert submit(repl, "echo 1").status == 201
        assert repl.call("DELETE", f"/runs/{run}").status == 204
    finally:
        host.has(50)
    until("they are ready again", lambda: (s := repl.status()) and not s["memoryPressure"] and s["ready"] >= 3)
