"""Instances: create, read, list, verbs, limits, labels."""
import os
import threading
import uuid

import pytest

from conftest_names import SMALL, engine_has, nothing_begins
from lodge_client import operation_of
from lodge_system import until

FIELDS = {"id", "uuid", "name", "tenant", "type", "backend", "state", "status", "reason", "config", "resources", "labels",
          "metadata", "network", "ingress", "owner", "operation", "version", "createdAt", "updatedAt", "startedAt", "flavor",
          "volumes", "networks"}


def test_create_tells_everything(red, label):
    a = red.post({"name": label, "backend": "docker", "type": "container", "resources": SMALL,
                  "config": {"command": ["sh", "-c", "echo hi; wait"], "env": ["A=1", "EMPTY="], "secretEnv": ["PW=hush=1"],
                             "ports": ["21080:80", "21053:53/udp"], "restartPolicy": "always", "networkMode": "bridge"},
                  "metadata": {"labels": {"tier": "web"}}, "labels": {"x": "y"}})
    i = a.json
    assert set(i) == FIELDS
    assert a.header("Location") == f"/api/v1/compute/instances/{i['id']}"
    assert a.header("Operation-Location") == f"/api/v1/operations/{i['operation']['id']}"
    assert i["state"] == "creating" and i["tenant"] == "red" and i["owner"] == red.api.username and i["uuid"] == i["id"]
    assert i["config"] == {"image": "base", "env": ["A=1", "EMPTY=", "PW=********"], "networkMode": "bridge", "volumes": [],
                           "command": ["sh", "-c", "echo hi; wait"], "ports": ["21080:80", "21053:53/udp"],
                           "restartPolicy": "always"}
    assert i["resources"] == {"cpu": {"cores": 0.01}, "memory": {"limit": 4 << 20, "used": 0}, "pending": []}
    assert i["labels"] == i["metadata"]["labels"] == {"tier": "web", "x": "y"}
    assert {(p["hostPort"], p["port"], p["protocol"]) for p in i["network"]["ports"]} == {(21080, 80, "tcp"), (21053, 53, "udp")}
    assert red.api.operation(operation_of(a))["status"] == "done"
    got = red.api.instance(i["id"])
    assert got["state"] == "running" and got["operation"] is None and got["startedAt"]
    assert red.api.get(f"/compute/instances/name/{label}").json == got
    assert "hush" not in red.api.get("/events?since=0").text
    red.drop(i["id"])
    red.api.get(f"/compute/instances/{i['id']}", 404)


def test_create_can_be_waited_for(red, label):
    a = red.post({"name": label, "resources": SMALL}, 201, Prefer="wait=30")
    assert a.json["state"] == "running" and a.header("Location") and a.header("ETag")
    red.drop(a.json["id"])


def test_create_without_start(red, label):
    i = red.make(label, state="stopped")
    assert i["startedAt"] is None
    red.drop(i["id"])


def test_two_callers_create_the_same_name(red, label):
    answers, barrier = [], threading.Barrier(8)

    def create():
        barrier.wait()
        answers.append(red.post({"name": label, "resources": SMALL}, None))

    threads = [threading.Thread(target=create) for _ in range(8)]
    [t.start() for t in threads]
    [t.join() for t in threads]
    assert sorted(a.status for a in answers) == [201] + [409] * 7
    assert all(a.error == "CONFLICT" and a.json["error"]["details"]["field"] == "name" for a in answers if a.status == 409)
    assert red.api.get(f"/compute/instances?name={label}").json["total"] == 1
    red.drop(next(a.json["id"] for a in answers if a.status == 201))


def test_names_belong_to_a_tenant(red, blue, label):
    a, b = red.make(label), blue.make(label)
    assert a["id"] != b["id"] and a["network"]["subnet"] != b["network"]["subnet"]
    red.drop(a["id"])
    blue.drop(b["id"])


def test_host_ports_are_unique_over_the_host(red, blue, label):
    i = red.make(label, ports=["22080:80"])
    a = blue.post({"name": label, "resources": SMALL, "config": {"ports": ["22080:81"]}}, 409)
    assert a.json["error"]["details"]["field"] == "config.ports"
    j = blue.make(label, ports=["22080:81/udp"])
    red.drop(i["id"])
    k = red.make(label, ports=["22080:80"])
    red.drop(k["id"])
    blue.drop(j["id"])


