// ChecksumVfs: SQLite's way to its files, with a checksum on every page of a database. Private to the room.
#pragma once
#include <string>
#include <vector>

struct sqlite3;

namespace skymoor::sqlite {

/// The name to open databases with. It is registered beside the process's default VFS, and each file that it opens is on
/// what is the default at that time. Null: there is no memory for it. Thread-safe.
///
/// A database says in its header whether its pages have checksums (page_checksum.h); others are passed through as they are.
/// Pages are sealed on their way into the database file (in a copy: SQLite's own stays as it was), and checked on their way
/// out: SQLITE_CORRUPT instead of a page that is not what was written. Pages in the write-ahead log are checked with the
/// log's own sums whenever they are read, and all that are to be folded before a checkpoint's first write: damage of one leaves
/// the file as it was, and from then on the connection adds nothing to that log. Nothing of a database is mapped into memory.
const char* checksum_vfs();

/// Whether the connection's database says that its pages have checksums; known once it has a page.
bool has_checksums(sqlite3* db);

/// Checks all frames of the log that were committed. Within a write transaction. SQLITE_CORRUPT: one is damaged (found_damage has
/// it), or was found to be before; otherwise SQLITE_OK or what reading the log gave.
int check_log_now(sqlite3* db);

/// What the connection has found to be damaged until now, in words, with file and page; at most 32, the newest last.
std::vector<std::string> found_damage(sqlite3* db);

/// Page 1, where a database could not even be opened: its header contradicts itself.
std::string contradictory_header(const std::string& path);

}  // namespace skymoor::sqlite
