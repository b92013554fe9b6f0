"""/metrics and /health: the format by promtool's own rules, and numbers that move with what happens."""
import os
import re
import signal
import subprocess
import threading

import pytest
from conftest_names import SMALL
from lodge_client import Http
from lodge_system import until

SAMPLE = re.compile(r'^([a-z_:][a-z0-9_:]*)(?:\{(.*)\})? (\S+)$')
LABEL = re.compile(r'([a-z_]+)="((?:[^"\\]|\\.)*)"(?:,|$)')


class Metrics:
    def __init__(self, text):
        self.text, self.values = text, {}
        for line in text.splitlines():
            if not line.startswith("#"):
                m = SAMPLE.match(line)
                assert m, line
                key = (m[1], frozenset(LABEL.findall(m[2] or "")))
                assert key not in self.values, f"twice: {line}"
                self.values[key] = float(m[3])

    def get(self, metric, **labels):
        return self.values.get((metric, frozenset(labels.items())), 0)

    def total(self, metric, **labels):
        return sum(v for (n, have), v in self.values.items() if n == metric and labels.items() <= dict(have).items())


def local(system):
    """The plain listener, without credentials."""
    return Http(system.http_port, None)


@pytest.fixture
def scrape(fake_system):
    http = local(fake_system)

    def once():
        a = http.request("GET", "/metrics")
        assert a.status == 200 and a.header("Content-Type").startswith("text/plain; version=0.0.4"), a
        return Metrics(a.text)

    yield once
    http.close()


def test_promtool_finds_nothing(scrape, instance):
    text = scrape().text
    p = subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, text=True)
    assert p.returncode == 0 and not p.stderr and not p.stdout, p.stdout + p.stderr + text


def test_who_may_read_it(fake_system, red):
    assert fake_system.anonymous().request("GET", "/metrics").error == "UNAUTHENTICATED"
    a = Http(fake_system.https_port, fake_system.tls, headers=red.api.headers).request("GET", "/metrics")
    assert (a.status, a.error) == (403, "FORBIDDEN")
    headers = fake_system.admin().headers
    a = Http(fake_system.https_port, fake_system.tls, headers=headers).request("GET", "/metrics")
    assert a.status == 200 and "lodge_info" in a.text
    # What a client says about itself is nothing.
    a = Http(fake_system.https_port, fake_system.tls, headers={"Lodge-Listener": "http", "X-Forwarded-For": "127.0.0.1"}).request("GET", "/metrics")
    assert a.status == 401


def test_requests_are_counted_by_route_method_and_code(scrape, red, instance):
    def count(m, method, code, route="/api/v1/compute/instances/:id"):
        return m.get("lodge_http_requests_total", route=route, method=method, code=str(code))

    before = scrape()
    for _ in range(3):
        red.api.get(f"/compute/instances/{instance['id']}")
    red.api.get("/compute/instances/nowhere", 404)
    red.api.get("/nothing/here", 404)
    after = scrape()
    assert count(after, "GET", 200) - count(before, "GET", 200) == 3
    assert count(after, "GET", 404) - count(before, "GET", 404) == 1
    assert count(after, "any", 404, "none") - count(before, "any", 404, "none") == 1
    took = "lodge_http_request_duration_seconds"
    of = dict(route="/api/v1/compute/instances/:id", method="GET")
    assert after.get(took + "_count", **of) - before.get(took + "_count", **of) == 4
    assert after.get(took + "_bucket", le="+Inf", **of) == after.get(took + "_count", **of)
    assert after.get(took + "_sum", **of) > before.get(took + "_sum", **of)


@pytest.mark.kills_workers
def test_nothing_is_lost_with_a_worker(scrape, fake_system, red):
    def requests(m):
        return m.get("lodge_http_requests_total", route="/api/v1/tokens", method="GET", code="200")

    red.api.get("/tokens")
    before = scrape()
    assert requests(before) > 0 and requests(scrape()) == requests(before)
    assert fake_system.kill("api-workers", signal.SIGKILL, share=0.5)
    until("they are started again", lambda: scrape_quietly(fake_system, lambda m: m.total("lodge_http_worker_restarts_total") >
                                                          before.total("lodge_http_worker_restarts_total")))
    assert requests(scrape()) >= requests(before)


def scrape_quietly(system, condition):
    http = local(system)
    try:
        a = http.request("GET", "/metrics")
        return a.status == 200 and condition(Metrics(a.text))
    except OSError:
        return False
    finally:
        http.close()


def test_operations_instances_and_events(scrape, red, label):
    def done(m, kind="instance.create", result="done"):
        return m.get("lodge_operations_total", kind=kind, result=result)

    before = scrape()
    i = red.make(label)
    made = scrape()
    assert done(made) == done(before) + 1
    running = [m.get("lodge_instances", backend="docker", state="running") for m in (before, made)]
    assert running[1] == running[0] + 1
    assert made.total("lodge_events_total") > before.total("lodge_events_total")
    red.drop(i["id"])
    gone = scrape()
    assert done(gone, "instance.delete") == done(made, "instance.delete") + 1
    assert gone.get("lodge_instances", backend="docker", state="running") == running[0]


def test_a_failed_operation_counts_as_failed(scrape, red, label, faults):
    before = scrape().get("lodge_operations_total", kind="instance.create", result="failed")
    faults("create fail")
    op = red.post({"name": label, "resources": SMALL}).header("Operation-Location").rsplit("/", 1)[1]
    assert red.api.operation(op)["status"] == "failed"
    assert scrape().get("lodge_operations_total", kind="instance.create", result="failed") == before + 1


