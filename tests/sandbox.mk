# The sandbox pool from the inside: its lists, with sandboxes that are a socket's other end.
SANDBOX_TEST_OBJS = $(STORE_OBJS) $(call objs,$(SANDBOX) $(JOB) $(DRIVER) $(MODEL) $(BASE))
$(B)/tests/sandbox/%: tests/sandbox/%.c $(SANDBOX_TEST_OBJS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -o $@ $(filter %.c %.o,$^) $(LDOPT) $(LIBS) -lsqlite3 -lcurl -larchive -lvirt -lcmocka
UNIT_TESTS += $(B)/tests/sandbox/pool_test $(B)/tests/sandbox/session_test
