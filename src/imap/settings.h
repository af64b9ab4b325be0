/* SPDX-License-Identifier: Apache-2.0 */
#ifndef IMAP_SETTINGS_H
#define IMAP_SETTINGS_H
/*
 * The options of the IMAP engine: limits on what a peer may send or make us
 * wait for, timeouts, and who may switch users.
 */
#include "conf/conf.h"

enum imap_unauthenticate { IMAP_UNAUTH_OFF, IMAP_UNAUTH_ADMINS, IMAP_UNAUTH_EVERYONE };
enum imap_plaintext { IMAP_PLAIN_NEVER, IMAP_PLAIN_LOOPBACK, IMAP_PLAIN_ALWAYS };

struct imap_settings {
	int unauthenticate;          /* enum imap_unauthenticate */
	int plaintext;               /* enum imap_plaintext */
	struct conf_list mechanisms; /* of sasl_mechs or sasl_mechanisms, in any case */
	struct conf_list sasl_mechanisms, kerberos_realms;
	struct str sasl_host, kerberos_keytab;
	int64_t sasl_min_strength, sasl_max_strength;
	bool digest_md5_encrypts;
	uint64_t sasl_buffer;
	struct conf_list hide_capabilities;
	bool downgrades;
	int separator;                 /* of imap_separators */
	struct str languages;          /* a folder */
	struct conf_list protocol_for; /* users */
	uint64_t protocol_size, protocol_literal;

	uint64_t line, literal, command; /* bytes; of logged-in connections */
	uint64_t login_command;          /* bytes, before login: lines, literals, commands */
	uint64_t append_limit;           /* bytes of one message */
	int64_t append_messages;         /* in one APPEND */
	uint64_t pipeline;               /* bytes kept while a command runs */
	uint64_t out_high, out_low, connection_memory;
	int64_t literals, nesting, set_ranges, search_keys, items;
	int64_t connections, bad_commands, failed_logins, errands;
	int64_t address_connections, address_v6_bits, user_logins, failed_switches, waiting_logins;
	int64_t failed_address;

	/* milliseconds */
	uint64_t login_time, idle_time, turn_time, store_time, job_time;
	uint64_t handshake_time, output_time;
	uint64_t fail_delay, fail_delay_max, fail_forget;
};

extern const struct conf_table imap_conf;
extern const char *const imap_separators[];
/* Returns whether `mechanisms` names it. */
bool imap_mechanism_on(const struct imap_settings *settings, struct str name);
#endif
