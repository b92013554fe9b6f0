/* The parts of the API description that are kept as data, as texts. */
#ifndef LG_API_OPENAPI_H
#define LG_API_OPENAPI_H

extern const char lg_openapi_components[]; /* the whole "components" of the description */
extern const char
    lg_openapi_answers[]; /* "METHOD pattern" → what it takes beside path and body, and answers */

#endif