def test_lodges_own_ports_are_refused(make_system):
    s = make_system(drivers="fake", pool="127.94.128.0/24", publish_address="127.0.0.1").start()
    for port in (s.https_port, s.http_port):
        a = s.admin().post("/compute/instances", {"name": "x", "config": {"ports": [f"{port}:80"]}}, 409)
        assert a.json["error"]["details"]["field"] == "config.ports"


def test_default_and_named_images(red, label):
    assert red.make(label)["config"]["image"]
    red.api.post("/compute/instances", {"name": label + "x", "config": {"image": "no-such-image"}}, 404)
    a = red.post({"name": label + "y", "resources": SMALL, "config": {"image": "registry.test/some/app:1"}}, 201, Prefer="wait=30")
    assert a.json["state"] == "running"
    red.drop(a.json["id"], red.api.get(f"/compute/instances/name/{label}").json["id"])


def test_other_tenants_uploads_cannot_be_named(red, label):
    for image in ("localhost/lodge/x:latest", "sha256:" + "a" * 64, "localhost:5000/x:1", "127.0.0.1:5000/x:1"):
        assert red.post({"name": label, "config": {"image": image}}, 404).json["error"]["details"]["field"] == "config.image"


@pytest.mark.parametrize("body,status,code", [
    ({"backend": "xen"}, 400, "INVALID_BACKEND"),
    ({"backend": "kvm"}, 503, "BACKEND_UNAVAILABLE"),
    ({"type": "vm"}, 503, "BACKEND_UNAVAILABLE"),
    ({"backend": "kvm", "type": "container"}, 400, "INVALID_REQUEST"),
    ({"backend": "docker", "type": "vm"}, 400, "INVALID_REQUEST"),
    ({"type": "pod"}, 400, "INVALID_REQUEST"),
    ({"config": {"volumes": ["/srv/data:/data"]}}, 403, "FORBIDDEN"),
    ({"config": {"networkMode": "host"}}, 400, "OPERATION_NOT_SUPPORTED"),
    ({"resources": {"memory": {"limit": 1 << 50}}}, 403, "RESOURCE_LIMIT_EXCEEDED"),
    ({"resources": {"cpu": {"cores": 4096}}}, 403, "RESOURCE_LIMIT_EXCEEDED"),
])
def test_what_cannot_be_had(red, label, body, status, code):
    a = red.post({"name": label, **body}, status)
    assert a.error == code and a.json["error"]["message"]
    if code == "BACKEND_UNAVAILABLE":
        assert a.json["error"]["details"]["reason"]
    red.api.get(f"/compute/instances/name/{label}", 404)


def test_capacity_is_admitted_and_given_back(make_system):
    s = make_system(drivers="fake", pool="127.94.129.0/24", cpu_overcommit=1)
    api = s.start().admin()
    status = api.get("/compute/cluster/status").json["backends"]["docker"]["resources"]
    cores = int(status["cpu"]["total"])
    body = {"name": "big", "resources": {"cpu": {"cores": cores}, "memory": {"limit": 4 << 20}}}
    first = api.post("/compute/instances", body, 201).json["id"]
    a = api.post("/compute/instances", {"name": "more", "resources": SMALL}, 403)
    d = a.json["error"]["details"]
    assert a.error == "RESOURCE_LIMIT_EXCEEDED" and d["limit"] == "cpu"
    assert (int(d["total"]), int(d["used"]), int(d["requested"])) == (cores * 1000, cores * 1000, 10)
    api.remove(first)
    assert api.create("more")["state"] == "running"


def test_one_may_have_more_cores_than_the_host(red, label):
    many = 2 * os.sysconf("SC_NPROCESSORS_ONLN")
    i = red.post({"name": label, "resources": {**SMALL, "cpu": {"cores": many}}}).json
    assert red.api.until(i["id"], "running")["resources"]["cpu"]["cores"] == many
    red.drop(i["id"])


