/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C API has no way to hand in a logger or a listener of one's own.  Its
 * rocksdb_options_t is a struct with an Options as its only first member, so
 * that is what its address is; rocks_extra_attach() proves it by a value set
 * on one side and read on the other before it relies on it.
 */
#include "store/engine/rocks/rocks_extra.h"

#include <rocksdb/convenience.h>
#include <rocksdb/db.h>
#include <rocksdb/env.h>
#include <rocksdb/listener.h>
#include <rocksdb/metadata.h>
#include <rocksdb/options.h>
#include <rocksdb/sst_file_reader.h>
#include <rocksdb/table_properties.h>

#include <atomic>
#include <cstdio>
#include <cstring>
#include <ctime>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

extern "C" {
#include "base/log.h"
}

namespace
{

const char drop_mark[] = ": dropping ";

class log_bridge : public rocksdb::Logger
{
      public:
	log_bridge() : rocksdb::Logger(rocksdb::InfoLogLevel::WARN_LEVEL)
	{
	}
	using rocksdb::Logger::Logv;

	void
	LogHeader(const char *, va_list) override
	{
	}

	void
	Logv(const rocksdb::InfoLogLevel level, const char *format, va_list ap) override
	{
		char text[900];

		if (level < rocksdb::InfoLogLevel::WARN_LEVEL ||
		    level == rocksdb::InfoLogLevel::HEADER_LEVEL)
			return;
		(void)vsnprintf(text, sizeof(text), format, ap);
		if (strstr(text, "Shutdown in progress") != nullptr)
			return; /* a flush cut off by closing: the log has what it held */
		note_damaged_log(text);
		log_msg(level == rocksdb::InfoLogLevel::WARN_LEVEL ? LOG_WARNING : LOG_ERROR,
		    "rocksdb", "%s", text);
	}

	void
	damaged_log(char *name, size_t size)
	{
		std::lock_guard<std::mutex> guard(lock_);

		(void)snprintf(name, size, "%s", damaged_.c_str());
	}

      private:
	/* "[source:1] PATH/000012.log: dropping 123 bytes; Corruption: …" */
	void
	note_damaged_log(const char *text)
	{
		const char *end = strstr(text, drop_mark);
		const char *place = strstr(text, "] "); /* behind RocksDB's own source line */
		const char *start = strchr(place != nullptr ? place : text, '/');

		if (end == nullptr || start == nullptr || start >= end)
			return;
		std::lock_guard<std::mutex> guard(lock_);
		damaged_.assign(start, end);
	}

	std::mutex lock_;
	std::string damaged_;
};

/*
 * A compaction that meets a damaged block would stop all writing until the
 * next start.  The damage costs what the block held; the rest works on.  The
 * compaction is tried again every second, so the line comes once a minute.
 */
class damage_listener : public rocksdb::EventListener
{
      public:
	void
	OnBackgroundError(rocksdb::BackgroundErrorReason reason, rocksdb::Status *status) override
	{
		bool missing = status->IsPathNotFound();

		if (reason != rocksdb::BackgroundErrorReason::kCompaction ||
		    (!status->IsCorruption() && !missing))
			return;
		time_t now = time(nullptr), last = said_.load();

		if (now - last >= 60 && said_.compare_exchange_strong(last, now))
			log_msg(LOG_ERROR, "rocksdb",
			    "a table is damaged; what it held cannot be read and it is not tidied "
			    "up: %s",
			    status->ToString().c_str());
		*status = rocksdb::Status::OK();
	}

      private:
	std::atomic<time_t> said_{0};
};

} // namespace

bool
rocks_extra_attach(rocksdb_options_t *opt)
{
	auto *options = reinterpret_cast<rocksdb::Options *>(opt);
	int jobs = rocksdb_options_get_max_background_jobs(opt);

	rocksdb_options_set_max_background_jobs(opt, 4711);
	rocksdb_options_set_WAL_ttl_seconds(opt, 4712);
	if (options->max_background_jobs != 4711 || options->WAL_ttl_seconds != 4712)
		return false;
	rocksdb_options_set_max_background_jobs(opt, jobs);
	rocksdb_options_set_WAL_ttl_seconds(opt, 0);
	options->info_log = std::make_shared<log_bridge>();
	options->listeners.push_back(std::make_shared<damage_listener>());
	return true;
}

void
rocks_extra_damaged_log(const rocksdb_options_t *opt, char *name, size_t size)
{
	auto *options = reinterpret_cast<const rocksdb::Options *>(opt);

	name[0] = '\0';
	if (options->info_log != nullptr)
		static_cast<log_bridge *>(options->info_log.get())->damaged_log(name, size);
}

bool
rocks_extra_table_whole(const rocksdb_options_t *opt, const char *path, bool *user_keys_r)
{
	rocksdb::SstFileReader reader(*reinterpret_cast<const rocksdb::Options *>(opt));

	*user_keys_r = true; /* of all tables of this version */
	if (!reader.Open(path).ok())
		return false;
	auto properties = reader.GetTableProperties();
	if (properties != nullptr)
		*user_keys_r = properties->index_key_is_user_key != 0;
	return reader.VerifyChecksum().ok();
}

bool
rocks_extra_list(const rocksdb_options_t *opt, const char *path,
    void (*table)(const struct rocks_extra_file *file, void *arg),
    void (*blobs)(const struct rocks_extra_file *file, void *arg), void *arg, uint64_t *sequence_r)
{
	rocksdb::Options options(*reinterpret_cast<const rocksdb::Options *>(opt));
	std::vector<rocksdb::ColumnFamilyHandle *> handles;
	std::vector<rocksdb::ColumnFamilyDescriptor> families;
	rocksdb::DB *db = nullptr;

	/* Files that are missing or too short do not stand in the way. */
	options.paranoid_checks = false;
	options.wal_recovery_mode = rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords;
	families.emplace_back("default", options);
	families.emplace_back("blobs", options);
	if (!rocksdb::DB::OpenForReadOnly(options, path, families, &handles, &db).ok())
		return false;
	*sequence_r = db->GetLatestSequenceNumber();
	for (auto *handle : handles) {
		rocksdb::ColumnFamilyMetaData family;

		db->GetColumnFamilyMetaData(handle, &family);
		for (const auto &level : family.levels) {
			for (const auto &file : level.files) {
				struct rocks_extra_file one = {
				    handle->GetID(), level.level, file.file_number, file.size};

				table(&one, arg);
			}
		}
		for (const auto &file : family.blob_files) {
			struct rocks_extra_file one = {
			    handle->GetID(), 0, file.blob_file_number, file.blob_file_size};

			blobs(&one, arg);
		}
	}
	for (auto *handle : handles)
		db->DestroyColumnFamilyHandle(handle);
	delete db;
	return true;
}

int
rocks_extra_compression(void)
{
	for (auto type : rocksdb::GetSupportedCompressions()) {
		if (type == rocksdb::kLZ4Compression)
			return rocksdb_lz4_compression;
	}
	return rocksdb_no_compression;
}
