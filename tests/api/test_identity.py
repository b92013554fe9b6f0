"""Users, sign-in, sessions, tokens, tenants, members and the audit record, through the front door."""
import sqlite3
import uuid

import pytest

from lodge_client import Api
from lodge_system import until

PASSWORD = "correct horse battery"


def name(prefix="u"):
    return f"{prefix}-{uuid.uuid4().hex[:10]}"


@pytest.fixture
def admin(fake_system):
    return fake_system.admin()


@pytest.fixture
def make_user(admin):
    def make(role="user"):
        user = admin.post("/users", {"username": name(), "password": PASSWORD, "role": role}, 201).json
        return user

    return make


@pytest.fixture
def team(fake_system, admin, make_user):
    """A tenant with an owner and a member, each with a session and a token."""

    class Team:
        pass

    t = Team()
    t.tenant = admin.post("/tenants", {"slug": name("t")}, 201).json
    t.path = f"/tenants/{t.tenant['id']}/members"
    for role in ("owner", "member"):
        user = make_user()
        admin.post(t.path, {"username": user["username"], "role": role}, 201)
        session = fake_system.session(user["username"], PASSWORD)
        secret = session.post("/tokens", {"name": role}, 201).json["token"]
        setattr(t, role, user)
        setattr(t, role + "_session", session)
        setattr(t, role + "_api", Api(fake_system, secret))
    return t


# Sign-in ------------------------------------------------------------------------------------------------------
def test_sign_in_sets_a_safe_cookie(fake_system, make_user):
    user = make_user()
    a = fake_system.anonymous().post("/session", {"username": user["username"], "password": PASSWORD}, 200)
    line = a.header("Set-Cookie")
    parts = [p.strip() for p in line.split(";")]
    assert parts[0].startswith("__Host-lodge=lg_") and len(parts[0]) >= len("__Host-lodge=lg_") + 43
    assert {"Secure", "HttpOnly", "SameSite=Lax", "Path=/"} <= set(parts)
    assert not any(p.lower().startswith("domain") for p in parts)
    assert a.json == {"user": {"id": user["id"], "username": user["username"], "role": "user"}}
    assert a.header("Cache-Control") == "no-store"


def test_wrong_password_and_unknown_user_look_alike(fake_system, make_user):
    user = make_user()
    anonymous = fake_system.anonymous()
    wrong = anonymous.post("/session", {"username": user["username"], "password": "x" * 12}, 401)
    unknown = anonymous.post("/session", {"username": name(), "password": PASSWORD}, 401)
    assert wrong.json == unknown.json and wrong.error == "UNAUTHENTICATED"
    assert wrong.header("Set-Cookie") is None


@pytest.mark.parametrize("body,field", [
    ({"username": "a"}, "password"),
    ({"password": "a"}, "username"),
    ({"username": 5, "password": "a"}, "username"),
    ({"username": "a", "password": ["b"]}, "password"),
    ({"username": "a", "password": "b", "more": 1}, "more"),
    ({"username": "a" * 300, "password": "b"}, "username"),
])
def test_sign_in_with_wrong_fields(fake_system, body, field):
    a = fake_system.anonymous().post("/session", body, 400)
    assert a.json["error"]["details"]["field"] == field


@pytest.mark.parametrize("raw", [b"", b"{", b"[]", b"null", b"{}{}", b'{"username":"a","username":"b","password":"c"}',
                                 b"\xff\xfe", b'{"username":"\xff","password":"b"}', b"[" * 500, b'{"a":' * 60 + b"1" + b"}" * 60])
def test_sign_in_with_broken_json(fake_system, raw):
    a = fake_system.anonymous().post("/session", raw, 400, Content_Type="application/json")
    assert a.error == "INVALID_REQUEST"


def test_sign_in_needs_json_and_our_own_origin(fake_system, make_user):
    user, anonymous = make_user(), fake_system.anonymous()
    good = {"username": user["username"], "password": PASSWORD}
    anonymous.post("/session", b"username=a&password=b", 415, Content_Type="application/x-www-form-urlencoded")
    anonymous.post("/session", good, 403, Origin="https://evil.example")
    anonymous.post("/session", good, 403, Origin="null")
    anonymous.post("/session", good, 200, Origin=f"https://localhost:{fake_system.https_port}")


