/* SPDX-License-Identifier: Apache-2.0 */
/*
 * Opening the folder of the RocksDB engine: lock, format, options, and how far
 * to trust the log.
 *
 * The folder:
 *   engine.lock    locked (flock) by the process that has the store open
 *   format         "turnstone rocks N\n", written once everything else exists
 *   commit.mark    how far the log was acknowledged (rocks_int.h)
 *   large/         blobs with files of their own (engine/large.h)
 *   recovered      exists after acknowledged data was given up, until large
 *                  blobs without a reference have been dealt with
 *   lost/          such blobs;  damaged/: large blobs found damaged
 *   CURRENT MANIFEST-* OPTIONS-* *.log *.sst *.blob   RocksDB's; LOCK too
 *
 * After a crash the log (*.log) may end in a record that was not flushed whole.
 * That is harmless: nobody was told OK.  A damaged record with acknowledged
 * commits in or after it is not harmless.  RocksDB cannot tell the two apart:
 * its tolerant recovery modes silently drop what comes after the damage, the
 * strict one refuses both.  So, before changing anything:
 *
 *  1. Open the folder for reading, strictly.  If that fails, for reading up to
 *     the damage.  If that fails too, the log is not the cause.
 *  2. Compare the sequence number reached (each operation in the log has one)
 *     with the commit mark, which is never ahead of what was acknowledged.  If
 *     less than the mark was reached, acknowledged commits are missing, perhaps
 *     with whole log files.  Then refuse, changing nothing.
 *  3. Otherwise what is missing was never acknowledged: open the folder for
 *     writing, in the mode that worked in step 1.
 *
 * One gap remains: the mark is flushed only once a second.  If a power cut
 * coincides with damage to what was flushed in the last second before it, the
 * mark may be too old to show it.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/log.h"
#include "base/mem.h"
#include "store/engine/rocks/rocks_int.h"

#define MIB ((uint64_t)1 << 20)
#define SHARD_BYTES_MIN (16 * MIB)
#define SHARD_BITS_MAX 6
#define FORMAT_WORDS "turnstone rocks "

enum { WAL_STRICT = 1, WAL_POINT_IN_TIME = 2 }; /* RocksDB's WALRecoveryMode */

static const char *const cf_names[ROCKS_CFS] = {"default", "blobs"};

char *
rocks_text(const char *fmt, ...)
{
	struct buf b = {0};
	va_list ap;

	va_start(ap, fmt);
	buf_vprintf(&b, fmt, ap);
	va_end(ap);
	(void)buf_cstr(&b);
	return b.p;
}

/* ---- the folder ---- */

static enum ts_err
lock_dir(const struct rocks_config *config, int dir, int *lock_r, char **text_r)
{
	int flags = config->read_only ? O_RDONLY : O_RDWR | O_CREAT;
	int fd = openat(dir, "engine.lock", flags | O_CLOEXEC, 0600);

	*lock_r = -1;
	if (fd < 0 && config->read_only && errno == ENOENT)
		return TS_OK;
	if (fd < 0) {
		*text_r = rocks_text("%s/engine.lock: %s; the store's folder and all in it must "
		                     "belong to the user the server runs as",
		    config->path, strerror(errno));
		return errno == EACCES ? TS_DENIED : TS_IO;
	}
	if (flock(fd, (config->read_only ? LOCK_SH : LOCK_EX) | LOCK_NB) != 0) {
		*text_r = rocks_text("%s/engine.lock: the store is in use by another process; stop "
		                     "that first, or ask it through its control socket",
		    config->path);
		(void)close(fd);
		return TS_EXISTS;
	}
	*lock_r = fd;
	return TS_OK;
}

