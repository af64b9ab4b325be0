/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Parses any bytes as a configuration file: either there are faults, or there is a snapshot whose
 * values stay the same when they are printed and parsed again.
 */
#include "../test/unit/conf/tables.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static struct conf *
parse(struct str text, bool must)
{
	struct conf_faults faults = {0};
	struct conf *conf = NULL;
	enum ts_err err = conf_parse(tables, text, "f", "/dev/null", &faults, &conf);

	TS_ASSERT((err == TS_OK) == (faults.n == 0) && (err == TS_OK) == (conf != NULL));
	TS_ASSERT(!must || conf != NULL);
	conf_faults_fini(&faults);
	return conf;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct conf *conf = parse((struct str){(const char *)data, size}, false), *again;
	struct buf once = {0}, twice = {0};

	if (conf == NULL)
		return 0;
	conf_print_show(conf, &once);
	again = parse(buf_as_str(&once), true);
	conf_print_show(again, &twice);
	TS_ASSERT(str_eq(buf_as_str(&once), buf_as_str(&twice)));
	TS_ASSERT(!conf_restart_needed(conf, again, &twice));
	conf_unref(&conf);
	conf_unref(&again);
	buf_fini(&once);
	buf_fini(&twice);
	return 0;
}
