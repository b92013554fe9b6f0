"""The catalogue on the real engine: streamed upload, pull by reference, refusal to delete what is in use."""
import io
import json
import os
import signal
import subprocess
import tarfile
import tempfile

import pytest

from e2e_names import FOREVER
from lodge_client import operation_of
from lodge_system import BUILD, System, free_port, until


@pytest.fixture(scope="module")
def registry():
    """Debian's docker-registry on loopback, empty. Yields host:port."""
    port = free_port()
    with tempfile.TemporaryDirectory(prefix="registry-") as folder:
        with open(f"{folder}/config.yml", "w") as f:
            f.write(f"version: 0.1\nstorage:\n  filesystem:\n    rootdirectory: {folder}/data\nhttp:\n  addr: 127.0.0.1:{port}\n")
        with open(f"{folder}/log", "wb") as log:
            p = subprocess.Popen(["docker-registry", "serve", f"{folder}/config.yml"], stdout=log, stderr=log)
        try:
            from lodge_client import Http
            http = Http(port, None, name="127.0.0.1")
            until("the registry answers", lambda: answers(http))
            yield f"127.0.0.1:{port}"
        finally:
            p.send_signal(signal.SIGTERM)
            p.wait(60)


def answers(http):
    try:
        return http.request("GET", "/v2/").status == 200
    except OSError:
        return False


@pytest.fixture(scope="module")
def lodge(registry):
    """A Lodge whose engine may speak plain HTTP to that registry, which holds one image."""
    s = System(reconcile_ms=1000)
    try:
        os.makedirs(f"{s.state}/engine", mode=0o711)
        with open(f"{s.state}/engine/registries.conf", "w") as f:
            f.write(f'unqualified-search-registries = []\n[[registry]]\nlocation = "{registry}"\ninsecure = true\n')
        s.start()
        base = next(i for i in s.admin().get("/images").json["images"] if i["default"])
        for argv in (("tag", base["reference"], f"{registry}/test/base:1"), ("push", "--tls-verify=false", f"{registry}/test/base:1"),
                     ("rmi", f"{registry}/test/base:1")):
            done = s.podman(*argv)
            assert done.returncode == 0, done.stderr
        yield s
    finally:
        s.close()


def root_tar():
    """A root file system made of the host's static busybox."""
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        for d in ("bin", "etc", "tmp"):
            t = tarfile.TarInfo(d)
            t.type, t.mode = tarfile.DIRTYPE, 0o755
            tar.addfile(t)
        tar.add("/bin/busybox" if os.path.exists("/bin/busybox") else "/usr/bin/busybox", "bin/busybox")
        for link in ("sh", "sleep", "cat", "echo"):
            t = tarfile.TarInfo(f"bin/{link}")
            t.type, t.linkname = tarfile.SYMTYPE, "busybox"
            tar.addfile(t)
        t = tarfile.TarInfo("etc/marker")
        t.size = 9
        tar.addfile(t, io.BytesIO(b"uploaded\n"))
    return out.getvalue()


def chunks(data):
    """As a stream of unknown length: Transfer-Encoding chunked."""
    for at in range(0, len(data), 65536):
        yield data[at:at + 65536]


@pytest.mark.parametrize("streamed", [False, True])
def test_upload_of_a_tar(lodge, streamed):
    admin, name = lodge.admin(), f"mine:{int(streamed)}"
    data = root_tar()
    a = admin.call("POST", f"/images/upload?name={name}&kind=container", chunks(data) if streamed else data, 202,
                   Content_Type="application/x-tar")
    assert admin.operation(operation_of(a))["status"] == "done"
    image = admin.get(f"/images/{a.json['id']}").json
    assert image["state"] == "ready" and image["source"] == "upload" and image["sizeBytes"] > 0
    until("the uploaded file is taken away", lambda: not os.listdir(f"{lodge.state}/uploads"))
    i = admin.create(f"from-upload-{int(streamed)}", ["sh", "-c", "cat /etc/marker; exec sleep 100000"], image=name)
    until("it prints its marker", lambda: "uploaded" in admin.get(f"/compute/instances/{i['id']}/logs").text)
    assert admin.delete(f"/images/{image['id']}", 409).error
    admin.remove(i["id"])
    gone = admin.delete(f"/images/{image['id']}", (200, 202, 204))
    if gone.header("Operation-Location"):
        assert admin.operation(operation_of(gone))["status"] == "done"
    admin.get(f"/images/{image['id']}", 404)


