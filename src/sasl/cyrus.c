/* SPDX-License-Identifier: Apache-2.0 */
/* Opens, sets up and closes libsasl2: see cyrus.h. */
#include "sasl/cyrus.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "sasl/cyrus_int.h"

/* ---- memory that is wiped when freed: any of it may hold secrets */

static void *
wiped_malloc(size_t n)
{
	return malloc(n);
}

static void *
wiped_calloc(size_t n, size_t size)
{
	return calloc(n, size);
}

/* ---- locks */

static void *
lock_new(void)
{
	pthread_mutex_t *lock = mem_zalloc(sizeof(*lock));

	(void)pthread_mutex_init(lock, NULL);
	return lock;
}

static int
lock_mutex(void *arg)
{
	return pthread_mutex_lock(arg) == 0 ? SASL_OK : SASL_FAIL;
}

static int
unlock(void *arg)
{
	return pthread_mutex_unlock(arg) == 0 ? SASL_OK : SASL_FAIL;
}

static void
lock_free(void *arg)
{
	(void)pthread_mutex_destroy(arg);
	mem_free(arg);
}

/* ---- what the library asks us */

/* All options it needs.  The others keep their defaults, because it has no configuration file. */
static int
option(void *context, const char *plugin, const char *name, const char **value_r, unsigned *len_r)
{
	const struct sasl_cyrus *cyrus = context;
	const char *const table[][2] = {
	    {"auxprop_plugin", CYRUS_AUXPROP},
	    {"canon_user_plugin", "INTERNAL"},
	    {"mech_list", cyrus->names},
	    {"pwcheck_method", "none"},
	    {"auto_transition", "no"},
	    {"reauth_timeout", "0"}, /* DIGEST-MD5 must not reuse anything from an earlier login */
	    {"keytab", cyrus->keytab},
	};

	(void)plugin;
	for (size_t i = 0; i < sizeof(table) / sizeof(*table); i++)
		if (strcmp(name, table[i][0]) == 0 && table[i][1] != NULL) {
			*value_r = table[i][1];
			if (len_r != NULL)
				*len_r = (unsigned)strlen(table[i][1]);
			return SASL_OK;
		}
	return SASL_FAIL;
}

/* Leaves out the finer levels: they show what the client sent, even passwords. */
static int
take_log(void *context, int level, const char *message)
{
	(void)context;
	if (level == SASL_LOG_ERR)
		log_msg(LOG_WARNING, "libsasl2", "%s", message);
	else if (level == SASL_LOG_FAIL || level == SASL_LOG_WARN)
		log_msg(LOG_INFO, "libsasl2", "%s", message);
	return SASL_OK;
}

static int
no_configuration(void *context, char **path_r)
{
	static char nowhere[] = "";

	(void)context;
	*path_r = nowhere;
	return SASL_OK;
}

static bool
has_mech(const struct sasl_cyrus *cyrus, const char *prefix)
{
	for (size_t i = 0; i < cyrus->n; i++)
		if (strncmp(cyrus->mechs[i].name, prefix, strlen(prefix)) == 0)
			return true;
	return false;
}

/*
 * Decides which files the library may load: no configuration, and only the plugins needed.  Some
 * plugins open files or pull in libraries when they are loaded.
 */
static int
verify_file(void *context, const char *file, sasl_verify_type_t type)
{
	static const struct {
		const char *file, *mech; /* NULL: never loaded */
	} known[] = {
	    {"libgssapiv2.", "GSS"},
	    {"libgs2.", "GS2-"},
	    {"libdigestmd5.", "DIGEST-MD5"},
	    {"libcrammd5.", NULL},
	    {"libntlm.", NULL},
	    {"libotp.", NULL},
	    {"libsrp.", NULL},
	    {"libpassdss.", NULL},
	    {"libplain.", NULL},
	    {"liblogin.", NULL},
	    {"libscram.", NULL},
	    {"libanonymous.", NULL},
	    {"libsasldb.", NULL},
	    {"libsql.", NULL},
	    {"libldapdb.", NULL},
	};
	const struct sasl_cyrus *cyrus = context;
	const char *slash = strrchr(file, '/'), *name = slash != NULL ? slash + 1 : file;

	if (type != SASL_VRFY_PLUGIN)
		return SASL_CONTINUE;
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++)
		if (strncmp(name, known[i].file, strlen(known[i].file)) == 0)
			return known[i].mech != NULL && has_mech(cyrus, known[i].mech)
			           ? SASL_OK
			           : SASL_CONTINUE;
	return SASL_OK;
}

