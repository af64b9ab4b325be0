/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Modified UTF-7 (RFC 3501 section 5.1.3).  What decodes is well-formed UTF-8 and encodes to the
 * same bytes; UTF-8 text survives both ways.  Another implementation, ICU's converter, must agree
 * on what an accepted name means and how it is written.
 */
#include <unicode/ucnv.h>

#include "base/err.h"
#include "wire/utf7.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* Converts from one encoding to another; false: ICU refuses it. */
static bool
icu(const char *to, const char *from, struct str in, struct buf *out)
{
	UErrorCode err = U_ZERO_ERROR;
	UConverter *target = ucnv_open(to, &err), *source = ucnv_open(from, &err);
	UChar pivot[256], *pivot_from = pivot, *pivot_to = pivot;
	const char *at = in.p;
	char *end;

	TS_ASSERT(U_SUCCESS(err));
	ucnv_setToUCallBack(source, UCNV_TO_U_CALLBACK_STOP, NULL, NULL, NULL, &err);
	ucnv_setFromUCallBack(target, UCNV_FROM_U_CALLBACK_STOP, NULL, NULL, NULL, &err);
	end = buf_room(out, in.n * 8 + 16);
	ucnv_convertEx(target, source, &end, out->p + out->cap, &at, in.p + in.n, pivot,
	    &pivot_from, &pivot_to, pivot + 256, true, true, &err);
	out->n = (size_t)(end - out->p);
	ucnv_close(target);
	ucnv_close(source);
	return U_SUCCESS(err);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str in = {(const char *)data, size};
	struct buf decoded = {0}, encoded = {0}, other = {0};

	if (size == 0)
		return 0;
	if (wire_utf7_to_utf8(&decoded, in)) {
		TS_ASSERT(str_is_utf8(buf_as_str(&decoded)));
		wire_utf8_to_utf7(&encoded, buf_as_str(&decoded));
		TS_ASSERT(str_eq(buf_as_str(&encoded), in));
		TS_ASSERT(icu("UTF-8", "IMAP-mailbox-name", in, &other));
		TS_ASSERT(str_eq(buf_as_str(&other), buf_as_str(&decoded)));
	} else
		TS_ASSERT(decoded.n == 0);
	decoded.n = encoded.n = other.n = 0;
	if (str_is_utf8(in)) {
		wire_utf8_to_utf7(&encoded, in);
		TS_ASSERT(icu("IMAP-mailbox-name", "UTF-8", in, &other));
		TS_ASSERT(str_eq(buf_as_str(&other), buf_as_str(&encoded)));
		TS_ASSERT(wire_utf7_to_utf8(&decoded, buf_as_str(&encoded)));
		TS_ASSERT(str_eq(buf_as_str(&decoded), in));
	}
	(void)wire_name_ok(in);
	buf_fini(&decoded);
	buf_fini(&encoded);
	buf_fini(&other);
	return 0;
}