def test_upload_of_nonsense_and_without_permission(lodge):
    admin = lodge.admin()
    a = admin.call("POST", "/images/upload?name=junk&kind=container", b"this is no archive" * 1000, 202,
                   Content_Type="application/x-tar")
    o = admin.operation(operation_of(a))
    assert o["status"] == "failed" and o["error"]["message"]
    assert admin.get(f"/images/{a.json['id']}").json["state"] == "error"
    admin.delete(f"/images/{a.json['id']}", (200, 202, 204))
    refused = lodge.anonymous().call("POST", "/images/upload?name=x&kind=container", b"x" * 100000, 401,
                                     Content_Type="application/x-tar")
    assert refused.error == "UNAUTHENTICATED"
    until("no file stays", lambda: not os.listdir(f"{lodge.state}/uploads"))

VICTIM = "docker.io/library/victim:latest"


def repacked(lodge, kind, change):
    """The base image as an archive of that kind whose files {name: bytes} `change` may alter: [(name, bytes)] in their order."""
    path, out = f"{lodge.state}/saved.tar", io.BytesIO()
    base = next(i for i in lodge.admin().get("/images").json["images"] if i["default"])
    done = lodge.podman("save", "--format", kind, "-o", path, base["reference"])
    assert done.returncode == 0, done.stderr
    with tarfile.open(path) as tar:
        files = {m.name: tar.extractfile(m).read() for m in tar if m.isreg()}
    os.unlink(path)
    with tarfile.open(fileobj=out, mode="w") as tar:
        for name, data in change(files):
            t = tarfile.TarInfo(name)
            t.size = 0 if isinstance(data, str) else len(data)
            if isinstance(data, str):
                t.type, t.linkname = tarfile.SYMTYPE, data
            tar.addfile(t, None if isinstance(data, str) else io.BytesIO(data))
    return out.getvalue()


def named(text, name):
    """A list of either kind that gives the image another name, in keys that Go reads as the real ones."""
    o = json.loads(text)
    if isinstance(o, list):
        return json.dumps([o[0] | {"repotags": [name]}]).encode()
    entry = o["manifests"][0] | {"Annotations": {"org.opencontainers.image.ref.name": name}}
    return json.dumps(o | {"manifests": [entry], "Manifests": [entry]}).encode()


LISTS = {"docker-archive": "manifest.json", "oci-archive": "index.json"}


@pytest.mark.parametrize("kind", LISTS)
@pytest.mark.parametrize("second", ["", "././", "a/../", "link/"])
def test_an_uploaded_image_gets_no_name_but_its_own(lodge, kind, second):
    """Names in the engine are everybody's: an archive that brings some along, in whatever way, sets none of them."""
    admin, listed = lodge.admin(), LISTS[kind]

    def change(files):
        evil = named(files[listed], VICTIM)
        if not second:
            return (files | {listed: evil}).items()
        return [("link", "."), (second + listed, evil), *files.items(), (second + listed, evil)]

    a = admin.call("POST", "/images/upload?name=trojan&kind=container", repacked(lodge, kind, change), 202, Content_Type="application/x-tar")
    o = admin.operation(operation_of(a))
    assert lodge.podman("image", "exists", VICTIM).returncode == 1, "an upload named an image of the engine"
    assert o["status"] == ("failed" if second else "done"), o
    gone = admin.delete(f"/images/{a.json['id']}", (200, 202, 204))
    if gone.header("Operation-Location"):
        assert admin.operation(operation_of(gone))["status"] == "done"


