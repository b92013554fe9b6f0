-- What one run of the tenant's code may have at most; beside them the host's settings hold. NULL: those alone. Written by lodge-api
ALTER TABLE tenant_quota ADD COLUMN code_time_ms INTEGER CHECK (code_time_ms > 0);           -- wall clock of a step: compiling, running, one snippet
ALTER TABLE tenant_quota ADD COLUMN code_memory_bytes INTEGER CHECK (code_memory_bytes > 0); -- files of its working directory included
ALTER TABLE tenant_quota ADD COLUMN code_output_bytes INTEGER CHECK (code_output_bytes > 0); -- of both streams together
