/* What `GET /api/v1/session` and `lodge version` say. */
#ifndef LG_BASE_VERSION_H
#define LG_BASE_VERSION_H

#define LG_VERSION "0.1.0"

#endif
