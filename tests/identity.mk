# Users, sessions, tokens, tenants: store.
STORE_TEST_OBJS = $(STORE_OBJS) $(call objs,$(MODEL) $(BASE))

$(B)/tests/store/%: tests/store/%.c $(STORE_TEST_OBJS)
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -o $@ $(filter %.c %.o,$^) $(LDOPT) $(LIBS) -lsqlite3 -lcmocka

UNIT_TESTS += $(B)/tests/store/identity_test $(B)/tests/store/access_test
