/* What the engine is told when a container is made. */
#ifndef LG_DRIVER_SPEC_H
#define LG_DRIVER_SPEC_H

#include "driver/container/client.h"

#define LG_LABEL_SPEC   "lodge.spec"   /* digest of all of the below: does a leftover fit? */
#define LG_LABEL_LIMITS "lodge.limits" /* the limits it was made with: must a start set others? */
#define LG_LABEL_NET    "lodge.net"    /* the tenant's network */

#define LG_SPEC_DIGEST_LEN 33
#define LG_LIMITS_LEN      80

/* The body of a create; its digest in `digest`. */
void lg_spec_body(const struct lg_engine *g, const struct lg_inst_spec *s, struct lg_buf *out,
                  char digest[LG_SPEC_DIGEST_LEN]);
/* "memory/cpu/pids", the value of LG_LABEL_LIMITS. */
void lg_spec_limits(const struct lg_inst_spec *s, char out[LG_LIMITS_LEN]);

#endif
