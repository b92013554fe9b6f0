"""The image catalogue."""
import glob
import json
import os
import uuid

import pytest

from conftest_names import SMALL, Tenant, chunks, tar, upload
from lodge_client import operation_of
from lodge_system import until

FIELDS = {"id", "name", "aliases", "kind", "source", "reference", "digest", "sizeBytes", "default", "public", "state", "error",
          "tenant", "createdAt"}


def pull(tenant, reference, **more):
    a = tenant.api.post("/images", {"reference": reference, **more}, 202)
    assert tenant.api.operation(operation_of(a))["status"] == "done"
    return tenant.api.get(f"/images/{a.json['id']}").json


def drop(tenant, image):
    a = tenant.api.delete(f"/images/{image['id']}", 202)
    assert tenant.api.operation(operation_of(a))["status"] == "done"
    tenant.api.get(f"/images/{image['id']}", 404)


def no_file_stays(system):
    """nginx removes what nobody adopted just after it has answered."""
    until("no file stays", lambda: not os.listdir(f"{system.state}/uploads"))


def test_the_default_is_there(red):
    images = red.api.get("/images").json
    base = [i for i in images["images"] if i["default"]]
    assert len(base) == 1 and base[0]["public"] and base[0]["state"] == "ready" and set(base[0]) == FIELDS
    assert base[0]["tenant"] is None


def test_pull_use_and_delete(red, blue, label):
    name = f"app-{label}:1"
    image = pull(red, f"registry.test/app-{label}:1", name=name, aliases=[label])
    assert image["name"] == name and image["aliases"] == [label] and image["state"] == "ready" and image["tenant"] == "red"
    assert image["source"] == "pull" and image["sizeBytes"] > 0 and image["digest"] and not image["public"]
    i = red.make(label, image=label)
    assert i["config"]["image"] == label
    a = red.api.delete(f"/images/{image['id']}", 409)
    assert a.error == "CONFLICT" and a.json["error"]["details"]["instances"] == "1"
    blue.api.get(f"/images/{image['id']}", 404)
    blue.api.delete(f"/images/{image['id']}", 404)
    blue.api.put(f"/images/{image['id']}", {"aliases": []}, 404)
    assert image["id"] not in [x["id"] for x in blue.api.get("/images").json["images"]]
    blue.post({"name": label, "config": {"image": label}}, 404)
    red.drop(i["id"])
    drop(red, image)


def test_references_are_made_whole(red, label):
    for ref, full in ((f"plain{label}", f"docker.io/library/plain{label}:latest"), (f"a/b{label}:1", f"docker.io/a/b{label}:1"),
                      (f"ghcr.io/x/y{label}", f"ghcr.io/x/y{label}:latest")):
        image = pull(red, ref)
        assert image["reference"] == full
        drop(red, image)


def test_an_administrator_says_where_images_come_from(make_system, label):
    """image_registries: for tenants, in each way to name an image; what it lists may be a registry inside, too."""
    s = make_system(drivers="fake", pool="127.88.0.0/16", image_registries="docker.io/library,10.0.0.9:5000/us").start()
    ours, admin = Tenant(s.tenant("ours")), s.admin()
    for ref in (f"plain{label}", f"10.0.0.9:5000/us/{label}:1"):
        drop(ours, pull(ours, ref))
        ours.drop(ours.make(label, image=ref if "/" in ref else f"{ref}:latest")["id"])
    for ref in (f"ghcr.io/a/{label}", f"docker.io/a/{label}", f"10.0.0.9:5000/others/{label}"):
        a = ours.api.post("/images", {"reference": ref}, 400)
        assert a.json["error"]["details"]["field"] == "reference" and "docker.io/library" in a.json["error"]["message"]
        a = ours.post({"name": label, "config": {"image": ref}}, 404)
        assert a.json["error"]["details"]["field"] == "config.image" and "docker.io/library" in a.json["error"]["message"]
        a = ours.api.request("POST", "/api/containers/create", {"image": ref, "command": ["true"]})
        assert a.status == 404 and ref in json.dumps(a.json)
    a = admin.post("/images", {"reference": f"ghcr.io/a/{label}"}, 202)
    assert admin.operation(operation_of(a))["status"] == "done"


