# The drivers' contract on the fake and on real containers, and the isolation of networks.
DRIVER_TEST_OBJS := $(call objs,$(DRIVER) $(MODEL) $(BASE))
$(B)/tests/driver-%: tests/driver/%.c tests/driver/setup.c tests/driver/dockerd.c tests/driver/setup.h tests/driver/dockerd.h $(DRIVER_TEST_OBJS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -Itests/driver $(filter %.c,$^) $(DRIVER_TEST_OBJS) $(LDOPT) -o $@ $(LIBS) -lcurl -larchive -lvirt -lcmocka -lpthread
UNIT_TESTS += $(B)/tests/driver-conformance $(B)/tests/driver-vm $(B)/tests/driver-guest $(B)/tests/driver-machine $(B)/tests/driver-isolation $(B)/tests/driver-faults $(B)/tests/driver-registry $(B)/tests/driver-layer $(B)/tests/driver-volume