/* ---- mechanisms */

/* Returns NULL, or why a mechanism of that name cannot be used. */
static const char *
mech_fault(struct str name)
{
	static const char *const need_password[] = {
	    "CRAM-MD5", "NTLM", "OTP", "SRP", "PASSDSS-3DES-1"};

	if (sasl_mech_find(name) != NULL || str_ieq(name, STR("EXTERNAL")) ||
	    str_has_prefix(name, STR("SCRAM-")))
		return "is built into this server";
	if (str_ieq(name, STR("ANONYMOUS")))
		return "authenticates nobody";
	for (size_t i = 0; i < sizeof(need_password) / sizeof(*need_password); i++)
		if (str_ieq(name, str_of(need_password[i])))
			return "needs plaintext passwords, which this server does not store";
	return NULL;
}

static char *
copy(struct str s)
{
	char *p = mem_zalloc(s.n + 1);

	if (s.n > 0)
		memcpy(p, s.p, s.n);
	return p;
}

static void
add_mech(struct sasl_cyrus *cyrus, struct str name)
{
	struct cyrus_mech *m = &cyrus->mechs[cyrus->n];

	m->name = copy(name);
	for (char *p = m->name; *p != '\0'; p++)
		if (*p >= 'a' && *p <= 'z')
			*p = (char)(*p - 'a' + 'A');
	m->cyrus = cyrus;
	m->mech.name = m->name;
	m->mech.flags = SASL_BLOCKS;
	m->mech.flags |=
	    strcmp(m->name, "DIGEST-MD5") == 0 ? SASL_NO_INITIAL : SASL_VOUCHES | SASL_CLIENT_FIRST;
	m->mech.response_max = CYRUS_RESPONSE_MAX;
	cyrus_mech_init(&m->mech);
	cyrus->list[cyrus->n++] = &m->mech;
}

/* Whether the library offers it, in clear or under TLS. */
static bool
offered(const struct cyrus_mech *m, bool tls)
{
	sasl_security_properties_t props;
	sasl_conn_t *conn = NULL;
	const char *text = NULL;
	struct buf word = {0};
	unsigned len = 0;
	int n = 0;
	bool ok = cyrus_mech_props(m, tls, &props) &&
	          sasl_server_new(
	              CYRUS_SERVICE, m->cyrus->host, NULL, NULL, NULL, NULL, 0, &conn) == SASL_OK &&
	          sasl_setprop(conn, SASL_SEC_PROPS, &props) == SASL_OK &&
	          sasl_listmech(conn, NULL, " ", " ", " ", &text, &len, &n) == SASL_OK;

	buf_printf(&word, " %s ", m->name);
	ok = ok && strstr(text, buf_cstr(&word)) != NULL;
	buf_fini(&word);
	if (conn != NULL)
		sasl_dispose(&conn);
	return ok;
}

/* Whether all of them are available.  Marks those too weak without TLS. */
static bool
check_offered(struct sasl_cyrus *cyrus, struct buf *why)
{
	bool ok = true;

	for (size_t i = 0; i < cyrus->n; i++) {
		struct cyrus_mech *m = &cyrus->mechs[i];

		if (!offered(m, true)) {
			buf_printf(why,
			    "%s is not installed, or cannot be loaded (in Debian it is in "
			    "libsasl2-modules or libsasl2-modules-gssapi-mit)\n",
			    m->name);
			ok = false;
		} else if (!offered(m, false))
			m->mech.flags |= SASL_TLS_ONLY;
	}
	return ok;
}

/* ---- open and close */

static void
set_callbacks(struct sasl_cyrus *cyrus)
{
	sasl_callback_t *c = cyrus->callbacks;

	*c++ = (sasl_callback_t){SASL_CB_GETOPT, (int (*)(void))(void *)option, cyrus};
	*c++ = (sasl_callback_t){SASL_CB_LOG, (int (*)(void))(void *)take_log, cyrus};
	*c++ =
	    (sasl_callback_t){SASL_CB_GETCONFPATH, (int (*)(void))(void *)no_configuration, cyrus};
	*c++ = (sasl_callback_t){SASL_CB_VERIFYFILE, (int (*)(void))(void *)verify_file, cyrus};
	*c = (sasl_callback_t){SASL_CB_LIST_END, NULL, NULL};
}

