/* SPDX-License-Identifier: Apache-2.0 */
#ifndef MAIL_TEXT_INT_H
#define MAIL_TEXT_INT_H
/* Small parts of text.c that others in this folder use. */
#include "mail/text.h"

/* Appends a character as UTF-8. */
void text_put_char(struct buf *out, uint32_t c);
/* Length of the ASCII text at the front of s. */
size_t text_ascii_run(struct str s);
/* Would ASCII bytes pass unchanged now, so that feeding them can be left out? */
bool text_conv_passes_ascii(const struct mail_conv *c);
#endif
