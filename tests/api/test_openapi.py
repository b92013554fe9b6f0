"""The description at /api/openapi.json: it is OpenAPI 3.1, names exactly what the server serves, and what the server
answers is what it says."""
import copy
import glob
import json
import os
import re
import subprocess

import jsonschema
import pytest
from conftest_names import SMALL
from lodge_client import operation_of
from lodge_system import BUILD, ROOT

METHODS = {"get", "put", "post", "delete", "patch", "head", "options", "trace"}
# Routes that nginx asks and no client reaches; what nginx does not hand to workers.
INTERNAL = {"/upload-authorize", "/route", "/app-session"}


@pytest.fixture(scope="module")
def doc(fake_system):
    a = fake_system.admin().request("GET", "/api/openapi.json")
    assert a.status == 200 and a.header("Content-Type") == "application/json", a
    return a.json


def operations(doc):
    return [(m, p, o) for p, item in doc["paths"].items() for m, o in item.items()]


def resolve(doc, ref):
    assert ref.startswith("#/"), ref
    for part in ref[2:].split("/"):
        doc = doc[part]
    return doc


def references(node):
    if isinstance(node, dict):
        if isinstance(node.get("$ref"), str):
            yield node["$ref"]
        for v in node.values():
            yield from references(v)
    elif isinstance(node, list):
        for v in node:
            yield from references(v)


def source_routes():
    """Method and pattern of every route in the C sources, as the preprocessor leaves them."""
    found = set()
    for path in glob.glob(f"{ROOT}/fcgi/api/*.c"):
        text = subprocess.run(["gcc", "-E", "-P", "-D_GNU_SOURCE", f"-I{ROOT}/fcgi", f"-I{BUILD}/gen", path], capture_output=True,
                              text=True, check=True).stdout
        for methods, pattern in re.findall(r"\.method = ([^,]+),\s*\.pattern = ([^,]+),", text):
            literal = ["".join(re.findall(r'"([^"]*)"', s)) for s in (methods, pattern)]
            found |= {(m.lower(), re.sub(r":(\w+)", r"{\1}", literal[1])) for m in literal[0].split("|")}
    return found


def test_it_is_openapi_3_1(doc):
    assert doc["openapi"] == "3.1.0" and doc["info"]["title"] and doc["info"]["version"]
    ids = [o["operationId"] for _, _, o in operations(doc)]
    assert len(ids) == len(set(ids)) and all(re.fullmatch(r"\w+", i) for i in ids)
    assert set(doc) <= {"openapi", "info", "servers", "paths", "components", "tags", "security"}
    for ref in references(doc):
        resolve(doc, ref)
    for method, path, o in operations(doc):
        where = f"{method} {path}"
        assert path.startswith("/") and method in METHODS, where
        assert o["summary"] and o["tags"] and o["responses"], where
        assert "requestBody" not in o or method in ("post", "put", "patch"), where
        parameters = [resolve(doc, p["$ref"]) if "$ref" in p else p for p in o["parameters"]]
        assert len({(p["name"], p["in"]) for p in parameters}) == len(parameters), where
        assert all(p["in"] in ("path", "query", "header") and "schema" in p for p in parameters), where
        in_path = {p["name"] for p in parameters if p["in"] == "path"}
        assert in_path == set(re.findall(r"\{(\w+)\}", path)) and all(p.get("required") for p in parameters if p["in"] == "path"), where
        for status, answer in o["responses"].items():
            answer = resolve(doc, answer["$ref"]) if "$ref" in answer else answer
            assert re.fullmatch(r"[1-5]\d\d|2XX|default", status) and answer["description"], where
        for requirement in o["security"]:
            assert set(requirement) <= set(doc["components"]["securitySchemes"]), where
    for schema in schemas(doc):
        jsonschema.Draft202012Validator.check_schema(schema)


def test_a_linter_finds_nothing(doc, tmp_path):
    if not os.path.isdir(f"{ROOT}/tests/browser/node_modules/@redocly/openapi-core"):
        pytest.skip("the linter is not installed: make browser-setup")
    (tmp_path / "openapi.json").write_text(json.dumps(doc))
    p = subprocess.run(["node", f"{ROOT}/tests/api/openapi_lint.mjs", str(tmp_path / "openapi.json")], capture_output=True, text=True, timeout=120)
    assert p.returncode == 0, p.stderr
    # …/instances/name/{name} is published as it is: `name` can be no instance's id.
    found = [line for line in p.stdout.splitlines() if not re.search(r"^warn no-ambiguous-paths .*/name/\{name\}", line)]
    assert not found, "\n".join(found)
    broken = copy.deepcopy(doc)
    broken["paths"]["/health"]["get"]["responses"]["200"]["content"] = {"application/json": {"schema": {"$ref": "#/components/schemas/Nothing"}}}
    (tmp_path / "broken.json").write_text(json.dumps(broken))
    p = subprocess.run(["node", f"{ROOT}/tests/api/openapi_lint.mjs", str(tmp_path / "broken.json")], capture_output=True, text=True, timeout=120)
    assert "no-unresolved-refs" in p.stdout, "it would have found one"


