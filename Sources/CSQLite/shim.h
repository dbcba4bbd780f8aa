#include <sqlite3.h>

// Files come from anywhere: views, triggers and functions of their schema could compute without end. The options are
// variadic, which Swift does not import. Returns an SQLite code.
static inline int csqlite_distrust(sqlite3 *connection) {
  int code = sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_VIEW, 0, (int *)0);
  if (code == SQLITE_OK) code = sqlite3_db_config(connection, SQLITE_DBCONFIG_ENABLE_TRIGGER, 0, (int *)0);
  if (code == SQLITE_OK) code = sqlite3_db_config(connection, SQLITE_DBCONFIG_TRUSTED_SCHEMA, 0, (int *)0);
  // The largest block has 6 MB.
  sqlite3_limit(connection, SQLITE_LIMIT_LENGTH, 64 << 20);
  return code;
}
