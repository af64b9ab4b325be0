/* SPDX-License-Identifier: Apache-2.0 */
/*
 * The C API has no way to hand in a logger or a listener of one's own.  Its
 * rocksdb_options_t is a struct with an Options as its only first member, so
 * that is what its address is; rocks_extra_attach() proves it by a value set
 * on one side and read on the other before it relies on it.  A rocksdb_t and a
 * rocksdb_column_family_handle_t begin with the pointer that they stand for.
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
#include <rocksdb/utilities/debug.h>

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
rocks_extra_table_whole(const rocksdb_options_t *opt, const char *path)
{
	rocksdb::SstFileReader reader(*reinterpret_cast<const rocksdb::Options *>(opt));

	return reader.Open(path).ok() && reader.VerifyChecksum().ok();
}

static rocksdb::Status
open_list(rocksdb::Options options, const char *path, rocksdb::WALRecoveryMode mode,
    std::vector<rocksdb::ColumnFamilyHandle *> *handles, rocksdb::DB **db)
{
	std::vector<rocksdb::ColumnFamilyDescriptor> families;

	/* Files that are missing or too short do not stand in the way; with this, damage of the
	 * log does not either, whatever the mode. */
	options.paranoid_checks = mode == rocksdb::WALRecoveryMode::kPointInTimeRecovery;
	options.wal_recovery_mode = mode;
	families.emplace_back("default", options);
	families.emplace_back("blobs", options);
	return rocksdb::DB::OpenForReadOnly(options, path, families, handles, db);
}

static void
close_list(std::vector<rocksdb::ColumnFamilyHandle *> *handles, rocksdb::DB *db)
{
	for (auto *handle : *handles)
		db->DestroyColumnFamilyHandle(handle);
	handles->clear();
	delete db;
}

bool
rocks_extra_list(const rocksdb_options_t *opt, const char *path,
    void (*table)(const struct rocks_extra_file *file, void *arg),
    void (*blobs)(const struct rocks_extra_file *file, void *arg), void *arg, uint64_t *sequence_r,
    uint64_t *undamaged_r)
{
	rocksdb::Options options(*reinterpret_cast<const rocksdb::Options *>(opt));
	std::vector<rocksdb::ColumnFamilyHandle *> handles;
	rocksdb::DB *db = nullptr;

	*undamaged_r = 0;
	if (open_list(options, path, rocksdb::WALRecoveryMode::kPointInTimeRecovery, &handles, &db)
	        .ok()) {
		*undamaged_r = db->GetLatestSequenceNumber();
		close_list(&handles, db);
	}
	if (!open_list(
	        options, path, rocksdb::WALRecoveryMode::kSkipAnyCorruptedRecords, &handles, &db)
	         .ok())
		return false;
	*sequence_r = db->GetLatestSequenceNumber();
	for (auto *handle : handles) {
		rocksdb::ColumnFamilyMetaData family;

		db->GetColumnFamilyMetaData(handle, &family);
		for (const auto &level : family.levels) {
			for (const auto &file : level.files) {
				struct rocks_extra_file one = {handle->GetID(), level.level,
				    file.file_number, file.size, file.smallestkey.data(),
				    file.largestkey.data(), file.smallestkey.size(),
				    file.largestkey.size(), file.smallest_seqno,
				    file.largest_seqno};

				table(&one, arg);
			}
		}
		for (const auto &file : family.blob_files) {
			struct rocks_extra_file one = {};

			one.cf = handle->GetID();
			one.number = file.blob_file_number;
			one.size = file.blob_file_size;
			blobs(&one, arg);
		}
	}
	close_list(&handles, db);
	return true;
}

char *
rocks_extra_verify(rocksdb_t *db)
{
	auto status = (*reinterpret_cast<rocksdb::DB **>(db))->VerifyChecksum();

	return status.ok() ? nullptr : strdup(status.ToString().c_str());
}

bool
rocks_extra_keys(rocksdb_t *db, rocksdb_column_family_handle_t *family,
    void (*fn)(const unsigned char key[8], void *arg), void *arg)
{
	constexpr size_t piece = 4096;
	/* As in RocksDB's dbformat.h, which is not installed. */
	constexpr int type_value = 1, type_blob = 17;
	rocksdb::DB *cxx = *reinterpret_cast<rocksdb::DB **>(db);
	auto *handle = *reinterpret_cast<rocksdb::ColumnFamilyHandle **>(family);
	std::string from, last;
	std::vector<rocksdb::KeyVersion> versions;

	do {
		versions.clear();
		if (!rocksdb::GetAllKeyVersions(
		        cxx, handle, from, rocksdb::Slice(), piece, &versions)
		         .ok())
			return false;
		for (const auto &one : versions) {
			/* The newest version of a key comes first. */
			if (one.user_key.size() == 8 && one.user_key != last &&
			    (one.type == type_value || one.type == type_blob))
				fn(reinterpret_cast<const unsigned char *>(one.user_key.data()),
				    arg);
			last = one.user_key;
		}
		from = last + '\0';
	} while (versions.size() >= piece);
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
