/* The peer of `motorhand bench record`: the same frames, schema of the tick table, pragmas and batches, in plain C on
 * one thread, without events, status, errors to survive or a reader. What a hand-written recorder would cost.
 *
 * Usage: peer FILE TICKS BATCH; prints one JSON object. */
#include <endian.h>
#include <math.h>
#include <sqlite3.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

/* Schema 6: the columns and the frame of a hand of motors with all sensors (docs/recording.md). */
enum { JOINTS = 15, JOINT_BYTES = 80 };

struct joint {
  uint16_t counts;
  uint8_t flags, certificate;
  int32_t age;
  double value[14], lipschitz, distance;
};

struct tick {
  uint64_t sequence, overruns, hash;
  int64_t deadline, wall, wake_up, compute, dt;
  uint8_t state, mode, fault, certificate, outputs, estop;
  double lipschitz, rate, window, psi, gamma, energy;
  uint32_t uncertified, command, lag, late;
  struct joint joints[JOINTS];
};

static void die(sqlite3 *db, const char *what) {
  fprintf(stderr, "%s: %s\n", what, db ? sqlite3_errmsg(db) : "failed");
  exit(1);
}

static void run(sqlite3 *db, const char *sql) {
  if (sqlite3_exec(db, sql, NULL, NULL, NULL) != SQLITE_OK) die(db, sql);
}

static void fill(struct tick *t, uint64_t n) {
  double phase = (double)(n % 10000) * 1e-4;
  t->sequence = n, t->hash = (n + 1) * 0x9E3779B97F4A7C15;
  t->deadline = 1000000000000 + (int64_t)n * 1000000;
  t->wall = 1700000000000000000 + (int64_t)n * 1000000;
  t->wake_up = 2000 + (int64_t)(n % 997);
  t->compute = 30000 + (int64_t)(n % 1009);
  t->dt = 1000000 + (int64_t)(n % 991);
  t->state = 4, t->mode = 3, t->fault = 0, t->certificate = 2, t->outputs = 1, t->estop = 0;
  t->lipschitz = 0.999332931 - phase * 1e-6;
  t->rate = 0.667 + phase, t->window = 0.51 + phase * 1e-3;
  t->uncertified = 0, t->command = 1, t->overruns = 0, t->lag = 0, t->late = 0;
  t->psi = phase, t->gamma = -phase, t->energy = phase * phase;
  for (int i = 0; i < JOINTS; i++) {
    struct joint *j = &t->joints[i];
    double a = phase + i * 0.1;
    j->counts = (uint16_t)(n + (uint64_t)i * 273), j->flags = 1, j->certificate = 2;
    j->age = 400000 + (int32_t)(n % 977);
    const double v[14] = {a,        1 - a,   a + 1e-3, a + 5e-4, 1 - a,    1e-5 * a, a,
                          1e-3 * a, 0.1 * a, 0.09 * a, 0.2 * a,  0.05 * a, a,        1};
    memcpy(j->value, v, sizeof v);
    j->lipschitz = 0.999332931 - phase * 1e-6, j->distance = 1e-4 * a;
  }
}

static int32_t scaled32(double v, double scale) {
  double x = v * scale;
  if (x >= INT32_MAX) return INT32_MAX;
  if (x <= -INT32_MAX) return -INT32_MAX;
  if (isnan(x)) return INT32_MIN;
  return (int32_t)(x + (x < 0 ? -0.5 : 0.5));
}

static int64_t scaled64(double v, double scale) {
  double x = v * scale;
  if (x >= 9e18) return 9000000000000000000;
  if (x <= -9e18) return -9000000000000000000;
  if (isnan(x)) return INT64_MIN;
  return (int64_t)(x + (x < 0 ? -0.5 : 0.5));
}