def test_images_in_no_catalogue_go_when_nothing_needs_them(make_system, label):
    """What a create pulled stays as long as an instance has it, or a catalogue; the rest goes before another comes."""
    s = make_system(drivers="fake", pool="127.88.0.0/16", image_keep_h=0).start()
    ours = Tenant(s.tenant("ours"))

    def engine_has():
        found = set()
        for path in glob.glob(f"{s.state}/fake/image-*"):
            with open(path) as f:
                found.add(json.load(f)["ref"])
        return found

    def make(what):
        return ours.make(f"{label}-{what}", image=f"registry.test/{label}-{what}:1")["id"]

    first, kept, listed = make("first"), make("kept"), make("listed")
    assert {f"registry.test/{label}-{w}:1" for w in ("first", "kept", "listed")} <= engine_has()
    image = pull(ours, f"registry.test/{label}-listed:1")
    ours.drop(first, listed)
    last = make("last")
    assert f"registry.test/{label}-first:1" not in engine_has()
    assert {f"registry.test/{label}-{w}:1" for w in ("kept", "listed", "last")} <= engine_has()
    ours.drop(kept, last)
    drop(ours, image)


def test_names_are_taken_once(red, blue, label):
    image = pull(red, f"registry.test/{label}:1")
    assert red.api.post("/images", {"reference": f"registry.test/{label}:1"}, 409).json["error"]["details"]["field"] == "name"
    a = red.api.post("/images", {"reference": "registry.test/x:1", "aliases": [f"registry.test/{label}:1"]}, 409)
    assert a.json["error"]["details"]["field"] == "aliases"
    theirs = pull(blue, f"registry.test/{label}:1")
    drop(blue, theirs)
    drop(red, image)


def test_aliases(red, label):
    image = pull(red, f"registry.test/{label}:1", aliases=[label])
    changed = red.api.put(f"/images/{image['id']}", {"aliases": [label + "-b", label + "-a"]}, 200).json
    assert changed["aliases"] == [label + "-a", label + "-b"]
    red.post({"name": label, "config": {"image": label}}, 404)
    drop(red, image)


def test_a_pull_that_fails(red, label):
    a = red.api.post("/images", {"reference": f"registry.test/missing-{label}:1"}, 202)
    o = red.api.operation(operation_of(a))
    assert o["status"] == "failed" and o["image"] == a.json["id"]
    image = red.api.get(f"/images/{a.json['id']}").json
    assert image["state"] == "error" and image["error"]
    assert red.post({"name": label, "config": {"image": image["name"]}}, 409).error == "INVALID_STATE"
    drop(red, image)


@pytest.mark.parametrize("body,status,field", [
    ({}, 400, "reference"), ({"reference": ""}, 400, "reference"), ({"reference": 5}, 400, "reference"),
    ({"reference": "a b"}, 400, "reference"), ({"reference": "../x"}, 400, "reference"), ({"reference": "x" * 300}, 400, "reference"),
    ({"reference": "localhost/x:1"}, 400, "reference"), ({"reference": "sha256:" + "a" * 64}, 400, "reference"),
    ({"reference": "127.0.0.1:5000/x:1"}, 400, "reference"), ({"reference": "a:1", "name": "b c"}, 400, "name"),
    ({"reference": "a:1", "aliases": "x"}, 400, "aliases"), ({"reference": "a:1", "aliases": ["x y"]}, 400, "aliases"),
    ({"reference": "a:1", "aliases": ["x"] * 17}, 400, "aliases"), ({"reference": "a:1", "aliases": ["x" * 200] * 6}, 400, "aliases"),
    ({"reference": "a:1", "more": 1}, 400, "more"), ({"reference": "a:1", "public": True}, 403, None),
])
def test_wrong_pulls(red, body, status, field):
    a = red.api.post("/images", body, status)
    assert a.json["error"]["details"].get("field") == field


def test_default_and_public_are_for_admins(fake_system, red, label):
    admin = fake_system.admin()
    image = pull(red, f"registry.test/{label}:1")
    for body in ({"default": True}, {"public": True}):
        assert red.api.put(f"/images/{image['id']}", body, 403).error == "FORBIDDEN"
    base = next(i for i in red.api.get("/images").json["images"] if i["default"])
    assert red.api.put(f"/images/{base['id']}", {"aliases": []}, 403).error == "FORBIDDEN"
    assert red.api.delete(f"/images/{base['id']}", 403).error == "FORBIDDEN"
    assert admin.delete(f"/images/{base['id']}", 409).error == "CONFLICT"
    assert admin.put(f"/images/{image['id']}", {"default": True}, 409).error == "INVALID_STATE", "not public"
    assert admin.put(f"/images/{image['id']}", {"public": True, "default": True}, 200).json["default"]
    assert not admin.get(f"/images/{base['id']}").json["default"]
    assert admin.put(f"/images/{image['id']}", {"public": False}, 409).error == "INVALID_STATE"
    admin.put(f"/images/{base['id']}", {"default": True}, 200)
    drop(red, image)


