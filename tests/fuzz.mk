# `make fuzz` builds each tests/fuzz/X.c with libFuzzer and the sanitizers and runs it for FUZZ_SECONDS on what
# tests/fuzz/corpus/X holds. A target names what it needs in its first lines: "// sources: fcgi/a.c fcgi/b.c" and,
# if any, "// libs: -lx". New inputs that reach new code stay in build/fuzz/X.corpus, never in the tree.
FUZZ_SECONDS ?= 10
FUZZ_CC      ?= clang-14
FUZZ         := $(patsubst tests/fuzz/%.c,build/fuzz/%,$(wildcard tests/fuzz/*.c))
FUZZ_FLAGS    = -std=gnu17 -D_GNU_SOURCE -g -O1 -fno-omit-frame-pointer -fsanitize=fuzzer,address,undefined \
                -fno-sanitize-recover=all -Ifcgi $(shell pkg-config --cflags $(PKGS) 2>/dev/null)

define fuzz_rule
build/fuzz/$(1): tests/fuzz/$(1).c $(shell sed -n 's,^// sources: ,,p' tests/fuzz/$(1).c)
	@mkdir -p $$(@D)
	$$(Q)$$(FUZZ_CC) $$(FUZZ_FLAGS) -o $$@ $$^ $(shell sed -n 's,^// libs: ,,p' tests/fuzz/$(1).c)
run-fuzz-$(1): build/fuzz/$(1)
	@mkdir -p build/fuzz/$(1).corpus tests/fuzz/corpus/$(1)
	$$(Q)build/fuzz/$(1) -max_total_time=$$(FUZZ_SECONDS) -rss_limit_mb=1024 -max_len=70000 -print_final_stats=1 \
	    -verbosity=0 -artifact_prefix=build/fuzz/$(1)- build/fuzz/$(1).corpus tests/fuzz/corpus/$(1)
.PHONY: run-fuzz-$(1)
endef
$(foreach f,$(notdir $(FUZZ)),$(eval $(call fuzz_rule,$(f))))

fuzz: $(addprefix run-fuzz-,$(notdir $(FUZZ)))
	@echo "fuzz: $(words $(FUZZ)) targets, $(FUZZ_SECONDS) s each, no finding"
fuzz-build: $(FUZZ)
.PHONY: fuzz fuzz-build
