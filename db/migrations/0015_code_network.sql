CREATE TABLE code_network (             -- tenants whose code runs and containers for one command are on the tenant's network; without a row they have none
  tenant_id  TEXT PRIMARY KEY REFERENCES tenant(id) ON DELETE CASCADE,
  allowed_at INTEGER NOT NULL           -- by an administrator; written by lodge-api
) STRICT, WITHOUT ROWID;
ALTER TABLE oneshot ADD COLUMN host_number INTEGER; -- in the tenant's network while it runs; NULL: it has no network. Written by lodge-runner
CREATE UNIQUE INDEX oneshot_by_host ON oneshot(tenant_id, host_number) WHERE state = 'running' AND host_number IS NOT NULL;
