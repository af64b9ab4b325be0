/* SPDX-License-Identifier: Apache-2.0 */
/* Catalogues of texts: read at the start, from inside the sandbox, and at each reload. */
#include "server/server_int.h"

#include "base/log.h"
#include "imap/settings.h"
#include "texts/texts.h"

static void
log_faults(const struct buf *lines)
{
	struct str rest = buf_as_str(lines), line;

	while (rest.n > 0 && str_split(&rest, '\n', &line))
		log_msg(LOG_ERROR, "languages", "%.*s", STR_ARG(line));
}

void
server_log_languages(const struct texts_set *set)
{
	const struct texts_language *l;
	size_t n = set != NULL ? texts_set_languages(set, &l) : 0;

	for (size_t i = 0; i < n; i++)
		log_msg(LOG_INFO, "languages", "%s: %zu texts, %zu refused", l[i].tag,
		    texts_count(l[i].texts), texts_refused(l[i].texts));
}

struct texts_set *
server_load_languages(const struct conf *conf)
{
	const struct imap_settings *s = conf_get(conf, &imap_conf);
	struct buf faults = {0}, warnings = {0};
	struct texts_set *set;

	if (s->languages.n == 0)
		return NULL;
	set = texts_set_load(s->languages.p, &faults, &warnings);
	log_faults(&faults);
	server_log_languages(set);
	buf_fini(&faults);
	buf_fini(&warnings);
	return set;
}
