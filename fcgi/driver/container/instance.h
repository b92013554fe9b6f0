/* The life of a container; the verbs of driver.h with the same names. */
#ifndef LG_DRIVER_INSTANCE_H
#define LG_DRIVER_INSTANCE_H

#include "driver/container/client.h"

#define LG_CT_NAME_LEN (6 + LG_ID_LEN) /* "lodge-<id>" */

int lg_ct_create(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
int lg_ct_start(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
int lg_ct_stop(struct lg_engine *g, const char *id, int timeout_s, struct lg_err *e);
int lg_ct_pause(struct lg_engine *g, const char *id, struct lg_err *e);
int lg_ct_unpause(struct lg_engine *g, const char *id, struct lg_err *e);
int lg_ct_remove(struct lg_engine *g, const char *id, bool force, struct lg_err *e);
int lg_ct_update(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
int lg_ct_revived(struct lg_engine *g, const struct lg_inst_spec *spec, struct lg_err *e);
int lg_ct_inspect(struct lg_engine *g, const char *id, struct lg_inst_status *st, struct lg_err *e);
int lg_ct_list(struct lg_engine *g, lg_status_fn *fn, void *arg, struct lg_err *e);

/* The engine's name of an instance; LG_INVALID when `id` is not one of our ids. */
int lg_ct_name(const char *id, char out[LG_CT_NAME_LEN], struct lg_err *e);

/* What an instance's container is, with what only the driver itself wants to know. */
struct lg_ct_look {
    struct lg_inst_status st;
    bool ours; /* carries our site's and this instance's label */
    bool ever_ran;
    bool settling; /* down, but the engine may be about to start it again by its policy */
    bool stopping; /* a stop waits for its process; st says running */
    bool revives;  /* has a restart policy */
    char spec[64], limits[80];
    char upper[512]; /* the folder on the host that it writes into; "" when the engine does not say */
};
int lg_ct_look(struct lg_engine *g, const char *id, struct lg_ct_look *l, struct lg_err *e);

#endif
