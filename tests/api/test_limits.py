"""Rate limit by token, and pages of other sites: what the settings rate_limit, rate_burst and cors_origins do."""
import itertools
import time
from concurrent.futures import ThreadPoolExecutor

import pytest
from conftest_names import SMALL
from lodge_client import Api
from lodge_system import System, free_port, until

FRIEND, STRANGER = "https://app.example", "https://evil.example"


@pytest.fixture(scope="module")
def strict():
    """A Lodge of its own with a small limit and one friend."""
    s = System(drivers="fake", pool="127.95.0.0/16", sign_in_per_minute=1000, rate_limit=10, rate_burst=20, cors_origins=f"{FRIEND},http://localhost:5173",
               compat_listeners=1, compat_ports=str(free_port()), repl_ports=str(free_port()))
    try:
        yield s.start()
    finally:
        s.close()


def token(system):
    """A client nobody has counted yet; the administrator's own requests are waited for."""
    admin = system.admin()
    until("a token is made", lambda: admin.request("GET", "/api/v1/session").status == 200, step=0.5)
    a = until("there is room", lambda: (lambda x: x if x.status == 201 else None)(admin.call("POST", "/tokens", {"name": "one"})), step=0.5)
    return Api(system, a.json["token"])


def fields(a):
    return [int(a.header(f"RateLimit-{n}")) for n in ("Limit", "Remaining", "Reset")]


# --- rate ---------------------------------------------------------------------------------------------------------

def test_every_answer_says_what_is_left(strict):
    api = token(strict)
    first, second = api.get("/compute/instances"), api.get("/compute/instances")
    assert fields(first) == [20, 19, 1] and fields(second)[1] in (18, 19)
    assert first.header("RateLimit-Policy") == "20;w=2"
    assert fields(api.get("/compute/instances/none", 404))[0] == 20
    assert fields(api.call("POST", "/compute/instances", {"name": 3}, 400))[0] == 20
    assert strict.anonymous().get("/session", 401).header("RateLimit-Limit") is None


def test_too_many_are_refused_and_then_not(strict):
    api, other = token(strict), token(strict)
    start, answers = time.monotonic(), []
    with ThreadPoolExecutor(10) as pool:
        while not any(a.status == 429 for a in answers):  # a slow host is let through for longer
            answers += pool.map(lambda _: api.get("/compute/instances", (200, 429)), range(60))
    took = time.monotonic() - start
    good = sum(a.status == 200 for a in answers)
    assert 20 <= good <= 20 + took * 10 + 1, f"{good} of {len(answers)} in {took:.2f} s"
    refused = next(a for a in answers if a.status == 429)
    assert refused.error == "RATE_LIMITED" and 1 <= int(refused.header("Retry-After")) <= 2
    assert fields(refused)[1] == 0 and refused.json["error"]["details"]["retryAfter"] == refused.header("Retry-After")
    other.get("/compute/instances", 200)  # another token is not to blame
    time.sleep(int(refused.header("Retry-After")))
    api.get("/compute/instances", 200)


def test_workers_count_together(strict):
    """All of them together let no more through than one would."""
    api = token(strict)
    time.sleep(0.2)
    start = time.monotonic()
    with ThreadPoolExecutor(20) as pool:
        statuses = list(pool.map(lambda _: Api(strict, api.token).get("/compute/instances", (200, 429)).status, range(80)))
    assert statuses.count(200) <= 20 + (time.monotonic() - start) * 10 + 1


def test_a_refused_write_changes_nothing(strict):
    api = token(strict)
    names = itertools.count()

    def refused():
        """There is room for another one every tenth of a second: on a slow host a write may get it."""
        while api.get("/compute/instances", (200, 429)).status == 200:
            pass
        name = f"never-{next(names)}"
        a = api.request("POST", "/api/v1/compute/instances", {"name": name, "resources": SMALL})
        assert a.status in (201, 429)
        return a.status == 429 and name

    name = until("a write is refused", refused)
    time.sleep(2)
    assert api.get(f"/compute/instances?name={name}").json["total"] == 0
    assert not strict.query("SELECT 1 FROM audit WHERE result = 'RATE_LIMITED'"), "a flood does not write"


def test_it_can_be_off(make_system):
    s = make_system(drivers="fake", pool="127.94.0.0/16", rate_limit=0).start()
    a = s.admin().get("/compute/instances")
    assert a.header("RateLimit-Limit") is None and a.header("Access-Control-Allow-Origin") is None and a.header("Vary") is None


# --- pages of other sites -----------------------------------------------------------------------------------------

def cors(a):
    return {k.lower()[len("access-control-"):]: v for k, v in a.headers if k.lower().startswith("access-control-")}


