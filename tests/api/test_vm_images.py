"""Images of virtual machines: uploaded, or fetched from an https address that may be spoken to."""
import hashlib
import http.server
import os
import shutil
import socket
import ssl
import subprocess
import threading

import pytest

from lodge_client import operation_of
from lodge_system import System, until

MIB = 1 << 20
DISK = os.urandom(300000)


def upload(api, query, data=DISK, expect=202):
    return api.call("POST", "/images/upload?" + query, data, expect, Content_Type="application/octet-stream")


def ended(api, answer):
    return api.operation(operation_of(answer))


def drop(api, ident):
    assert ended(api, api.delete(f"/images/{ident}", 202))["status"] == "done"


# --- upload -----------------------------------------------------------------------------------------------------------

def test_upload(vms, green, label):
    a = upload(green.api, f"name={label}&kind=vm&format=raw&minDiskBytes=134217728&minMemoryBytes=134217728&defaultUser=admin"
                          f"&cloudInit=false&sha256={hashlib.sha256(DISK).hexdigest()}")
    assert a.json["kind"] == "vm" and ended(green.api, a)["status"] == "done"
    i = green.api.get(f"/images/{a.json['id']}").json
    vm = i["vm"]
    assert i["state"] == "ready" and i["tenant"] == "green" and not i["public"] and i["sizeBytes"] == len(DISK)
    assert vm["format"] == "raw" and vm["defaultUser"] == "admin" and vm["cloudInit"] is False and vm["url"] is None
    assert vm["minDiskBytes"] == 128 * MIB and vm["minMemoryBytes"] == 128 * MIB and vm["virtualBytes"] == 64 * MIB
    assert i["id"] in [x["id"] for x in green.api.get("/images?kind=vm").json["images"]]
    assert i["id"] not in [x["id"] for x in green.api.get("/images?kind=container").json["images"]]
    changed = green.api.put(f"/images/{i['id']}", {"defaultUser": "root", "minMemoryBytes": 0, "cloudInit": True}, 200).json["vm"]
    assert changed["defaultUser"] == "root" and changed["minMemoryBytes"] == 0 and changed["cloudInit"] is True
    drop(green.api, i["id"])


def test_a_used_image_stays(green, label):
    a = upload(green.api, f"name={label}&kind=vm")
    assert ended(green.api, a)["status"] == "done"
    i = green.post({"name": label, "type": "vm", "config": {"image": label}}).json
    green.api.until(i["id"], "running")
    assert green.api.delete(f"/images/{a.json['id']}", 409).error == "CONFLICT"
    green.drop(i["id"])
    drop(green.api, a.json["id"])


def test_a_wrong_checksum_is_told(green, label):
    a = upload(green.api, f"name={label}&kind=vm&sha256={'0' * 64}")
    o = ended(green.api, a)
    assert o["status"] == "failed" and o["error"]["code"] == "INVALID_REQUEST" and "checksum" in o["error"]["message"]
    i = green.api.get(f"/images/{a.json['id']}").json
    assert i["state"] == "error" and "checksum" in i["error"]
    refused = green.post({"name": label, "type": "vm", "config": {"image": label}}, 409)
    assert refused.error == "INVALID_STATE"
    drop(green.api, i["id"])


@pytest.mark.parametrize("query,field", [
    ("format=vmdk", "format"), ("sha256=beef", "sha256"), ("defaultUser=../root", "defaultUser"),
    ("minDiskBytes=-1", "minDiskBytes"), ("minMemoryBytes=much", "minMemoryBytes"), ("cloudInit=maybe", "cloudInit")])
def test_bad_upload(vms, green, label, query, field):
    a = upload(green.api, f"name={label}&kind=vm&{query}", expect=400)
    assert a.error == "INVALID_REQUEST" and a.json["error"]["details"]["field"] == field
    assert not [f for f in os.listdir(f"{vms.state}/uploads") if os.path.isfile(f"{vms.state}/uploads/{f}")]


def test_a_containers_image_has_no_disk(vms):
    admin = vms.admin()
    base = next(i for i in admin.get("/images?kind=container").json["images"] if i["default"])
    assert "vm" not in base
    assert admin.put(f"/images/{base['id']}", {"minDiskBytes": 1}, 400).error == "INVALID_REQUEST"


def test_without_a_backend(red):
    a = upload(red.api, "name=x&kind=vm", expect=503)
    assert a.error == "BACKEND_UNAVAILABLE" and a.json["error"]["details"]["backend"] == "kvm"
    a = red.api.post("/images", {"url": "https://example.com/a.qcow2", "name": "x"}, 503)
    assert a.error == "BACKEND_UNAVAILABLE"


