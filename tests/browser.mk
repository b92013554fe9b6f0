# The dashboard in Chromium. With BASE_URL, LODGE_USER and LODGE_PASSWORD the core flow runs against that system.
browser-setup: tests/browser/node_modules/.package-lock.json static-libs
tests/browser/node_modules/.package-lock.json: tests/browser/package-lock.json
	$(Q)cd tests/browser && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.package-lock.json

test-browser: browser-setup
	node --test tests/browser/*.test.mjs
.PHONY: browser-setup test-browser
