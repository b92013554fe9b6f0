"""Cursors: every list that grows is walked to its end, each row once, whatever comes in between; and versions of what can be changed."""
import pytest
from conftest_names import SMALL

ROWS = 7


@pytest.fixture(scope="module")
def crowd(fake_system):
    """A tenant with seven of everything, and an administrator's client."""
    team = fake_system.tenant("crowd")
    admin = fake_system.session()
    for n in range(ROWS):
        i = team.post("/compute/instances", {"name": f"c{n}", "resources": SMALL, "start": False}, 201).json
        team.post(f"/compute/instances/{i['id']}/ingress", {"targetPort": 80, "host": f"crowd{n}"}, 201)
        team.post("/tokens", {"name": f"t{n}"}, 201)
        admin.post("/users", {"username": f"crowd-{n}", "password": "correct horse battery"}, 201)
        admin.post("/tenants", {"slug": f"crowd-{n}"}, 201)
        team.post("/images", {"reference": f"docker.io/library/crowd:{n}"}, 202)
        team.post("/networks", {"name": f"net{n}", "cidr": f"10.7.{n}.0/24"}, 201)
        team.post("/volumes", {"name": f"v{n}", "size": 64 << 20}, 201, Prefer="wait=30")
    yield {"team": team, "admin": admin}
    team.remove_all()
    for v in team.get("/volumes?pageSize=500").json["volumes"]:
        team.delete(f"/volumes/{v['id']}", Prefer="wait=30")
    for n in team.get("/networks?pageSize=500").json["networks"]:
        team.delete(f"/networks/{n['id']}", 204)


def walk(api, path, key, size, between=None):
    rows, cursor, pages = [], None, 0
    while True:
        page = api.get(f"{path}?pageSize={size}" + (f"&cursor={cursor}" if cursor else "")).json
        rows += page[key]
        pages += 1
        cursor = page["next"]
        if not cursor:
            return rows, pages
        assert len(page[key]) == size and pages < 100
        if between:
            between(pages)


LISTS = [("team", "/compute/instances", "instances", "id"), ("team", "/operations", "operations", "id"), ("team", "/ingress", "ingress", "host"),
         ("team", "/tokens", "tokens", "id"), ("team", "/images", "images", "id"), ("team", "/volumes", "volumes", "id"), ("team", "/networks", "networks", "id"), ("admin", "/users", "users", "id"),
         ("admin", "/tenants", "tenants", "id"), ("team", "/audit", "audit", "id")]


