# Test targets. Each part of the system adds its own file beside this one; see tests/README.md.
UNIT_TESTS :=
-include $(filter-out tests/tests.mk,$(wildcard tests/*.mk))
