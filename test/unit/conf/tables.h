/* SPDX-License-Identifier: Apache-2.0 */
#ifndef TEST_CONF_TABLES_H
#define TEST_CONF_TABLES_H
/* Option tables of every kind, for the tests and the fuzzer. */
#include <stddef.h>

#include "conf/conf.h"

struct limits {
	uint64_t line, idle;
	int64_t depth, shift;
	bool strict;
	int level;
};

struct mail {
	struct str domain, store, cert;
	struct conf_list words, hosts;
};

struct listener {
	struct str address;
	int64_t port;
	int tls;
	uint64_t wait;
};

static const char *const level_words[] = {"debug", "info", "warning", NULL};
static const char *const tls_words[] = {"none", "starttls", "imaps", NULL};

static const struct conf_opt limit_opts[] = {
    {.name = "limits.line",
        .type = CONF_SIZE,
        .def = "64K",
        .min = 1024,
        .max = 1 << 20,
        .offset = offsetof(struct limits, line),
        .prose = "The longest line."},
    {.name = "limits.idle",
        .type = CONF_DURATION,
        .def = "30m",
        .min = 1000,
        .offset = offsetof(struct limits, idle),
        .prose = "How long nothing may happen."},
    {.name = "limits.parser.depth",
        .type = CONF_INT,
        .def = "20",
        .min = 1,
        .max = 100,
        .when = CONF_RESTART,
        .offset = offsetof(struct limits, depth),
        .prose = "How deep parentheses | brackets may nest."},
    {.name = "limits.parser.strict",
        .type = CONF_BOOL,
        .def = "yes",
        .offset = offsetof(struct limits, strict),
        .prose = "Whether to be strict."},
    {.name = "shift",
        .type = CONF_INT,
        .min = -10,
        .max = 10,
        .offset = offsetof(struct limits, shift),
        .prose = "A number that may be negative."},
    {.name = "log.level",
        .type = CONF_ENUM,
        .def = "info",
        .words = level_words,
        .offset = offsetof(struct limits, level),
        .prose = "From which level on."},
};

static const struct conf_opt mail_opts[] = {
    {.name = "default_domain",
        .type = CONF_STRING,
        .max = 30,
        .offset = offsetof(struct mail, domain),
        .prose = "The domain of those who have none."},
    {.name = "store.path",
        .type = CONF_PATH,
        .def = "mail",
        .when = CONF_RESTART,
        .offset = offsetof(struct mail, store),
        .prose = "Where the mail is."},
    {.name = "tls.cert",
        .type = CONF_PATH,
        .flags = CONF_READABLE,
        .offset = offsetof(struct mail, cert),
        .prose = "The certificate."},
    {.name = "words",
        .type = CONF_LIST,
        .def = "one, two",
        .min = 1,
        .max = 4,
        .offset = offsetof(struct mail, words),
        .prose = "Words, and a long text behind it that must be broken into several lines "
                 "wherever the sample is printed, since nobody reads wide lines."},
    {.name = "hosts", .type = CONF_LIST, .offset = offsetof(struct mail, hosts), .prose = "Hosts."},
};

static const struct conf_opt listener_opts[] = {
    {.name = "address",
        .type = CONF_STRING,
        .def = "127.0.0.1",
        .when = CONF_RESTART,
        .offset = offsetof(struct listener, address),
        .prose = "Where to listen."},
    {.name = "port",
        .type = CONF_INT,
        .min = 1,
        .max = 65535,
        .flags = CONF_REQUIRED,
        .when = CONF_RESTART,
        .offset = offsetof(struct listener, port),
        .prose = "The port."},
    {.name = "tls",
        .type = CONF_ENUM,
        .def = "starttls",
        .words = tls_words,
        .offset = offsetof(struct listener, tls),
        .prose = "When TLS begins."},
    {.name = "greeting.wait",
        .type = CONF_DURATION,
        .def = "250ms",
        .offset = offsetof(struct listener, wait),
        .prose = "How long to wait."},
};

static inline void
listener_check(const void *settings, const struct conf_report *report)
{
	const struct listener *l = settings;

	if (l->port == 993 && l->tls != 2)
		conf_report(report, "tls port", "port 993 is for imaps");
	if (str_eq(l->address, STR("nowhere")))
		conf_report(report, "address", "is nowhere");
}

static inline void
mail_check(const void *settings, const struct conf_report *report)
{
	const struct mail *m = settings;

	for (size_t i = 0; i < m->hosts.n; i++)
		if (str_eq(m->hosts.items[i], STR("bad")))
			conf_report_item(report, "hosts", i, "is bad");
}

#define COUNT(a) (sizeof(a) / sizeof(*(a)))
static const struct conf_table limit_table = {.name = "limits",
    .prose = "Limits.",
    .opts = limit_opts,
    .n = COUNT(limit_opts),
    .struct_size = sizeof(struct limits)};
static const struct conf_table mail_table = {.name = "mail",
    .opts = mail_opts,
    .n = COUNT(mail_opts),
    .struct_size = sizeof(struct mail),
    .check = mail_check};
static const struct conf_table listener_table = {.name = "listener",
    .prose = "Where to listen.",
    .opts = listener_opts,
    .n = COUNT(listener_opts),
    .struct_size = sizeof(struct listener),
    .check = listener_check,
    .block = true};
static const struct conf_table *const all_tables[] = {&limit_table, &mail_table, &listener_table};
static const struct conf_tables tables = {all_tables, COUNT(all_tables)};
#endif
