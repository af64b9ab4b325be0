/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Token introspection (RFC 7662), in the helper's network process: one POST over TLS, by libcurl.
 * The server's certificate and name are always verified.  Redirections and proxies are not
 * followed, because a token is as good as a password.
 */
#include <curl/curl.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "auth/helper/helper_int.h"
#include "auth/helper/introspect.h"
#include "auth/user/file.h"
#include "base/base64.h"
#include "base/clock.h"
#include "base/log.h"
#include "base/mem.h"

enum { SECRET_MAX = 4096 };

/* ---- libcurl's memory, which holds tokens and secrets ---- */

static void
prepare_curl(void)
{
	if (curl_global_init_mem(
	        CURL_GLOBAL_DEFAULT, malloc, mem_wipe_free, mem_wipe_realloc, strdup, calloc) != 0)
		log_msg(LOG_ERROR, "auth", "libcurl cannot be used");
}

/* ---- what is sent ---- */

/* Appends application/x-www-form-urlencoded; escapes everything that may need it. */
static void
put_encoded(struct str s, struct buf *out)
{
	for (size_t i = 0; i < s.n; i++) {
		unsigned char c = (unsigned char)s.p[i];

		if ((c >= '0' && c <= '9') || (ascii_lower(c) >= 'a' && ascii_lower(c) <= 'z') ||
		    c == '-' || c == '_' || c == '.')
			buf_putc(out, (char)c);
		else
			buf_printf(out, "%%%02X", c);
	}
}

/* Reads the first line of a file. */
static bool
read_first_line(const char *path, struct buf *out)
{
	struct stat seen;
	const char *why = auth_file_read(path, SECRET_MAX, out, &seen);

	for (size_t i = 0; i < out->n; i++)
		if (out->p[i] == '\n' || out->p[i] == '\r')
			out->n = i;
	if (why == NULL && out->n == 0)
		why = "its first line is empty";
	if (why != NULL)
		log_msg(LOG_ERROR, "auth", "%s: %s", path, why);
	return why == NULL;
}

/* Appends "Authorization: …"; nothing if we need not authenticate. */
static bool
put_authorization(const struct auth_introspect *ask, struct buf *out)
{
	struct buf secret = {0}, pair = {0};
	bool ok = true;

	(void)buf_room(out, 8 * SECRET_MAX);
	(void)buf_room(&pair, 8 * SECRET_MAX);
	if (ask->bearer_file.n > 0) {
		ok = read_first_line(ask->bearer_file.p, &secret);
		buf_puts(out, "Authorization: Bearer ");
		buf_str(out, buf_as_str(&secret));
	} else if (ask->client_id.n > 0) {
		ok = read_first_line(ask->client_secret_file.p, &secret);
		put_encoded(ask->client_id, &pair);
		buf_putc(&pair, ':');
		put_encoded(buf_as_str(&secret), &pair);
		buf_puts(out, "Authorization: Basic ");
		base64_encode(buf_as_str(&pair), out);
	}
	buf_wipe_fini(&secret);
	buf_wipe_fini(&pair);
	return ok;
}

/* ---- the request ---- */

static size_t
append_reply(char *p, size_t size, size_t n, void *arg)
{
	struct buf *reply = arg;

	if (size * n > AUTH_INTROSPECT_MAX - reply->n)
		return 0; /* ends the transfer */
	buf_put(reply, p, size * n);
	return size * n;
}

