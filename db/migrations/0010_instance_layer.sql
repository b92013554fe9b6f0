-- A container's own layer: measured by lodge-runner, and what was done about its size.
CREATE TABLE instance_layer (
  instance_id   TEXT PRIMARY KEY REFERENCES instance(id) ON DELETE CASCADE,
  bytes         INTEGER NOT NULL,        -- when it was last measured
  hard          INTEGER NOT NULL,        -- 1: the file system itself keeps it within instance.storage_bytes
  warned        INTEGER NOT NULL,        -- 1: it was told that it is nearly full; 0 again when it is not any more
  stopped_bytes INTEGER NOT NULL,        -- its size when it was stopped for it; 0 it was not, or has shrunk since
  at            INTEGER NOT NULL         -- when this row was written
) STRICT, WITHOUT ROWID;
