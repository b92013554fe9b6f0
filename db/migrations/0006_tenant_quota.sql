CREATE TABLE tenant_quota (             -- what a tenant may have at most; without a row nothing is limited. Written by lodge-api
  tenant_id     TEXT PRIMARY KEY REFERENCES tenant(id) ON DELETE CASCADE,
  instances     INTEGER CHECK (instances >= 0),     -- NULL in this and all below: unlimited
  cpu_millis    INTEGER CHECK (cpu_millis >= 0),    -- of all instances together; 1000 is one core
  memory_bytes  INTEGER CHECK (memory_bytes >= 0),
  storage_bytes INTEGER CHECK (storage_bytes >= 0), -- what instances ask for; one that names no size counts as none
  ingress       INTEGER CHECK (ingress >= 0),       -- rules
  tokens        INTEGER CHECK (tokens >= 0),        -- live ones, of all members
  version       INTEGER NOT NULL DEFAULT 1,         -- grows with each change: the ETag
  updated_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
