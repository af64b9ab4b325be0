/* SPDX-License-Identifier: Apache-2.0 */
/* Checks of a configuration that need only the file: see config_check.h. */
#include "server/check/config_check.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <stdlib.h>
#include <sys/un.h>

#include "auth/grants.h"
#include "auth/settings/settings.h"
#include "base/mem.h"
#include "imap/settings.h"
#include "net/network.h"
#include "server/config/auth_setup.h"
#include "texts/texts.h"

void
config_check_fault(const struct conf *conf, const void *settings, const char *options,
    struct buf *out, const char *fmt, ...)
{
	va_list ap;

	if (!conf_blame(conf, settings, options, out))
		return;
	buf_puts(out, ": ");
	va_start(ap, fmt);
	buf_vprintf(out, fmt, ap);
	va_end(ap);
	buf_putc(out, '\n');
}

static void
check_control(const struct conf *conf, struct buf *faults)
{
	struct buf path = {0};

	settings_control_path(conf, &path);
	if (path.n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		config_check_fault(conf, conf_get(conf, &server_conf), "server.control server.data",
		    faults, "the path of a socket must be shorter than %zu bytes: %s",
		    sizeof(((struct sockaddr_un *)0)->sun_path), buf_cstr(&path));
	buf_fini(&path);
}

static void
check_domain(const struct conf *conf, struct buf *faults)
{
	const struct server_settings *s = conf_get(conf, &server_conf);

	if (s->default_domain.n > 0 && settings_default_domain(conf).n == 0)
		config_check_fault(conf, s, "default_domain", faults, "%s is not a domain name",
		    s->default_domain.p);
}

static void
check_grants(const struct conf *conf, struct buf *faults, struct buf *warnings)
{
	struct auth_grants_read read;

	if (auth_grants_read(conf, settings_default_domain(conf), faults, warnings, &read))
		auth_grants_read_fini(&read);
}

bool
config_check_blame(const struct conf *conf, const struct settings_listener *listener,
    const void *settings, const char *options, struct buf *out)
{
	return listener != NULL ? settings_listener_blame(conf, listener, options, out)
	                        : conf_blame(conf, settings, options, out);
}

/* Appends each line about a folder of catalogues. */
static void
put_lines(const struct conf *conf, const struct buf *lines, struct buf *out)
{
	struct str rest = buf_as_str(lines), line;

	while (rest.n > 0 && str_split(&rest, '\n', &line))
		config_check_fault(conf, conf_get(conf, &imap_conf), "languages.folder", out,
		    "%.*s", STR_ARG(line));
}

static void
check_languages(const struct config_check *how, const struct conf *conf, struct buf *faults,
    struct buf *warnings)
{
	const struct imap_settings *s = conf_get(conf, &imap_conf);
	struct buf wrong = {0}, odd = {0};
	struct texts_set *set;

	if (s->languages.n == 0)
		return;
	set = texts_set_load(s->languages.p, &wrong, &odd);
	put_lines(conf, &wrong, faults);
	put_lines(conf, &odd, warnings);
	if (how->languages_r != NULL)
		*how->languages_r = texts_set_ref(set);
	texts_set_unref(&set);
	buf_fini(&wrong);
	buf_fini(&odd);
}

/* ---- two on one port ---- */

struct place { /* of a socket: an address with a port */
	const struct conf *conf;
	const struct settings_listener *listener; /* NULL: metrics */
	const void *settings;
	const char *options;
	struct str name;
	struct str address;
	int64_t port;
};

static bool
is_wildcard(struct str address)
{
	return address.n == 0 || str_eq(address, STR("*"));
}

/* "" and "*" stand for both address families. */
static bool
overlap(struct str a, struct str b)
{
	struct net_network x, y;
	bool v6_a = str_eq(a, STR("::")), v6_b = str_eq(b, STR("::"));
	bool v4_a = str_eq(a, STR("0.0.0.0")), v4_b = str_eq(b, STR("0.0.0.0"));

	if (is_wildcard(a) || is_wildcard(b) || str_eq(a, b))
		return true;
	if (!net_address_parse(a, &x) || !net_address_parse(b, &y) || x.family != y.family)
		return false;
	if (v6_a || v6_b || v4_a || v4_b)
		return true;
	/* Link-local addresses may differ in their zones, which are not in x and y. */
	return str_chr(a, '%') == NULL && str_chr(b, '%') == NULL && net_network_equal(&x, &y);
}

static bool
blame_place(const struct place *p, struct buf *out)
{
	return config_check_blame(p->conf, p->listener, p->settings, p->options, out);
}

/* True: both are on one port, which was reported. */
static bool
check_pair(const struct place *first, const struct place *second, struct buf *faults)
{
	struct buf other = {0};
	size_t n = faults->n;
	bool told;

	if (first->port != second->port || first->port == 0 ||
	    !overlap(first->address, second->address))
		return false;
	told = blame_place(first, &other) && blame_place(second, faults);
	if (told)
		buf_printf(faults, ": port %lld is already taken by %s\n", (long long)second->port,
		    buf_cstr(&other));
	else
		faults->n = n;
	buf_fini(&other);
	return told;
}

/* listed has n listeners. */
static void
check_ports(
    const struct conf *conf, const struct settings_listener *listed, size_t n, struct buf *faults)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	struct place *places = mem_zalloc((n + 1) * sizeof(*places));
	size_t count = 0;

	for (size_t i = 0; i < n; i++)
		if (listed[i].has_port)
			places[count++] = (struct place){.conf = conf,
			    .listener = &listed[i],
			    .options = "port address",
			    .address = listed[i].s.address,
			    .port = listed[i].s.port};
	places[count++] = (struct place){.conf = conf,
	    .settings = s,
	    .options = "metrics.port metrics.address",
	    .address = s->metrics_address,
	    .port = s->metrics_port};
	for (size_t i = 1; i < count; i++)
		for (size_t j = 0; j < i && !check_pair(&places[j], &places[i], faults); j++)
			;
	mem_free(places);
}

