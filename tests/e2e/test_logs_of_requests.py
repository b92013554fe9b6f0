"""One request's id from the front door to the engine, in the logs of every process on its way."""
import json

import pytest

from lodge_system import until


@pytest.fixture
def talkative(make_system):
    s = make_system(drivers="container", log_debug=1)
    s.start()
    return s


def lines(system, name):
    return [json.loads(line) for line in system.log(name).splitlines() if line.startswith("{")]


def test_a_request_is_followed_to_the_engine(talkative):
    admin = talkative.admin()
    a = admin.post("/compute/instances", {"name": "followed"}, 201)
    request = a.header("Lodge-Request-Id")
    assert len(request) == 32
    inst = admin.until(a.json["id"], "running")
    assert talkative.query("SELECT request_id FROM operation WHERE instance_id = ?", inst["id"]) == [(request,)]
    calls = until("the log is complete", lambda: (found := [c for c in lines(talkative, "runner") if c["msg"] == "engine call" and
                                                           c.get("request") == request and "start" in c["call"]]) and found)
    assert calls[0]["call"] == "POST /containers/{id}/start" and calls[0]["result"] in ("204", "304") and float(calls[0]["ms"]) > 0
    every = [c for c in lines(talkative, "runner") if c["msg"] == "engine call"]
    assert {"POST /containers/create", "GET /containers/{id}/json", "GET /containers/json"} <= {c["call"] for c in every}
    assert not [c for c in every if inst["id"] in c["call"] or "lodge-" in c["call"]]
    assert [o for o in lines(talkative, "runner") if o["msg"] == "operation ended" and o.get("request") == request]
    text = admin.request("GET", "/metrics").text
    assert 'lodge_engine_call_duration_seconds_count{backend="docker",call="POST /containers/{id}/start"} 1' in text
    admin.remove(inst["id"])
