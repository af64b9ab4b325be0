/* SPDX-License-Identifier: Apache-2.0 */
#ifndef BASE_ASCII_H
#define BASE_ASCII_H
/* Classes of ASCII characters, independent of the locale. */
#include <stdbool.h>

static inline bool
ascii_is_digit(char c)
{
	return c >= '0' && c <= '9';
}
#endif