def schemas(doc):
    yield from doc["components"]["schemas"].values()
    for _, _, o in operations(doc):
        for p in o["parameters"]:
            yield p.get("schema", {})
        for part in [o.get("requestBody"), *o["responses"].values()]:
            for c in (part or {}).get("content", {}).values():
                yield c["schema"]


def test_every_route_is_described_and_nothing_else(doc):
    routes = {(m, p) for m, p in source_routes() if p not in INTERNAL}
    described = {(m, p) for m, p, _ in operations(doc)}
    assert len(routes) > 60
    assert described == routes, f"not described: {sorted(routes - described)}; not there: {sorted(described - routes)}"


def test_every_answer_is_described_and_for_a_route(doc):
    with open(f"{ROOT}/fcgi/api/openapi/answers.json") as f:
        known = json.load(f)
    ours = {(m.lower(), re.sub(r":(\w+)", r"{\1}", p)) for m, p in (k.split(" ") for k in known)}
    described = {(m, p) for m, p, _ in operations(doc)}
    native = {(m, p) for m, p in described if p.startswith("/api/v1/")}
    assert not native - ours, f"say in fcgi/api/openapi/answers.json what these answer: {sorted(native - ours)}"
    assert not ours - described, f"answers without a route: {sorted(ours - described)}"
    for k, v in known.items():
        for status, names in v["answers"].items():
            for name in names if isinstance(names, list) else [names]:
                assert name is None or "/" in name or name in doc["components"]["schemas"], (k, status)
        assert all(p in doc["components"]["parameters"] for p in v["parameters"]), k