static struct sasl_cyrus *
make_cyrus(const struct sasl_cyrus_options *o)
{
	struct sasl_cyrus *cyrus = mem_zalloc(sizeof(*cyrus));
	struct buf names = {0};

	cyrus->mechs = mem_zalloc((o->mechanism_n + 1) * sizeof(*cyrus->mechs));
	cyrus->list = mem_zalloc((o->mechanism_n + 1) * sizeof(*cyrus->list));
	for (size_t i = 0; i < o->mechanism_n; i++) {
		add_mech(cyrus, o->mechanisms[i]);
		buf_printf(&names, "%s%s", i > 0 ? " " : "", cyrus->mechs[i].name);
	}
	cyrus->names = copy(buf_as_str(&names));
	buf_fini(&names);
	cyrus->host = copy(o->host);
	cyrus->realm = copy(o->realm);
	cyrus->keytab = o->keytab.n > 0 ? copy(o->keytab) : NULL;
	buf_str(&cyrus->default_domain, o->default_domain);
	cyrus->realms = mem_zalloc((o->realm_n + 1) * sizeof(*cyrus->realms));
	for (size_t i = 0; i < o->realm_n; i++)
		cyrus->realms[cyrus->realm_n++] = (struct str){copy(o->realms[i]), o->realms[i].n};
	cyrus->props.min_ssf = o->min_strength;
	cyrus->props.max_ssf = o->max_strength;
	cyrus->digest_md5_encrypts = o->digest_md5_encrypts;
	cyrus->props.maxbufsize = (unsigned)o->buffer;
	cyrus->props.security_flags = SASL_SEC_NOANONYMOUS | SASL_SEC_NOPLAINTEXT;
	set_callbacks(cyrus);
	return cyrus;
}

static bool
start_library(struct sasl_cyrus *cyrus, struct buf *why)
{
	int rc;

	sasl_set_mutex(lock_new, lock_mutex, unlock, lock_free);
	sasl_set_alloc(wiped_malloc, wiped_calloc, mem_wipe_realloc, mem_wipe_free);
	rc = sasl_auxprop_add_plugin(CYRUS_AUXPROP, cyrus_auxprop_init);
	/* Without an application name it looks for no configuration file. */
	if (rc == SASL_OK)
		rc = sasl_server_init(cyrus->callbacks, NULL);
	if (rc != SASL_OK)
		buf_printf(why, "libsasl2 does not start: %s\n", sasl_errstring(rc, NULL, NULL));
	return rc == SASL_OK;
}

bool
sasl_cyrus_open(
    const struct sasl_cyrus_options *options, struct buf *why, struct sasl_cyrus **cyrus_r)
{
	struct sasl_cyrus *cyrus;
	bool ok = true;

	*cyrus_r = NULL;
	for (size_t i = 0; i < options->mechanism_n; i++) {
		const char *fault = mech_fault(options->mechanisms[i]);

		if (fault != NULL)
			buf_printf(why, "%.*s %s\n", STR_ARG(options->mechanisms[i]), fault);
		ok = ok && fault == NULL;
	}
	if (!ok)
		return false;
	cyrus = make_cyrus(options);
	ok = start_library(cyrus, why) && check_offered(cyrus, why);
	*cyrus_r = cyrus;
	if (!ok)
		sasl_cyrus_close(cyrus_r);
	return ok;
}

void
sasl_cyrus_set_users(struct sasl_cyrus *cyrus, const struct sasl_cyrus_users *users)
{
	cyrus->users = *users;
}

struct sasl_mech_list
sasl_cyrus_mechs(const struct sasl_cyrus *cyrus)
{
	return (struct sasl_mech_list){cyrus->list, cyrus->n};
}

void
sasl_cyrus_close(struct sasl_cyrus **cp)
{
	struct sasl_cyrus *cyrus = *cp;

	*cp = NULL;
	if (cyrus == NULL)
		return;
	(void)sasl_server_done();
	for (size_t i = 0; i < cyrus->n; i++)
		mem_free(cyrus->mechs[i].name);
	for (size_t i = 0; i < cyrus->realm_n; i++)
		mem_free((void *)(uintptr_t)cyrus->realms[i].p);
	mem_free(cyrus->realms);
	mem_free(cyrus->mechs);
	mem_free(cyrus->list);
	mem_free(cyrus->names);
	mem_free(cyrus->host);
	mem_free(cyrus->realm);
	mem_free(cyrus->keytab);
	buf_fini(&cyrus->default_domain);
	mem_free(cyrus);
}
