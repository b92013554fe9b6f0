# `make install` with DESTDIR and prefix, `make uninstall`, and `make deb`, which packs what install would write.
prefix     ?= /usr
DESTDIR    ?=
libdir      = $(DESTDIR)$(prefix)/lib
sharedir    = $(DESTDIR)$(prefix)/share/lodge
docdir      = $(DESTDIR)$(prefix)/share/doc/lodge
VERSION    := $(shell sed -n 's/^\#define LG_VERSION "\(.*\)"/\1/p' fcgi/base/version.h)
UNITS      := $(wildcard systemd/units/*)
SHARED      = $(shell { git ls-files nginx static fcgi/driver/images 2>/dev/null || find nginx static fcgi/driver/images -type f; } | grep -vE 'README|^static/(vendor|package)') $(shell find static/vendor -type f)

# Unit files name /usr; another prefix is written into the copies.
install: all static-libs
	install -d $(libdir)/lodge $(DESTDIR)$(prefix)/bin $(libdir)/systemd/system $(libdir)/sysusers.d $(libdir)/tmpfiles.d $(docdir)
	install -m 755 $(addprefix $(B)/bin/,$(BINS)) $(libdir)/lodge/
	ln -sfn ../lib/lodge/lodge $(DESTDIR)$(prefix)/bin/lodge
	$(Q)for f in $(SHARED); do install -D -m $$([ -x $$f ] && echo 755 || echo 644) $$f $(sharedir)/$$f || exit 1; done
	$(Q)for u in $(UNITS); do sed 's,/usr/lib/lodge/,$(prefix)/lib/lodge/,; s,/usr/share/doc/,$(prefix)/share/doc/,' $$u > $(libdir)/systemd/system/$${u##*/} && chmod 644 $(libdir)/systemd/system/$${u##*/} || exit 1; done
	install -m 644 systemd/sysusers.d/lodge.conf $(libdir)/sysusers.d/
	install -m 644 systemd/tmpfiles.d/lodge.conf $(libdir)/tmpfiles.d/
	install -m 644 systemd/README.md LICENSE $(docdir)/

uninstall:
	rm -rf $(libdir)/lodge $(sharedir) $(docdir)
	rm -f $(DESTDIR)$(prefix)/bin/lodge $(addprefix $(libdir)/systemd/system/,$(notdir $(UNITS))) \
	    $(libdir)/sysusers.d/lodge.conf $(libdir)/tmpfiles.d/lodge.conf

# build/lodge_<version>_<arch>.deb, the same for everybody who may read the checkout: no root needed.
deb: all static-libs
	$(Q)systemd/make-deb "$(VERSION)" "$(B)"

.PHONY: install uninstall deb