def test_memory_is_promised_twice_and_to_one_alone_once(make_system):
    """Whether one is refused is decided by what it may fill alone, then by what all may; both sums say whose they are."""
    s = make_system(drivers="fake", pool="127.94.132.0/24")
    api = s.start().admin()
    total = api.get("/compute/cluster/status").json["backends"]["docker"]["resources"]["memory"]["total"]
    host = os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE")
    assert total == 2 * host

    def ask(name, memory, status):
        return api.post("/compute/instances", {"name": name, "start": False, "resources": {"memory": {"limit": memory}}}, status)
    d = ask("alone", host + 1, 403).json["error"]["details"]
    assert d["limit"] == "memory" and (int(d["total"]), int(d["used"])) == (host, 0)
    ask("one", host, 201)
    ask("two", host, 201)
    d = ask("three", 4 << 20, 403).json["error"]["details"]
    assert d["limit"] == "memory" and (int(d["total"]), int(d["used"])) == (total, total)


# Lists ----------------------------------------------------------------------------------------------------------
@pytest.fixture(scope="module")
def many(fake_system):
    """Seven instances of a tenant of their own: 5 running, 2 stopped."""
    from conftest_names import Tenant
    t = Tenant(fake_system.tenant("many"))
    ids = []
    for n in range(7):
        body = {"name": f"m{n}", "resources": SMALL, "start": n > 1, "labels": {"n": str(n), "all": "yes"}}
        ids.append(t.post(body).json["id"])
    for n, i in enumerate(ids):
        t.api.until(i, "running" if n > 1 else "stopped")
    yield t
    t.api.remove_all()


def names(answer):
    return [i["name"] for i in answer.json["instances"]]


@pytest.mark.parametrize("query,expect,total", [
    ("", "m6 m5 m4 m3 m2 m1 m0", 7),
    ("state=stopped", "m1 m0", 2),
    ("state=paused", "", 0),
    ("backend=docker&state=running", "m6 m5 m4 m3 m2", 5),
    ("backend=kvm", "", 0),
    ("name=m3", "m3", 1),
    ("q=M3", "m3", 1),
    ("q=m", "m6 m5 m4 m3 m2 m1 m0", 7),
    ("label=n=4", "m4", 1),
    ("label=all&state=stopped", "m1 m0", 2),
    ("label=all%3Dno", "", 0),
    ("pageSize=3", "m6 m5 m4", 7),
    ("pageSize=3&page=3", "m0", 7),
    ("pageSize=3&page=4", "", 7),
    ("state=running&pageSize=2&page=2", "m4 m3", 5),
    ("q='%20OR%201=1--", "", 0),
])
def test_filters_and_pages(many, query, expect, total):
    a = many.api.get("/compute/instances?" + query)
    assert " ".join(names(a)) == expect and a.json["total"] == total


@pytest.mark.parametrize("query", ["", "state=running", "label=all", "q=m"])
def test_cursors_walk_every_page_once(many, query):
    everything, seen, cursor = names(many.api.get("/compute/instances?" + query)), [], ""
    while True:
        a = many.api.get(f"/compute/instances?pageSize=2&{query}{cursor}")
        seen += names(a)
        if not a.json["next"]:
            break
        cursor = f"&cursor={a.json['next']}"
    assert seen == everything


def test_a_cursor_is_not_shaken_by_what_is_new(red):
    ids = [red.make(state="stopped")["id"] for _ in range(3)]
    first = red.api.get("/compute/instances?pageSize=1").json
    ids.append(red.make(state="stopped")["id"])
    second = red.api.get(f"/compute/instances?pageSize=1&cursor={first['next']}").json
    assert [i["id"] for i in first["instances"] + second["instances"]] == [ids[2], ids[1]]
    red.drop(*ids)


@pytest.mark.parametrize("query,field", [("page=0", "page"), ("page=x", "page"), ("pageSize=501", "pageSize"),
                                         ("pageSize=-1", "pageSize"), ("cursor=x", "cursor"), ("cursor=-5", "cursor"),
                                         ("page=99999999999999999999", "page"), ("state=gone", "state"), ("label==x", "label"),
                                         ("backend=xen", "backend")])