def test_a_session_cannot_be_fixed(fake_system, make_user):
    user, api = make_user(), fake_system.anonymous()
    chosen = "lg_" + "A" * 43
    a = api.post("/session", {"username": user["username"], "password": PASSWORD}, 200, Cookie=f"__Host-lodge={chosen}")
    assert a.cookies()["__Host-lodge"] != chosen
    api.get("/session", 401, Cookie=f"__Host-lodge={chosen}")
    first = a.cookies()["__Host-lodge"]
    b = api.post("/session", {"username": user["username"], "password": PASSWORD}, 200, Cookie=f"__Host-lodge={first}",
                 Lodge_CSRF="1")
    assert b.cookies()["__Host-lodge"] != first
    api.get("/session", 401, Cookie=f"__Host-lodge={first}")  # the same browser's old one has ended


def test_what_a_session_knows(fake_system, team):
    s = team.owner_session.get("/session").json
    assert s["user"] == {"id": team.owner["id"], "username": team.owner["username"], "role": "user"}
    assert s["tenant"] == team.tenant["slug"]
    assert [(t["slug"], t["role"]) for t in s["tenants"]] == [(team.tenant["slug"], "owner")]
    assert s["appsPort"] == fake_system.https_port and s["lastEvent"] >= 0 and s["csrf"] == "header"
    fake_system.anonymous().get("/session", 401)


def test_sign_out_ends_the_session(team):
    gone = team.member_session.delete("/session", 204)
    assert "Max-Age=0" in gone.header("Set-Cookie")
    team.member_session.get("/session", 401)
    team.member_api.get("/session", 200)  # tokens live on
    team.member_api.delete("/session", 400)


def test_writes_by_cookie_need_proof(fake_system, team):
    cookie = {"Cookie": team.owner_session.headers["Cookie"]}
    bare = Api(fake_system, headers=cookie)
    bare.get("/tokens", 200)
    bare.post("/tokens", {"name": "x"}, 403)
    bare.post("/tokens", {"name": "x"}, 403, Lodge_CSRF="1", Origin="https://evil.example")
    bare.delete("/session", 403)
    team.owner_session.get("/session", 200)


def test_change_of_password(fake_system, make_user):
    user = make_user()
    one, two = (fake_system.session(user["username"], PASSWORD) for _ in range(2))
    one.put("/session/password", {"current": "wrong wrong wrong", "new": "another good one"}, 400)
    one.put("/session/password", {"current": PASSWORD, "new": "short"}, 400)
    one.put("/session/password", {"current": PASSWORD, "new": "another good one"}, 204)
    one.get("/session", 200)
    two.get("/session", 401)
    anonymous = fake_system.anonymous()
    anonymous.post("/session", {"username": user["username"], "password": PASSWORD}, 401)
    anonymous.post("/session", {"username": user["username"], "password": "another good one"}, 200)


def test_rate_limit(make_system):
    s = make_system(drivers="fake", sign_in_per_minute=3)
    s.start()
    admin, anonymous = s.admin(), s.anonymous()
    for who in ("eve", "bob"):
        admin.post("/users", {"username": who, "password": PASSWORD}, 201)
    for _ in range(3):
        anonymous.post("/session", {"username": "Eve", "password": "nonsense nonsense"}, 401)
    a = anonymous.post("/session", {"username": "eve", "password": PASSWORD}, 429)  # even the right one
    assert a.error == "RATE_LIMITED" and 1 <= int(a.header("Retry-After")) <= 60
    anonymous.post("/session", {"username": "bob", "password": PASSWORD}, 429)  # the address as well
    admin.get("/session", 200)  # tokens are not concerned
    s.close(verify=False)  # whoever looks around afterwards would have to sign in


