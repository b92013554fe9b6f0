-- Usage history (samples.db): what instances used, in buckets of three widths. Only lodge-runner writes. Measured, so it
-- can be lost without harm: synchronous is NORMAL. Files in this folder are append-only, as in migrations/.

CREATE TABLE subject (                  -- instances that have history; a number takes less room in each row than an id
  key         INTEGER PRIMARY KEY,
  instance_id TEXT NOT NULL UNIQUE
) STRICT;

CREATE TABLE usage_bucket (             -- what one instance used between `at` and `at` + `width_s`
  subject      INTEGER NOT NULL REFERENCES subject(key) ON DELETE CASCADE,
  width_s      INTEGER NOT NULL CHECK (width_s IN (10, 60, 900)),
  at           INTEGER NOT NULL,        -- start, whole seconds since the epoch, a multiple of width_s
  samples      INTEGER NOT NULL,        -- how many went into it
  span_ms      INTEGER NOT NULL,        -- time that the counters below were seen to grow in
  cpu_us       INTEGER NOT NULL,        -- CPU time used within it, µs
  cpu_min      REAL NOT NULL,           -- per cent of one core, of the samples
  cpu_max      REAL NOT NULL,
  memory_avg   REAL NOT NULL,           -- bytes, of the samples
  memory_min   INTEGER NOT NULL,
  memory_max   INTEGER NOT NULL,
  rx_bytes     INTEGER NOT NULL,        -- received and sent within it
  tx_bytes     INTEGER NOT NULL,
  disk_bytes   INTEGER NOT NULL,        -- largest size of the writable layer; -1 unknown
  pids         INTEGER NOT NULL,        -- most processes and threads
  PRIMARY KEY (subject, width_s, at)
) STRICT, WITHOUT ROWID;