static bool
set_up(CURL *curl, const struct auth_introspect *ask, uint64_t ms, struct buf *reply)
{
	bool ok = true;

	ok &= curl_easy_setopt(curl, CURLOPT_URL, ask->url.p) == CURLE_OK;
	ok &= curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "https") == CURLE_OK;
	ok &= curl_easy_setopt(curl, CURLOPT_FOLLOWLOCATION, 0L) == CURLE_OK;
	ok &= curl_easy_setopt(curl, CURLOPT_PROXY, "") == CURLE_OK;
	ok &= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYPEER, 1L) == CURLE_OK;
	ok &= curl_easy_setopt(curl, CURLOPT_SSL_VERIFYHOST, 2L) == CURLE_OK;
	ok &= curl_easy_setopt(curl, CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2) == CURLE_OK;
	if (ask->ca_file.n > 0) {
		ok &= curl_easy_setopt(curl, CURLOPT_CAINFO, ask->ca_file.p) == CURLE_OK;
		ok &= curl_easy_setopt(curl, CURLOPT_CAPATH, NULL) == CURLE_OK;
	}
	ok &= curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L) == CURLE_OK;
	ok &= curl_easy_setopt(curl, CURLOPT_TIMEOUT_MS, (long)ms) == CURLE_OK;
	ok &= curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT_MS, (long)ask->connect_ms) == CURLE_OK;
	ok &= curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, append_reply) == CURLE_OK;
	ok &= curl_easy_setopt(curl, CURLOPT_WRITEDATA, reply) == CURLE_OK;
	return ok;
}

/* Section 2.2: 200, and JSON. */
static bool
answered(CURL *curl, const struct auth_introspect *ask, CURLcode code, const char *error)
{
	const char *type = NULL;
	long status = 0;

	if (code != CURLE_OK) {
		log_msg(LOG_WARNING, "auth", "%s: %s", ask->url.p,
		    error[0] != '\0' ? error : curl_easy_strerror(code));
		return false;
	}
	(void)curl_easy_getinfo(curl, CURLINFO_RESPONSE_CODE, &status);
	(void)curl_easy_getinfo(curl, CURLINFO_CONTENT_TYPE, &type);
	if (status == 200 && type != NULL && str_has_iprefix(str_of(type), STR("application/json")))
		return true;
	if (status == 401 || status == 403)
		log_msg(LOG_ERROR, "auth",
		    "%s: HTTP status %ld: check the credentials for this endpoint", ask->url.p,
		    status);
	else
		log_msg(LOG_WARNING, "auth", "%s: HTTP status %ld, and no JSON in the response",
		    ask->url.p, status);
	return false;
}

static bool
post(CURL *curl, const struct auth_introspect *ask, uint64_t ms, struct str authorization,
    struct buf *reply)
{
	char error[CURL_ERROR_SIZE] = "";
	struct curl_slist *headers = curl_slist_append(NULL, "Accept: application/json"), *more;
	struct buf body = {0};
	bool ok;

	(void)buf_room(&body, 3 * ask->token.n + 64);
	buf_puts(&body, "token_type_hint=access_token&token=");
	put_encoded(ask->token, &body);
	more = curl_slist_append(headers, "Expect:");
	if (more != NULL && authorization.n > 0)
		more = curl_slist_append(headers, authorization.p);
	ok = headers != NULL && more != NULL && set_up(curl, ask, ms, reply) &&
	     curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers) == CURLE_OK &&
	     curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, error) == CURLE_OK &&
	     curl_easy_setopt(curl, CURLOPT_POSTFIELDSIZE, (long)body.n) == CURLE_OK &&
	     curl_easy_setopt(curl, CURLOPT_POSTFIELDS, body.p) == CURLE_OK;
	if (ok)
		ok = answered(curl, ask, curl_easy_perform(curl), error);
	else
		log_msg(LOG_ERROR, "auth", "%s: libcurl cannot do it", ask->url.p);
	curl_slist_free_all(headers);
	buf_wipe_fini(&body);
	return ok;
}

bool
auth_helper_oauth(struct str request, uint64_t deadline, struct buf *reply)
{
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct arena *arena = arena_new(NULL, ARENA_OTHER, 4096);
	uint64_t now = clock_mono_ms();
	struct auth_introspect ask;
	struct buf authorization = {0};
	CURL *curl = NULL;
	bool ok = false;

	(void)pthread_once(&once, prepare_curl);
	arena_wipe_on_free(arena);
	if (now < deadline && auth_introspect_parse(request, arena, &ask) &&
	    put_authorization(&ask, &authorization) && (curl = curl_easy_init()) != NULL) {
		(void)buf_cstr(&authorization);
		ok = post(curl, &ask, deadline - now, buf_as_str(&authorization), reply);
	}
	curl_easy_cleanup(curl);
	buf_wipe_fini(&authorization);
	arena_free(&arena);
	return ok;
}