# Tokens -------------------------------------------------------------------------------------------------------
def test_token_is_shown_once_and_kept_as_a_hash(fake_system, team):
    made = team.owner_session.post("/tokens", {"name": "ci", "expiresInDays": 7}, 201).json
    assert made["token"].startswith(made["prefix"]) and made["tenant"] == team.tenant["slug"] and made["expiresAt"]
    listed = team.owner_session.get("/tokens").json["tokens"]
    assert made["id"] in [t["id"] for t in listed] and not any("token" in t for t in listed)
    with open(f"{fake_system.state}/db/lodge.db", "rb") as f, open(f"{fake_system.state}/db/lodge.db-wal", "rb") as g:
        assert made["token"].encode() not in f.read() + g.read()
    assert made["token"] not in fake_system.logs()
    Api(fake_system, made["token"]).get("/session", 200)
    Api(fake_system, headers={"X-API-Key": made["token"]}).get("/session", 200)


@pytest.mark.parametrize("body", [{}, {"name": ""}, {"name": "a\nb"}, {"name": "x" * 200}, {"name": "a", "expiresInDays": 0},
                                  {"name": "a", "expiresInDays": -5}, {"name": "a", "expiresInDays": 10**18},
                                  {"name": "a", "expiresInDays": 1.5}, {"name": "a", "expiresInDays": "1"}, {"name": "a", "x": 1}])
def test_token_with_wrong_fields(team, body):
    assert team.owner_api.post("/tokens", body, 400).error == "INVALID_REQUEST"


def test_revoked_tokens_die_at_once(fake_system, team):
    made = team.member_session.post("/tokens", {"name": "x"}, 201).json
    api = Api(fake_system, made["token"])
    api.get("/session", 200)
    team.member_session.delete(f"/tokens/{made['id']}", 204)
    assert api.get("/session", 401).error == "UNAUTHENTICATED"
    assert [t for t in team.member_session.get("/tokens").json["tokens"] if t["id"] == made["id"]][0]["revokedAt"]
    event = fake_system.query("SELECT admin, tenant_id FROM event WHERE kind = 'token.revoked' AND subject_id = ?", made["id"])
    assert event == [(1, team.tenant["id"])]


def test_members_see_their_own_tokens_owners_all(team):
    mine = {t["user"] for t in team.member_api.get("/tokens").json["tokens"]}
    assert mine == {team.member["username"]}
    every = {t["id"]: t["user"] for t in team.owner_api.get("/tokens").json["tokens"]}
    assert set(every.values()) == {team.member["username"], team.owner["username"]}
    owners = next(i for i, u in every.items() if u == team.owner["username"])
    members = next(i for i, u in every.items() if u == team.member["username"])
    team.member_api.delete(f"/tokens/{owners}", 404)
    team.owner_api.delete(f"/tokens/{members}", 204)
    team.member_api.get("/session", 401)


def test_a_token_stays_with_its_tenant(fake_system, admin, team):
    other = admin.post("/tenants", {"slug": name("t")}, 201).json
    admin.post(f"/tenants/{other['id']}/members", {"username": team.owner["username"], "role": "owner"}, 201)
    team.owner_api.get("/session", 403, Lodge_Tenant=other["slug"])
    team.owner_api.get(f"/tenants/{other['id']}/members", 404)
    team.owner_api.post(f"/tenants/{other['id']}/members", {"username": team.member["username"], "role": "owner"}, 404)
    assert team.owner_session.get("/session", 200, Lodge_Tenant=other["slug"]).json["tenant"] == other["slug"]
    assert team.owner_session.put("/session/tenant", {"tenant": other["slug"]}, 200).json["tenant"] == other["slug"]
    assert team.owner_session.get("/session").json["tenant"] == other["slug"]
    team.owner_session.put("/session/tenant", {"tenant": "default"}, 403)
    team.owner_session.put("/session/tenant", {"tenant": "no-such"}, 403)
    team.owner_session.put("/session/tenant", {"tenant": "../etc"}, 403)


# Users --------------------------------------------------------------------------------------------------------
def test_users_are_for_admins(team):
    for api in (team.owner_api, team.owner_session):
        api.get("/users", 403)
        api.post("/users", {"username": name(), "password": PASSWORD}, 403)
        api.put(f"/users/{team.member['id']}", {"role": "admin"}, 403)
        api.delete(f"/users/{team.member['id']}", 403)
        api.post("/tenants", {"slug": name()}, 403)
        api.delete(f"/tenants/{team.tenant['id']}", 403)