static void
check_metrics(const struct conf *conf, struct buf *faults, struct buf *warnings)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	unsigned char address[16];

	/* Without a port there is no listener yet. */
	if (inet_pton(AF_INET, s->metrics_address.p, address) != 1 &&
	    inet_pton(AF_INET6, s->metrics_address.p, address) != 1)
		config_check_fault(conf, s, "metrics.address",
		    s->metrics_port != 0 ? faults : warnings,
		    "%s is not a numeric address such as 127.0.0.1 or ::1", s->metrics_address.p);
}

/* For both start and reload: checks only the file and the files that it names. */
static void
check_file(const struct config_check *how, const struct conf *conf, struct buf *faults,
    struct buf *warnings)
{
	struct settings_listener *listed;
	size_t n;

	check_control(conf, faults);
	settings_check_tls(conf, how->purpose == CONFIG_CHECK_START, faults, warnings);
	check_domain(conf, faults);
	settings_check_listeners(conf, faults);
	(void)settings_listeners(conf, how->args, faults, &listed, &n);
	check_ports(conf, listed, n, faults);
	config_check_paths(how, conf, listed, n, faults);
	config_check_pid_file(how, conf, faults);
	mem_free(listed);
	check_metrics(conf, faults, warnings);
	(void)auth_settings_check(conf, faults);
	check_grants(conf, faults, warnings);
	check_languages(how, conf, faults, warnings);
	config_check_idle(conf, warnings);
}

void
config_check_databases(struct conf *conf, struct buf *faults, struct buf *warnings)
{
	struct auth *auth = auth_new(NULL, settings_default_domain(conf));

	auth_setup_look(conf, auth, faults, warnings);
	auth_free(&auth);
}

/* Warns of what would be faults at the next start, with a prefix before each line. */
static void
check_next_start(const struct config_check *how, const struct conf *conf, struct buf *warnings)
{
	struct buf lines = {0};
	struct str rest, line;

	config_check_machine(how, conf, &lines, warnings);
	config_check_as_server(how, conf, &lines, warnings);
	rest = buf_as_str(&lines);
	while (str_split(&rest, '\n', &line))
		if (line.n > 0)
			buf_printf(warnings, "the next start would fail: %.*s\n", STR_ARG(line));
	buf_fini(&lines);
}

static void
check_whole(
    const struct config_check *how, struct conf *conf, struct buf *faults, struct buf *warnings)
{
	check_file(how, conf, faults, warnings);
	if (how->purpose == CONFIG_CHECK_RELOAD) {
		config_check_command(conf, faults);
		/* If the settings are valid, the caller makes the databases next, and finds the
		 * same faults. */
		if (faults->n > 0)
			config_check_databases(conf, faults, warnings);
		check_next_start(how, conf, warnings);
		return;
	}
	config_check_machine(how, conf, faults, warnings);
	config_check_as_user(how, conf, faults, warnings);
}

bool
config_check(const struct config_check *asked, struct buf *faults, struct buf *warnings,
    struct conf **conf_r)
{
	struct config_check how = *asked;
	struct config_starter starter;
	struct conf_faults found = {0};
	struct buf told = {0}, unheard = {0};
	struct conf *conf;

	*conf_r = NULL;
	config_starter_now(&starter);
	if (how.starter == NULL)
		how.starter = &starter;
	(void)conf_load_sound(settings_tables(), settings_path(how.args), &found, &conf);
	for (size_t i = 0; i < found.n; i++)
		buf_printf(&told, "%s\n", found.text[i]);
	conf_faults_fini(&found);
	if (conf != NULL) {
		check_whole(&how, conf, &told, warnings != NULL ? warnings : &unheard);
		if (told.n > 0)
			conf_unref(&conf);
	}
	settings_put_faults(buf_as_str(&told), settings_path(how.args), faults);
	buf_fini(&told);
	buf_fini(&unheard);
	*conf_r = conf;
	return conf != NULL;
}
