-- Sizes of a running virtual machine that wait for its next start: '', 'vcpus', 'memory', 'vcpus memory'. What an engine says (status.pending). Written by lodge-runner
ALTER TABLE instance ADD COLUMN pending TEXT NOT NULL DEFAULT '';
