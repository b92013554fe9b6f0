"""Every route × {no token, a wrong, revoked, expired one, a disabled user's, one of a former member, foreign tenant, wrong role}, made from
the API's own description and permission_table.py. A route without a row there fails."""
import json
import re
import sqlite3
import time

import pytest
from conftest_names import SMALL
from lodge_client import Api, operation_of
from permission_table import ADMIN_METHODS, LIST, PUBLIC, PUBLIC_METHODS, SELF, TABLE, WRONG_ROLE, Admin, Item

KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIHEd1hAY8pXsZKk0lWvlhtu0u7jaLFM1b8yU3gMQ3bVK red"


@pytest.fixture(scope="module")
def doc(fake_system):
    return fake_system.admin().request("GET", "/api/openapi.json").json


@pytest.fixture(scope="module")
def red(fake_system):
    """A tenant with one of everything; ids by what they name."""
    api = fake_system.tenant("red-p")
    admin = fake_system.session()
    i = api.create("red-instance")
    api.post(f"/compute/instances/{i['id']}/ingress", {"targetPort": 80, "host": "red-p"}, 201)
    op = operation_of(api.post(f"/compute/instances/{i['id']}/restart", {}, 202, Prefer="wait=0"))
    api.operation(op)
    image = api.post("/images", {"reference": "docker.io/library/red:1"}, 202)
    api.operation(operation_of(image))
    volume = api.post("/volumes", {"name": "red-volume", "size": 1 << 30}, 201, Prefer="wait=30").json
    key = api.request("POST", "/compute/ssh-keys", {"name": "red", "public_key": KEY})
    admin.post("/users", {"username": "red-member", "password": "correct horse battery"}, 201)
    admin.post(f"/tenants/{api.tenant['id']}/members", {"username": "red-member", "role": "member"}, 201)
    owner = next(m for m in api.get(f"/tenants/{api.tenant['id']}/members").json["members"] if m["username"] == api.username)
    network = api.post("/networks", {"name": "red-network", "cidr": "10.0.1.0/24"}, 201).json
    host = admin.post("/images", {"reference": "docker.io/library/host-p:1", "public": True}, 202).json
    api.ids = {"instance": i["id"], "instance name": i["name"], "operation": op, "image": image.json["id"], "tenant": api.tenant["id"],
               "token": api.get("/tokens").json["tokens"][0]["id"], "user": owner["user"], "ssh key": key.json["id"],
               "host image": host["id"], "volume": volume["id"], "network": network["id"]}
    api.settled = state(api)
    yield api
    api.remove_all()
    api.delete(f"/volumes/{volume['id']}", Prefer="wait=30")
    api.delete(f"/networks/{network['id']}", 204)


@pytest.fixture(scope="module")
def blue(fake_system):
    return fake_system.tenant("blue-p")


def state(api):
    """What must be the same after all that strangers tried."""
    i = api.instance(api.ids["instance"])
    volume = api.get(f"/volumes/{api.ids['volume']}").json
    return {"state": i["state"], "volume": {k: v for k, v in volume.items() if not k.endswith("At")}, "labels": i["labels"], "ingress": i["ingress"], "resources": i["resources"]["cpu"],
            "tokens": [t["revokedAt"] for t in api.get("/tokens").json["tokens"] if t["id"] == api.ids["token"]],
            "image": api.get(f"/images/{api.ids['image']}").json["aliases"], "name": api.get(f"/tenants/{api.ids['tenant']}").json["name"],
            "members": api.get(f"/tenants/{api.ids['tenant']}/members").json["members"],
            "keys": api.request("GET", "/compute/ssh-keys").json, "quota": api.get(f"/tenants/{api.ids['tenant']}/quota").json["quota"]}


def at(path, ids, api):
    """The path with each parameter filled."""
    def fill(m):
        what = ids.get(m.group(1), "=nowhere")
        return str(what[1:] if what.startswith("=") else api.ids[what])
    return re.sub(r"\{(\w+)\}", fill, path)


def row_of(path):
    """A path without a row fails a test of its own; the others take it for the caller's."""
    return TABLE.get(path, SELF)


def routes(doc):
    return sorted((m.upper(), p) for p, item in doc["paths"].items() for m in item)


def is_public(method, path):
    return (row_of(path) == PUBLIC or (method, path) in PUBLIC_METHODS)


def test_every_route_has_its_row(doc):
    paths = {p for _, p in routes(doc)}
    assert paths == set(TABLE), f"say in tests/api/permission_table.py whose these are: {sorted(paths - set(TABLE))}; gone: {sorted(set(TABLE) - paths)}"