def test_the_server_knows_these_methods_alone(fake_system, doc):
    """What is not described for a path is 405, what is described is not."""
    admin = fake_system.admin()
    for path, item in doc["paths"].items():
        at = re.sub(r"\{\w+\}", "nowhere", path)
        refused = admin.request("PATCH", at)
        if path == "/api/v1/session/password":
            assert refused.status == 404  # the pool that hashes gets its one method alone
            continue
        assert refused.status == 405, (path, refused)
        if path == "/api/v1/images/upload":
            continue  # nginx answers for the worker, without its headers
        allowed = {m.strip().lower() for m in refused.header("Allow").split(",")}
        fits = [i for p, i in doc["paths"].items() if re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", p), at)]
        assert allowed <= set().union(*fits), path


def test_permissions_are_what_it_says(fake_system, doc):
    anonymous = fake_system.anonymous()
    for method, path, o in operations(doc):
        at = re.sub(r"\{\w+\}", "nowhere", path)
        if o["security"]:
            assert anonymous.request(method.upper(), at).status == 401, (method, path)
        elif method == "get" and path != "/metrics":
            assert anonymous.request("GET", at).status != 401, (method, path)


def test_who_may_read_it(fake_system, red):
    assert fake_system.anonymous().request("GET", "/api/openapi.json").status == 401
    assert red.api.request("GET", "/api/openapi.json").status == 200


# --- bodies and answers ---------------------------------------------------------------------------------------------

def strict(node):
    """No member that is not described."""
    if isinstance(node, dict):
        node = {k: strict(v) for k, v in node.items()}
        if "properties" in node and isinstance(node["properties"], dict) and node.get("type") and "additionalProperties" not in node:
            node["additionalProperties"] = False
        return node
    return [strict(v) for v in node] if isinstance(node, list) else node


class Checked:
    """A client whose every answer is held against the description."""

    def __init__(self, api, doc):
        self.api, self.doc, self.seen = api, doc, set()
        self.components = strict(copy.deepcopy(doc["components"]))

    def operation(self, method, path):
        path = path.split("?")[0]
        exact = self.doc["paths"].get(path)
        if exact and method in exact:
            return path, exact[method]
        for p, item in self.doc["paths"].items():
            if method in item and re.fullmatch(re.sub(r"\{\w+\}", "[^/]+", p), path):
                return p, item[method]
        raise AssertionError(f"{method} {path} is not described")

    def __call__(self, method, path, body=None, expect=None, **headers):
        path = path if path == "/health" or path.startswith("/api") else "/api/v1" + path
        pattern, o = self.operation(method, path)
        if body is not None and (expect or 200) < 300:
            self.valid(body, o["requestBody"]["content"]["application/json"]["schema"])
        a = self.api.request(method.upper(), path, body, {k.replace("_", "-"): v for k, v in headers.items()})
        assert expect is None or a.status == expect, a
        if a.status >= 400 and str(a.status) not in o["responses"]:
            described = o["responses"]["default"]
        else:
            assert str(a.status) in o["responses"], f"{method} {pattern} answers {a.status}, which is not described"
            described = o["responses"][str(a.status)]
        if "content" not in described:
            assert not a.body, (method, path, a)
        else:
            kind = a.header("Content-Type").split(";")[0]
            assert kind in described["content"], (method, path, kind)
            if kind == "application/json":
                self.valid(a.json, described["content"][kind]["schema"])
        self.seen.add((method, pattern))
        return a

    def valid(self, value, schema):
        jsonschema.Draft202012Validator({**strict(schema), "components": self.components}).validate(value)


@pytest.fixture
def checked(doc, red):
    return Checked(red.api, doc)


def test_answers_about_instances(checked, red, label):
    one = checked("post", "/compute/instances", {"name": label, "resources": SMALL, "config": {"env": ["A=b"], "ports": []},
                                                 "metadata": {"labels": {"a": "b"}}}, 201, Prefer="wait=60").json
    at = f"/compute/instances/{one['id']}"
    for path in (at, "/compute/instances", f"/compute/instances/name/{label}", at + "/usage", at + "/usage?step=10", at + "/ingress", "/ingress", "/compute/usage", "/operations",
                 f"/compute/instances?state=running&label=a=b&pageSize=1", "/events", "/images", "/compute/cluster/status",
                 "/compute/backends/docker/info", "/compute/backends/kvm/info", "/compute/flavors", "/monitoring/metrics", at + "/logs"):
        checked("get", path, None, 200)
    checked("post", at + "/ingress", {"port": 443, "targetPort": 80, "host": label}, 201)
    checked("get", at, None, 200)
    checked("delete", at + "/ingress/443", None, 204)
    checked("put", at, {"labels": {"c": "d"}, "resources": {"memory": {"limit": 8 << 20}}}, 200)
    for verb in ("pause", "unpause", "restart"):
        checked("post", f"{at}/{verb}", {}, 200)
    checked("put", at + "/stop", {"force": True, "timeout": 1}, 200)
    checked("post", at + "/stop", {}, 409)
    checked("post", at + "/start", {"nonsense": 1}, 400)
    checked("get", "/compute/instances/nowhere", None, 404)
    gone = checked("delete", at + "?force=true", None, 200)
    checked("get", f"/operations/{operation_of(gone)}/wait?timeout=60", None, 200)
    checked("get", f"/operations/{operation_of(gone)}", None, 200)


def test_answers_about_people(checked, doc, fake_system, red, label):
    admin = Checked(fake_system.session(), doc)
    user = admin("post", "/users", {"username": label, "password": "correct horse battery", "role": "user"}, 201).json
    admin("put", f"/users/{user['id']}", {"disabled": True}, 200)
    tenant = admin("post", "/tenants", {"slug": label, "name": label}, 201).json
    members = f"/tenants/{tenant['id']}/members"
    admin("post", members, {"username": label, "role": "member"}, 201)
    admin("post", members, {"username": label, "role": "owner"}, 200)
    admin("delete", f"{members}/{user['id']}", None, 204)
    for path in (members, "/users", "/tenants", "/audit", "/session", "/api/openapi.json", "/health"):
        admin("get", path, None, 200)
    admin("delete", f"/tenants/{tenant['id']}", None, 204)
    admin("delete", f"/users/{user['id']}", None, 204)
    token = checked("post", "/tokens", {"name": label, "expiresInDays": 1}, 201).json
    checked("get", "/tokens", None, 200)
    checked("delete", f"/tokens/{token['id']}", None, 204)
    checked("get", "/users", None, 403)


def test_a_body_that_the_description_refuses_is_refused(checked, red, doc):
    """The tables are one: what the schema does not allow, the parser does not take."""
    schema = doc["paths"]["/api/v1/compute/instances"]["post"]["requestBody"]["content"]["application/json"]["schema"]
    for body in ({}, {"name": 3}, {"name": ""}, {"name": "a", "unknown": 1}, {"name": "a", "config": {"env": "A=b"}},
                 {"name": "a", "resources": {"cpu": {"cores": "1"}}}, {"name": "a", "resources": {"memory": {"limit": 1}}},
                 {"name": "a", "metadata": {"other": {}}}, {"name": "a" * 256}, {"name": "a", "start": "yes"}):
        with pytest.raises(jsonschema.ValidationError):
            checked.valid(body, schema)
        assert red.api.post("/compute/instances", body, 400).error == "INVALID_REQUEST"
