# Lodge. `make run` sets up and starts everything; `make test` sets up and runs every test; `make lint` checks the house rules.
SAN ?=
CC := gcc
Q := $(if $(V),,@)
B := build$(if $(SAN),-asan)

PKGS   := jansson libsodium sqlite3 libcurl libarchive libvirt yaml-0.1
WARN   := -Wall -Wextra -Wpedantic -Wshadow -Wformat=2 -Wstrict-prototypes -Wmissing-prototypes -Wold-style-definition \
          -Wpointer-arith -Wcast-qual -Wwrite-strings -Wvla -Wundef -Wnull-dereference -Wlogical-op -Wduplicated-cond \
          -Wjump-misses-init -Wimplicit-fallthrough=5 -Werror
HARDEN := -fstack-protector-strong -fstack-clash-protection -fPIE -fvisibility=hidden -fno-common
ifdef SAN
OPT    := -O1 -g -Wno-format-truncation -fno-omit-frame-pointer -fsanitize=address,undefined -fno-sanitize-recover=all
LDOPT  := -fsanitize=address,undefined -pie
else
OPT    := -O2 -g -D_FORTIFY_SOURCE=3
LDOPT  := -pie -Wl,-z,relro,-z,now
endif
CFLAGS := -std=gnu17 -D_GNU_SOURCE $(OPT) $(WARN) $(HARDEN) -Ifcgi -I$(B)/gen -MMD -MP $(shell pkg-config --cflags $(PKGS) 2>/dev/null)
LIBS   = -ljansson -lsodium -lm

src    = $(wildcard fcgi/$(1)/*.c)
objs   = $(patsubst fcgi/%.c,$(B)/obj/%.o,$(1))

BASE   := $(call src,base)
MODEL  := $(call src,model)
STORE  := $(call src,store)
HTTP   := $(call src,http)
API    := $(call src,api)
DRIVER := $(call src,driver) $(call src,driver/container) $(call src,driver/network) $(call src,driver/volume) $(call src,driver/kvm) $(call src,driver/fake)
JOB    := $(call src,job)
STREAM := $(call src,stream)
SANDBOX := $(call src,sandbox) fcgi/stream/loop.c fcgi/stream/timer.c fcgi/stream/frame.c
CLI    := $(call src,cli)
UP     := $(call src,up)
INTAKE := $(call src,intake)

BINS := lodge-api lodge-runner lodge-stream lodge lodge-intake lodge-box
all: $(addprefix $(B)/bin/,$(BINS))

SCHEMAS = $(sort $(wildcard db/migrations/*.sql)) $(sort $(wildcard db/history/*.sql))
GEN := $(B)/gen/queries.c $(B)/gen/queries.h
$(B)/gen/queries.h: $(wildcard db/queries/*.sql db/migrations/*.sql db/history/*.sql) db/embed.awk
	@mkdir -p $(@D)
	$(Q)awk -v what=header -f db/embed.awk $(SCHEMAS) $(sort $(wildcard db/queries/*.sql)) > $@.new && mv $@.new $@
$(B)/gen/queries.c: $(B)/gen/queries.h
	$(Q)awk -v what=source -f db/embed.awk $(SCHEMAS) $(sort $(wildcard db/queries/*.sql)) > $@.new && mv $@.new $@

$(B)/obj/%.o: fcgi/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -c $< -o $@
$(B)/gen/openapi.c: $(wildcard fcgi/api/openapi/*.json) fcgi/api/openapi/embed.awk
	@mkdir -p $(@D)
	$(Q)awk -f fcgi/api/openapi/embed.awk $(sort $(filter %.json,$^)) > $@.new && mv $@.new $@
$(B)/obj/gen/%.o: $(B)/gen/%.c
	@mkdir -p $(@D)
	$(Q)$(CC) $(CFLAGS) -Wno-overlength-strings -c $< -o $@
$(call objs,$(STORE) $(HTTP) $(API) $(JOB) $(SANDBOX) $(CLI) $(UP) $(wildcard fcgi/main/*.c)): | $(B)/gen/queries.h

STORE_OBJS = $(call objs,$(STORE)) $(B)/obj/gen/queries.o
link = @mkdir -p $(@D) && echo "  link $@" && $(CC) $(LDOPT) -o $@ $(filter %.o,$^) $(LIBS) $(1)

$(B)/bin/lodge-api: $(call objs,fcgi/main/api.c $(API) $(HTTP) $(MODEL) $(BASE)) $(B)/obj/gen/openapi.o $(STORE_OBJS)
	$(call link,-lfcgi -lsqlite3 -lyaml)
$(B)/bin/lodge-runner: $(call objs,fcgi/main/runner.c $(SANDBOX) $(JOB) $(DRIVER) $(MODEL) $(BASE)) $(STORE_OBJS)
	$(call link,-lsqlite3 -lcurl -larchive -lvirt)
$(B)/bin/lodge-intake: $(call objs,fcgi/main/intake.c $(INTAKE) fcgi/model/address.c $(BASE))
	$(call link,-lcurl -larchive)
$(B)/bin/lodge-stream: $(call objs,fcgi/main/stream.c $(STREAM) $(MODEL) $(BASE))
	$(call link,-lcrypto)
$(B)/bin/lodge: $(call objs,fcgi/main/lodge.c $(CLI) $(UP) fcgi/driver/container/engine.c fcgi/driver/kvm/engine.c $(MODEL) $(BASE)) $(STORE_OBJS)
	$(call link,-lsqlite3 -lcurl -larchive)

# The first process of a sandbox: nothing of the host is in there, so it is static, and no sanitizer can follow it.
$(B)/bin/lodge-box: $(wildcard fcgi/box/*.c fcgi/box/*.h)
	@mkdir -p $(@D)
	$(Q)$(CC) -std=gnu17 -D_GNU_SOURCE -O2 -g $(WARN) -D_FORTIFY_SOURCE=3 -fstack-protector-strong -fstack-clash-protection -fno-common -Ifcgi -static -o $@ $(filter %.c,$^)

-include $(shell find $(B)/obj -name '*.d' 2>/dev/null)
include systemd/install.mk
include tests/tests.mk

setup:
	$(Q)systemd/setup
run: setup
	$(Q)$(MAKE) --no-print-directory -j$$(nproc) all
	$(Q)$(MAKE) --no-print-directory static-libs || echo "no registry of npm packages: the dashboard does without charts, consoles and the editor until 'make static-libs' succeeds"
	$(Q)exec systemd/run

# The dashboard's libraries from npm, as pinned; see static/README.md.
static-libs: static/vendor/index.js
static/vendor/index.js: static/package.json static/package-lock.json systemd/static-libs
	$(Q)systemd/static-libs

clean:
	rm -rf build build-asan static/vendor
.PHONY: all clean setup run static-libs
