-- Lodge's database. All times are milliseconds since the Unix epoch; all ids are UUIDs in lower case unless said.
-- Files in this folder are append-only: a released one is never edited.

CREATE TABLE meta (                     -- facts about this installation
  key   TEXT PRIMARY KEY,               -- 'site'
  value TEXT NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE user (                     -- people; written by lodge-api
  id            TEXT PRIMARY KEY,
  username      TEXT NOT NULL COLLATE NOCASE UNIQUE,
  password_hash TEXT NOT NULL,          -- Argon2id, encoded
  role          TEXT NOT NULL CHECK (role IN ('user', 'admin')),
  disabled      INTEGER NOT NULL DEFAULT 0, -- 1: may not sign in, tokens do not work
  created_at    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE tenant (                   -- who owns instances; has one network
  id         TEXT PRIMARY KEY,
  slug       TEXT NOT NULL UNIQUE,      -- DNS label, as in Lodge-Tenant
  name       TEXT NOT NULL,
  net_index  INTEGER NOT NULL UNIQUE,   -- number of its /24 in subnet_pool
  created_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE member (                   -- which user may act in which tenant
  tenant_id TEXT NOT NULL REFERENCES tenant(id) ON DELETE CASCADE,
  user_id   TEXT NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  role      TEXT NOT NULL CHECK (role IN ('member', 'owner')),
  since     INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, user_id)
) STRICT, WITHOUT ROWID;
CREATE INDEX member_by_user ON member(user_id);

CREATE TABLE session (                  -- dashboard sign-ins
  digest       BLOB PRIMARY KEY,        -- keyed hash of the cookie
  id           TEXT NOT NULL UNIQUE,    -- what logs and revocations name
  user_id      TEXT NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  tenant_id    TEXT REFERENCES tenant(id) ON DELETE SET NULL, -- chosen in the dashboard; NULL: the first
  address      TEXT NOT NULL,           -- where the sign-in came from
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER NOT NULL,
  last_used_at INTEGER NOT NULL         -- written at most once a minute
) STRICT, WITHOUT ROWID;
CREATE INDEX session_by_user ON session(user_id);

CREATE TABLE token (                    -- API tokens; the secret is shown once and kept as a keyed hash
  id           TEXT PRIMARY KEY,
  digest       BLOB NOT NULL UNIQUE,
  prefix       TEXT NOT NULL,           -- first characters, to recognise it by
  name         TEXT NOT NULL,
  user_id      TEXT NOT NULL REFERENCES user(id) ON DELETE CASCADE,
  tenant_id    TEXT NOT NULL REFERENCES tenant(id) ON DELETE CASCADE,
  created_at   INTEGER NOT NULL,
  expires_at   INTEGER,                 -- NULL: never
  last_used_at INTEGER,                 -- NULL: not yet; written at most once a minute
  revoked_at   INTEGER                  -- NULL: good
) STRICT, WITHOUT ROWID;
CREATE INDEX token_by_tenant ON token(tenant_id);
CREATE INDEX token_by_user ON token(user_id);

CREATE TABLE sign_in_attempt (          -- failures, for the rate limit
  subject      TEXT PRIMARY KEY,        -- 'user:<name>' or 'address:<ip>'
  window_at    INTEGER NOT NULL,        -- start of the counted minute
  failures     INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE audit (                    -- every change: who, from where, what
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  at         INTEGER NOT NULL,
  user_id    TEXT NOT NULL,             -- '' for a failed sign-in of nobody, or the system itself
  username   TEXT NOT NULL,
  token_id   TEXT NOT NULL,             -- '' when by dashboard session
  address    TEXT NOT NULL,
  action     TEXT NOT NULL,             -- 'instance.create', …: the route's action
  subject    TEXT NOT NULL,             -- id of what was changed
  tenant_id  TEXT NOT NULL,             -- '' for host-wide changes
  result     TEXT NOT NULL,             -- 'ok' or an error code
  details    TEXT NOT NULL              -- one sentence, never a secret
) STRICT;
CREATE INDEX audit_by_tenant ON audit(tenant_id, id);

CREATE TABLE image (                    -- the catalogue
  id          TEXT PRIMARY KEY,
  tenant_id   TEXT REFERENCES tenant(id) ON DELETE CASCADE, -- NULL: the host's own
  name        TEXT NOT NULL,            -- as asked for: 'nginx:alpine'
  kind        TEXT NOT NULL CHECK (kind IN ('container', 'vm')),
  source      TEXT NOT NULL CHECK (source IN ('built', 'pull', 'upload')),
  reference   TEXT NOT NULL,            -- what the engine resolves
  digest      TEXT NOT NULL DEFAULT '', -- engine's content id once ready
  size_bytes  INTEGER NOT NULL DEFAULT 0,
  is_default  INTEGER NOT NULL DEFAULT 0, -- 1: taken when a create names none (one per kind)
  public      INTEGER NOT NULL DEFAULT 0, -- 1: every tenant may use it
  state       TEXT NOT NULL CHECK (state IN ('pulling', 'ready', 'error', 'deleting')),
  error       TEXT NOT NULL DEFAULT '', -- sentence, with state error
  file        TEXT NOT NULL DEFAULT '', -- uploaded tar in $LODGE_STATE/uploads until it is adopted
  created_at  INTEGER NOT NULL,
  updated_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX image_default ON image(kind) WHERE is_default = 1;

CREATE TABLE image_alias (              -- every name an image is found by, its own name included
  scope    TEXT NOT NULL,               -- tenant id, or '' for the host's public ones
  alias    TEXT NOT NULL,
  image_id TEXT NOT NULL REFERENCES image(id) ON DELETE CASCADE,
  PRIMARY KEY (scope, alias)
) STRICT, WITHOUT ROWID;
CREATE INDEX image_alias_by_image ON image_alias(image_id);

CREATE TABLE instance (                 -- the heart; written by lodge-api (wishes) and lodge-runner (facts)
  seq          INTEGER PRIMARY KEY AUTOINCREMENT, -- order of birth; the cursor of lists
  id           TEXT NOT NULL UNIQUE,
  tenant_id    TEXT NOT NULL REFERENCES tenant(id),
  name         TEXT NOT NULL,           -- DNS label
  type         TEXT NOT NULL CHECK (type IN ('container', 'vm')),
  backend      TEXT NOT NULL,           -- 'docker', 'kvm': which driver
  state        TEXT NOT NULL,           -- model/state.h
  desired      TEXT NOT NULL CHECK (desired IN ('running', 'stopped', 'paused', 'absent')), -- what the reconciler keeps
  health       TEXT NOT NULL DEFAULT 'unknown', -- healthy unhealthy unknown
  reason       TEXT,                    -- JSON {text, code, exitCode, oomKilled, at, log}: why it is in this state; NULL nothing to say
  image_id     TEXT REFERENCES image(id) ON DELETE SET NULL,
  image        TEXT NOT NULL,           -- the name it was created with
  image_ref    TEXT NOT NULL,           -- engine reference or content id
  config       TEXT NOT NULL,           -- JSON {command, ports, networkMode, restartPolicy, volumes} as validated
  cpu_millis   INTEGER NOT NULL,        -- 1000 is one core; 0 unlimited
  memory_bytes INTEGER NOT NULL,        -- hard limit; 0 unlimited
  storage_bytes INTEGER NOT NULL DEFAULT 0, -- asked for; 0 unlimited
  host_number  INTEGER NOT NULL,        -- 2…254 in the tenant's network: gives address and MAC
  engine_ref   TEXT NOT NULL DEFAULT '',-- the engine's own id once made
  owner_id     TEXT NOT NULL,           -- user who created it
  version      INTEGER NOT NULL DEFAULT 1, -- grows with each change of the row: the ETag
  created_at   INTEGER NOT NULL,
  updated_at   INTEGER NOT NULL,
  started_at   INTEGER,                 -- NULL: not running
  UNIQUE (tenant_id, name),
  UNIQUE (tenant_id, host_number)
) STRICT;
CREATE INDEX instance_by_tenant ON instance(tenant_id, seq);
CREATE INDEX instance_by_state ON instance(tenant_id, state, seq);
CREATE INDEX instance_by_image ON instance(image_id);

CREATE TABLE instance_count (           -- kept by the triggers below, so that a list's total costs nothing
  tenant_id TEXT NOT NULL,
  state     TEXT NOT NULL,
  n         INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, state)
) STRICT, WITHOUT ROWID;
CREATE TRIGGER instance_count_insert AFTER INSERT ON instance BEGIN
  INSERT INTO instance_count VALUES (new.tenant_id, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;
CREATE TRIGGER instance_count_delete AFTER DELETE ON instance BEGIN
  UPDATE instance_count SET n = n - 1 WHERE tenant_id = old.tenant_id AND state = old.state;
END;
CREATE TRIGGER instance_count_state AFTER UPDATE OF state ON instance WHEN new.state <> old.state BEGIN
  UPDATE instance_count SET n = n - 1 WHERE tenant_id = old.tenant_id AND state = old.state;
  INSERT INTO instance_count VALUES (new.tenant_id, new.state, 1) ON CONFLICT DO UPDATE SET n = n + 1;
END;

CREATE TABLE instance_env (             -- environment; secret values are sealed with keys/env.key
  instance_id TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  position    INTEGER NOT NULL,
  name        TEXT NOT NULL,
  value       BLOB NOT NULL,            -- text, or the sealed bytes
  secret      INTEGER NOT NULL,
  PRIMARY KEY (instance_id, position)
) STRICT, WITHOUT ROWID;

CREATE TABLE instance_label (
  instance_id TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  key         TEXT NOT NULL,
  value       TEXT NOT NULL,
  PRIMARY KEY (instance_id, key)
) STRICT, WITHOUT ROWID;
CREATE INDEX instance_label_by_key ON instance_label(key, value, instance_id);

CREATE TABLE instance_port (            -- ports published on the host: unique over all tenants
  host_port     INTEGER NOT NULL,
  protocol      TEXT NOT NULL CHECK (protocol IN ('tcp', 'udp')),
  instance_id   TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  instance_port INTEGER NOT NULL,
  PRIMARY KEY (host_port, protocol)
) STRICT, WITHOUT ROWID;
CREATE INDEX instance_port_by_instance ON instance_port(instance_id);

CREATE TABLE host_number_quarantine (   -- freed addresses rest longer than any cached route lives
  tenant_id   TEXT NOT NULL,
  host_number INTEGER NOT NULL,
  until       INTEGER NOT NULL,
  PRIMARY KEY (tenant_id, host_number)
) STRICT, WITHOUT ROWID;

CREATE TABLE tombstone (                -- deleted instances: what turns up late under these ids is removed
  instance_id TEXT PRIMARY KEY,
  tenant_id   TEXT NOT NULL,
  backend     TEXT NOT NULL,
  deleted_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE quarantine (               -- things of our site in an engine that nobody knows: shown, never deleted
  backend     TEXT NOT NULL,
  engine_ref  TEXT NOT NULL,
  instance_id TEXT NOT NULL,            -- what its label says
  found_at    INTEGER NOT NULL,
  PRIMARY KEY (backend, engine_ref)
) STRICT, WITHOUT ROWID;

CREATE TABLE ingress (                  -- https://<host>.<apps_domain> → the instance's target_port
  instance_id TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  port        INTEGER NOT NULL,         -- 443
  target_port INTEGER NOT NULL,
  host        TEXT NOT NULL UNIQUE,     -- DNS label
  access      TEXT NOT NULL CHECK (access IN ('public', 'members')),
  created_at  INTEGER NOT NULL,
  PRIMARY KEY (instance_id, port)
) STRICT, WITHOUT ROWID;

CREATE TABLE app_code (                 -- one-time hand-off from the dashboard to an application's cookie
  digest     BLOB PRIMARY KEY,          -- keyed hash of the code
  host       TEXT NOT NULL,
  user_id    TEXT NOT NULL,
  path       TEXT NOT NULL,             -- where the browser goes afterwards
  expires_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE operation (                -- every change that takes time; queue and history
  seq          INTEGER PRIMARY KEY AUTOINCREMENT, -- order of the queue
  id           TEXT NOT NULL UNIQUE,
  kind         TEXT NOT NULL,           -- 'instance.create', 'image.pull', …
  status       TEXT NOT NULL CHECK (status IN ('queued', 'running', 'done', 'failed', 'cancelled')),
  tenant_id    TEXT NOT NULL,
  instance_id  TEXT NOT NULL DEFAULT '',-- '' when not about one; kept after its deletion
  subject_name TEXT NOT NULL DEFAULT '',-- the instance's or image's name, kept too
  image_id     TEXT NOT NULL DEFAULT '',
  user_id      TEXT NOT NULL,           -- requester; '' the system
  username     TEXT NOT NULL,
  request_id   TEXT NOT NULL DEFAULT '',-- of the HTTP request
  params       TEXT NOT NULL DEFAULT '{}', -- JSON: {force, timeout, …}
  step         TEXT NOT NULL DEFAULT '',-- what it is doing now
  progress     REAL,                    -- 0…1, NULL unknown
  log          TEXT NOT NULL DEFAULT '',-- lines
  error_code   TEXT NOT NULL DEFAULT '',
  error_text   TEXT NOT NULL DEFAULT '',
  cancel       INTEGER NOT NULL DEFAULT 0, -- 1: somebody asked to cancel
  attempts     INTEGER NOT NULL DEFAULT 0, -- how often a worker took it
  created_at   INTEGER NOT NULL,
  started_at   INTEGER,
  ended_at     INTEGER
) STRICT;
CREATE INDEX operation_open ON operation(seq) WHERE status IN ('queued', 'running');
CREATE INDEX operation_by_instance ON operation(instance_id, seq);
CREATE INDEX operation_by_tenant ON operation(tenant_id, seq);

CREATE TABLE event (                    -- the outbox: committed with the change it tells of
  id         INTEGER PRIMARY KEY AUTOINCREMENT,
  at         INTEGER NOT NULL,
  kind       TEXT NOT NULL,             -- 'instance.state', 'operation.done', …
  tenant_id  TEXT NOT NULL,             -- '' for host-wide ones
  admin      INTEGER NOT NULL,          -- 1: only for admins who watch everything
  subject_type TEXT NOT NULL,           -- 'instance', 'operation', 'image', …
  subject_id TEXT NOT NULL,
  subject_name TEXT NOT NULL,
  operation_id TEXT NOT NULL DEFAULT '',-- operation it belongs to
  op_done    INTEGER NOT NULL DEFAULT 0,-- 1: that operation has ended: waits end
  data       TEXT NOT NULL              -- JSON object
) STRICT;
CREATE INDEX event_by_tenant ON event(tenant_id, id);

CREATE TABLE engine_state (             -- last word of each driver, written by lodge-runner
  backend     TEXT PRIMARY KEY,
  healthy     INTEGER NOT NULL,
  type        TEXT NOT NULL,            -- 'podman', 'docker', …
  version     TEXT NOT NULL,
  api_version TEXT NOT NULL,
  reason      TEXT NOT NULL,            -- why not healthy
  checked_at  INTEGER NOT NULL
) STRICT, WITHOUT ROWID;

CREATE TABLE usage_sample (             -- newest sample of each running instance
  instance_id  TEXT PRIMARY KEY REFERENCES instance(id) ON DELETE CASCADE,
  at           INTEGER NOT NULL,
  cpu_us       INTEGER NOT NULL,        -- CPU time since start, µs
  cpu_percent  REAL NOT NULL,           -- of one core, since the previous sample
  memory_bytes INTEGER NOT NULL,
  rx_bytes     INTEGER NOT NULL,
  tx_bytes     INTEGER NOT NULL,
  disk_bytes   INTEGER NOT NULL,        -- writable layer; -1 unknown
  pids         INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
