/* SPDX-License-Identifier: Apache-2.0 */
#ifndef APP_CERT_H
#define APP_CERT_H
/*
 * Certificates for trying out: a CA of its own, whose key is thrown away, and
 * a leaf for localhost, 127.0.0.1, ::1 and this machine's name, for two years.
 */
#include <stdbool.h>

#include "base/buf.h"

/*
 * Makes ca.pem, cert.pem (the leaf, then the CA) and key.pem in the folder,
 * unless cert.pem and key.pem are there.  False: why not is appended to why.
 */
bool cert_make(const char *folder, struct buf *why);
#endif
