-- History of code that was run in sandboxes. Written in batches by the sandbox pool's scribe; a kill may lose the last half second.

CREATE TABLE code_run (
  seq          INTEGER PRIMARY KEY AUTOINCREMENT, -- in order of ending
  id           TEXT NOT NULL,           -- the run's UUID, as its answer said
  tenant_id    TEXT NOT NULL REFERENCES tenant(id) ON DELETE CASCADE,
  user_id      TEXT NOT NULL,           -- who asked; '' in gateway mode
  language     TEXT NOT NULL,
  code         TEXT NOT NULL,           -- its first 16 KiB
  code_bytes   INTEGER NOT NULL,        -- its whole size
  output       TEXT NOT NULL,           -- the first 4 KiB of what it printed, both streams as they came
  success      INTEGER NOT NULL,        -- 1: it ended by itself with exit code 0
  exit_code    INTEGER,                 -- NULL: it did not end by itself
  signal       INTEGER,                 -- number of the signal that ended it, NULL none
  limit_hit    TEXT,                    -- which limit ended it, or 'stopped', 'disconnected'; NULL none
  error        TEXT,                    -- why it could not be run; NULL it could
  time_ms      INTEGER NOT NULL,        -- wall clock of the run step
  memory_bytes INTEGER NOT NULL,        -- at its peak, 0 unknown
  queue_ms     INTEGER NOT NULL,        -- it waited for a sandbox
  created_at   INTEGER NOT NULL         -- epoch ms when it was asked for
) STRICT;
CREATE INDEX code_run_tenant ON code_run (tenant_id, seq);
