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
	$(MAKE) -j$$(nproc) SAN=1 all unit-programs
	$(Q)tests/run --unit $(call in_asan,$(UNIT_TESTS))
unit-programs: $(UNIT_TESTS)
test-system: test-setup all static-libs browser-setup
	$(MAKE) -j$$(nproc) SAN=1 all
	$(Q)SAN=1 tests/run --pytest $(PYTESTS)
# The whole run, in one process so that one line closes it. What starts real containers and guests has a lane of its own.
REAL_UNITS    = $(filter $(B)/tests/driver-%,$(UNIT_TESTS))
REAL_PYTESTS := tests/e2e tests/repl
in_asan       = $(subst build/,build-asan/,$(1))
test: test-setup
	$(MAKE) -j$$(nproc) all static-libs
	$(MAKE) -j$$(nproc) SAN=1 all unit-programs
	$(MAKE) -j$$(nproc) browser-setup fuzz-build
	$(Q)SAN=1 FUZZ_SECONDS=8 tests/run --unit $(call in_asan,$(REAL_UNITS)) --pytest $(REAL_PYTESTS) \
	  --lane --unit $(call in_asan,$(filter-out $(REAL_UNITS),$(UNIT_TESTS))) --fuzz $(FUZZ) \
	  --pytest $(filter-out $(REAL_PYTESTS),$(PYTESTS)) --browser tests/browser

lint:
	$(Q)tests/lint/run
.PHONY: test test-setup test-unit test-system unit-programs lint