static void encode(const struct joint *j, uint8_t *p) {
  static const double scale[14] = {1e6, 1e6, 1e6, 1e6, 1e6, 1e8, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e6, 1e9};
  uint16_t counts = htobe16(j->counts);
  memcpy(p, &counts, 2);
  p[2] = j->flags, p[3] = j->certificate;
  uint32_t word = htobe32((uint32_t)j->age);
  memcpy(p + 4, &word, 4);
  for (int k = 0; k < 14; k++) {
    word = htobe32((uint32_t)scaled32(j->value[k], scale[k]));
    memcpy(p + 8 + 4 * k, &word, 4);
  }
  uint64_t wide = htobe64((uint64_t)scaled64(1 - j->lipschitz, 1e15));
  memcpy(p + 64, &wide, 8);
  wide = htobe64((uint64_t)scaled64(j->distance, 1e12));
  memcpy(p + 72, &wide, 8);
}

static void bind(sqlite3_stmt *s, const struct tick *t, uint8_t *blob) {
  sqlite3_bind_int64(s, 1, (int64_t)t->sequence);
  sqlite3_bind_int64(s, 2, t->deadline);
  sqlite3_bind_int64(s, 3, t->wall);
  sqlite3_bind_int64(s, 4, t->wake_up);
  sqlite3_bind_int64(s, 5, t->compute);
  sqlite3_bind_int64(s, 6, t->dt);
  sqlite3_bind_int64(s, 7, (int64_t)t->overruns);
  sqlite3_bind_int64(s, 8, t->state);
  sqlite3_bind_int64(s, 9, t->mode);
  sqlite3_bind_int64(s, 10, t->fault);
  sqlite3_bind_null(s, 11);
  sqlite3_bind_int64(s, 12, t->certificate);
  sqlite3_bind_int64(s, 13, JOINTS);
  sqlite3_bind_int64(s, 14, t->outputs);
  sqlite3_bind_int64(s, 15, t->estop);
  sqlite3_bind_double(s, 16, t->lipschitz);
  sqlite3_bind_double(s, 17, t->rate);
  sqlite3_bind_double(s, 18, t->window);
  sqlite3_bind_int64(s, 19, t->uncertified);
  sqlite3_bind_int64(s, 20, t->command);
  sqlite3_bind_double(s, 21, t->psi);
  sqlite3_bind_null(s, 22);
  sqlite3_bind_double(s, 23, t->gamma);
  sqlite3_bind_double(s, 24, t->energy);
  for (int i = 25; i <= 31; i++) sqlite3_bind_null(s, i);
  for (int i = 32; i <= 36; i++) sqlite3_bind_int64(s, i, 0);
  sqlite3_bind_int64(s, 37, (int64_t)t->hash);
  for (int i = 0; i < JOINTS; i++) encode(&t->joints[i], blob + i * JOINT_BYTES);
  sqlite3_bind_int64(s, 38, t->lag);
  sqlite3_bind_int64(s, 39, t->late);
  sqlite3_bind_null(s, 40);
  sqlite3_bind_blob(s, 41, blob, JOINTS * JOINT_BYTES, SQLITE_STATIC);
  sqlite3_bind_null(s, 42);
}

/* Bytes this process has passed to write calls. */
static unsigned long long written(void) {
  char line[128];
  unsigned long long bytes = 0;
  FILE *io = fopen("/proc/self/io", "r");
  if (!io) return 0;
  while (fgets(line, sizeof line, io))
    if (sscanf(line, "wchar: %llu", &bytes) == 1) break;
  fclose(io);
  return bytes;
}

static double now(void) {
  struct timespec t;
  clock_gettime(CLOCK_MONOTONIC, &t);
  return (double)t.tv_sec + 1e-9 * (double)t.tv_nsec;
}

