-- What `lodge doctor` asks the database.

-- name: doctor_integrity
PRAGMA quick_check(5);

-- name: doctor_foreign_keys
SELECT count(*) FROM pragma_foreign_key_check;

-- name: doctor_old_operations
-- Open ones that were asked for before ?1.
SELECT count(*), coalesce(min(created_at), 0) FROM operation WHERE status IN ('queued', 'running') AND created_at < ?1;

-- name: doctor_errors
SELECT count(*) FROM instance WHERE state = 'error';
