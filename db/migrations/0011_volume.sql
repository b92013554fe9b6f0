CREATE TABLE volume (                   -- disks of tenants that outlive instances; files in $LODGE_STATE/volumes/files
  id         TEXT PRIMARY KEY,
  tenant_id  TEXT NOT NULL REFERENCES tenant(id),
  name       TEXT NOT NULL,             -- DNS label
  kind       TEXT NOT NULL CHECK (kind IN ('', 'filesystem', 'block')), -- '' until its first attachment decides; then for ever
  size_bytes INTEGER NOT NULL CHECK (size_bytes > 0), -- what it holds at most; the file is sparse
  state      TEXT NOT NULL CHECK (state IN ('creating', 'ready', 'error', 'deleting')),
  error      TEXT NOT NULL DEFAULT '',  -- sentence, with state error
  made       INTEGER NOT NULL DEFAULT 0,-- 1: its file has been made: a missing one is a loss, never made anew; by lodge-runner
  owner_id   TEXT NOT NULL,             -- user who created it
  version    INTEGER NOT NULL DEFAULT 1,-- grows with each change of the row
  created_at INTEGER NOT NULL,
  updated_at INTEGER NOT NULL,
  UNIQUE (tenant_id, name)
) STRICT, WITHOUT ROWID;

CREATE TABLE volume_attachment (        -- what an instance has of volumes, and of host directories
  instance_id TEXT NOT NULL REFERENCES instance(id) ON DELETE CASCADE,
  number      INTEGER NOT NULL,         -- names the place on the host that the engine is told; never reused by the instance
  volume_id   TEXT REFERENCES volume(id), -- NULL: a host directory, or an empty place whose volume was detached
  host_path   TEXT NOT NULL DEFAULT '', -- a directory below host_path_roots, asked for by an administrator; else ''
  path        TEXT NOT NULL,            -- absolute path in the instance; '' of a block volume
  read_only   INTEGER NOT NULL,
  placed      INTEGER NOT NULL DEFAULT 0, -- 1: the engine's container may name this place, so it must be there at each start
  detaching   INTEGER NOT NULL DEFAULT 0, -- 1: an operation takes it away
  created_at  INTEGER NOT NULL,
  PRIMARY KEY (instance_id, number)
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX volume_attachment_once ON volume_attachment(volume_id, instance_id) WHERE volume_id IS NOT NULL;
CREATE UNIQUE INDEX volume_attachment_path ON volume_attachment(instance_id, path) WHERE path <> '' AND (volume_id IS NOT NULL OR host_path <> '');

ALTER TABLE operation ADD COLUMN volume_id TEXT NOT NULL DEFAULT ''; -- the volume it is about, '' when not about one; kept after its deletion
CREATE INDEX operation_by_volume ON operation(volume_id, seq) WHERE volume_id <> '';