def test_the_table_and_the_server_agree(doc):
    """Who is public and who is the administrators' is not a matter of opinion."""
    said = {(m.upper(), p): o["x-permission"] for p, item in doc["paths"].items() for m, o in item.items()}
    for (method, path), who in said.items():
        assert (who == "anybody") == is_public(method, path), (method, path, who)
        is_admin = isinstance(row_of(path), Admin) or (method, path) in ADMIN_METHODS
        assert (who == "administrators") == is_admin, (method, path, who)


# --- credentials --------------------------------------------------------------------------------------------------

def write(system, sql, *values):
    """What no API can bring about in a minute's time; beside Lodge."""
    db = sqlite3.connect(f"{system.state}/db/lodge.db", timeout=30)
    with db:
        assert db.execute(sql, values).rowcount == 1
    db.close()


def person(system, name, tenant):
    """A new member of the tenant; (user id, client with a token)."""
    admin = system.session()
    user = admin.post("/users", {"username": name, "password": "correct horse battery"}, 201).json
    admin.post(f"/tenants/{tenant['id']}/members", {"username": name, "role": "member"}, 201)
    token = system.session(name, "correct horse battery").post("/tokens", {"name": name}, 201).json
    return user, token


@pytest.fixture(scope="module")
def nobodies(fake_system, red):
    """Clients whose credentials are of no use, each in its own way."""
    admin = fake_system.session()
    revoked = red.post("/tokens", {"name": "revoked"}, 201).json
    red.delete(f"/tokens/{revoked['id']}", 204)
    expired = red.post("/tokens", {"name": "expired", "expiresInDays": 1}, 201).json
    write(fake_system, "UPDATE token SET expires_at = ? WHERE id = ?", int(time.time() * 1000) - 1, expired["id"])
    user, disabled = person(fake_system, "red-disabled", red.tenant)
    admin.put(f"/users/{user['id']}", {"disabled": True}, 200)
    former, left = person(fake_system, "red-former", red.tenant)
    admin.delete(f"/tenants/{red.tenant['id']}/members/{former['id']}", 204)
    red.settled = state(red)
    return {"no token": Api(fake_system), "a wrong token": Api(fake_system, "lg_" + "A" * 43), "an empty token": Api(fake_system, headers={"X-API-Key": ""}),
            "a revoked token": Api(fake_system, revoked["token"]), "an expired token": Api(fake_system, expired["token"]),
            "a disabled user's token": Api(fake_system, disabled["token"]), "a former member's token": Api(fake_system, left["token"]),
            "a stale cookie": Api(fake_system, headers={"Cookie": "__Host-lodge=lg_" + "B" * 43, "Lodge-CSRF": "1"})}


@pytest.mark.parametrize("who", ["no token", "a wrong token", "an empty token", "a revoked token", "an expired token", "a disabled user's token",
                                 "a former member's token", "a stale cookie"])
def test_nobody_gets_anything(doc, red, nobodies, who):
    api = nobodies[who]
    for method, path in routes(doc):
        row = row_of(path)
        if is_public(method, path):
            continue
        ids = row.ids if isinstance(row, (Item, Admin)) else {}
        body = row.bodies.get(method) if isinstance(row, (Item, Admin)) else None
        for extra in ({}, {"X-Tenant-ID": red.tenant["slug"]}, {"Lodge-Tenant": red.tenant["slug"]}):
            a = api.request(method, at(path, ids, red), body, extra)
            assert (a.status, a.error) == (401, "UNAUTHENTICATED"), f"{who}: {method} {path} {extra}: {a}"
            assert a.header("WWW-Authenticate") == "Bearer"
    assert state(red) == red.settled


def test_a_good_token_gets_through(doc, red):
    """The same requests are not refused for their credentials by themselves: or the test above could not fail."""
    for method, path in routes(doc):
        row = row_of(path)
        if method != "GET" or is_public(method, path) or path in ("/api/v1/events", "/compute/ws") or path.endswith(("/watch", "/stream")):
            continue
        a = red.request("GET", at(path, row.ids if isinstance(row, (Item, Admin)) else {}, red))
        assert a.status != 401, (method, path, a)
        if isinstance(row, Item) and row.reads:
            assert a.status == 200 or "GET" in row.also, (path, a)


def test_public_is_public(doc, nobodies):
    for method, path in routes(doc):
        if is_public(method, path) and method == "GET" and path not in ("/metrics", "/api/v1/ingress/authorize"):
            for who in ("no token", "a revoked token", "a stale cookie"):
                assert nobodies[who].request(method, path).status == 200, (who, path)


# --- strangers ----------------------------------------------------------------------------------------------------

def items():
    return sorted(p for p, row in TABLE.items() if isinstance(row, Item))


