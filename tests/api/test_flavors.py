"""Flavors: made, changed and forgotten by administrators; a name that instances show goes on meaning their sizes."""
import pytest
from conftest_names import Tenant, nothing_begins
from lodge_client import operation_of

FLAVORS = "/compute/flavors"


@pytest.fixture(scope="module")
def admin(fake_system):
    return fake_system.session()


@pytest.fixture(scope="module")
def team(fake_system):
    t = Tenant(fake_system.tenant("flavored"))
    yield t
    t.api.remove_all()


def body(label, **more):
    return {"name": label, "vcpus": 1, "ramGB": 0.0625, "diskGB": 1, **more}


@pytest.fixture
def flavor(admin, label):
    yield admin.post(FLAVORS, body(label, description="for tests"), 201).json
    admin.delete(f"{FLAVORS}/{label}", (204, 404))


def test_life(fake_system, admin, label):
    made = admin.post(FLAVORS, body(label, vcpus=3, ramGB=1.5, diskGB=20, description="wide"), 201).json
    assert made == {"name": label, "vcpus": 3, "ramGB": 1.5, "diskGB": 20, "description": "wide"}
    try:
        assert made in fake_system.anonymous().get(FLAVORS).json["flavors"]
        a = admin.get(f"{FLAVORS}/{label}")
        assert a.json == made
        changed = admin.put(f"{FLAVORS}/{label}", {"description": "", "ramGB": 2}, 200, If_Match=a.header("ETag")).json
        assert changed == {**made, "description": "", "ramGB": 2}
        assert admin.put(f"{FLAVORS}/{label}", {"vcpus": 4}, 412, If_Match=a.header("ETag")).error == "PRECONDITION_FAILED"
    finally:
        admin.delete(f"{FLAVORS}/{label}", 204)
    admin.get(f"{FLAVORS}/{label}", 404)
    admin.put(f"{FLAVORS}/{label}", {"vcpus": 4}, 404)
    admin.delete(f"{FLAVORS}/{label}", 404)
    actions = [x["action"] for x in admin.get(f"/audit?q={label}").json["audit"] if x["result"] == "ok"]
    assert {"flavor.create", "flavor.update", "flavor.delete"} <= set(actions)


def test_an_instance_is_made_with_it(admin, team, flavor):
    i = team.post({"name": flavor["name"], "flavor": flavor["name"], "start": False}).json
    try:
        assert i["flavor"] == flavor["name"] and i["resources"]["memory"]["limit"] == 64 << 20
        assert i["resources"]["storage"]["totalSpace"] == 1 << 30
        path = f"{FLAVORS}/{flavor['name']}"
        a = admin.delete(path, 409)
        assert a.error == "CONFLICT" and a.json["error"]["details"]["instances"] == "1"
        assert admin.put(path, {"vcpus": 2}, 409).error == "CONFLICT"
        assert admin.put(path, {"vcpus": 1, "description": "more words"}, 200).json["description"] == "more words"
    finally:
        team.drop(i["id"])


@pytest.mark.parametrize("sizes", [{"memory": {"limit": 32 << 20}}, {"cpu": {"cores": 0.5}}, {"storage": {"totalSpace": 2 << 30}}])
def test_sizes_beside_it_are_ones_of_its_own(fake_system, admin, team, flavor, sizes):
    """The instance does not say the flavor's name, and the flavor is the administrator's to change."""
    i = team.post({"name": flavor["name"], "flavor": flavor["name"], "resources": sizes, "start": False}).json
    try:
        assert i["flavor"] is None
        assert i["resources"]["memory"]["limit"] == sizes.get("memory", {}).get("limit", 64 << 20)
        tenant = team.api.request("GET", f"/api/v1/compute/instances/{i['id']}", None, {"X-Tenant-ID": team.api.tenant["slug"]})
        assert tenant.json["flavor"] == "custom"
        admin.put(f"{FLAVORS}/{flavor['name']}", {"vcpus": 2}, 200)
    finally:
        team.drop(i["id"])