@pytest.mark.parametrize("body", [
    {"username": "", "password": PASSWORD}, {"username": "a b", "password": PASSWORD}, {"username": "../x", "password": PASSWORD},
    {"username": "x" * 65, "password": PASSWORD}, {"username": "okay-name", "password": "short"},
    {"username": "okay-name", "password": "x" * 257}, {"username": "okay-name", "password": PASSWORD, "role": "root"},
    {"username": "okay-name", "password": PASSWORD, "disabled": True}, {"username": None, "password": PASSWORD}])
def test_user_with_wrong_fields(admin, body):
    assert admin.post("/users", body, 400).error == "INVALID_REQUEST"


def test_user_names_are_unique_whatever_their_case(admin, make_user):
    user = make_user()
    a = admin.post("/users", {"username": user["username"].upper(), "password": PASSWORD}, 409)
    assert a.json["error"]["details"]["field"] == "username"


def test_a_disabled_user_is_out_at_once(fake_system, admin, team):
    user = team.member["id"]
    assert admin.put(f"/users/{user}", {"disabled": True}, 200).json["disabled"] is True
    team.member_session.get("/session", 401)
    team.member_api.get("/session", 401)
    fake_system.anonymous().post("/session", {"username": team.member["username"], "password": PASSWORD}, 401)
    kinds = {k for (k,) in fake_system.query("SELECT kind FROM event WHERE admin = 1 AND data LIKE ?", f"%{user}%")}
    assert {"session.ended", "token.revoked"} <= kinds
    admin.put(f"/users/{user}", {"disabled": False}, 200)
    team.member_api.get("/session", 200)
    team.member_session.get("/session", 401)  # its sessions have ended for good


def test_a_new_password_by_an_admin_ends_sessions(fake_system, admin, make_user):
    user = make_user()
    session = fake_system.session(user["username"], PASSWORD)
    admin.put(f"/users/{user['id']}", {"password": "something else 1"}, 200)
    session.get("/session", 401)
    fake_system.session(user["username"], "something else 1").get("/session", 200)


def test_the_last_admin_stays(make_system):
    s = make_system(drivers="fake")
    s.start()
    admin = s.admin()
    me = admin.get("/session").json["user"]["id"]
    for body in ({"disabled": True}, {"role": "user"}):
        assert admin.put(f"/users/{me}", body, 409).error == "CONFLICT"
    admin.delete(f"/users/{me}", 409)
    other = admin.post("/users", {"username": "other", "password": PASSWORD, "role": "admin"}, 201).json
    admin.put(f"/users/{other['id']}", {"disabled": True}, 200)
    admin.delete(f"/users/{me}", 409)  # a disabled one does not count
    admin.put(f"/users/{other['id']}", {"disabled": False}, 200)
    admin.put(f"/users/{me}", {"role": "user"}, 200)
    admin.get("/users", 403)


def test_delete_user(fake_system, admin, team):
    admin.delete(f"/users/{team.owner['id']}", 204)
    admin.delete(f"/users/{team.owner['id']}", 404)
    team.owner_api.get("/session", 401)
    assert [m["username"] for m in admin.get(team.path).json["members"]] == [
        m for m in (fake_system.credentials()["user"], team.member["username"])]


def test_users_come_in_pages(admin, make_user):
    for _ in range(3):
        make_user()
    first = admin.get("/users?page=1&pageSize=2").json
    second = admin.get("/users?page=2&pageSize=2").json
    assert len(first["users"]) == 2 and first["total"] >= 4 and first["pageSize"] == 2
    assert not {u["id"] for u in first["users"]} & {u["id"] for u in second["users"]}
    for bad in ("page=0", "pageSize=501", "page=x", "page=-1", "pageSize=99999999999999999999"):
        admin.get(f"/users?{bad}", 400)
    assert not any("password" in k.lower() for u in first["users"] for k in u)


# Tenants ------------------------------------------------------------------------------------------------------
@pytest.mark.parametrize("body", [{}, {"slug": ""}, {"slug": "A"}, {"slug": "-a"}, {"slug": "a_b"}, {"slug": "x" * 64},
                                  {"slug": "../a"}, {"slug": "ok", "name": ""}, {"slug": "ok", "name": "\x01"}, {"slug": "ok", "x": 1}])
