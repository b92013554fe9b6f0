/*
 * A virtual machine owns its network card to the last bit, so what a container cannot send must be stopped at
 * its port: table `bridge lodgevm_<site8>` lets a tap send its own (MAC, IPv4) pair and nothing else, in IPv4
 * and ARP. Apart from the networks' tables (isolate.h), which know the pairs of a network but not whose they
 * are.
 */
#ifndef LG_DRIVER_TAP_H
#define LG_DRIVER_TAP_H

#include "driver/driver.h"

#define LG_TAP_LEN 16

/* The host's name of the card with this primary address, which is unique on the host: "lt<site4><address>".
 */
int lg_tap_name(const char *site, const char *address, char out[LG_TAP_LEN], struct lg_err *e);
/* In force when this returns; idempotent. */
int lg_tap_allow(const struct lg_driver_ctx *ctx, const char *address, const char *mac, struct lg_err *e);
/* Are the rules of these taps all there? Somebody may have flushed them. Costs one listing. */
bool lg_tap_complete(const struct lg_driver_ctx *ctx, const char (*taps)[LG_TAP_LEN], int count);
/* Takes its rules away, and with the last the table. Absent is 0. */
int lg_tap_release(const struct lg_driver_ctx *ctx, const char *address, const char *mac, struct lg_err *e);

#endif