def test_a_public_image_is_everybodys_to_use(fake_system, red, blue, label):
    image = pull(red, f"registry.test/{label}:1", aliases=[label])
    fake_system.admin().put(f"/images/{image['id']}", {"public": True}, 200)
    i = blue.make(label, image=label)
    blue.drop(i["id"])
    assert blue.api.delete(f"/images/{image['id']}", 403).error == "FORBIDDEN"
    drop(red, image)


# Uploads ---------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("way", ["length", "chunked"])
def test_upload(fake_system, red, label, way):
    data = tar()
    a = upload(red.api, f"name={label}&kind=container", data if way == "length" else chunks(data))
    assert a.json["source"] == "upload" and a.json["reference"].startswith("localhost/lodge/")
    assert red.api.operation(operation_of(a))["status"] == "done"
    image = red.api.get(f"/images/{a.json['id']}").json
    assert image["state"] == "ready" and image["name"] == label
    no_file_stays(fake_system)
    i = red.make(label, image=label)
    red.drop(i["id"])
    drop(red, image)


def test_a_create_waits_for_an_image_under_way(red, label, held):
    with held("image_import"):
        image = upload(red.api, f"name={label}", tar()).json
        assert image["state"] == "pulling"
        i = red.post({"name": label, "resources": SMALL, "config": {"image": label}}).json
        create = f"/operations/{i['operation']['id']}"
        until("it says that it waits", lambda: red.api.get(create).json["step"] == "waiting for the image")
        assert red.api.instance(i["id"])["state"] == "creating"
    red.api.until(i["id"], "running")
    assert f"waiting for the image {label}" in str(red.api.get(create).json["log"])
    red.drop(i["id"])
    drop(red, image)


def test_an_upload_that_is_no_archive(fake_system, red, label):
    a = upload(red.api, f"name={label}", b"no tar")
    o = red.api.operation(operation_of(a))
    assert o["status"] == "failed" and o["error"]["message"]
    assert red.api.get(f"/images/{a.json['id']}").json["state"] == "error"
    drop(red, a.json)
    no_file_stays(fake_system)


@pytest.mark.parametrize("query,kind,status", [("", "application/x-tar", 400), ("name=", "application/x-tar", 400),
                                               ("name=a%20b", "application/x-tar", 400), ("name=..%2fx", "application/x-tar", 400),
                                               ("name=x&kind=disk", "application/x-tar", 400), ("name=x", "application/json", 415),
                                               ("name=x", "text/plain", 415)])
def test_wrong_uploads(fake_system, red, query, kind, status):
    a = upload(red.api, query, b"x" * 5000, status, kind)
    assert a.error in ("INVALID_REQUEST", "OPERATION_NOT_SUPPORTED", "UNSUPPORTED_MEDIA_TYPE") and a.json["error"]["message"]
    no_file_stays(fake_system)


def test_uploads_need_credentials_and_content(fake_system, red):
    a = upload(fake_system.anonymous(), "name=x", b"x" * 5000, 401)
    assert a.error == "UNAUTHENTICATED"
    assert upload(red.api, "name=x", b"", 400).error == "INVALID_REQUEST"
    a = red.api.call("POST", "/images/upload?name=x", b"", 400, Content_Type="application/x-tar", LODGE_UPLOAD_FILE="/etc/passwd")
    assert a.error == "INVALID_REQUEST"
    assert red.api.get("/images/upload", 405).error == "METHOD_NOT_ALLOWED"


def test_taken_names_leave_no_file(fake_system, red, label):
    image = pull(red, f"registry.test/{label}:1", name=label)
    assert upload(red.api, f"name={label}", tar(), 409).error == "CONFLICT"
    no_file_stays(fake_system)
    drop(red, image)


def test_unknown(red):
    for ident in (str(uuid.uuid4()), "x"):
        for method, body in (("GET", None), ("PUT", {}), ("DELETE", None)):
            assert red.api.call(method, f"/images/{ident}", body, 404).error == "NOT_FOUND"
