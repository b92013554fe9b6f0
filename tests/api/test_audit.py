"""The audit record: what was refused is in it too, and the oldest is forgotten."""
import sqlite3
import time

import pytest
from conftest_names import SMALL
from lodge_system import until


def lines(system, after):
    return [dict(zip(("action", "subject", "user", "result", "details"), r)) for r in system.query(
        "SELECT action, subject, username, result, details FROM audit WHERE id > ? ORDER BY id", after)]


@pytest.fixture
def since(fake_system):
    return fake_system.query("SELECT coalesce(max(id), 0) FROM audit")[0][0]


def test_refused_changes(fake_system, red, blue, since, label):
    i = red.make(label)
    ident = i["id"]
    blue.verb(ident, "stop", {}, 404)
    red.verb(ident, "unpause", {}, 409)
    red.api.post("/users", {"username": "x", "password": "correct horse battery"}, 403)
    red.api.put(f"/compute/instances/{ident}", {"labels": {}}, 412, If_Match='"99"')
    red.api.post("/compute/instances", {"name": label, "resources": SMALL}, 409)
    got = [(x["action"], x["subject"], x["user"], x["result"]) for x in lines(fake_system, since) if x["result"] != "ok"]
    mine, theirs = red.api.username, blue.api.username
    assert got == [("instance.stop", ident, theirs, "INSTANCE_NOT_FOUND"), ("instance.unpause", ident, mine, "INVALID_STATE"),
                   ("user.create", "", mine, "FORBIDDEN"), ("instance.update", ident, mine, "PRECONDITION_FAILED"),
                   ("instance.create", "", mine, "CONFLICT")]
    shown = red.api.get("/audit?pageSize=50").json["audit"]
    assert any(x["result"] == "INVALID_STATE" and x["subject"] == ident for x in shown)
    assert not any(x["user"] == theirs for x in shown), "what blue tried is blue's record"
    red.drop(ident)


def test_what_never_was_a_change_is_not(fake_system, red, since):
    red.api.post("/compute/instances", {"name": 7}, 400)
    red.api.get("/compute/instances/none", 404)
    fake_system.anonymous().post("/compute/instances", {"name": "x"}, 401)
    fake_system.anonymous(headers={"Authorization": "Bearer lg_wrong"}).post("/compute/instances", {"name": "x"}, 401)
    red.api.request("PATCH", "/api/v1/tokens", {})
    assert lines(fake_system, since) == []


def test_the_oldest_is_forgotten(make_system):
    s = make_system(drivers="fake", pool="127.93.0.0/16", audit_keep_days=30)
    s.start()
    s.stop()
    db = sqlite3.connect(f"{s.state}/db/lodge.db", timeout=30)
    day, now = 86400000, int(time.time() * 1000)
    with db:
        for age in (20, 29, 31, 400):
            for n in range(700):
                db.execute("INSERT INTO audit (at, user_id, username, token_id, address, action, subject, tenant_id, result, details) "
                           "VALUES (?, '', '', '', '', 'test', ?, '', 'ok', '')", (now - age * day, str(age)))
    db.close()
    s.start()
    until("the old ones are gone", lambda: s.query("SELECT count(*) FROM audit WHERE subject IN ('31', '400')")[0][0] == 0)
    assert s.query("SELECT count(*) FROM audit WHERE action = 'test'")[0][0] == 1400
