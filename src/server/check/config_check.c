/* SPDX-License-Identifier: Apache-2.0 */
/* What is wrong with a configuration, see config_check.h: what the file alone shows. */
#include "server/check/config_check.h"

#include <arpa/inet.h>
#include <stdarg.h>
#include <sys/un.h>

#include "auth/settings.h"
#include "base/mem.h"
#include "net/network.h"
#include "sasl/names.h"

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

	app_control_path(conf, &path);
	if (path.n >= sizeof(((struct sockaddr_un *)0)->sun_path))
		config_check_fault(conf, conf_get(conf, &server_conf), "server.control server.data",
		    faults, "the path of a socket must have less than %zu bytes: %s",
		    sizeof(((struct sockaddr_un *)0)->sun_path), buf_cstr(&path));
	buf_fini(&path);
}

static void
check_domain(const struct conf *conf, struct buf *faults)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	struct buf name = {0};

	if (s->default_domain.n > 0 && !sasl_name_full(STR("x"), s->default_domain, &name))
		config_check_fault(conf, s, "default_domain", faults, "%s is not a domain name",
		    s->default_domain.p);
	buf_fini(&name);
}

static void
check_grants(const struct conf *conf, struct buf *faults)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	struct auth_grants_read read;

	if (auth_grants_read(conf, s->default_domain, faults, &read))
		auth_grants_read_fini(&read);
}

/* ---- two on one port ---- */

struct place { /* of a socket: an address with a port */
	const struct conf *conf;
	const struct app_listener *listener; /* NULL: metrics */
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

/* "" and "*" are both families. */
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
	/* Link-local ones differ by their zones, which are not in x and y. */
	return str_chr(a, '%') == NULL && str_chr(b, '%') == NULL && net_network_equal(&x, &y);
}

static bool
blame_place(const struct place *p, struct buf *out)
{
	return p->listener != NULL ? app_listener_blame(p->conf, p->listener, p->options, out)
	                           : conf_blame(p->conf, p->settings, p->options, out);
}

/* True: they are on one, and that was told. */
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
		buf_printf(faults, ": port %lld is taken already, by %s\n", (long long)second->port,
		    buf_cstr(&other));
	else
		faults->n = n;
	buf_fini(&other);
	return told;
}

/* listed: n listeners. */
static void
check_ports(
    const struct conf *conf, const struct app_listener *listed, size_t n, struct buf *faults)
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
check_metrics(const struct conf *conf, struct buf *faults)
{
	const struct server_settings *s = conf_get(conf, &server_conf);
	unsigned char address[16];

	if (s->metrics_port != 0 && inet_pton(AF_INET, s->metrics_address.p, address) != 1 &&
	    inet_pton(AF_INET6, s->metrics_address.p, address) != 1)
		config_check_fault(conf, s, "metrics.address", faults,
		    "%s is not a numeric address such as 127.0.0.1 or ::1", s->metrics_address.p);
}

/* By start and reload alike: nothing but the file, and the files that it names. */
static void
check_file(const struct config_check *how, const struct conf *conf, struct buf *faults)
{
	struct app_listener *listed;
	size_t n;

	check_control(conf, faults);
	app_check_tls(conf, how->purpose == CONFIG_CHECK_START, faults);
	check_domain(conf, faults);
	app_check_listeners(conf, faults);
	(void)app_listeners(conf, how->args, faults, &listed, &n);
	check_ports(conf, listed, n, faults);
	config_check_paths(how, conf, listed, n, faults);
	config_check_pid_file(how, conf, faults);
	mem_free(listed);
	check_metrics(conf, faults);
	(void)auth_settings_check(conf, faults);
	check_grants(conf, faults);
}

bool
config_check(
    const struct config_check *how, struct buf *faults, struct buf *warnings, struct conf **conf_r)
{
	struct conf_faults found = {0};
	struct buf none = {0};
	size_t before = faults->n;
	struct conf *conf;

	*conf_r = NULL;
	(void)conf_load_sound(app_tables(), app_conf_path(how->args), &found, &conf);
	for (size_t i = 0; i < found.n; i++)
		buf_printf(faults, "%s\n", found.text[i]);
	conf_faults_fini(&found);
	if (conf == NULL)
		return false;
	check_file(how, conf, faults);
	if (how->purpose != CONFIG_CHECK_RELOAD) {
		config_check_machine(how, conf, faults, warnings != NULL ? warnings : &none);
		config_check_as_user(how, conf, faults, warnings != NULL ? warnings : &none);
	}
	buf_fini(&none);
	if (faults->n > before)
		conf_unref(&conf);
	*conf_r = conf;
	return conf != NULL;
}