def test_the_queue_and_its_age(scrape, red, label, held):
    with held("create"):
        i = red.post({"name": label, "resources": SMALL}).json
        until("it is at work", lambda: (m := scrape()).total("lodge_operations_open") >= 1 and
              m.total("lodge_operation_oldest_age_seconds") > 0)
    red.api.until(i["id"], "running")
    until("nothing is open", lambda: scrape().total("lodge_operations_open") == 0)
    assert scrape().total("lodge_operation_oldest_age_seconds") == 0
    red.drop(i["id"])


def test_engine_calls_by_duration_and_failure(scrape, red, label, faults):
    def calls(m, what, call):
        return m.get(f"lodge_engine_call_{what}", backend="docker", call=call)

    before = scrape()
    faults("create slow=300 1")
    i = red.make(label)
    after = scrape()
    assert calls(after, "duration_seconds_count", "create") == calls(before, "duration_seconds_count", "create") + 1
    assert calls(after, "duration_seconds_sum", "create") >= calls(before, "duration_seconds_sum", "create") + 0.29  # a sum of rounded figures
    took = [after.get("lodge_engine_call_duration_seconds_bucket", backend="docker", call="create", le=le) -
            before.get("lodge_engine_call_duration_seconds_bucket", backend="docker", call="create", le=le)
            for le in ("0.25", "+Inf")]
    assert took == [0, 1]
    assert calls(after, "failures_total", "create") == calls(before, "failures_total", "create")
    faults("stop gone 1")
    red.api.post(f"/compute/instances/{i['id']}/stop", {}, None)
    until("the failure is counted", lambda: calls(scrape(), "failures_total", "stop") > calls(after, "failures_total", "stop"))
    faults()
    red.drop(i["id"])


def test_usage_of_an_instance(scrape, red, label):
    i = red.make(label)
    mine = dict(tenant="red", name=label)
    m = until("it was sampled", lambda: (m := scrape()).get("lodge_instance_memory_bytes", **mine) and m)
    for name in ("cpu_seconds_total", "network_receive_bytes_total", "network_transmit_bytes_total", "processes"):
        assert ("lodge_instance_" + name, frozenset(mine.items())) in m.values, name
    usage = red.api.get(f"/compute/instances/{i['id']}/usage").json
    assert m.get("lodge_instance_memory_bytes", **mine) > 0 and usage["memory"]["used"] > 0
    red.verb(i["id"], "stop")
    assert not scrape().total("lodge_instance_memory_bytes", **mine)
    red.drop(i["id"])


def test_streams_and_waits(scrape, red, label, held):
    before = until("nobody of an earlier test is left", lambda: (m := scrape()).get("lodge_stream_streams") == 0 and
                   m.get("lodge_stream_waits") == 0 and m.get("lodge_stream_feeder_connected") == 1 and m)
    ws = red.api.websocket("/api/v1/events")
    try:
        until("the stream is counted", lambda: scrape().get("lodge_stream_streams") > before.get("lodge_stream_streams"))
    finally:
        ws.close()
    until("it is gone", lambda: scrape().get("lodge_stream_streams") == before.get("lodge_stream_streams"))
    waiting = threading.Thread(target=lambda: red.post({"name": label, "resources": SMALL}, Prefer="wait=120"))
    with held("create"):
        waiting.start()
        until("the wait is counted", lambda: scrape().get("lodge_stream_waits") > before.get("lodge_stream_waits"))
    waiting.join()
    until("it is gone", lambda: scrape().get("lodge_stream_waits") == before.get("lodge_stream_waits"))
    red.drop(red.api.get(f"/compute/instances/name/{label}").json["id"])


def test_sizes_and_processes(scrape, fake_system):
    size = os.stat(f"{fake_system.state}/db/lodge.db").st_size
    m = scrape()
    # A checkpoint may make the file grow in between; it never shrinks.
    assert size <= m.get("lodge_database_size_bytes") <= os.stat(f"{fake_system.state}/db/lodge.db").st_size
    assert m.get("lodge_database_wal_size_bytes") > 0 and m.get("lodge_usage_history_size_bytes") > 0
    assert all(m.get("lodge_process_up", process=p) == 1 for p in ("api", "runner", "stream"))
    assert m.total("lodge_engine_up", backend="docker") == 1
    assert m.total("lodge_engine_last_check_timestamp_seconds", backend="docker") > 0


def test_health_says_what_is_missing_and_why(fake_system, faults):
    a = fake_system.anonymous().request("GET", "/health")
    assert a.status == 200 and a.json["reasons"] == {} and a.json["status"] == "ok" and a.json["checkedAt"]
    stream = fake_system.pids("stream")[0]
    os.kill(stream, signal.SIGSTOP)
    try:
        down = until("health tells", lambda: (a := fake_system.anonymous().request("GET", "/health")).status == 503 and a)
        assert down.json["parts"]["stream"] == "down" and "lodge-stream" in down.json["reasons"]["stream"]
        assert set(down.json["reasons"]) == {"stream"}
        m = Metrics(local(fake_system).request("GET", "/metrics").text)
        assert m.get("lodge_process_up", process="stream") == 0 and m.get("lodge_process_up", process="runner") == 1
    finally:
        os.kill(stream, signal.SIGCONT)
    until("health is back", lambda: fake_system.anonymous().request("GET", "/health").status == 200)


def test_a_report_of_health_is_shared(fake_system):
    """Many who ask at once get few reports: the database is not asked for each."""
    reports = [fake_system.anonymous().request("GET", "/health").json["checkedAt"] for _ in range(40)]
    assert len(set(reports)) < len(reports)