int main(int argc, char **argv) {
  if (argc != 4) die(NULL, "usage: peer FILE TICKS BATCH");
  uint64_t ticks = strtoull(argv[2], NULL, 10), batch = strtoull(argv[3], NULL, 10);
  sqlite3 *db;
  if (sqlite3_open_v2(argv[1], &db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX, NULL))
    die(db, "open");
  run(db, "PRAGMA page_size=4096; PRAGMA journal_mode=PERSIST; PRAGMA synchronous=FULL;"
          "PRAGMA cache_size=-4096; PRAGMA temp_store=MEMORY;");
  run(db,
      "CREATE TABLE tick (sequence INTEGER PRIMARY KEY, deadline_nanoseconds INTEGER NOT NULL,"
      " wall_nanoseconds INTEGER NOT NULL, wake_up_nanoseconds INTEGER NOT NULL,"
      " previous_compute_nanoseconds INTEGER NOT NULL, dt_nanoseconds INTEGER NOT NULL,"
      " overruns INTEGER NOT NULL, state INTEGER NOT NULL, mode INTEGER NOT NULL,"
      " fault INTEGER NOT NULL, fault_joint INTEGER, certificate INTEGER NOT NULL,"
      " joint_count INTEGER NOT NULL, outputs_enabled INTEGER NOT NULL,"
      " estop_line_active INTEGER NOT NULL, lipschitz REAL, rate_per_second REAL, window_product REAL,"
      " uncertified_ticks INTEGER NOT NULL, command_number INTEGER NOT NULL, psi_newton_metres REAL,"
      " psi_radians REAL, gamma_radians REAL, energy_integral_newton_metre_radian_seconds REAL,"
      " energy_integral_radian_squared_seconds REAL, acceleration_x_metres_per_second_squared REAL,"
      " acceleration_y_metres_per_second_squared REAL, acceleration_z_metres_per_second_squared REAL,"
      " rotation_x_radians_per_second REAL, rotation_y_radians_per_second REAL,"
      " rotation_z_radians_per_second REAL, failed_bus_joints INTEGER NOT NULL,"
      " unhealthy_joints INTEGER NOT NULL, failed_actuator_joints INTEGER NOT NULL,"
      " input_flags INTEGER NOT NULL, skipped_deadlines INTEGER NOT NULL, output_hash INTEGER NOT NULL,"
      " actuator_lag_ticks INTEGER NOT NULL, late_ticks INTEGER NOT NULL, command_result INTEGER,"
      " joints BLOB NOT NULL, command BLOB)");
  sqlite3_stmt *insert;
  if (sqlite3_prepare_v2(db,
                         "INSERT INTO tick VALUES (?1,?2,?3,?4,?5,?6,?7,?8,?9,?10,?11,?12,?13,?14,?15,?16,"
                         "?17,?18,?19,?20,?21,?22,?23,?24,?25,?26,?27,?28,?29,?30,?31,?32,?33,?34,?35,"
                         "?36,?37,?38,?39,?40,?41,?42)",
                         -1, &insert, NULL))
    die(db, "prepare");

  static struct tick tick;
  uint8_t blob[JOINTS * JOINT_BYTES];
  unsigned long long before = written();
  double start = now();
  for (uint64_t n = 0; n < ticks;) {
    run(db, "BEGIN IMMEDIATE");
    for (uint64_t end = n + batch < ticks ? n + batch : ticks; n < end; n++) {
      fill(&tick, n);
      bind(insert, &tick, blob);
      if (sqlite3_step(insert) != SQLITE_DONE) die(db, "insert");
      sqlite3_reset(insert);
    }
    run(db, "COMMIT");
  }
  double seconds = now() - start;
  unsigned long long bytes = written() - before;
  sqlite3_finalize(insert);
  sqlite3_close(db);
  printf("{\"program\":\"peer\",\"ticks\":%llu,\"joints\":%d,\"batch\":%llu,\"seconds\":%.6f,"
         "\"ticks_per_second\":%.0f,\"bytes_per_tick\":%.1f}\n",
         (unsigned long long)ticks, JOINTS, (unsigned long long)batch, seconds, (double)ticks / seconds,
         (double)bytes / (double)ticks);
  return 0;
}
