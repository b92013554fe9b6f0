# Test targets. Each part of the system adds its own file beside this one; see tests/README.md.
UNIT_TESTS :=
-include $(sort $(filter-out tests/tests.mk,$(wildcard tests/*.mk)))

PYTESTS = $(patsubst %/,%,$(sort $(dir $(wildcard tests/*/test_*.py))))

# A unit test that needs nothing but its folder's objects: tests/unit/test_X.c with a line "// links: base model".
unit_dirs = $(shell sed -n 's,^// links: ,,p' $(1))
define unit_rule
$(B)/tests/$(notdir $(basename $(1))): $(1) $(call objs,$(foreach d,$(call unit_dirs,$(1)),$(call src,$(d)))) $(if $(filter store,$(call unit_dirs,$(1))),$(B)/obj/gen/queries.o) | $(B)/gen/queries.h
	@mkdir -p $$(@D)
	$$(Q)$$(CC) $$(CFLAGS) $$(LDOPT) -o $$@ $$(filter %.c %.o,$$^) $$(LIBS) -lcmocka -lsqlite3 -lcurl -lfcgi -lcrypto
UNIT_TESTS += $(B)/tests/$(notdir $(basename $(1)))
endef
$(foreach t,$(wildcard tests/unit/test_*.c),$(eval $(call unit_rule,$(t))))

test-setup: setup
	$(Q)systemd/install-packages tests/packages
test-unit: test-setup
	$(MAKE) SAN=1 all unit-programs
	$(Q)tests/run --unit $(subst build/,build-asan/,$(UNIT_TESTS))
unit-programs: $(UNIT_TESTS)
test-system: test-setup all static-libs browser-setup
	$(MAKE) SAN=1 all
	$(Q)SAN=1 tests/run --pytest $(PYTESTS)
# The whole run, in one process so that one line closes it.
test: test-setup all static-libs
	$(MAKE) SAN=1 all unit-programs
	$(MAKE) browser-setup fuzz-build
	$(Q)SAN=1 FUZZ_SECONDS=8 tests/run --unit $(subst build/,build-asan/,$(UNIT_TESTS)) --fuzz $(FUZZ) --pytest $(PYTESTS) --browser tests/browser

lint:
	$(Q)tests/lint/run
.PHONY: test test-setup test-unit test-system unit-programs lint
