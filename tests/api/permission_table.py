"""Every route of the API and whose it is. test_permissions.py makes its tests from this, and fails for a route that has no row.

A row is one path with all its methods:
  PUBLIC          anybody's
  SELF            about the caller, or the caller's tenant as a whole; names nothing that could be somebody else's
  LIST            what the caller's tenant has: nothing of another's is in it
  ADMIN           administrators'; {id} is filled as in `ids`
  Item(ids, …)    of one thing: a stranger is told that it does not exist
"""
from dataclasses import dataclass, field

PUBLIC, SELF, LIST = "public", "self", "list"


@dataclass
class Item:
    ids: dict  # {parameter: what of the red tenant fills it} ("instance" …) or a fixed text ("=443")
    stranger: int = 404
    bodies: dict = field(default_factory=dict)  # method → a body that is right, where one is needed
    also: dict = field(default_factory=dict)  # method → another status for the stranger
    reads: bool = True  # red itself gets it with 200
    headers: dict = field(default_factory=dict)
    dialect: bool = False  # of one that tells a foreign thing (403) from none (404)


@dataclass
class Admin:
    ids: dict = field(default_factory=dict)
    bodies: dict = field(default_factory=dict)


INSTANCE = Item({"id": "instance"})
VERB = Item({"id": "instance"}, bodies={"PUT": {}, "POST": {}})
CLOUD = Item({"id": "instance"})
KIND = "=volumes"

TABLE = {
    "/health": PUBLIC,
    "/metrics": PUBLIC,  # on loopback's plain listener; elsewhere the handler asks for an administrator
    "/api/openapi.json": SELF,

    "/api/v1/session": SELF,  # POST is PUBLIC_METHODS'
    "/api/v1/session/tenant": SELF,
    "/api/v1/session/password": SELF,
    "/api/v1/tokens": LIST,
    "/api/v1/tokens/{id}": Item({"id": "token"}),
    "/api/v1/users": Admin(bodies={"POST": {"username": "nobody", "password": "correct horse battery"}}),
    "/api/v1/users/{id}": Admin({"id": "user"}, {"PUT": {"disabled": True}}),
    "/api/v1/tenants": LIST,  # POST: ADMIN_METHODS'
    "/api/v1/tenants/{id}": Item({"id": "tenant"}, bodies={"PUT": {"name": "Mine"}}, also={"DELETE": 403}),
    "/api/v1/tenants/{id}/members": Item({"id": "tenant"}, bodies={"POST": {"username": "user-blue-p", "role": "owner"}}),
    "/api/v1/tenants/{id}/members/{user}": Item({"id": "tenant", "user": "user"}),
    "/api/v1/tenants/{id}/quota": Item({"id": "tenant"}, bodies={"PUT": {}}, also={"PUT": 403}, headers={"If-Match": "*"}),
    "/api/v1/audit": LIST,

    "/api/v1/images": LIST,
    "/api/v1/images/upload": SELF,
    "/api/v1/images/{id}": Item({"id": "image"}, bodies={"PUT": {"aliases": ["mine"]}}),

    "/api/v1/compute/instances": LIST,
    "/api/v1/compute/instances/{id}": Item({"id": "instance"}, bodies={"PUT": {"labels": {"a": "b"}}}),
    "/api/v1/compute/instances/name/{name}": Item({"name": "instance name"}),
    "/api/v1/compute/instances/{id}/start": VERB,
    "/api/v1/compute/instances/{id}/stop": VERB,
    "/api/v1/compute/instances/{id}/restart": VERB,
    "/api/v1/compute/instances/{id}/pause": VERB,
    "/api/v1/compute/instances/{id}/unpause": VERB,
    "/api/v1/compute/instances/{id}/reset": VERB,
    "/api/v1/compute/instances/{id}/suspend": VERB,
    "/api/v1/compute/instances/{id}/wake": VERB,
    "/api/v1/compute/instances/{id}/resize": Item({"id": "instance"}, bodies={m: {"resources": {"cpu": {"cores": 1}}} for m in ("PUT", "POST")}),
    "/api/v1/compute/instances/{id}/usage": INSTANCE,
    "/api/v1/compute/instances/{id}/console": Item({"id": "instance"}, reads=False),
    "/api/v1/compute/instances/{id}/logs": INSTANCE,
    "/api/v1/compute/instances/{id}/ingress": Item({"id": "instance"}, bodies={"POST": {"targetPort": 80}}),
    "/api/v1/compute/instances/{id}/ingress/{port}": Item({"id": "instance", "port": "=443"}),
    "/api/v1/compute/usage": LIST,
    "/api/v1/compute/cluster/status": SELF,
    "/api/v1/compute/backends/{backend}/info": SELF,
    "/api/v1/compute/flavors": SELF,  # GET: PUBLIC_METHODS', POST: ADMIN_METHODS'
    "/api/v1/compute/flavors/{name}": SELF,  # PUT, DELETE: ADMIN_METHODS'
    "/api/v1/volumes": LIST,
    "/api/v1/volumes/{id}": Item({"id": "volume"}, bodies={"PUT": {"size": 2 << 30}}),
    "/api/v1/volumes/{id}/attach": Item({"id": "volume"}, bodies={"POST": {"instance": "nowhere"}}),
    "/api/v1/volumes/{id}/detach": Item({"id": "volume"}, bodies={"POST": {"instance": "nowhere"}}),
    "/api/v1/ingress": LIST,
    "/api/v1/ingress/authorize": PUBLIC,
    "/api/v1/operations": LIST,
    "/api/v1/operations/{id}": Item({"id": "operation"}),
    "/api/v1/operations/{id}/wait": Item({"id": "operation"}),
    "/api/v1/events": LIST,
    "/api/v1/services": LIST,

    "/api/v1/monitoring/metrics": LIST,
    "/api/v1/networks": LIST,
    "/api/v1/networks/{id}": Item({"id": "network"}),
    "/api/v1/networks/{id}/attach": Item({"id": "network"}, bodies={"POST": {"instance": "mine"}}),
    "/api/v1/networks/{id}/detach": Item({"id": "network"}, bodies={"POST": {"instance": "mine"}}),
    "/api/v1/network/networks": LIST,
    "/api/v1/network/networks/{id}": Item({"id": "network"}, stranger=403, dialect=True),
    "/api/v1/storage/volumes": LIST,
    "/api/v1/storage/volumes/{id}": Item({"id": "volume"}, stranger=403, dialect=True),
    "/api/v1/storage/volumes/{id}/attach": Item({"id": "volume"}, stranger=403, dialect=True, bodies={"POST": {"instanceId": "nowhere"}}),
    "/api/v1/storage/volumes/{id}/detach": Item({"id": "volume"}, stranger=403, dialect=True, bodies={"POST": {}}),

    "/compute/containers": LIST,
    "/compute/containers/{id}": CLOUD,
    "/compute/containers/{id}/start": CLOUD,
    "/compute/containers/{id}/stop": CLOUD,
    "/compute/containers/{id}/ssh": Item({"id": "instance"}, bodies={"PUT": {"enabled": False}}),
    "/compute/containers/{id}/ingress": Item({"id": "instance"}, bodies={"POST": {"target_port": 80}}),
    "/compute/containers/{id}/ingress/{port}": Item({"id": "instance", "port": "=443"}),
    "/compute/ws": SELF,
    "/compute/ssh-keys": LIST,
    "/compute/ssh-keys/{id}": Item({"id": "ssh key"}),

    "/api/registry/register": SELF,
    "/api/registry/keepalive": SELF,
    "/api/registry/deregister": SELF,
    "/api/registry/services": LIST,
    "/api/registry/services/{name}": SELF,
    "/api/registry/watch": SELF,
    "/api/registry/services/{name}/watch": SELF,

    "/api/repl/languages": SELF,
    "/api/repl/languages/{name}/prepare": SELF,
    "/api/repl/execute": SELF,
    "/api/repl/execute/stream": SELF,
    "/api/repl/runs": SELF,
    "/api/repl/runs/{id}/stream": SELF,
    "/api/repl/runs/{id}": SELF,
    "/api/repl/status": SELF,
    "/api/repl/sessions": SELF,  # whose a session is: tests/repl and test_containers; here is no sandbox to have one
    "/api/repl/sessions/{id}": SELF,
    "/api/repl/sessions/{id}/execute": SELF,
    "/api/repl/sessions/{id}/execute/stream": SELF,
    "/api/repl/sessions/{id}/runs": SELF,
    "/api/repl/sessions/{id}/interrupt": SELF,
    "/api/repl/sessions/{id}/file": SELF,
    "/api/repl/sessions/{id}/files": SELF,
    "/api/containers/create": SELF,
    "/api/containers/create/stream": SELF,
    "/api/containers/list": SELF,
    "/api/containers/{id}": SELF,
}

