"""What tests of this folder import: small instances, so that hundreds fit, and a tenant's shortcuts."""
import itertools

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
