/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_OAUTH_H
#define SASL_OAUTH_H
/* What the two sides of OAUTHBEARER and XOAUTH2 in this folder share. */
#include <stdbool.h>

#include "base/str.h"

/* b64token of RFC 6750 section 2.1. */
bool sasl_token_ok(struct str token);
/* A value of RFC 7628 section 3.1: printable ASCII, blanks, tabs, line ends. */
bool sasl_value_ok(struct str value);
#endif
