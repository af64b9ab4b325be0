/* SPDX-License-Identifier: Apache-2.0 */
/* See failed.h. */
#include "imap/common/failed.h"

#include "imap/settings.h"
#include "net/tally.h"
#include "sasl/names.h"

static struct str
network_of(const struct imap_conn *conn, char text[TALLY_NETWORK_MAX])
{
	return tally_network(
	    imap_client_address(conn), (unsigned)imap_settings(conn)->address_v6_bits, text);
}

/* All spellings of a name count together; an invalid name counts as it is. */
static unsigned
count_account(struct imap_conn *conn, struct str authcid)
{
	struct buf name = {0};
	unsigned before;

	if (authcid.n == 0) /* a token that named nobody */
		return 0;
	if (!sasl_name_full(authcid, auth_default_domain(conn->server->auth), &name)) {
		name.n = 0;
		buf_str(&name, authcid);
	}
	before = failures_add(conn->server->failed_accounts, buf_as_str(&name),
	    loop_now(conn->il->loop), imap_settings(conn)->fail_forget);
	buf_fini(&name);
	return before;
}

/* Returns how many there were before this one, by the highest count. */
static unsigned
count_failure(struct imap_conn *conn, bool guessed, struct str authcid)
{
	char text[TALLY_NETWORK_MAX];
	unsigned here = conn->failed_in_row++, address, account;

	if (conn->turns > 0 || imap_login(conn) != NULL)
		conn->failed_switches++;
	else
		conn->failed_logins++;
	if (!guessed)
		return here;
	address = failures_add(conn->server->failures, network_of(conn, text),
	    loop_now(conn->il->loop), imap_settings(conn)->fail_forget);
	account = count_account(conn, authcid);
	if (here < address)
		here = address;
	return here < account ? account : here;
}

static uint64_t
delay_for(const struct imap_settings *s, unsigned before)
{
	uint64_t delay = s->fail_delay << (before < 16 ? before : 16);

	return delay < s->fail_delay_max ? delay : s->fail_delay_max;
}

uint64_t
failed_count(struct imap_conn *conn, enum auth_result result, struct str authcid)
{
	static const enum imap_login_result results[] = {
	    [AUTH_FAILED] = IMAP_LOGIN_FAILED,
	    [AUTH_DENIED] = IMAP_LOGIN_DENIED,
	    [AUTH_DISABLED] = IMAP_LOGIN_DISABLED,
	};

	conn->il->stats.failed_logins++;
	conn->il->stats.login_results[results[result]]++;
	return delay_for(imap_settings(conn), count_failure(conn, result != AUTH_DENIED, authcid));
}

uint64_t
failed_wait(const struct imap_conn *conn)
{
	const struct imap_settings *s = imap_settings(conn);
	char text[TALLY_NETWORK_MAX];
	unsigned failed;

	failed = failures_left(conn->server->failures, network_of(conn, text),
	    loop_now(conn->il->loop), s->fail_forget);
	if (failed < (unsigned)s->failed_address)
		return 0;
	return delay_for(s, failed - (unsigned)s->failed_address);
}

bool
failed_too_often(const struct imap_conn *conn)
{
	return conn->failed_logins >= (unsigned)imap_settings(conn)->failed_logins ||
	       conn->failed_switches >= (unsigned)imap_settings(conn)->failed_switches;
}
