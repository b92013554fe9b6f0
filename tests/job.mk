# lodge-runner on the fake engine: real processes, real database, real kills.
JOB_TEST_OBJS = $(STORE_OBJS) $(call objs,$(DRIVER) $(MODEL) $(BASE))
$(B)/tests/job/%: tests/job/%.c tests/job/site.c tests/job/site.h $(JOB_TEST_OBJS) $(B)/bin/lodge-runner
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -Itests -DRUNNER='"$(B)/bin/lodge-runner"' -o $@ $(filter %.c %.o,$^) $(LDOPT) $(LIBS) -lsqlite3 -lcurl -larchive -lvirt -lcmocka
UNIT_TESTS += $(addprefix $(B)/tests/job/,verbs_test faults_test reconcile_test chaos_test engines_test images_test disk_test layers_test)