@pytest.mark.parametrize("state", ["stopped", "running"])
def test_sizes_that_change_are_ones_of_its_own(admin, team, flavor, state):
    at = "/compute/instances/" + team.post({"name": flavor["name"], "flavor": flavor["name"], "start": state == "running"}).json["id"]
    try:
        team.api.until(at.rsplit("/", 1)[1], state)
        assert team.api.put(at, {"labels": {"a": "b"}}, 200).json["flavor"] == flavor["name"]
        assert team.api.put(at, {"resources": {"memory": {"limit": 64 << 20}}}, 200).json["flavor"] == flavor["name"], "the same size"
        assert team.api.put(at, {"resources": {"memory": {"limit": 32 << 20}}}, 200).json["flavor"] is None
        admin.delete(f"{FLAVORS}/{flavor['name']}", 204)
    finally:
        team.drop(at.rsplit("/", 1)[1])


def test_an_update_that_fails_gives_it_back(fake_system, admin, team, flavor):
    """Until then it is still had."""
    ident = team.api.until(team.post({"name": flavor["name"], "flavor": flavor["name"]}).json["id"], "running")["id"]
    try:
        with nothing_begins(fake_system):
            a = team.api.put(f"/compute/instances/{ident}", {"resources": {"memory": {"limit": 32 << 20}}}, 202, Prefer="wait=0")
            assert a.json["flavor"] is None
            assert admin.delete(f"{FLAVORS}/{flavor['name']}", 409).json["error"]["details"]["instances"] == "1"
            team.api.delete(f"/operations/{operation_of(a)}", 202)
        assert team.api.operation(operation_of(a))["status"] == "cancelled"
        assert team.api.instance(ident)["flavor"] == flavor["name"]
    finally:
        team.drop(ident)


@pytest.mark.parametrize("wrong, field", [
    ({"name": None}, "name"), ({"name": ""}, "name"), ({"name": "Large"}, "name"), ({"name": "a" * 32}, "name"), ({"name": "../x"}, "name"),
    ({"name": "custom"}, "name"), ({"vcpus": 0}, "vcpus"), ({"vcpus": 256}, "vcpus"), ({"vcpus": 1.5}, "vcpus"), ({"vcpus": None}, "vcpus"),
    ({"ramGB": 0}, "ramGB"), ({"ramGB": -1}, "ramGB"), ({"ramGB": "1"}, "ramGB"), ({"ramGB": 1e300}, "ramGB"), ({"diskGB": 0.01}, "diskGB"),
    ({"gpus": 2}, "gpus"), ({"gpus": -1}, "gpus"), ({"description": "x" * 128}, "description"), ({"description": 1}, "description"),
    ({"memory": 1}, "memory")])
def test_bad_input(admin, label, wrong, field):
    before = admin.get(FLAVORS).json
    a = admin.post(FLAVORS, {k: v for k, v in body(label, **wrong).items() if v is not None}, 400)
    assert a.error == "INVALID_REQUEST" and a.json["error"]["details"]["field"] == field
    if "name" not in wrong and None not in wrong.values():
        assert admin.put(f"{FLAVORS}/small", wrong, 400).error == "INVALID_REQUEST"
    assert admin.get(FLAVORS).json == before


def test_a_taken_name(admin, flavor):
    a = admin.post(FLAVORS, body(flavor["name"]), 409)
    assert a.error == "CONFLICT" and a.json["error"]["details"]["field"] == "name"


def test_the_usual_one_stays(admin):
    """What a create of the tenant dialect gets that names none."""
    assert admin.delete(f"{FLAVORS}/small", 409).error == "CONFLICT"


def test_only_the_list_is_everybodys(fake_system):
    for method, path in (("POST", FLAVORS), ("DELETE", FLAVORS + "/small")):
        a = fake_system.anonymous().request(method, "/api/v1" + path, body("x") if method == "POST" else None)
        assert a.status == 401 and a.error == "UNAUTHENTICATED"
