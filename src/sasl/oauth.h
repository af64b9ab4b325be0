/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SASL_OAUTH_H
#define SASL_OAUTH_H
/* Shared by the two sides of OAUTHBEARER and XOAUTH2 in this folder. */
#include <stdbool.h>

#include "base/str.h"

/* b64token of RFC 6750 section 2.1. */
bool sasl_token_ok(struct str token);
/* A value as in RFC 7628 section 3.1: printable ASCII, spaces, tabs, line ends. */
bool sasl_value_ok(struct str value);
#endif
