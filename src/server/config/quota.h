/* SPDX-License-Identifier: Apache-2.0 */
#ifndef SERVER_CONFIG_QUOTA_H
#define SERVER_CONFIG_QUOTA_H
/*
 * The configured quota: limits for everybody and, in `allowance` blocks, for some users, as the
 * store's source of limits (store/quota.h).  A block is about accounts, or about the mailbox that
 * it names.  Of each resource applies what a block says that names the user; else one for a group
 * of the user's; else one for a pattern; else the default.  Of several such blocks the first in the
 * file applies.  Limits of the account itself, which are in the store, come before all of these.
 */
#include "auth/auth.h"
#include "conf/conf.h"
#include "store/quota.h"

struct quota_settings {
	uint64_t storage;
	int64_t messages, mailboxes;
	struct conf_list warn; /* "80%" */
	int64_t warn_slack;
	struct str warn_from;
	bool warn_mail;
	struct conf_list warn_command; /* program and arguments; empty: none */
	uint64_t warn_command_time;    /* milliseconds */
	int64_t warn_commands;         /* at once */
};

struct allowance_settings { /* of a block */
	struct conf_list users;
	struct str mailbox; /* empty: the account */
	uint64_t storage;
	int64_t messages, mailboxes;
};

extern const struct conf_table quota_conf, allowance_conf;

struct quota_rules;
/* Of a configuration that has been checked, for users and groups of auth, which lives longer. */
struct quota_rules *quota_rules_new(
    struct conf *conf, struct auth *auth, struct str default_domain);
void quota_rules_free(struct quota_rules **rules); /* NULL is fine */
/* Fills limits and levels of the source, with the rules as its argument. */
void quota_rules_source(struct quota_rules *rules, struct store_quota_source *source_r);
/* What is called when an account crosses a level. */
void quota_rules_on_crossing(
    struct quota_rules *rules, void (*fn)(void *arg, struct str account), void *arg);
#endif
