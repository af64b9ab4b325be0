/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_PROCESS_CERT_H
#define SERVER_PROCESS_CERT_H
/*
 * Certificates for trying out, good for two years: a CA of its own, and a leaf
 * for localhost, 127.0.0.1, ::1 and this machine's name.
 */
#include <stdbool.h>

#include "base/buf.h"

/*
 * Makes ca.pem, cert.pem (the leaf, then the CA) and key.pem in the folder,
 * unless they are there and in force.  False: why not is appended to why.
 */
bool cert_make(const char *folder, struct buf *why);
/*
 * The same with ca-key.pem, so that more can be signed, and with a certificate for a client, named
 * CN=user: USER-cert.pem, USER-key.pem.  All are made anew when one is missing or has expired.
 */
bool cert_make_site(const char *folder, const char *user, struct buf *why);
#endif
