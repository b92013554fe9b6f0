/*
 * XML written with an escaping builder: elements and attributes by name, every value escaped, nesting kept by
 * the builder. What XML 1.0 cannot hold at all (control characters, bad UTF-8) becomes U+FFFD, so the output
 * is well-formed whatever comes in.
 */
#ifndef LG_DRIVER_KVM_XML_H
#define LG_DRIVER_KVM_XML_H

#include "base/buf.h"

#define LG_XML_DEPTH 12

struct lg_xml {
    struct lg_buf *out;
    const char *open[LG_XML_DEPTH]; /* names of the open elements: literals */
    int depth;
    bool in_tag; /* the start tag of the innermost is still open for attributes */
};

/* Opens an element; lg_xml_end closes the innermost. */
void lg_xml_begin(struct lg_xml *x, const char *name);
void lg_xml_attr(struct lg_xml *x, const char *name, const char *value); /* of the element just begun */
void lg_xml_attr_int(struct lg_xml *x, const char *name, int64_t value);
void lg_xml_text(struct lg_xml *x, const char *text);
void lg_xml_end(struct lg_xml *x);
/* <name>text</name> */
void lg_xml_element(struct lg_xml *x, const char *name, const char *text);
/* <name k1="v1" k2="v2" …/>: pairs up to a NULL; a pair whose value is NULL is left out. */
void lg_xml_empty(struct lg_xml *x, const char *name, ...) __attribute__((sentinel));

#endif