# --- fetch ------------------------------------------------------------------------------------------------------------

class Mirror:
    """A server of images with a certificate of its own, on loopback."""

    def __init__(self, tmp):
        self.cert, key = f"{tmp}/cert.pem", f"{tmp}/key.pem"
        subprocess.run(["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days",
                        "2", "-keyout", key, "-out", self.cert, "-subj", "/CN=mirror", "-addext",
                        "subjectAltName=DNS:localhost,IP:127.0.0.1,IP:127.0.0.2"], check=True, capture_output=True)
        mirror = self
        self.seen, self.enough = [], threading.Event()

        class Handler(http.server.BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def log_message(self, *_):
                pass

            def do_GET(self):
                mirror.seen.append(self.path)
                if self.path.startswith("/to/"):
                    return self.answer(302, b"", Location=self.path[4:])
                if self.path == "/loop":
                    return self.answer(302, b"", Location="/loop")
                if self.path == "/none":
                    return self.answer(404, b"nothing here")
                if self.path == "/endless":
                    return self.endless()
                if self.path.startswith("/trickle/"):
                    return self.trickle()
                if self.path == "/cut":
                    self.send_response(200)
                    self.send_header("Content-Length", str(len(DISK) * 2))
                    self.end_headers()
                    self.wfile.write(DISK)
                    self.close_connection = True
                    return None
                return self.answer(200, DISK)

            def endless(self):
                self.send_response(200)
                self.send_header("Connection", "close")
                self.end_headers()
                self.close_connection = True
                try:
                    while True:
                        self.wfile.write(bytes(MIB))
                except OSError:
                    pass

            def trickle(self):
                self.send_response(200)
                self.send_header("Content-Length", str(3 * MIB))
                self.end_headers()
                self.close_connection = True
                try:
                    while not mirror.enough.wait(1):
                        self.wfile.write(bytes(2048))
                except OSError:
                    pass

            def answer(self, status, data, **headers):
                self.send_response(status)
                for k, v in headers.items():
                    self.send_header(k, v)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        context.load_cert_chain(self.cert, key)
        self.server.socket = context.wrap_socket(self.server.socket, server_side=True, do_handshake_on_connect=False)
        self.port = self.server.server_address[1]
        self.url = f"https://127.0.0.1:{self.port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture(scope="module")
def mirror(tmp_path_factory):
    tmp = tmp_path_factory.mktemp("mirror")
    m = Mirror(str(tmp))
    yield m
    m.enough.set()
    m.server.shutdown()


@pytest.fixture(scope="module")
def fetching(mirror):
    """A Lodge that may fetch from loopback's first address and from nothing else inside."""
    s = System(drivers="fake,fake-vm", pool="127.92.0.0/16", sign_in_per_minute=1000, upload_max_mib=4, fetch_allow="127.0.0.1/32",
               fetch_ca_file=f"/tmp/lodge-mirror-{os.getpid()}.pem")
    shutil.copy(mirror.cert, s.settings["fetch_ca_file"])
    os.chmod(s.settings["fetch_ca_file"], 0o644)
    try:
        s.start()
        yield s
    finally:
        os.unlink(s.settings["fetch_ca_file"])
        s.close()


def fetch(system, url, name, expect=202, **more):
    return system.admin().post("/images", {"url": url, "name": name, **more}, expect)


def test_fetch(fetching, mirror, label):
    admin = fetching.admin()
    a = fetch(fetching, mirror.url + "/disk.qcow2", label, format="raw", sha256=hashlib.sha256(DISK).hexdigest(), aliases=[label + "-x"],
              defaultUser="debian", minMemoryBytes=128 * MIB, public=True)
    o = ended(admin, a)
    assert o["status"] == "done" and o["kind"] == "image.fetch", o
    i = admin.get(f"/images/{a.json['id']}").json
    assert i["state"] == "ready" and i["public"] and i["aliases"] == [label + "-x"] and i["sizeBytes"] == len(DISK)
    assert i["vm"]["url"] == mirror.url + "/disk.qcow2" and i["vm"]["defaultUser"] == "debian"
    assert not os.listdir(f"{fetching.state}/import")
    drop(admin, i["id"])


def test_a_redirect_is_followed(fetching, mirror, label):
    admin = fetching.admin()
    a = fetch(fetching, mirror.url + f"/to/{mirror.url}/disk", label)
    assert ended(admin, a)["status"] == "done"
    drop(admin, a.json["id"])


@pytest.mark.parametrize("path,code,says", [
    ("/none", "BACKEND_ERROR", "404"), ("/loop", "BACKEND_ERROR", "redirects"), ("/endless", "BODY_TOO_LARGE", "larger"),
    ("/cut", "BACKEND_ERROR", "fetched"),
    ("/to/https://127.0.0.2:9/secret", "INVALID_REQUEST", "public Internet"),
    ("/to/http://169.254.169.254/latest/meta-data/", "INVALID_REQUEST", "public Internet"),
    ("/to/file:///etc/shadow", "INVALID_REQUEST", ""), ("/to/gopher://127.0.0.1:70/", "INVALID_REQUEST", "")])
def test_what_cannot_be_fetched(fetching, mirror, label, path, code, says):
    admin = fetching.admin()
    a = fetch(fetching, mirror.url + path, label)
    o = ended(admin, a)
    assert o["status"] == "failed" and o["error"]["code"] == code and says in o["error"]["message"], o
    assert admin.get(f"/images/{a.json['id']}").json["state"] == "error"
    assert not os.listdir(f"{fetching.state}/import")
    drop(admin, a.json["id"])


@pytest.mark.parametrize("url", ["https://127.0.0.2:1/a", "https://[::1]:1/a", "https://10.1.2.3/a", "https://192.168.1.1/a",
                                 "https://169.254.169.254/a", "https://[fe80::1]/a", "https://[::ffff:10.0.0.1]/a", "https://0.0.0.0/a",
                                 "https://2130706434/a", "https://0x7f.0.2/a"])
def test_inner_addresses_are_never_spoken_to(fetching, label, url):
    admin = fetching.admin()
    a = fetch(fetching, url, label)
    o = ended(admin, a)
    assert o["status"] == "failed" and o["error"]["code"] in ("INVALID_REQUEST", "BACKEND_ERROR"), o
    assert "public Internet" in o["error"]["message"] or "known" in o["error"]["message"]
    drop(admin, a.json["id"])


@pytest.mark.parametrize("url", ["ftp://127.0.0.1/a", "file:///etc/passwd", "https://", "https://user:pw@127.0.0.1/a", "disk.qcow2",
                                 "https://127.0.0.1/a#b", "https://127.0.0.1/a b", "https://127.0.0.1/\r\nX: y", ""])
def test_bad_addresses(fetching, label, url):
    assert fetch(fetching, url, label, 400).json["error"]["details"]["field"] == "url"


def test_fetches_of_all_tenants_leave_workers(fetching, mirror, label):
    """A server that trickles keeps a fetch at work for as long as an operation may take."""
    one, two, other = (fetching.tenant(f"{label}-{who}") for who in ("one", "two", "other"))
    for n in range(6):
        for api in (one, two):
            api.post("/images", {"url": f"{mirror.url}/trickle/{n}", "name": f"slow-{n}"}, 202)
    until("fetches are at work", lambda: len([p for p in mirror.seen if p.startswith("/trickle/")]) >= 3)
    i = other.post("/compute/instances", {"name": "still-served", "resources": {"memory": {"limit": 4 << 20}}}, 201, Prefer="wait=60").json
    assert i["state"] == "running"
    other.remove(i["id"])
    for api in (one, two):
        api.cancel_all()


def test_without_the_setting_loopback_is_inner_too(make_system, mirror, label):
    s = make_system(drivers="fake,fake-vm", pool="127.91.0.0/16").start()
    admin = s.admin()
    before = len(mirror.seen)
    o = ended(admin, fetch(s, mirror.url + "/disk", label))
    assert o["status"] == "failed" and "public Internet" in o["error"]["message"] and len(mirror.seen) == before
    assert fetch(s, mirror.url.replace("https", "http") + "/disk", label, 400).json["error"]["details"]["field"] == "url"


def test_a_fetch_can_be_cancelled(fetching, mirror, label):
    """A server that says nothing is given up at once when its fetch is."""
    admin = fetching.admin()
    with socket.socket() as quiet:
        quiet.bind(("127.0.0.1", 0))
        quiet.listen()
        a = fetch(fetching, f"https://127.0.0.1:{quiet.getsockname()[1]}/a", label)
        ident = operation_of(a)
        connection = quiet.accept()[0]  # kept: its end would be an answer
        admin.delete(f"/operations/{ident}", 202)
        assert admin.operation(ident, 30)["status"] == "cancelled"
        connection.close()
    drop(admin, a.json["id"])
