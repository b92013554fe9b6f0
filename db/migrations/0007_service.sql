CREATE TABLE service (                  -- the registry: what says of itself that it is there, until its lease ends
  lease_id      INTEGER PRIMARY KEY,    -- random, below 2^53; a new one with each registration
  tenant_id     TEXT REFERENCES tenant(id) ON DELETE CASCADE, -- NULL: Lodge's own, seen by all tenants
  name          TEXT NOT NULL,          -- 'billing': several may have it
  service_id    TEXT NOT NULL,          -- which of them; chosen by the service
  address       TEXT NOT NULL,
  port          INTEGER NOT NULL,       -- 0: none (only Lodge's own)
  status        TEXT NOT NULL CHECK (status IN ('Starting', 'Healthy', 'Unhealthy', 'Stopping')),
  metadata      TEXT NOT NULL,          -- JSON object of strings
  version       TEXT NOT NULL,
  ttl_ms        INTEGER NOT NULL,       -- length of the lease; 0: Lodge's own
  registered_at INTEGER NOT NULL,       -- of its first registration without a gap
  expires_at    INTEGER                 -- end of the lease; NULL: Lodge's own, removed when the process is gone
) STRICT;
CREATE UNIQUE INDEX service_by_name ON service(coalesce(tenant_id, ''), name, service_id);
CREATE INDEX service_by_expiry ON service(expires_at) WHERE expires_at IS NOT NULL;
