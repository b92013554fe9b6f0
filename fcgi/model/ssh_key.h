/* Public keys as OpenSSH writes them: "type base64 comment". Pure. */
#ifndef LG_MODEL_SSH_KEY_H
#define LG_MODEL_SSH_KEY_H

#include "base/err.h"

#define LG_SSH_KEY_MAX 4096 /* longer than any key taken here */

struct lg_ssh_key {
    char text[LG_SSH_KEY_MAX]; /* "type base64": without comment and options */
    char fingerprint[64];      /* "SHA256:…", as ssh-keygen -l shows it */
};

/* LG_INVALID with details.field "public_key" unless it is one key of a type that is good enough today:
 * Ed25519, ECDSA, RSA from 2048 bits, and the first two on a token. The data must be what the type says. */
int lg_ssh_key_parse(const char *text, struct lg_ssh_key *k, struct lg_err *e);

#endif
