/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_CERT_H
#define SERVER_PROCESS_CERT_H
/*
 * Certificates for testing, valid for two years: a CA, and a leaf for localhost, 127.0.0.1, ::1 and
 * this machine's name.
 */
#include <stdbool.h>

#include "base/buf.h"

/*
 * Makes ca.pem, cert.pem (the leaf, then the CA) and key.pem in the folder, unless they exist and
 * are valid.  False: appends the reason to why.
 */
bool cert_make(const char *folder, struct buf *why);
/*
 * The same with ca-key.pem, for signing more, and a client certificate for CN=user: USER-cert.pem
 * and USER-key.pem.  All are made anew if one is missing or has expired.
 */
bool cert_make_site(const char *folder, const char *user, struct buf *why);
#endif