@pytest.mark.parametrize("kind", LISTS)
def test_upload_of_a_saved_image(lodge, kind):
    admin = lodge.admin()
    a = admin.call("POST", "/images/upload?name=saved&kind=container", repacked(lodge, kind, dict.items), 202, Content_Type="application/x-tar")
    assert admin.operation(operation_of(a))["status"] == "done"
    i = admin.create("from-saved", FOREVER, image="saved")
    admin.remove(i["id"])
    gone = admin.delete(f"/images/{a.json['id']}", (200, 202, 204))
    if gone.header("Operation-Location"):
        assert admin.operation(operation_of(gone))["status"] == "done"


def test_pull_by_reference_with_progress(lodge, registry):
    admin = lodge.admin()
    tail = admin.events()
    reference = f"{registry}/test/base:1"
    a = admin.post("/images", {"reference": reference, "name": "pulled:1", "aliases": ["pulled"]}, 202)
    op = operation_of(a)
    done = tail.wait(lambda e: e["kind"] == "operation.done" and e["data"]["operation"]["id"] == op)
    tail.stop()
    assert done["data"]["operation"]["status"] == "done", done
    assert any(e["kind"] == "operation.progress" for e in tail.events if e["data"].get("operation", {}).get("id") == op)
    image = admin.get(f"/images/{a.json['id']}").json
    assert image["state"] == "ready" and image["source"] == "pull" and image["digest"] and image["sizeBytes"] > 0
    assert "pulled" in image["aliases"]
    i = admin.create("from-pull", FOREVER, image="pulled")
    assert admin.delete(f"/images/{image['id']}", 409).error
    admin.remove(i["id"])
    gone = admin.delete(f"/images/{image['id']}", (200, 202, 204))
    if gone.header("Operation-Location"):
        assert admin.operation(operation_of(gone))["status"] == "done"


def test_pull_that_fails_says_why(lodge, registry):
    admin = lodge.admin()
    for reference in (f"{registry}/test/absent:1", f"127.0.0.1:{free_port()}/nobody/there:1"):
        a = admin.post("/images", {"reference": reference}, 202)
        o = admin.operation(operation_of(a))
        assert o["status"] == "failed" and len(o["error"]["message"]) > 10, o
        image = admin.get(f"/images/{a.json['id']}").json
        assert image["state"] == "error" and image["error"]
        assert admin.post("/compute/instances", {"name": "no-image", "config": {"image": image["name"]}},
                          (400, 404, 409, 422)).error
        admin.delete(f"/images/{a.json['id']}", (200, 202, 204))


def test_create_with_an_unknown_image(lodge):
    a = lodge.admin().post("/compute/instances", {"name": "nothing", "config": {"image": "no-such-image"}}, (400, 404))
    assert a.error and "no-such-image" in a.json["error"]["message"]


def test_an_image_that_vanished_from_the_engine(lodge):
    """Somebody removed it behind Lodge's back: the create fails and says so."""
    admin = lodge.admin()
    a = admin.call("POST", "/images/upload?name=fleeting&kind=container", root_tar(), 202, Content_Type="application/x-tar")
    admin.operation(operation_of(a))
    image = admin.get(f"/images/{a.json['id']}").json
    assert lodge.podman("rmi", "--force", image["reference"]).returncode == 0
    a = admin.post("/compute/instances", {"name": "without", "config": {"image": "fleeting"}}, 201)
    o = admin.operation(operation_of(a))
    assert o["status"] == "failed" and o["error"]["message"], o
    failed = admin.instance(a.json["id"])
    assert failed["state"] == "error" and failed["reason"]["text"]
    admin.remove(failed["id"])
    admin.delete(f"/images/{image['id']}", (200, 202, 204))


