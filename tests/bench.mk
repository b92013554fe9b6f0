# Measurements of the release build against the engine or a bare nginx in the same run. `make bench`, or
# `make bench BENCH="get list"` for some of them; tests/bench/README.md tells what each one is.
BENCH ?=
bench: test-setup all
	$(Q)LODGE_TEST_POOL=$${LODGE_TEST_POOL:-10.97.0.0/16} tests/bench/run $(BENCH)
.PHONY: bench
