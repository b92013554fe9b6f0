CREATE TABLE oneshot (                  -- containers that run one command and are thrown away; the last hour's are kept
  seq        INTEGER PRIMARY KEY AUTOINCREMENT,
  id         TEXT NOT NULL UNIQUE,
  tenant_id  TEXT NOT NULL REFERENCES tenant(id) ON DELETE CASCADE,
  user_id    TEXT NOT NULL,             -- '' for a gateway's
  image      TEXT NOT NULL,             -- as asked for
  image_ref  TEXT NOT NULL,             -- what the engine resolves
  command    TEXT NOT NULL,             -- JSON array of strings; [] the image's own
  whole      INTEGER NOT NULL,          -- 1: one answer at the end, 0: a stream
  state      TEXT NOT NULL CHECK (state IN ('queued', 'running', 'ended')), -- queued: nobody has come for it yet
  stop       INTEGER NOT NULL DEFAULT 0, -- 1: somebody asked to end it
  exit_code  INTEGER,                   -- NULL: not ended, or ended otherwise
  error      TEXT NOT NULL DEFAULT '',  -- sentence: why it was ended or not run
  created_at INTEGER NOT NULL,
  ended_at   INTEGER                    -- NULL: not yet
) STRICT;
CREATE INDEX oneshot_by_tenant ON oneshot(tenant_id, state);
CREATE INDEX oneshot_by_end ON oneshot(ended_at) WHERE ended_at IS NOT NULL;
