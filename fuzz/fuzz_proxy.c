/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The PROXY header, whole and in pieces.  A header is recognised at one length and at no shorter
 * one; a refused one stays refused when more follows; an address from a header can be printed and
 * parsed again.
 */
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "base/err.h"
#include "net/proxy.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static enum proxy_result
parse(const uint8_t *data, size_t n, struct proxy_header *h)
{
	/* A copy of exactly that size, to expose reading beyond it. */
	char *copy = malloc(n > 0 ? n : 1);
	enum proxy_result result;

	TS_ASSERT(copy != NULL);
	memcpy(copy, data, n);
	result = proxy_parse((struct str){copy, n}, h);
	free(copy);
	return result;
}

static void
check_address(const struct proxy_header *h)
{
	struct buf text = {0};
	struct net_network again;

	TS_ASSERT(net_network_ok(&h->address) && h->address.family != NET_FAMILY_UNIX);
	net_network_print(&h->address, &text);
	TS_ASSERT(
	    net_address_parse(buf_as_str(&text), &again) && net_network_equal(&again, &h->address));
	buf_fini(&text);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct proxy_header whole, part;
	enum proxy_result result, before;

	if (size > 2 * PROXY_V2_MAX)
		return 0;
	result = parse(data, size, &whole);
	TS_ASSERT((result == PROXY_BAD) == (whole.why != NULL));
	TS_ASSERT(result != PROXY_MORE || size < PROXY_V2_MAX);
	if (result == PROXY_DONE) {
		TS_ASSERT(whole.size > 0 && whole.size <= size && whole.size <= PROXY_V2_MAX);
		if (!whole.local)
			check_address(&whole);
	}
	for (size_t n = 0; n < size; n++) {
		before = parse(data, n, &part);
		if (result == PROXY_DONE)
			TS_ASSERT(before == (n < whole.size ? PROXY_MORE : PROXY_DONE));
		else if (result == PROXY_MORE)
			TS_ASSERT(before == PROXY_MORE);
		else
			TS_ASSERT(before != PROXY_DONE);
	}
	return 0;
}
