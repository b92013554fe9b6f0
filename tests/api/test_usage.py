"""What an instance used over time."""
import sqlite3
import time
from datetime import datetime, timedelta, timezone

import pytest

from lodge_system import until

COLUMNS = {"at", "cpu", "memory", "network", "storage", "pids"}


def iso(seconds):
    return datetime.fromtimestamp(seconds, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")


def history(system):
    return sqlite3.connect(f"{system.state}/db/samples.db", timeout=10)


def lengths(answer):
    columns = [answer["at"], answer["pids"], *answer["cpu"].values(), *answer["memory"].values(), *answer["network"].values(),
               *answer["storage"].values()]
    return {len(c) for c in columns}


def test_the_newest_is_as_it_was(red, instance):
    at = until("there is a sample", lambda: red.api.get(f"/compute/instances/{instance['id']}/usage").json["at"], 30)
    assert at.endswith("Z")


def test_of_all_that_run_at_once(red, blue, instance):
    mine = lambda: next((u for u in red.api.get("/compute/usage").json["usage"] if u["instance"] == instance["id"]), None)
    u = until("there is a sample", mine, 30)
    assert set(u) == {"instance", "name", "at", "cpu", "memory"} and u["name"] == instance["name"] and u["cpu"]["usage"] >= 0
    names = [x["name"] for x in red.api.get("/compute/usage").json["usage"]]
    assert names == sorted(names)
    assert instance["id"] not in blue.api.get("/compute/usage").text
    red.verb(instance["id"], "stop")
    assert mine() is None


def test_a_running_instance_gets_a_history(red, instance):
    path = f"/compute/instances/{instance['id']}/usage?step=10"
    answer = until("its history begins", lambda: (a := red.api.get(path).json)["at"] and a, 30)
    assert set(answer) == COLUMNS | {"since", "until", "step"} and answer["step"] == 10
    assert len(lengths(answer)) == 1
    assert answer["at"] == sorted(set(answer["at"])) and all(a.endswith("0.000Z") for a in answer["at"])
    assert answer["memory"]["min"][0] <= answer["memory"]["avg"][0] <= answer["memory"]["max"][0]
    assert answer["cpu"]["min"][0] <= answer["cpu"]["max"][0]


@pytest.fixture
def month(fake_system, red, instance):
    """A month of made-up past for an instance, as the runner would have left it."""
    now = int(time.time())
    db = history(fake_system)
    db.execute("INSERT INTO subject (instance_id) VALUES (?) ON CONFLICT DO NOTHING", (instance["id"],))
    key = db.execute("SELECT key FROM subject WHERE instance_id = ?", (instance["id"],)).fetchone()[0]
    for width, keep in ((10, 3600), (60, 86400), (900, 31 * 86400)):
        first = (now - keep) // width * width + width
        rows = [(key, width, at, 2, width * 1000, width * 100_000, 5.0, 20.0, 1e6, 900_000, 1_100_000, width * 10, width, -1, 4)
                for at in range(first, now // width * width - width, width)]
        db.executemany(f"INSERT INTO usage_bucket VALUES ({','.join('?' * 15)}) ON CONFLICT DO NOTHING", rows)
    db.commit()
    db.close()
    return f"/compute/instances/{instance['id']}/usage", now


@pytest.mark.parametrize("back, step, least", [(3500, 10, 330), (86000, 60, 1400), (30 * 86400, 900, 2800)])
def test_hour_day_month(red, month, back, step, least):
    path, now = month
    answer = red.api.get(f"{path}?since={iso(now - back)}").json
    assert answer["step"] == step and least <= len(answer["at"]) <= 3000 and len(lengths(answer)) == 1
    assert answer["cpu"]["avg"][5] == 10 and answer["cpu"]["max"][5] == 20 and answer["memory"]["avg"][5] == 1e6
    assert answer["network"]["rxRate"][5] == 10 and answer["network"]["rxBytes"][5] == step * 10 and answer["storage"]["used"][5] is None


def test_steps_of_ones_own(red, month):
    path, now = month
    answer = red.api.get(f"{path}?since={iso(now - 86000)}&until={iso(now - 40000)}&step=3600").json
    assert answer["step"] == 3600 and 12 <= len(answer["at"]) <= 14
    assert answer["network"]["rxBytes"][3] == 36000 and answer["network"]["rxRate"][3] == 10
    assert red.api.get(f"{path}?since={iso(now - 86000)}&step=61").json["step"] == 120
    assert red.api.get(f"{path}?since={now - 1800}").json["step"] == 10


def test_nonsense_is_refused(red, month):
    path, now = month
    for query, field in ((f"since={iso(now)}&until={iso(now - 5)}", "since"), ("since=yesterday", "since"), ("until=never", "until"),
                         ("step=0", "step"), ("step=ten", "step"), ("step=99999999", "step")):
        a = red.api.get(f"{path}?{query}", 400)
        assert a.error == "INVALID_REQUEST" and a.json["error"]["details"]["field"] == field, query


def test_nobody_elses(red, blue, month):
    path, _ = month
    blue.api.get(path + "?step=10", 404)
    red.api.get("/compute/instances/00000000-0000-0000-0000-000000000000/usage?step=10", 404)


def test_it_goes_with_the_instance(fake_system, red, label):
    i = red.make(label)
    path = f"/compute/instances/{i['id']}/usage?step=10"
    until("its history begins", lambda: red.api.get(path).json["at"], 30)
    red.drop(i["id"])
    red.api.get(path, 404)

    def rows():
        db = history(fake_system)
        try:
            return db.execute("SELECT count(*) FROM subject WHERE instance_id = ?", (i["id"],)).fetchone()[0]
        finally:
            db.close()
    until("its rows are gone", lambda: not rows(), 90)
