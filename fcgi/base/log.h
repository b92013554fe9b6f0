/*
 * Structured logs: one JSON object a line on standard error. Never pass a secret, a token or a body.
 * `LG_LOG(LG_INFO, "instance started", "instance", id, "ms", "12", NULL)`: pairs of strings, NULL-terminated.
 */
#ifndef LG_BASE_LOG_H
#define LG_BASE_LOG_H

#include "base/err.h"

enum lg_level { LG_DEBUG, LG_INFO, LG_WARN, LG_ERROR };

void lg_log_init(const char *process, enum lg_level least); /* `process` must outlive the process */
void lg_log_name(const char *process);                      /* another name, as after a fork; same level */
void lg_log_request(const char *request_id);                /* added to each following line; NULL ends it */
const char *lg_log_request_id(void);                        /* "" without one */
void lg_log(enum lg_level level, const char *msg, ...) __attribute__((sentinel));
void lg_log_err(enum lg_level level, const char *msg, const struct lg_err *e);

#endif