@pytest.mark.parametrize("path", items())
def test_a_stranger_is_told_that_it_does_not_exist(doc, red, blue, path):
    row = row_of(path)
    for method in (m.upper() for m in doc["paths"].get(path, {})):
        body = row.bodies.get(method)
        a = blue.request(method, at(path, row.ids, red), body, row.headers)
        wanted = row.also.get(method, row.stranger)
        assert a.status == wanted, f"{method} {path}: {a}"
        none = blue.request(method, at(path, {k: v if v.startswith("=") else "=00000000-0000-4000-8000-000000000000" for k, v in row.ids.items()}, red),
                            body, row.headers)
        if row.dialect:
            assert none.status == 404, none
        else:
            assert none.status == a.status and none.error == a.error, f"{method} {path} tells a foreign one from none: {a} and {none}"
    assert state(red) == red.settled


@pytest.mark.parametrize("path", [p for p in items() if p.startswith("/api/v1/compute/instances/{id}")])
def test_the_tenant_dialect_denies(doc, red, blue, path):
    """There a foreign instance is told from none; what the dialect lacks is answered as natively."""
    row = row_of(path)
    for method in (m.upper() for m in doc["paths"].get(path, {})):
        a = blue.request(method, at(path, row.ids, red), row.bodies.get(method), {"X-Tenant-ID": blue.tenant["slug"], **row.headers})
        assert a.status in (403, 404), f"{method} {path}: {a}"
        a = blue.request(method, at(path, row.ids, red), row.bodies.get(method), {"X-Tenant-ID": red.tenant["slug"], **row.headers})
        assert a.status == 403, "a header selects, it never grants"
    assert state(red) == red.settled


def test_lists_hold_nothing_of_others(doc, red, blue):
    """Neither ids nor names of the red tenant, whatever blue asks for."""
    secrets = [str(v) for k, v in red.ids.items() if k not in ("host image", "ssh key")] + ["red-instance", "red-p", "docker.io/library/red:1"]
    for path, row in TABLE.items():
        if row != LIST or "get" not in doc["paths"].get(path, {}):
            continue
        for extra in ({}, {"X-Tenant-ID": blue.tenant["slug"]}):
            a = blue.request("GET", path, None, extra)
            assert a.status == 200 or path == "/api/v1/tenants", (path, a)
            text = a.text
            if path == "/api/v1/audit":  # what blue was refused names what blue itself had named
                text = json.dumps([x for x in a.json["audit"] if x["result"] == "ok"])
            leaked = [s for s in secrets if s in text]
            assert not leaked, f"{path} {extra} shows {leaked}"
            for header in ("X-Tenant-ID", "Lodge-Tenant"):
                assert blue.request("GET", path, None, {header: red.tenant["slug"]}).status == 403, (path, header)


# --- wrong roles --------------------------------------------------------------------------------------------------

def test_administrators_alone(doc, red, blue):
    for method, path in routes(doc):
        row = row_of(path)
        if isinstance(row, Admin):
            ids, body = row.ids, row.bodies.get(method)
        elif (method, path) in ADMIN_METHODS:
            ids, body = getattr(row, "ids", {}), ADMIN_METHODS[(method, path)]
        else:
            continue
        for api in (red, blue):
            a = api.request(method, at(path, ids, red), body, {"If-Match": "*"})
            assert (a.status, a.error) == (403, "FORBIDDEN"), f"{method} {path}: {a}"
    assert state(red) == red.settled


@pytest.mark.parametrize("who, method, path, body, status", WRONG_ROLE, ids=[f"{w}-{m}-{p}" for w, m, p, _, _ in WRONG_ROLE])
def test_wrong_role(fake_system, red, blue, who, method, path, body, status):
    api = red if who == "owner" else fake_system.session("red-member", "correct horse battery")
    a = api.request(method, re.sub(r"\{([\w ]+)\}", lambda m: str(red.ids[m.group(1)]), path), body)
    assert a.status == status, a
    assert state(red) == red.settled


def test_a_token_makes_no_more_than_it_may(fake_system, red):
    """An administrator reaches every tenant, by session and by token; anybody else's token stays with its own."""
    path = f"/api/v1/compute/instances/{red.ids['instance']}"
    for header in ("X-Tenant-ID", "Lodge-Tenant"):
        for api in (fake_system.admin(), fake_system.session()):
            assert api.request("GET", path, None, {header: red.tenant["slug"]}).json["id"] == red.ids["instance"]
            a = api.request("GET", path, None, {header: "no-such"})
            assert (a.status, a.error) == (403, "FORBIDDEN")
        a = red.request("GET", path, None, {header: "default"})
        assert (a.status, a.error) == (403, "FORBIDDEN")


def test_what_nginx_asks_is_nobody_elses(fake_system, red):
    for path in ("/route", "/app-session", "/upload-authorize", "/render"):
        for method in ("GET", "POST"):
            a = red.request(method, path, {} if method == "POST" else None)
            assert a.status in (404, 405) or "text/html" in a.header("Content-Type"), (method, path, a)
            assert "X-Upstream" not in dict(a.headers) and "X-Lodge-Context" not in dict(a.headers)
