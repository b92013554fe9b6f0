"""Tenants' own networks on the real engine: who is on one reaches each other, and nothing else."""
import os
import subprocess

import pytest

from e2e_names import FOREVER
from lodge_system import until


@pytest.fixture
def network():
    made = []

    def make(api, name, cidr="10.7.0.0/24"):
        n = api.post("/networks", {"name": name, "cidr": cidr}, 201).json
        made.append((api, n["id"]))
        return n
    yield make
    for api, ident in made:
        a = api.get(f"/networks/{ident}", (200, 404))
        for member in a.json["attachments"] if a.status == 200 else []:  # what a test that failed has left
            api.remove(member["instance"])
        api.delete(f"/networks/{ident}", (204, 404))


def on(system, ident, *argv):
    return system.engine.exec(ident, *argv)


def pings(system, ident, address, device="eth1"):
    """Whether one question is answered within a second."""
    return on(system, ident, "ping", "-c", "1", "-W", "1", "-I", device, address)[0] == 0


def card(inst):
    (c,) = inst["networks"]
    return c


def test_members_reach_each_other_and_overlaps_stay_apart(system, tenants, name, network):
    alpha, beta = tenants
    na, nb = network(alpha, "inner"), network(beta, "inner")
    assert na["id"] != nb["id"] and na["cidr"] == nb["cidr"]
    a1 = alpha.create(name + "a", FOREVER, networkMode="inner")
    a2 = alpha.create(name + "b", FOREVER, networks=["inner"])
    b1 = beta.create(name + "c", FOREVER, networkMode="inner")
    assert a1["config"]["networkMode"] == "inner" and card(a1)["name"] == "inner"
    assert [card(i)["address"] for i in (a1, a2, b1)] == ["10.7.0.2", "10.7.0.3", "10.7.0.2"]
    code, text = on(system, a1["id"], "ip", "addr", "show", "dev", "eth1")
    assert code == 0 and "10.7.0.2/24" in text and card(a1)["mac"] in text, text
    until("its neighbour answers", lambda: pings(system, a1["id"], "10.7.0.3"))
    assert not pings(system, b1["id"], "10.7.0.3"), "the other tenant's network of the same range"
    until("the first network is there as well", lambda: pings(system, a1["id"], a2["network"]["address"], "eth0"))
    # Nothing of the host answers there: no address of its own, no bridge to another network.
    for address in (a1["network"]["gateway"], "127.0.0.1", host_address()):
        if address:
            on(system, a1["id"], "ip", "route", "add", f"{address}/32", "dev", "eth1")
            assert not pings(system, a1["id"], address), address
            on(system, a1["id"], "ip", "route", "del", f"{address}/32", "dev", "eth1")
    for api, i in ((alpha, a1), (alpha, a2), (beta, b1)):
        api.remove(i["id"])


def host_address():
    out = subprocess.run(["hostname", "-I"], capture_output=True, text=True).stdout.split()
    return next((a for a in out if "." in a), None)


def test_attach_detach_and_restart(system, admin, name, network):
    n = network(admin, name, "192.168.77.0/28")
    i = admin.create(name, FOREVER)
    assert on(system, i["id"], "ip", "link", "show", "dev", "eth1")[0] != 0
    got = admin.post(f"/networks/{n['id']}/attach", {"instance": name}, 200).json
    assert got["attachments"] == [{"instance": i["id"], "instanceName": name, "address": "192.168.77.2"}]
    assert admin.post(f"/networks/{n['id']}/attach", {"instance": name}, 409).error == "CONFLICT"
    assert admin.delete(f"/networks/{n['id']}", 409).error == "CONFLICT"
    assert "192.168.77.2/28" in on(system, i["id"], "ip", "addr", "show", "dev", "eth1")[1]
    admin.power(i["id"], "restart", {"timeout": 1})
    assert "192.168.77.2/28" in on(system, i["id"], "ip", "addr", "show", "dev", "eth1")[1], "made again after a restart"
    assert card(admin.instance(i["id"]))["address"] == "192.168.77.2"
    assert admin.post(f"/networks/{n['id']}/detach", {"instance": i["id"]}, 200).json["attachments"] == []
    assert on(system, i["id"], "ip", "link", "show", "dev", "eth1")[0] != 0
    assert admin.post(f"/networks/{n['id']}/detach", {"instance": i["id"]}, 409).error == "INVALID_STATE"
    admin.remove(i["id"])


def test_the_reconciler_makes_a_card_again(system, admin, name, network):
    network(admin, name, "10.9.0.0/16")
    i = admin.create(name, FOREVER, networkMode=name)
    end = f"lg{system.site[:4]}y{system.query('SELECT max(seq) FROM nic')[0][0]:x}"
    before = on(system, i["id"], "cat", "/sys/class/net/eth1/ifindex")[1]
    subprocess.run(["ip", "link", "delete", end], check=True)
    system.kill("runner")

    def back():
        code, number = on(system, i["id"], "cat", "/sys/class/net/eth1/ifindex")
        return code == 0 and number != before and "10.9.0.2/16" in on(system, i["id"], "ip", "addr", "show", "dev", "eth1")[1]
    until("another card with the same address is there", back, timeout=60)
    admin.remove(i["id"])


def test_none_and_host(system, admin, name):
    i = admin.create(name, FOREVER, networkMode="none")
    code, text = on(system, i["id"], "ip", "-o", "link")
    assert code == 0 and len(text.strip().splitlines()) == 1 and " lo:" in text, text
    admin.power(i["id"], "restart", {"timeout": 1})
    assert len(on(system, i["id"], "ip", "-o", "link")[1].strip().splitlines()) == 1
    admin.remove(i["id"])
    a = admin.post("/compute/instances", {"name": name, "config": {"networkMode": "host"}}, 400)
    assert a.error == "OPERATION_NOT_SUPPORTED"
    a = admin.post("/compute/instances", {"name": name, "config": {"networkMode": "none", "ports": ["28080:80"]}}, 400)
    assert a.error == "INVALID_REQUEST"


def test_a_deleted_network_leaves_nothing(system, admin, name, network):
    n = network(admin, name)
    i = admin.create(name, FOREVER, networkMode=name)
    prefix = f"lg{system.site[:4]}"
    assert any(b.startswith(prefix + "x") for b in os.listdir("/sys/class/net"))
    admin.remove(i["id"])
    admin.delete(f"/networks/{n['id']}", 204)
    until("bridges and cards are gone", lambda: not [b for b in os.listdir("/sys/class/net") if b.startswith((prefix + "x", prefix + "y"))],
          timeout=60)
    until("its rules are gone", lambda: not [t for t in system.nft_tables() if t.endswith("x")], timeout=60)