@pytest.mark.parametrize("who, path, key, ident", LISTS)
@pytest.mark.parametrize("size", [1, 3, 500])
def test_each_row_once(crowd, who, path, key, ident, size):
    api = crowd[who]
    rows, pages = walk(api, path, key, size)
    whole = api.get(f"{path}?pageSize=500").json
    assert [r[ident] for r in rows] == [r[ident] for r in whole[key]], "the order of the pages"
    assert len({r[ident] for r in rows}) == len(rows) == whole["total"] >= ROWS
    assert pages == -(-len(rows) // size), "no empty page at the end"
    second = api.get(f"{path}?pageSize=3&page=2").json[key]
    assert [r[ident] for r in second] == [r[ident] for r in rows[3:6]], "numbers and cursors agree"


@pytest.mark.parametrize("who, path, key, make", [
    ("team", "/tokens", "tokens", lambda c, n: c["team"].post("/tokens", {"name": f"new{n}"}, 201)),
    ("team", "/audit", "audit", lambda c, n: c["team"].post("/tokens", {"name": f"more{n}"}, 201)),
    ("team", "/compute/instances", "instances", lambda c, n: c["team"].post("/compute/instances", {"name": f"n{n}", "resources": SMALL, "start": False}, 201))])
def test_what_comes_in_between_moves_nothing(crowd, who, path, key, make):
    api = crowd[who]
    before = [r["id"] for r in api.get(f"{path}?pageSize=500").json[key]]
    rows, _ = walk(api, path, key, 2, lambda n: make(crowd, f"{key[:3]}{n}"))
    assert [r["id"] for r in rows] == before, "newest first: what is new is before the first page"


@pytest.mark.parametrize("path", ["/users", "/tenants", "/tokens", "/audit", "/images", "/ingress", "/volumes", "/networks"])
@pytest.mark.parametrize("cursor", ["x", "1", "", "1x", "99999999999999999999.a", ".", "1." + "a" * 300])
def test_what_is_no_cursor(crowd, path, cursor):
    a = crowd["admin"].get(f"{path}?cursor={cursor}", 400)
    assert a.json["error"]["details"]["field"] == "cursor"


# --- versions -----------------------------------------------------------------------------------------------------

def versions(api, path, change, undo=None):
    """GET has a tag, it spares the second answer, and a change that has seen something else is refused."""
    first = api.get(path)
    tag = first.header("ETag")
    assert tag.startswith('"') and tag.endswith('"')
    same = api.get(path, 304, If_None_Match=tag)
    assert not same.body and same.header("ETag") == tag
    assert api.get(path, 304, If_None_Match=f'"other", W/{tag}').status == 304
    api.get(path, 200, If_None_Match='"other"')
    assert api.put(path, change, 412, If_Match='"other"').error == "PRECONDITION_FAILED"
    assert api.get(path).body == first.body, "a refused change changes nothing"
    after = api.put(path, change, 200, If_Match=f'"other", {tag}')
    assert after.header("ETag") != tag and api.get(path).header("ETag") == after.header("ETag")
    api.get(path, 200, If_None_Match=tag)
    assert api.put(path, change, 412, If_Match=tag).error == "PRECONDITION_FAILED"
    assert api.delete(path, 412, If_Match=tag).error == "PRECONDITION_FAILED"
    return after.header("ETag")


def test_users(crowd, label):
    admin = crowd["admin"]
    user = admin.post("/users", {"username": label, "password": "correct horse battery"}, 201)
    path = f"/users/{user.json['id']}"
    assert admin.get(path).json == user.json and admin.get(path).header("ETag") == user.header("ETag")
    admin.delete(path, 204, If_Match=versions(admin, path, {"disabled": True}))
    admin.get(path, 404)
    crowd["team"].get(path, 403)


def test_tenants(crowd, label, red):
    admin = crowd["admin"]
    tenant = admin.post("/tenants", {"slug": label, "name": "before"}, 201)
    path = f"/tenants/{tenant.json['id']}"
    assert admin.get(path).json == tenant.json
    tag = versions(admin, path, {"name": "after"})
    assert admin.get(path).json["name"] == "after" and admin.get(path).json["slug"] == label
    red.api.get(path, 404)
    red.api.put(path, {"name": "mine"}, 404)
    admin.put(path, {"name": ""}, 400)
    admin.put(path, {"name": "x", "slug": "other"}, 400)
    admin.delete(path, 204, If_Match=tag)


def test_owners_name_their_tenant(fake_system, crowd, label):
    team, admin = crowd["team"], crowd["admin"]
    at = f"/tenants/{team.tenant['id']}"
    assert team.put(at, {"name": "The Crowd"}, 200).json["role"] == "owner"
    admin.post("/users", {"username": label, "password": "correct horse battery"}, 201)
    admin.post(at + "/members", {"username": label, "role": "member"}, 201)
    member = fake_system.session(label, "correct horse battery")
    assert member.get(at).json["name"] == "The Crowd" and member.get(at).json["role"] == "member"
    member.put(at, {"name": "Mine"}, 403)


def test_images(crowd, label):
    team = crowd["team"]
    image = team.get("/images?pageSize=500").json["images"][-1]
    path = f"/images/{image['id']}"
    versions(team, path, {"aliases": [label]})


def test_networks(crowd, label):
    team = crowd["team"]
    path = f"/networks/{team.post('/networks', {'name': label, 'cidr': '10.8.0.0/24'}, 201).json['id']}"
    first = team.get(path)
    assert team.get(path, 304, If_None_Match=first.header("ETag")).body == b""
    assert team.delete(path, 412, If_Match='"other"').error == "PRECONDITION_FAILED"
    team.delete(path, 204, If_Match=first.header("ETag"))


def test_volumes(crowd, label):
    team = crowd["team"]
    v = team.post("/volumes", {"name": label, "size": 64 << 20}, 201, Prefer="wait=30").json
    path = f"/volumes/{v['id']}"
    tag = versions(team, path, {"size": 128 << 20})
    assert team.get(path).json["sizeBytes"] == 128 << 20
    team.delete(path, If_Match=tag, Prefer="wait=30")
    team.get(path, 404)


def test_instances(crowd, label):
    team = crowd["team"]
    i = team.create(label)
    path = f"/compute/instances/{i['id']}"
    tag = versions(team, path, {"labels": {"a": "b"}})
    team.put(path, {"labels": {}}, 200, If_Match='"%s"' % tag.strip('"').split(".")[0])
    team.put(path, {"labels": {}}, 412, If_Match='W/"%s"' % team.instance(i["id"])["version"])
    before = team.get(path).header("ETag")
    team.post(path + "/ingress", {"targetPort": 80, "host": label}, 201)
    assert team.get(path).header("ETag") != before, "the representation is another, so a 304 would be wrong"
    team.remove(i["id"])