def test_tenant_with_wrong_fields(admin, body):
    assert admin.post("/tenants", body, 400).error == "INVALID_REQUEST"


def test_networks_of_tenants_are_the_lowest_free(admin, fake_system):
    until("engines have let go", lambda: fake_system.query("SELECT count(*) FROM network_release") == [(0,)])
    made = [admin.post("/tenants", {"slug": name("n")}, 201).json for _ in range(3)]
    subnets = [t["network"]["subnet"] for t in made]
    assert len(set(subnets)) == 3 and all(s.endswith("/24") for s in subnets)
    admin.delete(f"/tenants/{made[0]['id']}", 204)
    until("engines have let go", lambda: fake_system.query("SELECT count(*) FROM network_release") == [(0,)])
    again = admin.post("/tenants", {"slug": name("n")}, 201).json
    assert again["network"]["subnet"] == subnets[0]
    a = admin.post("/tenants", {"slug": made[1]["slug"]}, 409)
    assert a.json["error"]["details"]["field"] == "slug"


def test_pool_of_networks_ends(make_system):
    s = make_system(drivers="fake", subnet_pool="10.96.0.0/23")
    s.start()
    s.admin().post("/tenants", {"slug": "two"}, 201)
    assert s.admin().post("/tenants", {"slug": "three"}, 403).error == "RESOURCE_LIMIT_EXCEEDED"


def test_foreign_tenants_are_not_found(fake_system, admin, team):
    for ident in (admin.get("/tenants").json["tenants"][0]["id"], str(uuid.uuid4()), "x", "%2e%2e"):
        team.owner_session.get(f"/tenants/{ident}/members", 404)
        team.owner_session.post(f"/tenants/{ident}/members", {"username": team.owner["username"], "role": "owner"}, 404)
        team.owner_session.delete(f"/tenants/{ident}/members/{team.owner['id']}", 404)
    assert [t["slug"] for t in team.owner_session.get("/tenants").json["tenants"]] == [team.tenant["slug"]]


def test_members(fake_system, admin, team, make_user):
    new = make_user()
    team.member_session.post(team.path, {"username": new["username"], "role": "member"}, 403)
    a = team.owner_session.post(team.path, {"username": new["username"], "role": "member"}, 201)
    assert new["username"] in [m["username"] for m in a.json["members"]]
    team.owner_session.post(team.path, {"username": new["username"], "role": "owner"}, 200)
    team.owner_session.post(team.path, {"username": name("nobody"), "role": "member"}, 404)
    for body in ({"username": new["username"]}, {"username": new["username"], "role": "king"}, {"role": "member"}):
        team.owner_session.post(team.path, body, 400)
    session = fake_system.session(new["username"], PASSWORD)
    token = Api(fake_system, session.post("/tokens", {"name": "t"}, 201).json["token"])
    team.owner_session.delete(f"{team.path}/{new['id']}", 204)
    token.get("/session", 401)
    assert session.get("/session").json["tenant"] is None
    session.get("/tokens", 403)
    assert fake_system.query("SELECT count(*) FROM event WHERE kind = 'member.removed' AND admin = 1 AND subject_id = ? AND tenant_id = ?",
                             new["id"], team.tenant["id"]) == [(1,)]
    team.owner_session.post(team.path, {"username": new["username"], "role": "member"}, 201)
    token.get("/session", 401)  # its tokens were revoked for good


def test_the_last_owner_stays(fake_system, admin, team):
    me = admin.get("/session").json["user"]["id"]
    admin.delete(f"{team.path}/{me}", 204)  # who made the tenant was its first owner
    team.owner_session.delete(f"{team.path}/{team.owner['id']}", 409)
    team.owner_session.post(team.path, {"username": team.owner["username"], "role": "member"}, 409)
    team.member_session.delete(f"{team.path}/{team.member['id']}", 204)  # a member may leave
    team.member_session.get(team.path, 404)


