/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP side of the metrics: one path, one method, bounded by libmicrohttpd. */
#include "server/metrics.h"

#include <arpa/inet.h>
#include <errno.h>
#include <microhttpd.h>
#include <string.h>

#include "base/log.h"
#include "base/mem.h"
#include "server/check/config_check.h"
#include "server/server_int.h"

/* Bytes for one connection: a request line and its headers; the reply has memory of its own. */
enum { REQUEST_MAX = 16384 };

struct metrics {
	struct server *server;
	struct MHD_Daemon *daemon;
};

static enum MHD_Result
send_response(struct MHD_Connection *conn, unsigned status, const char *type, struct str body)
{
	struct MHD_Response *r = MHD_create_response_from_buffer(
	    body.n, (void *)(uintptr_t)body.p, MHD_RESPMEM_MUST_COPY);
	enum MHD_Result result = MHD_NO;

	if (r == NULL)
		return MHD_NO;
	if (MHD_add_response_header(r, MHD_HTTP_HEADER_CONTENT_TYPE, type) == MHD_YES &&
	    (status != MHD_HTTP_METHOD_NOT_ALLOWED ||
	        MHD_add_response_header(r, MHD_HTTP_HEADER_ALLOW, "GET, HEAD") == MHD_YES))
		result = MHD_queue_response(conn, status, r);
	MHD_destroy_response(r);
	return result;
}

static enum MHD_Result
handle(void *arg, struct MHD_Connection *conn, const char *url, const char *method,
    const char *version, const char *data, size_t *size, void **state)
{
	struct metrics *m = arg;
	struct buf out = {0};
	enum MHD_Result result;

	(void)version;
	(void)data;
	if (strcmp(url, "/metrics") != 0)
		return send_response(conn, MHD_HTTP_NOT_FOUND, "text/plain", STR("Not found\n"));
	if (strcmp(method, "GET") != 0 && strcmp(method, "HEAD") != 0)
		return send_response(
		    conn, MHD_HTTP_METHOD_NOT_ALLOWED, "text/plain", STR("GET only\n"));
	if (*state == NULL) { /* the first call comes before the body, which is ignored */
		*state = m;
		return MHD_YES;
	}
	if (*size > 0) {
		*size = 0;
		return MHD_YES;
	}
	metrics_print(m->server, &out);
	result = send_response(
	    conn, MHD_HTTP_OK, "text/plain; version=0.0.4; charset=utf-8", buf_as_str(&out));
	buf_fini(&out);
	return result;
}

static bool
listen_address(const struct server_settings *s, struct sockaddr_storage *to)
{
	struct sockaddr_in *v4 = (struct sockaddr_in *)(void *)to;
	struct sockaddr_in6 *v6 = (struct sockaddr_in6 *)(void *)to;

	memset(to, 0, sizeof(*to));
	if (inet_pton(AF_INET, s->metrics_address.p, &v4->sin_addr) == 1) {
		v4->sin_family = AF_INET;
		v4->sin_port = htons((uint16_t)s->metrics_port);
		return true;
	}
	if (inet_pton(AF_INET6, s->metrics_address.p, &v6->sin6_addr) == 1) {
		v6->sin6_family = AF_INET6;
		v6->sin6_port = htons((uint16_t)s->metrics_port);
		return true;
	}
	return false;
}

static void
log_fault(const struct conf *conf, const struct server_settings *s, int code)
{
	struct buf text = {0};

	config_check_fault(conf, s, "metrics.port metrics.address", &text, "%s port %d: %s",
	    s->metrics_address.p, (int)s->metrics_port, listener_advice(code));
	log_msg(LOG_ERROR, NULL, "%.*s", STR_ARG(str_trim(buf_as_str(&text))));
	buf_fini(&text);
}

bool
metrics_new(struct server *server, struct metrics **metrics_r)
{
	const struct server_settings *s = server_settings_of(server);
	unsigned flags = MHD_USE_INTERNAL_POLLING_THREAD | MHD_USE_POLL;
	struct sockaddr_storage addr;
	struct metrics *m;

	*metrics_r = NULL;
	if (s->metrics_port == 0)
		return true;
	if (!listen_address(s, &addr)) {
		log_msg(LOG_ERROR, NULL, "metrics.address %s is no numeric address",
		    s->metrics_address.p);
		return false;
	}
	m = mem_zalloc(sizeof(*m));
	m->server = server;
	if (addr.ss_family == AF_INET6)
		flags |= MHD_USE_IPv6;
	m->daemon = MHD_start_daemon(flags, (uint16_t)s->metrics_port, NULL, NULL, handle, m,
	    MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&addr, MHD_OPTION_CONNECTION_LIMIT,
	    (unsigned)s->metrics_connections, MHD_OPTION_CONNECTION_TIMEOUT,
	    (unsigned)(s->metrics_time / 1000), MHD_OPTION_CONNECTION_MEMORY_LIMIT,
	    (size_t)REQUEST_MAX, MHD_OPTION_END);
	if (m->daemon == NULL) {
		log_fault(server->conf, s, errno);
		mem_free(m);
		return false;
	}
	log_msg(LOG_INFO, NULL, "metrics on http://%s port %d", s->metrics_address.p,
	    (int)s->metrics_port);
	*metrics_r = m;
	return true;
}

void
metrics_free(struct metrics **mp)
{
	struct metrics *m = *mp;

	*mp = NULL;
	if (m == NULL)
		return;
	MHD_stop_daemon(m->daemon);
	mem_free(m);
}