enum ts_err
rocks_dir_open(const struct rocks_config *config, int *dir_r, int *lock_r, char **text_r)
{
	int dir;
	enum ts_err err;

	if (!config->read_only && mkdir(config->path, 0700) != 0 && errno != EEXIST) {
		*text_r = rocks_text("%s: cannot be made: %s", config->path, strerror(errno));
		return errno == EACCES ? TS_DENIED : TS_IO;
	}
	dir = open(config->path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0) {
		*text_r = rocks_text("%s: %s; it must be a folder the server may write to",
		    config->path, strerror(errno));
		return errno == EACCES ? TS_DENIED : TS_IO;
	}
	err = lock_dir(config, dir, lock_r, text_r);
	if (err != TS_OK) {
		(void)close(dir);
		return err;
	}
	*dir_r = dir;
	return TS_OK;
}

/* Sets *version_r to 0 if there is no such file. */
static enum ts_err
format_read(const char *path, int dir, uint64_t *version_r, char **text_r)
{
	char line[64];
	int fd = openat(dir, "format", O_RDONLY | O_CLOEXEC);
	struct str s = {line, 0};
	ssize_t n;

	*version_r = 0;
	if (fd < 0 && errno == ENOENT)
		return TS_OK;
	n = fd >= 0 ? read(fd, line, sizeof(line)) : -1;
	if (fd >= 0)
		(void)close(fd);
	if (n < 0) {
		*text_r = rocks_text("%s/format: %s", path, strerror(errno));
		return TS_IO;
	}
	s.n = (size_t)n;
	if (str_has_prefix(s, STR(FORMAT_WORDS)) && str_has_suffix(s, STR("\n"))) {
		s = (struct str){s.p + sizeof(FORMAT_WORDS) - 1, s.n - sizeof(FORMAT_WORDS)};
		if (str_u64(s, UINT32_MAX, version_r) && *version_r > 0)
			return TS_OK;
	}
	*text_r =
	    rocks_text("%s/format: not understood; restore this file from a backup, or, if "
	               "that is all that is lost, write the line \"" FORMAT_WORDS "%d\" into it",
	        path, ROCKS_FORMAT);
	return TS_DAMAGED;
}

