/*
 * An engine in a directory, for tests only: LODGE_DRIVERS=fake. Serves backend "docker" without any
 * container. Everything is in files below `$LODGE_STATE/fake`, so all processes see the same engine and a
 * kill loses nothing.
 *
 * A command is read, not run: in `sh -c "<words>; <words>…"` it knows `echo TEXT` (a line of log), `sleep N`
 * (seconds it lives on), `exit N`, `oom` (ends as if memory ran out); anything else runs until it is stopped.
 * No command at all runs until stopped, too. References that hold "missing" cannot be pulled.
 *
 * `fake-vm` serves backend "kvm" in the same way, apart in `$LODGE_STATE/fake-vm`: a virtual machine with no
 * command runs until it is stopped; its serial console greets and echoes lines, its VNC console says the
 * first line of RFB and then echoes.
 *
 * A container's layer is as large as `$LODGE_STATE/fake/layer-<id>` says, "BYTES" or "BYTES hard"; 0 without
 * one.
 *
 * Faults: lines in `$LODGE_STATE/fake/faults` (or in LODGE_FAKE_FAULTS, parted by `|`), the first that fits
 * is taken: <verb or *> <fault> [times]. `times` (in the file only) counts down and the line ends; without it
 * the fault stays. The faults:
 *
 * - hang: no answer, LG_TIMEOUT after engine_timeout_ms, or LG_CANCELLED
 * - gone: LG_UNAVAILABLE at once
 * - fail: LG_BACKEND at once
 * - lost: does its work, then LG_UNAVAILABLE
 * - die: the calling process is killed before the work
 * - die-after: … after the work, before the caller knows
 * - slow=MS: works after so many milliseconds
 * - held: works as soon as there is no file `hold` beside `faults`
 */
#ifndef LG_DRIVER_FAKE_H
#define LG_DRIVER_FAKE_H

#include "driver/driver.h"

extern const struct lg_driver lg_driver_fake, lg_driver_fake_vm;

#endif