@pytest.fixture
def fresh(lodge, registry):
    """A reference of an image that the registry has and the engine has not; some megabytes, so that its pull takes a moment."""
    reference, path = f"{registry}/test/fresh:1", f"{lodge.state}/fresh.tar"
    with open(path, "wb") as f:
        f.write(root_tar())
    with tarfile.open(path, "a") as tar:
        t = tarfile.TarInfo("ballast")
        t.size = 16 << 20
        tar.addfile(t, io.BytesIO(os.urandom(t.size)))
    for argv in (("import", "-q", path, reference), ("push", "-q", "--tls-verify=false", reference), ("rmi", reference)):
        done = lodge.podman(*argv)
        assert done.returncode == 0, done.stderr
    os.unlink(path)
    yield reference
    lodge.podman("rmi", "--force", reference)


def test_a_language_s_image_comes_from_a_registry(lodge, registry):
    """An administrator's language in an image of a registry: absent, pulled with progress when somebody asks, and then it runs."""
    api, reference = lodge.admin(), f"{registry}/test/language:1"
    path = f"{lodge.state}/language.tar"
    with open(path, "wb") as f:
        f.write(root_tar())
    with tarfile.open(path, "a") as tar:
        tar.add(f"{BUILD}/bin/lodge-box", "usr/lib/lodge/box")
    for argv in (("import", "-q", path, reference), ("push", "-q", "--tls-verify=false", reference), ("rmi", reference)):
        done = lodge.podman(*argv)
        assert done.returncode == 0, done.stderr
    with open(f"{lodge.state}/languages.json", "w") as f:
        json.dump([{"name": "tiny", "image": reference, "file": "main.sh", "run": ["/bin/sh", "main.sh"]}], f)
    lodge.kill("runner")
    details = lambda: next((d for d in api.request("GET", "/api/repl/languages").json.get("details", []) if d["name"] == "tiny"), {})  # noqa: E731
    until("the new table is read", lambda: details().get("state") == "absent")
    a = api.request("POST", "/api/repl/execute", {"language": "tiny", "code": "echo x"})
    assert a.status == 503 and a.json["error"]["details"]["state"] == "absent", a
    assert api.request("POST", "/api/repl/languages/tiny/prepare").status == 202
    until("it is there", lambda: (d := details())["state"] == "ready" or d["state"] == "error" and pytest.fail(str(d)))
    a = api.request("POST", "/api/repl/execute", {"language": "tiny", "code": "cat /etc/marker"})
    assert a.status == 200 and a.json["stdout"] == "uploaded\n", a


@pytest.mark.parametrize("query", ["?format=json", ""])
def test_a_container_of_one_command_pulls_its_image_and_says_how_far_it_is(lodge, fresh, query):
    admin = lodge.admin()
    body = {"image": fresh, "command": ["cat", "/etc/marker"]}
    said = [events_of(admin.request("POST", f"/api/containers/create/stream{query}", body)) for _ in range(2)]
    for nth, events in enumerate(said):
        pulling = [d for name, d in events if (name == "progress" if not query else name == "state" and json.loads(d)["state"] == "pulling")]
        assert bool(pulling) is (nth == 0), events  # the second time it is there
        assert all(json.loads(d)["text"] if query else d for d in pulling), events
        names = [name for name, _ in events]
        output = next(i for i, (_, d) in enumerate(events) if "uploaded" in d)
        assert names[-1] == "done" and json.loads(events[-1][1])["success"] is True, events
        assert not pulling or output > max(i for i, (_, d) in enumerate(events) if d in pulling), events


def events_of(answer):
    assert answer.status == 200, answer
    out = []
    for block in answer.body.decode().split("\n\n"):
        lines = [line.partition(": ") for line in block.split("\n")]
        data = "\n".join(v for k, _, v in lines if k == "data")
        if data:
            out.append((next((v for k, _, v in lines if k == "event"), "message"), data))
    return out
