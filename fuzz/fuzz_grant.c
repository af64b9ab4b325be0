/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Grants and groups from bytes.  The first byte says what the rest is:
 *	r   a record of the store: what is taken prints as the same bytes would be read
 *	g   a group file: what is taken is found again
 *	n   names, u a point in time, a an address or network
 */
#include "auth/grant/grant.h"
#include "auth/grant/groups.h"
#include "auth/grant/index.h"
#include "base/err.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* A grant that was parsed is complete, and can be used for decisions. */
static void
try_record(struct str bytes)
{
	struct auth_grant *grant = auth_grant_parse(STR("fuzz"), bytes), *again;
	struct auth_groups *none = auth_groups_none();
	struct auth_ask ask = {.who = STR("gateway@site.example"),
	    .target = STR("anna@voice.example"),
	    .address = STR("10.0.0.1"),
	    .now = 1800000000};
	struct auth_index *index;
	struct buf out = {0};

	if (grant != NULL) {
		TS_ASSERT(grant->rights != 0 && (grant->rights & ~AUTH_RIGHTS_ALL) == 0);
		auth_grant_print(grant, &out);
		again = auth_grant_parse(STR("fuzz"), buf_as_str(&out));
		TS_ASSERT(again != NULL && auth_grant_same(grant, again));
		auth_grant_unref(&again);
		index = auth_index_new(&grant, 1);
		TS_ASSERT((auth_index_find(index, none, &ask) != NULL) ==
		          (auth_grant_fits(grant, none, &ask) == AUTH_FITS));
		(void)auth_index_names(index, none, ask.who, ask.now);
		(void)auth_grant_mailbox(grant, STR("inbox/Voicemail"));
		(void)auth_grant_mailbox(grant, STR("Voicemail"));
		auth_index_free(&index);
		auth_grant_unref(&grant);
	}
	auth_groups_unref(&none);
	buf_fini(&out);
}

static void
try_groups(struct str bytes)
{
	struct buf faults = {0};
	struct auth_groups *groups =
	    auth_groups_parse(bytes, "groups", STR("site.example"), &faults);
	const struct str *list;
	size_t n;

	TS_ASSERT((groups == NULL) == (faults.n > 0));
	if (groups != NULL) {
		n = auth_groups_of(groups, STR("a@site.example"), &list);
		for (size_t i = 0; i < n; i++)
			TS_ASSERT(auth_groups_known(groups, list[i]) &&
			          auth_groups_has(groups, list[i], STR("a@site.example")));
		auth_groups_unref(&groups);
	}
	buf_fini(&faults);
}

static void
try_names(struct str bytes)
{
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 512);
	struct auth_names names, again;
	struct buf out = {0};

	if (auth_names_parse(bytes, STR("site.example"), arena, &names)) {
		auth_names_print(&names, &out);
		TS_ASSERT(auth_names_parse(buf_as_str(&out), STR("site.example"), arena, &again));
		TS_ASSERT(names.kind == again.kind && str_eq(names.text, again.text));
	}
	buf_fini(&out);
	arena_free(&arena);
}

static void
try_until(struct str bytes)
{
	int64_t until, again;
	struct buf out = {0};

	if (auth_until_parse(bytes, &until)) {
		auth_until_print(until, &out);
		/* The last day ends in a year with five digits, and an offset may put the first
		 * before 1970. */
		if (until >= 0 && until < 253402300800)
			TS_ASSERT(auth_until_parse(buf_as_str(&out), &again) && again == until);
	}
	buf_fini(&out);
}

static void
try_network(struct str bytes)
{
	struct net_network network, again;
	struct buf out = {0};

	if (net_network_parse(bytes, &network) == NULL) {
		TS_ASSERT(net_network_ok(&network));
		net_network_print(&network, &out);
		TS_ASSERT(net_network_parse(buf_as_str(&out), &again) == NULL &&
		          net_network_equal(&network, &again));
	}
	buf_fini(&out);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct str bytes = {(const char *)data + 1, size - 1};

	if (size == 0)
		return 0;
	switch (data[0]) {
	case 'r':
		try_record(bytes);
		break;
	case 'g':
		try_groups(bytes);
		break;
	case 'n':
		try_names(bytes);
		break;
	case 'u':
		try_until(bytes);
		break;
	case 'a':
		try_network(bytes);
		break;
	default:
		break;
	}
	return 0;
}
