"""Tenants' own networks through the API: what is refused, whose they are. The engine is the fake one: no cards are made."""
import itertools

import pytest

from conftest_names import SMALL
from lodge_client import Api

numbers = itertools.count(1)
UNKNOWN = "00000000-1111-4222-8333-444444444444"


@pytest.fixture
def network(red):
    n = red.api.post("/networks", {"name": f"net{next(numbers)}", "cidr": "10.0.1.0/29"}, 201).json
    yield n
    for a in red.api.get(f"/networks/{n['id']}").json["attachments"]:
        red.api.post(f"/networks/{n['id']}/detach", {"instance": a["instance"]}, (200, 202))
    red.api.delete(f"/networks/{n['id']}", 204)


def as_tenant(system, t):
    return Api(system, t.api.token, headers={"X-Tenant-ID": t.api.tenant["slug"]})


@pytest.mark.parametrize("body,field", [
    ({"name": "x"}, "cidr"), ({"cidr": "10.0.1.0/24"}, "name"), ({"name": "X", "cidr": "10.0.1.0/24"}, "name"),
    ({"name": "host", "cidr": "10.0.1.0/24"}, "name"), ({"name": "bridge", "cidr": "10.0.1.0/24"}, "name"),
    *[({"name": "x", "cidr": c}, "cidr") for c in (
        "", "10.0.1.0", "10.0.1.0/", "10.0.1.5/24", "10.0.1.0/7", "10.0.1.0/30", "10.0.1.0/33", "10.0.1.0/024", "10.0.1.0/24x",
        "10.0.1/24", "300.0.0.0/8", "127.0.0.0/8", "169.254.0.0/16", "224.0.0.0/8", "0.0.0.0/8", "fd00::/64", "10.0.1.0/-8",
        "10.0.1.0/24; drop", "x" * 100)]])
def test_bad_bodies(red, body, field):
    a = red.api.post("/networks", body, 400)
    assert a.error == "INVALID_REQUEST" and a.json["error"]["details"]["field"] == field


def test_life_and_names(red, blue, network, label):
    assert red.api.get(f"/networks/{network['id']}").json == network
    assert network["id"] in [n["id"] for n in red.api.get("/networks").json["networks"]]
    a = red.api.post("/networks", {"name": network["name"], "cidr": "10.0.2.0/24"}, 409)
    assert a.json["error"]["details"]["field"] == "name"
    other = blue.api.post("/networks", {"name": network["name"], "cidr": network["cidr"]}, 201).json
    blue.api.delete(f"/networks/{other['id']}", 204)
    own = red.api.get("/tenants").json["tenants"][0]["network"]["subnet"]
    a = red.api.post("/networks", {"name": label, "cidr": own}, 400)
    assert a.json["error"]["details"]["field"] == "cidr"


def test_addresses_run_out(red, network, label):
    """A /29 has five for instances: .2 to .6."""
    made = []
    for k in range(5):
        made.append(red.make(f"{label}-{k}", networkMode=network["name"]))
    assert sorted(i["networks"][0]["address"] for i in made) == [f"10.0.1.{k}" for k in range(2, 7)]
    a = red.post({"name": label, "resources": SMALL, "config": {"networks": [network["name"]]}}, 403)
    assert a.error == "RESOURCE_LIMIT_EXCEEDED" and a.json["error"]["details"]["limit"] == "addresses"
    assert not [i for i in red.api.get("/compute/instances").json["instances"] if i["name"] == label], "all or nothing"
    red.drop(made[1]["id"])
    again = red.make(label, networks=[network["id"]])
    assert again["networks"][0]["address"] == made[1]["networks"][0]["address"]
    red.drop(again["id"], *(i["id"] for i in made))


@pytest.mark.parametrize("config,status,code", [
    ({"networkMode": "nowhere"}, 404, "NOT_FOUND"), ({"networkMode": "No Where"}, 400, "INVALID_REQUEST"),
    ({"networkMode": "host"}, 400, "OPERATION_NOT_SUPPORTED"), ({"networkMode": "container:x"}, 400, "INVALID_REQUEST"),
    ({"networks": ["a", "a"]}, 400, "INVALID_REQUEST"), ({"networks": [1]}, 400, "INVALID_REQUEST"),
    ({"networks": [UNKNOWN]}, 404, "NOT_FOUND"), ({"networks": [f"n{i}" for i in range(9)]}, 400, "INVALID_REQUEST"),
    ({"networkMode": "none", "ports": ["21999:80"]}, 400, "INVALID_REQUEST")])
def test_what_cannot_be_had(red, label, config, status, code):
    assert red.post({"name": label, "resources": SMALL, "config": config}, status).error == code


def test_foreign_ones_are_not_there(red, blue, network, label):
    mine, ident = blue.make(label), network["id"]
    for ask in (lambda i: blue.api.get(f"/networks/{i}", 404), lambda i: blue.api.delete(f"/networks/{i}", 404),
                lambda i: blue.api.post(f"/networks/{i}/attach", {"instance": mine["id"]}, 404),
                lambda i: blue.api.post(f"/networks/{i}/detach", {"instance": mine["id"]}, 404)):
        assert ask(ident).error == ask(UNKNOWN).error == "NOT_FOUND"
    assert red.api.post(f"/networks/{ident}/attach", {"instance": mine["id"]}, 404).error == "INSTANCE_NOT_FOUND"
    assert blue.post({"name": label + "x", "resources": SMALL, "config": {"networks": [ident]}}, 404).error == "NOT_FOUND"
    assert blue.post({"name": label + "x", "resources": SMALL, "config": {"networkMode": network["name"]}}, 404).error == "NOT_FOUND"
    blue.drop(mine["id"])


def test_the_tenant_dialect(fake_system, red, blue, label):
    t, other = as_tenant(fake_system, red), as_tenant(fake_system, blue)
    n = t.post("/network/networks", {"name": label, "cidr": "10.0.1.0/24", "whatever": 1}, 201).json
    assert n["status"] == "active" and n["tenantId"] == red.api.tenant["slug"] and n["cidr"] == "10.0.1.0/24"
    assert t.get(f"/network/networks/{n['id']}").json == n
    assert n in t.get("/network/networks").json["networks"]
    for ask in (lambda: other.get(f"/network/networks/{n['id']}", 403), lambda: other.delete(f"/network/networks/{n['id']}", 403)):
        assert ask().json["error"]["message"] == "Access denied"
    assert t.get(f"/network/networks/{UNKNOWN}", 404).json["error"]["message"] == "Network not found"
    i = t.post("/compute/instances", {"name": label, "type": "container", "networkIds": [n["id"]]}, 201).json
    assert i["networkIds"] == [n["id"]]
    red.api.until(i["id"], "running")
    assert t.delete(f"/network/networks/{n['id']}", 400).status == 400
    red.drop(i["id"])
    assert t.delete(f"/network/networks/{n['id']}", 204).status == 204