static enum ts_err
format_write(const char *path, int dir, char **text_r)
{
	int fd = openat(dir, "format.new", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	char line[64];
	int n = snprintf(line, sizeof(line), FORMAT_WORDS "%d\n", ROCKS_FORMAT);
	bool ok = fd >= 0 && write(fd, line, (size_t)n) == n && fsync(fd) == 0;

	if (fd >= 0)
		(void)close(fd);
	if (ok && renameat(dir, "format.new", dir, "format") == 0 && fsync(dir) == 0)
		return TS_OK;
	*text_r = rocks_text("%s/format: %s", path, strerror(errno));
	return TS_IO;
}

/* ---- options ---- */

struct rocks_setup {
	rocksdb_options_t *opt[ROCKS_CFS]; /* the first one's database-wide options count */
	rocksdb_block_based_table_options_t *table;
	rocksdb_cache_t *cache;
};

/*
 * A block larger than a shard of the cache is never kept, so each look-up would read it again.  The
 * largest blocks are the filters of tables full of small rows, some 1.6 MiB each.  So a shard has
 * room for several of them, and small caches have few shards.
 */
static rocksdb_cache_t *
new_cache(uint64_t bytes)
{
	rocksdb_lru_cache_options_t *opt = rocksdb_lru_cache_options_create();
	rocksdb_cache_t *cache;
	int bits = 0;

	while (bits < SHARD_BITS_MAX && bytes >> (bits + 1) >= SHARD_BYTES_MIN)
		bits++;
	rocksdb_lru_cache_options_set_capacity(opt, (size_t)bytes);
	rocksdb_lru_cache_options_set_num_shard_bits(opt, bits);
	cache = rocksdb_cache_create_lru_opts(opt);
	rocksdb_lru_cache_options_destroy(opt);
	return cache;
}

static void
setup_tables(struct rocks_setup *s, uint64_t cache_bytes)
{
	s->cache = new_cache(cache_bytes);
	s->table = rocksdb_block_based_options_create();
	rocksdb_block_based_options_set_block_cache(s->table, s->cache);
	rocksdb_block_based_options_set_block_size(s->table, 8192);
	rocksdb_block_based_options_set_format_version(s->table, 5);
	/* Index and filter blocks count against the cache, so memory stays as configured. */
	rocksdb_block_based_options_set_cache_index_and_filter_blocks(s->table, 1);
	rocksdb_block_based_options_set_cache_index_and_filter_blocks_with_high_priority(
	    s->table, 1);
	rocksdb_block_based_options_set_pin_l0_filter_and_index_blocks_in_cache(s->table, 1);
	/* The options take over the policy. */
	rocksdb_block_based_options_set_filter_policy(
	    s->table, rocksdb_filterpolicy_create_bloom_full(10));
}

static void
setup_cf(rocksdb_options_t *opt, struct rocks_setup *s, uint64_t write_buffer)
{
	rocksdb_options_set_block_based_table_factory(opt, s->table);
	rocksdb_options_set_write_buffer_size(opt, (size_t)write_buffer);
	rocksdb_options_set_max_write_buffer_number(opt, 3);
	/* Smaller than what malloc maps separately (server/process/trim.c), so the memory of one
	 * memtable serves the next, without a page fault for every 4 KiB. */
	rocksdb_options_set_arena_block_size(opt, MIB / 4);
	rocksdb_options_set_level_compaction_dynamic_level_bytes(opt, 1);
	rocksdb_options_set_target_file_size_base(opt, 32 * MIB);
	/* A flush leaves small tables, since blobs fill the memtables and go into files of their
	 * own.  Merging everything after every fourth flush took 4 to 8% of the CPU time of a
	 * server that does nothing but APPEND. */
	rocksdb_options_set_level0_file_num_compaction_trigger(opt, 10);
	/* A compaction that is stuck (damage) must not stop deliveries soon. */
	rocksdb_options_set_level0_slowdown_writes_trigger(opt, 60);
	rocksdb_options_set_level0_stop_writes_trigger(opt, 400);
	rocksdb_options_set_soft_pending_compaction_bytes_limit(opt, 0);
	rocksdb_options_set_hard_pending_compaction_bytes_limit(opt, 0);
}

static void
setup_blobs(rocksdb_options_t *opt)
{
	rocksdb_options_set_compression(opt, rocksdb_no_compression);
	rocksdb_options_set_enable_blob_files(opt, 1);
	rocksdb_options_set_min_blob_size(opt, 0);
	rocksdb_options_set_blob_file_size(opt, 256 * MIB);
	rocksdb_options_set_blob_compression_type(opt, rocksdb_no_compression);
	rocksdb_options_set_enable_blob_gc(opt, 1);
	rocksdb_options_set_blob_gc_age_cutoff(opt, 0.5);
	rocksdb_options_set_blob_gc_force_threshold(opt, 0.5);
}

static void
setup_db(rocksdb_options_t *opt, uint64_t write_buffer)
{
	rocksdb_options_set_info_log_level(opt, 2); /* warnings */
	rocksdb_options_set_paranoid_checks(opt, 1);
	/* Keys and the blobs they name must reach the tables together. */
	rocksdb_options_set_atomic_flush(opt, 1);
	rocksdb_options_set_db_write_buffer_size(opt, (size_t)(2 * write_buffer));
	rocksdb_options_set_max_total_wal_size(opt, 4 * write_buffer);
	rocksdb_options_set_max_background_jobs(opt, 2);
	rocksdb_options_set_max_open_files(opt, 512);
	rocksdb_options_set_stats_dump_period_sec(opt, 0);
	rocksdb_options_set_stats_persist_period_sec(opt, 0);
	rocksdb_options_set_skip_stats_update_on_db_open(opt, 1);
	/* Spread background writes, so that they do not delay a commit all at once. */
	rocksdb_options_set_bytes_per_sync(opt, MIB);
}

static bool
setup_new(struct rocks_setup *s, const struct rocks_config *config)
{
	uint64_t cache = config->cache_bytes > 0 ? config->cache_bytes : 64 * MIB;
	uint64_t buffer = config->write_buffer_bytes > 0 ? config->write_buffer_bytes : 32 * MIB;

	setup_tables(s, cache);
	for (int i = 0; i < ROCKS_CFS; i++) {
		s->opt[i] = rocksdb_options_create();
		setup_cf(s->opt[i], s, buffer);
	}
	rocksdb_options_set_compression(s->opt[ROCKS_KEYS], rocks_extra_compression());
	setup_blobs(s->opt[ROCKS_BLOBS]);
	setup_db(s->opt[0], buffer);
	return rocks_extra_attach(s->opt[0]);
}

static void
setup_free(struct rocks_setup *s)
{
	for (int i = 0; i < ROCKS_CFS; i++)
		rocksdb_options_destroy(s->opt[i]);
	rocksdb_block_based_options_destroy(s->table);
	rocksdb_cache_destroy(s->cache);
}

/* ---- opening ---- */

static char *
open_reading(struct rocks_setup *s, const char *path, int mode, struct rocks_db *db_r)
{
	const rocksdb_options_t *opts[ROCKS_CFS] = {s->opt[0], s->opt[1]};
	char *text = NULL;

	rocksdb_options_set_wal_recovery_mode(s->opt[0], mode);
	db_r->db = rocksdb_open_for_read_only_column_families(
	    s->opt[0], path, ROCKS_CFS, cf_names, opts, db_r->cf, 0, &text);
	return text;
}

static char *
open_writing(struct rocks_setup *s, const char *path, int mode, bool create, struct rocks_db *db_r)
{
	const rocksdb_options_t *opts[ROCKS_CFS] = {s->opt[0], s->opt[1]};
	char *text = NULL;

	rocksdb_options_set_create_if_missing(s->opt[0], create);
	rocksdb_options_set_create_missing_column_families(s->opt[0], create);
	rocksdb_options_set_wal_recovery_mode(s->opt[0], mode);
	db_r->db = rocksdb_open_column_families(
	    s->opt[0], path, ROCKS_CFS, cf_names, opts, db_r->cf, &text);
	return text;
}

void
rocks_db_close(struct rocks_db *db, bool flush)
{
	if (db->db == NULL)
		return;
	if (flush) {
		rocksdb_flushoptions_t *fo = rocksdb_flushoptions_create();

		for (int i = 0; i < ROCKS_CFS; i++) {
			char *text = NULL;

			rocksdb_flush_cf(db->db, fo, db->cf[i], &text);
			rocksdb_free(text); /* the log has everything */
		}
		rocksdb_flushoptions_destroy(fo);
	}
	for (int i = 0; i < ROCKS_CFS; i++)
		rocksdb_column_family_handle_destroy(db->cf[i]);
	rocksdb_close(db->db);
	db->db = NULL;
}

/* RocksDB's message names the file; we add what to do. */
static enum ts_err
open_failed(const char *path, char *words, char **text_r)
{
	/* RocksDB looks for a missing table under an old name too, and reports that name. */
	char *old = strstr(words, ".ldb");
	bool denied = strstr(words, "Permission denied") != NULL;
	bool full = strstr(words, "No space left") != NULL;
	bool damaged = strncmp(words, "Corruption", 10) == 0 ||
	               strstr(words, "No such file") != NULL ||
	               strstr(words, "does not exist") != NULL;

	if (old != NULL)
		memcpy(old, ".sst", 4);
	if (denied)
		*text_r = rocks_text("%s: %s; the folder and all in it must belong to the user the "
		                     "server runs as",
		    path, words);
	else if (full)
		*text_r = rocks_text("%s: %s; make room on the device", path, words);
	else if (damaged)
		*text_r = rocks_text("%s: %s; nothing was changed.  Bring the file named back from "
		                     "a copy made while the server was down, or restore the whole "
		                     "folder from a backup",
		    path, words);
	else
		*text_r = rocks_text("%s: %s", path, words);
	rocksdb_free(words);
	return denied ? TS_DENIED : full ? TS_FULL : damaged ? TS_DAMAGED : TS_IO;
}

static enum ts_err
log_damaged(const struct rocks_config *config, struct rocks_setup *s, uint64_t reached,
    uint64_t mark, char **text_r)
{
	char file[512];

	rocks_extra_damaged_log(s->opt[0], file, sizeof(file));
	*text_r = rocks_text(
	    "%s: the log %s damaged: it ends at number %llu, but commits up to %llu were "
	    "acknowledged.  Nothing was changed.  Bring the log back from a copy, or restore the "
	    "folder from a backup; if there is neither, opening once with the engine option "
	    "\"recover\" gives up what stands behind the damage",
	    file[0] != '\0' ? file : config->path,
	    file[0] != '\0' ? "is" : "(a file *.log here) is missing or",
	    (unsigned long long)reached, (unsigned long long)mark);
	return TS_DAMAGED;
}

/* Gives up what the log lacks: this must be noted before the mark forgets it. */
static enum ts_err
note_given_up(const struct rocks_config *config, int dir, struct rocks_mark *mark, uint64_t reached)
{
	char what[128];
	enum ts_err err;

	log_msg(LOG_WARNING, NULL, "%s: opened without commits %llu to %llu, as asked for",
	    config->path, (unsigned long long)reached + 1, (unsigned long long)mark->seq);
	if (config->read_only)
		return TS_OK;
	(void)snprintf(what, sizeof(what), "commits %llu to %llu were given up",
	    (unsigned long long)reached + 1, (unsigned long long)mark->seq);
	err = rocks_recovered_note(dir, what);
	return err == TS_OK ? rocks_mark_reset(mark, reached) : err;
}

/* Steps 1 and 2 above.  On TS_OK *db_r is open for reading. */
static enum ts_err
probe(const struct rocks_config *config, int dir, struct rocks_setup *s, struct rocks_mark *mark,
    int *mode_r, struct rocks_db *db_r, char **text_r)
{
	char *words = open_reading(s, config->path, *mode_r = WAL_STRICT, db_r);
	uint64_t reached;
	enum ts_err err;

	if (words != NULL && strncmp(words, "Corruption", 10) == 0) {
		rocksdb_free(words);
		words = open_reading(s, config->path, *mode_r = WAL_POINT_IN_TIME, db_r);
	}
	if (words != NULL)
		return open_failed(config->path, words, text_r);
	reached = rocksdb_get_latest_sequence_number(db_r->db);
	if (reached >= mark->seq) {
		if (*mode_r == WAL_POINT_IN_TIME)
			log_msg(LOG_WARNING, NULL,
			    "%s: the log ended in a commit that was never acknowledged; it is "
			    "dropped",
			    config->path);
		return TS_OK;
	}
	if (!config->recover) {
		rocks_db_close(db_r, false);
		return log_damaged(config, s, reached, mark->seq, text_r);
	}
	*mode_r = WAL_POINT_IN_TIME;
	err = note_given_up(config, dir, mark, reached);
	if (err != TS_OK)
		rocks_db_close(db_r, false);
	return err;
}

static enum ts_err
open_existing(const struct rocks_config *config, int dir, struct rocks_setup *s,
    struct rocks_mark *mark, struct rocks_db *db_r, char **text_r)
{
	char *words;
	int mode;
	enum ts_err err = probe(config, dir, s, mark, &mode, db_r, text_r);

	if (err != TS_OK || config->read_only)
		return err;
	rocks_db_close(db_r, false);
	words = open_writing(s, config->path, mode, false, db_r);
	return words != NULL ? open_failed(config->path, words, text_r) : TS_OK;
}

static enum ts_err
open_fresh(const struct rocks_config *config, int dir, struct rocks_setup *s, struct rocks_db *db_r,
    char **text_r)
{
	char *words;
	enum ts_err err;

	if (config->read_only) {
		*text_r = rocks_text("%s: there is no store here", config->path);
		return TS_NOT_FOUND;
	}
	words = open_writing(s, config->path, WAL_STRICT, true, db_r);
	if (words != NULL)
		return open_failed(config->path, words, text_r);
	err = format_write(config->path, dir, text_r);
	if (err != TS_OK)
		rocks_db_close(db_r, false);
	return err;
}

static enum ts_err
check_mark(const struct rocks_config *config, int dir, struct rocks_mark *mark, uint64_t version,
    char **text_r)
{
	bool found;
	enum ts_err err;

	rocks_mark_close(mark);
	err = rocks_mark_open(mark, dir, config->read_only, &found);
	if (version == 0 && mark->seq > 0) {
		*text_r = rocks_text("%s/format: missing; restore this file from a backup, or, if "
		                     "that is all that is lost, write the line \"" FORMAT_WORDS
		                     "%d\" into it",
		    config->path, ROCKS_FORMAT);
		return TS_DAMAGED;
	}
	if (err == TS_OK && (found || version == 0))
		return TS_OK;
	if ((err == TS_OK || err == TS_DAMAGED) && config->recover) {
		mark->seq = 0;
		return config->read_only
		           ? TS_OK
		           : rocks_recovered_note(dir, "the commit mark was lost: nobody knows "
		                                       "whether the log is whole");
	}
	*text_r =
	    rocks_text("%s/commit.mark: %s; without it nobody knows whether the log is whole. "
	               "Restore the folder from a backup, or open once with the engine "
	               "option \"recover\" to go on with what the log holds",
	        config->path,
	        err == TS_OK   ? "missing"
	        : err == TS_IO ? "cannot be read"
	                       : "damaged");
	return err == TS_OK ? TS_DAMAGED : err;
}

/* Joins and frees both texts; either may be NULL. */
static char *
both_texts(char *first, char *then)
{
	char *text;

	if (first == NULL || then == NULL)
		return first != NULL ? first : then;
	text = rocks_text("%s.  Then: %s", first, then);
	free(first);
	free(then);
	return text;
}

enum ts_err
rocks_db_open(const struct rocks_config *config, int dir, struct rocks_mark *mark,
    struct rocks_db *db_r, char **text_r)
{
	struct rocks_setup setup;
	char *salvaged = NULL;
	uint64_t version;
	enum ts_err err = format_read(config->path, dir, &version, text_r);

	if (err == TS_OK && version > ROCKS_FORMAT) {
		*text_r =
		    rocks_text("%s/format: the store has format %llu, this server knows up to "
		               "%d; use the newer server that wrote it",
		        config->path, (unsigned long long)version, ROCKS_FORMAT);
		err = TS_INVALID;
	}
	if (err == TS_OK)
		err = check_mark(config, dir, mark, version, text_r);
	if (err != TS_OK)
		return err;
	if (!setup_new(&setup, config)) {
		*text_r =
		    rocks_text("this build of RocksDB is not the one the server was made for");
		err = TS_INVALID;
	} else if (version == 0) {
		err = open_fresh(config, dir, &setup, db_r, text_r);
	} else {
		if (config->salvage && !config->read_only)
			err = rocks_salvage(config, dir, setup.opt[0], mark->seq, &salvaged);
		if (err == TS_OK)
			err = open_existing(config, dir, &setup, mark, db_r, text_r);
		*text_r = both_texts(salvaged, *text_r);
	}
	setup_free(&setup);
	if (err == TS_OK && !config->read_only)
		err = rocks_mark_reset(mark, rocksdb_get_latest_sequence_number(db_r->db));
	if (err != TS_OK)
		rocks_db_close(db_r, false);
	return err;
}
