"""What tests of this folder import: small instances, so that hundreds fit, a tenant's shortcuts, and an image to upload."""
import contextlib
import glob
import io
import itertools
import json
import signal
import tarfile

SMALL = {"cpu": {"cores": 0.01}, "memory": {"limit": 4 << 20}}
counter = itertools.count(1)


class Tenant:
    """One tenant's client with the shortcuts these tests need."""

    def __init__(self, api):
        self.api = api

    def post(self, body, expect=201, **headers):
        return self.api.post("/compute/instances", body, expect, **headers)

    def make(self, name=None, state="running", **config):
        """An instance, settled in `state`."""
        body = {"name": name or f"i{next(counter)}", "resources": SMALL, "config": config, "start": state == "running"}
        return self.api.until(self.post(body).json["id"], state)

    def verb(self, ident, verb, body=None, expect=200, **headers):
        return self.api.post(f"/compute/instances/{ident}/{verb}", body, expect, **headers)

    def drop(self, *idents):
        for i in idents:
            self.api.delete(f"/compute/instances/{i}?force=true", (200, 202, 404), Prefer="wait=60")


@contextlib.contextmanager
def nothing_begins(system):
    """What is asked for stays in the queue until the block ends."""
    system.kill("runner", signal.SIGSTOP)
    try:
        yield
    finally:
        system.kill("runner", signal.SIGCONT)


def engine_has(system, ident, engine="fake-vm"):
    """The fake engine's own file of an instance."""
    for path in glob.glob(f"{system.state}/{engine}/inst-*"):
        with open(path) as f:
            found = json.load(f)
        if found["id"] == ident:
            return found
    raise AssertionError(f"the engine knows no {ident}")


def tar():
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as t:
        info = tarfile.TarInfo("etc/hello")
        info.size = 5
        t.addfile(info, io.BytesIO(b"hello"))
    return out.getvalue()


def chunks(data):
    yield data[:100]
    yield data[100:]


def upload(api, query, data, expect=202, kind="application/x-tar"):
    return api.call("POST", "/images/upload?" + query, data, expect, Content_Type=kind)
