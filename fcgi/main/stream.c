/* lodge-stream: see stream/PROTOCOL.md. */
#include <stdlib.h>

#include "base/conf.h"
#include "base/crypto.h"
#include "base/log.h"
#include "stream/server.h"

int main(void)
{
    static struct lg_conf conf;
    struct lg_err e = {0};
    lg_log_init("lodge-stream", LG_INFO);
    int rc = lg_conf_load(&conf, &e);
    if (!rc) {
        lg_log_init("lodge-stream", conf.log_debug ? LG_DEBUG : LG_INFO);
        rc = lg_crypto_init(&e);
    }
    if (!rc)
        rc = lg_stream_run(&conf, &e);
    if (!rc)
        return EXIT_SUCCESS;
    lg_log_err(LG_ERROR, "cannot run", &e);
    return EXIT_FAILURE;
}