def test_bad_queries(red, query, field):
    a = red.api.get("/compute/instances?" + query, 400)
    assert a.json["error"]["details"]["field"] == field


def test_broken_query_encoding(red):
    for query in ("q=%", "q=%zz", "q=%00", "q=%0a", "&".join(f"a{n}=1" for n in range(50))):
        assert red.api.get("/compute/instances?" + query, 400).error == "INVALID_REQUEST"
    assert red.api.get("/compute/instances?q=%ff%fe").json["total"] == 0


# Verbs ----------------------------------------------------------------------------------------------------------
def test_a_life(red, instance):
    ident = instance["id"]
    for verb, state in (("pause", "paused"), ("unpause", "running"), ("restart", "running"), ("stop", "stopped"),
                        ("start", "running")):
        a = red.verb(ident, verb)
        assert a.json["state"] == state and a.json["operation"] is None and a.header("ETag")
    assert red.api.put(f"/compute/instances/{ident}/stop", {"timeout": 1}, 200).json["state"] == "stopped"
    assert red.api.put(f"/compute/instances/{ident}/start", None, 200).json["state"] == "running"


@pytest.mark.parametrize("state,refused", [("running", "start unpause"), ("stopped", "stop pause unpause restart"),
                                           ("paused", "start pause restart")])
def test_verbs_are_legal_in_their_states_only(red, instance, state, refused):
    if state != "running":
        red.verb(instance["id"], {"stopped": "stop", "paused": "pause"}[state])
    for verb in refused.split():
        a = red.verb(instance["id"], verb, {}, 409)
        assert a.error == "INVALID_STATE" and a.json["error"]["details"] == {"state": state, "verb": verb}
    assert red.api.instance(instance["id"])["state"] == state


def test_delete_needs_force_while_it_runs(red, instance):
    assert red.api.delete(f"/compute/instances/{instance['id']}", 409).error == "INVALID_STATE"
    a = red.api.delete(f"/compute/instances/{instance['id']}?force=true", 200)
    assert a.json["state"] == "deleting"
    assert red.api.operation(operation_of(a))["status"] == "done"
    red.api.get(f"/compute/instances/{instance['id']}", 404)


def test_without_waiting(red, instance):
    a = red.verb(instance["id"], "stop", {}, 202, Prefer="wait=0")
    assert a.json["state"] == "stopping" and a.json["operation"]["kind"] == "instance.stop"
    assert red.api.operation(operation_of(a))["status"] == "done"


def test_a_wait_that_ends_first_answers_202(red, instance, held):
    with held("stop"):
        a = red.verb(instance["id"], "stop", {}, 202, Prefer="wait=1")
        assert a.json["state"] == "stopping"
        b = red.verb(instance["id"], "start", {}, 409)
        assert b.error == "INVALID_STATE"
    assert red.api.operation(operation_of(a))["status"] == "done"


def test_what_failed_is_not_200(red, instance, faults):
    faults("stop fail")
    a = red.verb(instance["id"], "stop", {}, 502)
    assert a.error == "BACKEND_ERROR" and a.json["error"]["details"]["kind"] == "instance.stop"


def test_force_cancels_what_is_at_work(red, label, faults):
    faults("create slow=20000 1")
    made = red.post({"name": label, "resources": SMALL})
    ident = made.json["id"]
    until("it is at work", lambda: red.api.get(f"/operations/{operation_of(made)}").json["status"] == "running")
    assert red.api.delete(f"/compute/instances/{ident}", 409).error == "INVALID_STATE"
    gone = red.api.delete(f"/compute/instances/{ident}?force=true", 200, Prefer="wait=30")
    assert gone.json["state"] == "deleted"
    assert red.api.operation(operation_of(made))["status"] == "cancelled"
    red.api.get(f"/compute/instances/{ident}", 404)


@pytest.mark.parametrize("verb,body", [("stop", {"timeout": -1}), ("stop", {"timeout": 1e9}), ("stop", {"timeout": "5"}),
                                       ("stop", {"force": 1}), ("stop", {"now": True}), ("start", {"force": True}),
                                       ("pause", {"timeout": 1})])
