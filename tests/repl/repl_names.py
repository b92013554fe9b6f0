"""A client of the repl dialect."""
import contextlib
import http.client
import json
import os
import time

import websocket

from lodge_system import System


class Repl:
    def __init__(self, api):
        self.api = api

    def call(self, method, path, body=None, **headers):
        return self.api.request(method, f"/api/repl{path}", body, headers)

    def languages(self):
        a = self.call("GET", "/languages")
        assert a.status == 200, a
        return a.json

    def details(self, language):
        return next(d for d in self.languages()["details"] if d["name"] == language)

    def prepare(self, language="python", timeout=600):
        end = time.monotonic() + timeout
        a = self.call("POST", f"/languages/{language}/prepare")
        assert a.status == 202, a
        while True:
            d = self.details(language)
            assert d["state"] in ("building", "ready"), d
            if d["state"] == "ready":
                return d
            assert time.monotonic() < end, d
            time.sleep(0.5)

    def run(self, language, code, expect=200, **more):
        a = self.call("POST", "/execute", {"language": language, "code": code, **more})
        assert a.status == expect, a
        return a.json

    def stream(self, language, code, query="", **more):
        """The events of a whole stream: (id, event, data)."""
        a = self.call("POST", f"/execute/stream{query}", {"language": language, "code": code, **more})
        assert a.status == 200 and a.header("Content-Type") == "text/event-stream", a
        return events(a.body.decode())

    def status(self):
        return self.call("GET", "/status").json


def listen(system, repl, run, query=""):
    c = http.client.HTTPSConnection("localhost", system.https_port, context=system.tls, timeout=30)
    c.request("GET", run["stream"] + "?format=json" + query, headers={"Accept": "text/event-stream", **repl.api.headers})
    r = c.getresponse()
    assert r.status == 200, r.read()
    return r


def connect(system, repl, run):
    return websocket.create_connection(f"wss://localhost:{system.https_port}{run['stream']}", timeout=60,
                                       header=[f"{k}: {v}" for k, v in repl.api.headers.items()], sslopt={"context": system.tls})


def read(ws, until_text=None):
    """Output so far, and the last message."""
    said = ""
    while True:
        m = json.loads(ws.recv())
        if "text" in m:
            said += m["text"]
            if until_text and until_text in said:
                return said, m
        elif "done" in m or "failed" in m:
            return said, m


def events(text):
    out = []
    for block in text.split("\n\n"):
        ident, name, data = None, "message", []
        for line in block.split("\n"):
            key, _, value = line.partition(": ")
            if key == "id":
                ident = int(value)
            elif key == "event":
                name = value
            elif key in ("data", "data:"):
                data.append(value)
        if data:
            out.append((ident, name, "\n".join(data)))
    return out


def children(system, name):
    """Processes of the runner by what they call themselves."""
    found = []
    for pid in system.tree():
        try:
            with open(f"/proc/{pid}/comm") as f:
                if f.read().strip() == name:
                    found.append(pid)
        except FileNotFoundError:
            pass
    return found


def init_of(system, uid):
    """The first process of the sandbox whose user id, of the host's, is this: one that the pool has an end of in its hand."""
    pool = children(system, "lodge-sandbox")[0]
    for fd in os.listdir(f"/proc/{pool}/fdinfo"):
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            pid = fields(f"/proc/{pool}/fdinfo/{fd}").get("Pid", "-1").strip()
            if int(pid) > 0 and fields(f"/proc/{pid}/status")["Uid"].split()[0] == uid.strip():
                return int(pid)
    raise AssertionError(f"no sandbox of user {uid}")


def fields(path):
    with open(path) as f:
        return dict(line.split(":", 1) for line in f if ":" in line)


@contextlib.contextmanager
def lodge_for_code(**settings):
    """A Lodge of its own on the real engine, with everything that code needs."""
    s = System(drivers="container", sign_in_per_minute=1000, **settings)
    try:
        s.start()
        Repl(s.admin()).prepare()
        yield s
    finally:
        s.close()
