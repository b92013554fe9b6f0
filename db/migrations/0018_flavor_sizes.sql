-- A flavor's name is what an instance's sizes are; one that passes GPUs through goes on naming them.
UPDATE instance SET flavor = '' WHERE flavor <> '' AND NOT EXISTS (
  SELECT 1 FROM flavor f WHERE f.name = instance.flavor AND (f.gpus > 0 OR (f.vcpus * 1000 = instance.cpu_millis AND
    f.memory_bytes = instance.memory_bytes AND instance.storage_bytes IN (0, f.disk_bytes))));