# Audit --------------------------------------------------------------------------------------------------------
def test_audit(fake_system, admin, team):
    made = team.owner_api.post("/tokens", {"name": "noted"}, 201).json
    lines = team.owner_api.get("/audit").json["audit"]
    line = next(x for x in lines if x["subject"] == made["id"])
    assert line["action"] == "token.create" and line["user"] == team.owner["username"] and line["token"]
    assert line["address"] == "127.0.0.1" and line["tenant"] == team.tenant["slug"] and line["result"] == "ok"
    assert made["token"] not in str(lines)
    assert {x["tenant"] for x in lines} == {team.tenant["slug"]}
    team.member_api.get("/audit", 403)
    found = team.owner_api.get("/audit?q=TOKEN.create&pageSize=1").json
    assert found["total"] >= 1 and len(found["audit"]) == 1 and found["audit"][0]["action"] == "token.create"
    assert team.owner_api.get(f"/audit?q={made['id']}").json["total"] == 1
    assert team.owner_api.get("/audit?q=no%25_such'thing").json == {"audit": [], "total": 0, "page": 1, "pageSize": 50, "next": None}
    assert {x["tenant"] for x in team.owner_api.get("/audit?q=create&pageSize=500").json["audit"]} == {team.tenant["slug"]}
    every = admin.get("/audit?pageSize=500").json
    assert every["total"] >= len(every["audit"]) > len(lines)
    assert {"user.create", "tenant.create", "member.put", "session.begin"} <= {x["action"] for x in every["audit"]}


def test_failed_sign_ins_are_audited_without_what_was_typed(fake_system, admin, make_user):
    user, typo = make_user(), "my secret typed as a name"
    anonymous = fake_system.anonymous()
    anonymous.post("/session", {"username": user["username"], "password": "wrong wrong wrong"}, 401)
    anonymous.post("/session", {"username": typo, "password": "x"}, 401)
    lines = admin.get("/audit?pageSize=20").json["audit"]
    failed = [x for x in lines if x["result"] == "UNAUTHENTICATED"]
    assert failed[0]["user"] == "" and failed[1]["user"] == user["username"] and failed[1]["details"] == "wrong password"
    assert typo not in str(lines) and "wrong wrong" not in str(lines) and "wrong wrong" not in fake_system.logs()


def test_nothing_is_written_without_its_audit_line(fake_system, admin):
    """Every route that changes something names its action; here one of each kind."""
    before = admin.get("/audit").json["total"]
    user = admin.post("/users", {"username": name(), "password": PASSWORD}, 201).json
    admin.put(f"/users/{user['id']}", {"role": "admin"}, 200)
    admin.put(f"/users/{user['id']}", {"role": "user"}, 200)
    admin.delete(f"/users/{user['id']}", 204)
    tenant = admin.post("/tenants", {"slug": name("t")}, 201).json
    admin.delete(f"/tenants/{tenant['id']}", 204)
    assert admin.get("/audit").json["total"] == before + 6


def test_wrong_methods_and_paths(fake_system, admin):
    assert admin.call("PATCH", "/session").status == 405
    assert admin.call("PUT", "/tokens").status == 405
    assert admin.get("/tokens/", 404).error == "NOT_FOUND"
    admin.get(f"/users/{uuid.uuid4()}", 404)
    assert admin.call("POST", f"/users/{uuid.uuid4()}").status == 405
    admin.put(f"/users/{uuid.uuid4()}", {"role": "user"}, 404)
    admin.delete("/tokens/none", 404)
    for bad in ("", "lg_", "lg_" + "A" * 43, "x" * 5000, "é"):
        fake_system.anonymous().call("GET", "/session", None, 401, Authorization=f"Bearer {bad}".encode().decode("latin-1"))


def test_a_stream_ends_when_its_token_expires(fake_system, team):
    """Nobody asks anything meanwhile: lodge-runner notices it."""
    made = team.owner_session.post("/tokens", {"name": "short", "expiresInDays": 1}, 201).json
    ws = Api(fake_system, made["token"]).websocket("/api/v1/events?since=0")
    db = sqlite3.connect(f"{fake_system.state}/db/lodge.db", timeout=10)
    with db:
        db.execute("UPDATE token SET expires_at = 1 WHERE id = ?", (made["id"],))
    db.close()
    while True:
        code, data = ws.recv_data()
        if code == 8:
            break
    assert int.from_bytes(data[:2], "big") == 4401
    Api(fake_system, made["token"]).get("/session", 401)
