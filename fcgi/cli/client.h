/* The client itself, for credentials.c, client.c, follow.c and wait.c. */
#ifndef LG_CLI_CLIENT_H
#define LG_CLI_CLIENT_H

#include <curl/curl.h>
#include <limits.h>

#include "cli/cli.h"

struct lg_client {
    char url[512], token[128], tenant[64], cacert[PATH_MAX + 32];
    char file[PATH_MAX + 64]; /* the credentials file that is in question */
    const char *source;       /* where the token came from */
    bool insecure;
    CURL *h;
    struct curl_slist *headers;
    char error[CURL_ERROR_SIZE];
};

/* Finds credentials once; later calls do nothing. Returns an exit code. */
int lg_client_open(struct lg_cli *c);
/* A fresh request to a path below /api/v1, or to one that begins with /api/. */
void lg_client_begin(struct lg_client *k, const char *path);
void lg_client_refused(long status, const json_t *json, struct lg_err *e);
int lg_client_unreachable(const struct lg_client *k, CURLcode rc, struct lg_err *e);
int lg_exit_of(enum lg_code code);
/* Prints the text, after the name of what is at work where there are several, and returns `code`. */
int lg_client_complain(const struct lg_cli *c, int code, const char *text);

#endif