def preflight(api, path, origin, method="POST", headers="authorization,content-type"):
    return api.request("OPTIONS", path, None, {"Origin": origin, "Access-Control-Request-Method": method,
                                               "Access-Control-Request-Headers": headers})


def test_a_friend_is_answered(strict):
    api = token(strict)
    a = api.request("GET", "/api/v1/compute/instances", None, {"Origin": FRIEND})
    assert a.status == 200 and cors(a)["allow-origin"] == FRIEND and a.header("Vary") == "Origin"
    assert {"ETag", "Lodge-Last-Event"} <= set(cors(a)["expose-headers"].split(", ")) and "allow-credentials" not in cors(a)
    assert cors(api.request("GET", "/api/v1/compute/instances", None, {"Origin": "http://localhost:5173"}))["allow-origin"] == "http://localhost:5173"
    for path, status in (("/api/v1/nothing", 404), ("/api/v1/compute/instances/none", 404)):
        a = api.request("GET", path, None, {"Origin": FRIEND})
        assert a.status == status and cors(a)["allow-origin"] == FRIEND, "why it was refused may be read too"


@pytest.mark.parametrize("origin", [STRANGER, "null", "https://app.example.evil.example", "https://app.example:8443", "http://app.example",
                                    "https://sub.app.example", "https://app.exampleX", " https://app.example", "https://app.example/", "*"])
def test_a_stranger_is_not(strict, origin):
    anonymous = strict.anonymous()
    a = anonymous.request("GET", "/health", None, {"Origin": origin})
    got = cors(a)
    if origin.strip() == FRIEND:
        return  # a header's value has no blanks around it
    assert not got, got
    p = preflight(anonymous, "/api/v1/compute/instances", origin)
    assert p.status == 204 and not cors(p)


def test_preflight(strict):
    anonymous = strict.anonymous()
    a = preflight(anonymous, "/api/v1/compute/instances", FRIEND)
    got = cors(a)
    assert a.status == 204 and not a.body and got["allow-origin"] == FRIEND and got["max-age"] == "600"
    assert {m.strip() for m in got["allow-methods"].split(",")} >= {"GET", "POST"} and "PUT" not in got["allow-methods"]
    assert {"Authorization", "X-API-Key", "Idempotency-Key", "If-Match", "Content-Type"} <= {h.strip() for h in got["allow-headers"].split(",")}
    assert "allow-credentials" not in got and "*" not in "".join(got.values())
    one = preflight(anonymous, "/api/v1/compute/instances/some", FRIEND, "DELETE")
    assert {m.strip() for m in cors(one)["allow-methods"].split(",")} >= {"GET", "PUT", "DELETE"}
    assert preflight(anonymous, "/api/v1/nothing", FRIEND).status == 404
    plain = anonymous.request("OPTIONS", "/api/v1/tokens")
    assert plain.status == 204 and {m.strip() for m in plain.header("Allow").split(",")} == {"GET", "POST"} and not cors(plain)


def test_a_cookie_is_of_no_use_to_a_friend(strict):
    session = strict.session()
    a = session.request("POST", "/api/v1/tokens", {"name": "x"}, {"Origin": FRIEND})
    assert a.status == 403 and "allow-credentials" not in cors(a)


def test_streams_and_waits_are_answered_too(strict):
    api = token(strict)
    made = api.request("POST", "/api/v1/compute/instances", {"name": "cors", "resources": SMALL}, {"Origin": FRIEND, "Prefer": "wait=30"})
    assert made.status == 201 and cors(made)["allow-origin"] == FRIEND
    logs = api.request("GET", f"/api/v1/compute/instances/{made.json['id']}/logs", None, {"Origin": FRIEND})
    assert logs.status == 200 and cors(logs)["allow-origin"] == FRIEND
    time.sleep(2)
    api.remove(made.json["id"])


def test_not_where_nobody_signs_in(strict):
    from lodge_client import Http
    gateway = Http(int(strict.settings["compat_ports"]), None)
    a = gateway.request("GET", "/api/v1/compute/instances", None, {"Origin": FRIEND, "X-Tenant-ID": "default"})
    assert a.status == 403 and not cors(a)
    assert not cors(preflight(gateway, "/api/v1/compute/instances", FRIEND))


@pytest.mark.parametrize("bad", ["app.example", "*", "https://", "https://a b", "https://app.example/path", "https://app.example:", "https://a\";x"])
def test_what_is_no_origin(make_system, bad):
    s = make_system(drivers="fake", pool="127.94.0.0/16", cors_origins=bad)
    s.start(ready=False)
    assert s.up.wait(60) != 0 and "cors_origins" in s.said()
    s.up = None
