# Each tests/fuzz/X.c is a libFuzzer target. It names what it needs in its first lines: "// sources: fcgi/a.c fcgi/b/*.c" and, if
# any, "// libs: -lx". It starts from tests/fuzz/corpus/X, with the words of tests/fuzz/X.dict where there are any; inputs that reach
# new code stay in build/fuzz/X.corpus, never in the tree. `make fuzz` runs each for FUZZ_SECONDS; `make test` for a few.
FUZZ_SECONDS ?= 10
FUZZ_CC      ?= $(if $(shell command -v ccache),ccache )clang-14
FUZZ         := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZ_SAN     := -DFUZZING_BUILD_MODE_UNSAFE_FOR_PRODUCTION -g -O1 -fno-omit-frame-pointer -fsanitize=address,undefined,fuzzer-no-link -fno-sanitize-recover=all
FUZZ_FLAGS    = -std=gnu17 -D_GNU_SOURCE $(FUZZ_SAN) -Ifcgi -Ibuild/gen -MMD -MP $(shell pkg-config --cflags $(PKGS) 2>/dev/null)

build/fuzz/obj/%.o: %.c | build/gen/queries.h
	@mkdir -p $(@D)
	$(Q)$(FUZZ_CC) $(FUZZ_FLAGS) -c $< -o $@
build/gen/queries.c build/gen/openapi.c: | build/gen/queries.h

fuzz_sources = $(wildcard $(shell sed -n 's,^// sources: ,,p' $(1)))
fuzz_made    = $(filter build/gen/%,$(shell sed -n 's,^// sources: ,,p' $(1)))
define fuzz_rule
build/fuzz/$(1): $(patsubst %.c,build/fuzz/obj/%.o,tests/fuzz/$(1).c $(sort $(call fuzz_sources,tests/fuzz/$(1).c) $(call fuzz_made,tests/fuzz/$(1).c)))
	@mkdir -p $$(@D)
	$$(Q)clang-14 -fsanitize=fuzzer,address,undefined -o $$@ $$^ $(shell sed -n 's,^// libs: ,,p' tests/fuzz/$(1).c)
run-fuzz-$(1): build/fuzz/$(1)
	$$(Q)FUZZ_SECONDS=$$(FUZZ_SECONDS) tests/run --fuzz build/fuzz/$(1)
.PHONY: run-fuzz-$(1)
endef
$(foreach f,$(notdir $(FUZZ)),$(eval $(call fuzz_rule,$(f))))
-include $(shell find build/fuzz/obj -name '*.d' 2>/dev/null)

fuzz: fuzz-build
	$(Q)FUZZ_SECONDS=$(FUZZ_SECONDS) tests/run --fuzz $(FUZZ)
fuzz-build: $(FUZZ)
.PHONY: fuzz fuzz-build