def test_wrong_bodies_of_verbs(red, instance, verb, body):
    assert red.verb(instance["id"], verb, body, 400).error == "INVALID_REQUEST"
    assert red.api.instance(instance["id"])["state"] == "running"


# Versions, limits, labels --------------------------------------------------------------------------------------
def test_if_match(red, instance):
    path = f"/compute/instances/{instance['id']}"
    etag = red.api.get(path).header("ETag")
    assert red.api.put(path, {"labels": {"a": "1"}}, 412, If_Match='"999"').error == "PRECONDITION_FAILED"
    a = red.api.put(path, {"labels": {"a": "1"}}, 200, If_Match=etag)
    assert a.json["labels"] == {"a": "1"} and a.header("ETag") != etag
    assert red.verb(instance["id"], "stop", {}, 412, If_Match=etag).error == "PRECONDITION_FAILED"
    assert red.api.put(path, {"metadata": {"labels": {}}}, 200, If_Match="*").json["labels"] == {}


def test_limits(red, instance):
    path = f"/compute/instances/{instance['id']}"
    a = red.api.put(path, {"resources": {"cpu": {"cores": 0.02}, "memory": {"limit": 8 << 20}}}, 200)
    assert a.json["resources"]["cpu"]["cores"] == 0.02 and a.json["resources"]["memory"]["limit"] == 8 << 20
    assert red.api.get(f"/operations?instance={instance['id']}").json["operations"][0]["kind"] == "instance.update"
    assert red.api.put(path, {"resources": {"memory": {"limit": 1 << 50}}}, 403).error == "RESOURCE_LIMIT_EXCEEDED"
    red.verb(instance["id"], "stop")
    b = red.api.put(path, {"resources": {"memory": {"limit": 16 << 20}}}, 200)
    assert b.json["resources"]["memory"]["limit"] == 16 << 20 and not b.header("Operation-Location")
    for bad in ({"resources": {"memory": {"limit": 1}}}, {"resources": {"cpu": {"cores": 0}}}, {"name": "x"},
                {"labels": {"lodge.x": "1"}}, {"labels": {"a": 1}}, {"resources": {"gpu": {}}}):
        assert red.api.put(path, bad, 400).error == "INVALID_REQUEST"


# Usage, logs ---------------------------------------------------------------------------------------------------
def sizes(i):
    return i["resources"]["cpu"]["cores"], i["resources"]["memory"]["limit"], i["resources"]["pending"], i["flavor"]


def test_limits_that_the_engine_refuses_stay_as_they_were(fake_system, red, instance, faults):
    at, was = f"/compute/instances/{instance['id']}", sizes(instance)
    faults("update fail 1")
    assert red.api.put(at, {"resources": {"memory": {"limit": 8 << 20}}}, 502).error == "BACKEND_ERROR"
    assert sizes(red.api.instance(instance["id"])) == was and red.api.instance(instance["id"])["state"] == "running"
    red.api.put(at, {"resources": {"memory": {"limit": 8 << 20}}}, 200)
    assert engine_has(fake_system, instance["id"], "fake")["memory_bytes"] == 8 << 20


def test_what_the_engine_took_of_a_failed_update_is_taken_back(fake_system, red, instance, faults):
    """It has the new limits, and its answer is lost each time."""
    faults("update lost")
    red.api.put(f"/compute/instances/{instance['id']}", {"resources": {"memory": {"limit": 8 << 20}}}, 503)
    assert red.api.instance(instance["id"])["resources"]["memory"]["limit"] == 4 << 20
    assert engine_has(fake_system, instance["id"], "fake")["memory_bytes"] == 4 << 20


def test_an_update_that_was_cancelled_or_pushed_aside_changes_nothing(fake_system, red, instance):
    was = sizes(instance)
    for end in (lambda op: red.api.delete(f"/operations/{op}", 202),
                lambda op: red.verb(instance["id"], "restart", {"force": True}, 202, Prefer="wait=0")):
        with nothing_begins(fake_system):
            a = red.api.put(f"/compute/instances/{instance['id']}", {"resources": {"memory": {"limit": 8 << 20}}}, 202, Prefer="wait=0")
            assert a.json["resources"]["memory"]["limit"] == 8 << 20
            end(operation_of(a))
        assert red.api.operation(operation_of(a))["status"] == "cancelled"
        assert sizes(red.api.until(instance["id"], "running")) == was


