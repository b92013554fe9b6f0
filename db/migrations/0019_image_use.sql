-- Images that the engine was made to have by reference, for a create or for one command. They are in nobody's catalogue. Written by lodge-runner
CREATE TABLE image_use (
  ref     TEXT PRIMARY KEY,   -- as it was pulled
  used_at INTEGER NOT NULL    -- ms: pulled, or run for one command
) STRICT, WITHOUT ROWID;
