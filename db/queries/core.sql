-- Statements of the database itself.

-- name: meta_get
SELECT value FROM meta WHERE key = ?1;

-- name: meta_put
INSERT INTO meta VALUES (?1, ?2) ON CONFLICT DO NOTHING;