@pytest.mark.parametrize("fault", ["update die 1", "update die-after 1"])
def test_an_update_whose_worker_dies_is_made_again(fake_system, red, instance, faults, fault):
    faults(fault)
    i = red.api.put(f"/compute/instances/{instance['id']}", {"resources": {"memory": {"limit": 8 << 20}}}, 200).json
    assert i["resources"]["memory"]["limit"] == engine_has(fake_system, instance["id"], "fake")["memory_bytes"] == 8 << 20


def test_usage(red, instance):
    u = red.api.get(f"/compute/instances/{instance['id']}/usage").json
    assert set(u) == {"at", "cpu", "memory", "storage", "network", "pids"} and u["cpu"]["cores"] == 0.01


def test_logs(red):
    i = red.make(state="running", command=["sh", "-c", "echo one; echo two; wait"])
    path = f"/compute/instances/{i['id']}/logs"
    assert until("both lines", lambda: (t := red.api.get(path).text) == "one\ntwo\n" and t)
    assert red.api.get(path + "?tail=1").text == "two\n"
    red.api.get(path + "?since=2024-06-04T10:00:00.123Z")
    red.api.get(path + "?since=1717495200&tail=all")
    sse = red.api.get(path, Accept="text/event-stream").text
    assert '"text":"one' in sse and "event: end" in sse
    for bad in ("tail=-1", "tail=x", "since=yesterday", "since=-5", "follow=maybe"):
        assert red.api.get(f"{path}?{bad}", 400).error == "INVALID_REQUEST"
    red.drop(i["id"])


# What is not one's own -----------------------------------------------------------------------------------------
def routes(ident, op="x"):
    base = f"/compute/instances/{ident}"
    return ([("GET", base), ("GET", base + "/usage"), ("GET", base + "/logs"), ("GET", base + "/ingress"), ("PUT", base),
             ("DELETE", base), ("DELETE", base + "?force=true"), ("POST", base + "/ingress"), ("DELETE", base + "/ingress/443")] +
            [(m, f"{base}/{v}") for m in ("PUT", "POST") for v in ("start", "stop", "restart", "pause", "unpause")])


BODIES = {"/ingress": {"targetPort": 80}}


@pytest.mark.parametrize("ident", ["foreign", str(uuid.uuid4()), "x", "%27%20OR%201=1", "a" * 250, "%ff", "null"])
def test_unknown_and_foreign_ids_everywhere(red, blue, instance, ident):
    foreign = ident == "foreign"
    for method, path in routes(instance["id"] if foreign else ident):
        body = BODIES.get("/ingress") if method == "POST" and path.endswith("/ingress") else {} if method in ("PUT", "POST") else None
        a = blue.api.call(method, path, body, (404, 400) if not foreign else 404)
        assert a.error in ("INSTANCE_NOT_FOUND", "NOT_FOUND", "INVALID_REQUEST"), (method, path, a)
    assert red.api.instance(instance["id"])["state"] == "running"
    blue.api.get(f"/compute/instances/name/{instance['name']}", 404)


def test_without_credentials(fake_system, instance):
    nobody = fake_system.anonymous()
    for method, path in routes(instance["id"]) + [("GET", "/compute/instances"), ("POST", "/compute/instances"),
                                                  ("GET", "/events"), ("GET", "/operations"), ("GET", "/images")]:
        a = nobody.call(method, path, {} if method in ("PUT", "POST") else None, 401)
        assert a.error == "UNAUTHENTICATED" and a.header("WWW-Authenticate") == "Bearer"


def test_methods(red, instance):
    a = red.api.call("PATCH", f"/compute/instances/{instance['id']}", {}, 405)
    assert a.error == "METHOD_NOT_ALLOWED" and "GET" in a.header("Allow")
    assert red.api.call("GET", "/compute/nothing", None, 404).error == "NOT_FOUND"
    assert red.api.request("HEAD", f"/api/v1/compute/instances/{instance['id']}").body == b""
