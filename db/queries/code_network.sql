-- Tenants whose code is on their network.

-- name: code_network_allowed
SELECT EXISTS (SELECT 1 FROM code_network WHERE tenant_id = ?1);

-- name: code_network_put
INSERT INTO code_network (tenant_id, allowed_at) SELECT id, ?2 FROM tenant WHERE id = ?1 ON CONFLICT DO NOTHING;

-- name: code_network_remove
DELETE FROM code_network WHERE tenant_id = ?1;

-- name: code_network_place
-- The tenant's network, whether its code may be on it, and whether an instance has this address (?2) or it rests after one (until > ?3).
SELECT t.net_index, EXISTS (SELECT 1 FROM code_network c WHERE c.tenant_id = t.id),
       EXISTS (SELECT 1 FROM instance i WHERE i.tenant_id = t.id AND i.host_number = ?2) OR
       EXISTS (SELECT 1 FROM host_number_quarantine q WHERE q.tenant_id = t.id AND q.host_number = ?2 AND q.until > ?3)
FROM tenant t WHERE t.id = ?1;