# Methods that are not what the rest of their path is.
PUBLIC_METHODS = {("POST", "/api/v1/session"), ("GET", "/api/v1/compute/flavors")}
ADMIN_METHODS = {("POST", "/api/v1/tenants"): {"slug": "mine"}, ("DELETE", "/api/v1/tenants/{id}"): None,
                 ("PUT", "/api/v1/tenants/{id}/quota"): {},
                 ("POST", "/api/v1/compute/flavors"): {"name": "mine", "vcpus": 1, "ramGB": 1, "diskGB": 1},
                 ("PUT", "/api/v1/compute/flavors/{name}"): {"description": "mine"}, ("DELETE", "/api/v1/compute/flavors/{name}"): None}

# Rules inside a handler: what a plain member of the red tenant (as: "member") or its owner (as: "owner") is refused.
WRONG_ROLE = [
    ("member", "GET", "/api/v1/audit", None, 403),
    ("member", "PUT", "/api/v1/tenants/{tenant}", {"name": "Mine"}, 403),
    ("member", "POST", "/api/v1/tenants/{tenant}/members", {"username": "user-blue-p", "role": "member"}, 403),
    ("member", "POST", "/api/v1/tenants/{tenant}/members", {"username": "red-member", "role": "owner"}, 403),
    ("member", "DELETE", "/api/v1/tenants/{tenant}/members/{user}", None, 403),
    ("member", "DELETE", "/api/v1/tokens/{token}", None, 404),  # somebody else's
    ("member", "GET", "/api/v1/events?scope=all", None, 403),
    ("owner", "GET", "/api/v1/events?scope=all", None, 403),
    ("owner", "PUT", "/api/v1/images/{host image}", {"default": True}, 403),
    ("owner", "DELETE", "/api/v1/images/{host image}", None, 403),
    ("owner", "PUT", "/api/v1/images/{image}", {"public": True}, 403),
    ("owner", "POST", "/api/v1/images", {"reference": "docker.io/library/x:1", "public": True}, 403),
]
