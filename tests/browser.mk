# The dashboard in Chromium. With BASE_URL, LODGE_USER and LODGE_PASSWORD the core flow runs against that system.
browser-setup: tests/browser/node_modules/.package-lock.json static-libs
tests/browser/node_modules/.package-lock.json: tests/browser/package-lock.json
	$(Q)cd tests/browser && npm ci --no-audit --no-fund --loglevel=error && touch node_modules/.package-lock.json

test-browser: browser-setup
	node --test tests/browser/*.test.mjs
# Screenshots of every view into build/shots, for looking at them.
shots: browser-setup
	node tests/browser/shots.mjs build/shots
# What Lighthouse says, not part of any test: `make lighthouse`, WHY=1 for the reasons.
lighthouse: browser-setup
	$(Q)cd tests/browser/lighthouse && npm ci --ignore-scripts --no-audit --no-fund --loglevel=error >/dev/null
	$(Q)node tests/browser/lighthouse/run.mjs
.PHONY: browser-setup test-browser shots lighthouse
