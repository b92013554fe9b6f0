# The drivers' contract on the fake and on real containers, and the isolation of networks.
DRIVER_TEST_OBJS := $(call objs,$(DRIVER) $(MODEL) $(BASE))
$(B)/tests/driver-%: tests/driver/%.c tests/driver/setup.c tests/driver/dockerd.c tests/driver/setup.h tests/driver/dockerd.h $(DRIVER_TEST_OBJS) | $(B)/bin/lodge-intake
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -DLODGE_BIN_DIR='"$(CURDIR)/$(B)/bin"' -Itests/driver $(filter %.c,$^) $(DRIVER_TEST_OBJS) $(LDOPT) -o $@ $(LIBS) -lcurl -larchive -lvirt -lcmocka -lpthread
UNIT_TESTS += $(B)/tests/driver-conformance $(B)/tests/driver-vm $(B)/tests/driver-guest $(B)/tests/driver-guest_faults $(B)/tests/driver-machine $(B)/tests/driver-isolation $(B)/tests/driver-faults $(B)/tests/driver-registry $(B)/tests/driver-layer $(B)/tests/driver-volume $(B)/tests/driver-confine

# Boots a real Debian once: minutes, and 200 MB to fetch. `make test-debian`; never part of `make test`.
DEBIAN_IMAGE ?= /var/tmp/lodge-images/debian-12.qcow2
test-debian: $(B)/tests/driver-guest
	@mkdir -p $(dir $(DEBIAN_IMAGE))
	$(Q)[ -e $(DEBIAN_IMAGE) ] || fcgi/driver/images/debian-12/build $(DEBIAN_IMAGE)
	$(Q)LODGE_TEST_DEBIAN=$(DEBIAN_IMAGE) $(B)/tests/driver-guest test_debian
.PHONY: test-debian
