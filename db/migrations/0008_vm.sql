CREATE TABLE image_vm (                 -- what an image of kind vm is besides; one row for each
  image_id         TEXT PRIMARY KEY REFERENCES image(id) ON DELETE CASCADE,
  format           TEXT NOT NULL CHECK (format IN ('qcow2', 'raw')), -- of the file that came
  url              TEXT NOT NULL DEFAULT '', -- where it is fetched from; '' uploaded or built
  sha256           TEXT NOT NULL DEFAULT '', -- what the file must have, 64 hex digits; '' not said
  virtual_bytes    INTEGER NOT NULL DEFAULT 0, -- size of the disk it holds; 0 not known yet; written by lodge-runner
  min_disk_bytes   INTEGER NOT NULL DEFAULT 0,
  min_memory_bytes INTEGER NOT NULL DEFAULT 0,
  default_user     TEXT NOT NULL DEFAULT '', -- login that gets the owner's keys; '' the image's own choice
  cloud_init       INTEGER NOT NULL DEFAULT 1 -- 1: it reads the NoCloud seed
) STRICT, WITHOUT ROWID;

CREATE TABLE instance_vm (              -- what a virtual machine is made with besides; one row for each
  instance_id TEXT PRIMARY KEY REFERENCES instance(id) ON DELETE CASCADE,
  user_data   BLOB,                     -- cloud-init's, sealed with keys/env.key: it may hold passwords; NULL none
  meta_data   BLOB                      -- the same
) STRICT, WITHOUT ROWID;

ALTER TABLE flavor ADD COLUMN gpus INTEGER NOT NULL DEFAULT 0; -- GPUs passed through; only hosts that have some list it
INSERT INTO flavor (name, position, vcpus, memory_bytes, disk_bytes, description, gpus) VALUES
  ('gpu', 5, 4, 17179869184, 85899345920, 'One GPU passed through to a virtual machine', 1);
