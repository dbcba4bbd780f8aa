// Does everything that Sources/CGPIO offers, and checks it against what gpio-sim's own files say of the line.
// It starts with the errors that need no chip.
//   exercise MAJOR                        only those
//   exercise MAJOR LABEL LINE DIRECTORY   then all on a free line of gpio-sim, DIRECTORY being its sim_gpioN
// MAJOR is the version of libgpiod that it must have been linked with. One line a step; the last sums up.
// Exit code 0: all as expected; 1: not; 64: wrong arguments.
#include <dirent.h>
#include <errno.h>
#include <gpiod.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "CGPIO.h"

static const char consumer[] = "exercise";
// Longer than an emulated guest keeps a process waiting.
static const int64_t edge_timeout_nanoseconds = 10000000000;
// More than a second and no whole number of them: the shim splits it for version 1.
static const int64_t silence_nanoseconds = 1100000000;

static int steps;

__attribute__((noreturn, format(printf, 1, 2))) static void fail(const char *format, ...) {
  va_list arguments;
  va_start(arguments, format);
  vfprintf(stderr, format, arguments);
  va_end(arguments);
  fputc('\n', stderr);
  exit(1);
}

static void expect(const char *what, long found, long expected) {
  if (found != expected) fail("%s: found %ld, expected %ld", what, found, expected);
  steps++;
  printf("ok  %s: %ld\n", what, found);
}

static void expect_text(const char *what, const char *found, const char *expected) {
  if (strcmp(found, expected) != 0) fail("%s: found '%s', expected '%s'", what, found, expected);
  steps++;
  printf("ok  %s: %s\n", what, found);
}

// `cause` is an errno value; 0 = it succeeded.
static void expect_error(const char *what, int cause, int expected) {
  if (cause != expected)
    fail("%s: found %d (%s), expected %d (%s)", what, cause, strerror(cause), expected, strerror(expected));
  steps++;
  printf("ok  %s: %s\n", what, strerror(cause));
}

static const char *library_version(void) {
#if defined(GPIOD_LINE_BULK_MAX_LINES)
  return gpiod_version_string();
#else
  return gpiod_api_version();
#endif
}

static int open_error(const char *path) {
  cgpio_chip *chip = cgpio_chip_open(path);
  if (!chip) return errno;
  cgpio_chip_close(chip);
  return 0;
}

static int request_error(const char *path, unsigned offset, cgpio_direction direction) {
  const cgpio_request request = {.direction = direction};
  cgpio_line *line = cgpio_line_request(path, offset, consumer, &request);
  if (!line) return errno;
  cgpio_line_release(line);
  return 0;
}

static void try_what_is_no_chip(void) {
  const char missing[] = "/dev/gpiochip-of-nobody";
  expect_error("open a chip that is not there", open_error(missing), ENOENT);
  expect_error("request a line of a chip that is not there", request_error(missing, 0, cgpio_output), ENOENT);

  char file[] = "/tmp/exercise.XXXXXX";
  int descriptor = mkstemp(file);
  if (descriptor < 0) fail("%s: %s", file, strerror(errno));
  int open_cause = open_error(file), request_cause = request_error(file, 0, cgpio_input);
  close(descriptor);
  unlink(file);
  expect_error("open a file that is no chip", open_cause, ENOTTY);
  expect_error("request a line of a file that is no chip", request_cause, ENOTTY);
  // A device, but another one: both versions look at sysfs, with different words for what they find.
  int device_cause = open_error("/dev/null");
  expect_error("open a device that is no chip", device_cause, cgpio_library_version() == 1 ? ENOTTY : ENODEV);
}

// The path of the chip with this label.
static void find_chip(const char *label, char *path, size_t size) {
  DIR *devices = opendir("/dev");
  if (!devices) fail("/dev: %s", strerror(errno));
  bool is_found = false;
  for (struct dirent *entry; !is_found && (entry = readdir(devices));) {
    if (strncmp(entry->d_name, "gpiochip", 8) != 0) continue;
    snprintf(path, size, "/dev/%s", entry->d_name);
    cgpio_chip *chip = cgpio_chip_open(path);
    if (!chip) fail("%s: %s", path, strerror(errno));
    char text[cgpio_text_size];
    int cause = cgpio_chip_label(chip, text);
    if (cause < 0) fail("label of %s: %s", path, strerror(-cause));
    is_found = strcmp(text, label) == 0;
    cgpio_chip_close(chip);
  }
  closedir(devices);
  if (!is_found) fail("no /dev/gpiochip* has the label %s", label);
  steps++;
  printf("ok  chip %s: %s\n", label, path);
}

static void line_information(const char *path, unsigned offset, cgpio_line_info *info) {
  cgpio_chip *chip = cgpio_chip_open(path);
  if (!chip) fail("%s: %s", path, strerror(errno));
  int cause = cgpio_chip_line_info(chip, offset, info);
  if (cause < 0) fail("line %u of %s: %s", offset, path, strerror(-cause));
  cgpio_chip_close(chip);
}

static unsigned find_line(const char *path, const char *name) {
  cgpio_chip *chip = cgpio_chip_open(path);
  if (!chip) fail("%s: %s", path, strerror(errno));
  int count = cgpio_chip_line_count(chip), found = -1;
  if (count <= 0) fail("%s has %d lines", path, count);
  for (int offset = 0; offset < count; offset++) {
    cgpio_line_info info;
    int cause = cgpio_chip_line_info(chip, (unsigned)offset, &info);
    if (cause < 0) fail("line %d of %s: %s", offset, path, strerror(-cause));
    if (strcmp(info.name, name) == 0) found = offset;
  }
  if (found < 0) fail("none of the %d lines of %s has the name %s", count, path, name);
  cgpio_line_info info;
  expect_error("ask for the line after the last", -cgpio_chip_line_info(chip, (unsigned)count, &info), EINVAL);
  cgpio_chip_close(chip);
  expect_error("request the line after the last", request_error(path, (unsigned)count, cgpio_input), EINVAL);
  steps++;
  printf("ok  line %s: offset %d of %d\n", name, found, count);
  return (unsigned)found;
}

// gpio-sim's side of the line.
static const char *directory;

static FILE *open_attribute(const char *name, const char *mode) {
  char path[512];
  snprintf(path, sizeof path, "%s/%s", directory, name);
  FILE *file = fopen(path, mode);
  if (!file) fail("%s: %s", path, strerror(errno));
  return file;
}

static const char *attribute(const char *name) {
  static char text[32];
  FILE *file = open_attribute(name, "r");
  if (!fgets(text, sizeof text, file)) fail("%s/%s is empty", directory, name);
  fclose(file);
  text[strcspn(text, "\n")] = 0;
  return text;
}

static void pull(bool is_up) {
  FILE *file = open_attribute("pull", "w");
  fputs(is_up ? "pull-up" : "pull-down", file);
  // Buffered until now: here it fails, if it does.
  if (fclose(file) != 0) fail("%s/pull: %s", directory, strerror(errno));
}

static void expect_level(const char *what, bool is_high) {
  expect_text(what, attribute("value"), is_high ? "1" : "0");
}

static cgpio_line *request_line(const char *path, unsigned offset, const cgpio_request *request) {
  cgpio_line *line = cgpio_line_request(path, offset, consumer, request);
  if (!line) fail("request line %u of %s: %s", offset, path, strerror(errno));
  return line;
}

static void try_output(const char *path, unsigned offset) {
  const cgpio_request request = {
      .direction = cgpio_output, .bias = cgpio_bias_pull_up, .is_active_low = true, .is_initially_active = true};
  cgpio_line_info info;
  pull(false);
  cgpio_line *line = request_line(path, offset, &request);
  expect_level("active-low output, initially active: level", false);
  expect("its value", cgpio_line_get(line), 1);
  line_information(path, offset, &info);
  expect("it is used", info.is_used, true);
  expect_text("its consumer", info.consumer, consumer);
  expect_error("request it once more", request_error(path, offset, cgpio_input), EBUSY);
  expect("set it inactive", cgpio_line_set(line, false), 0);
  expect_level("its level", true);
  expect("its value", cgpio_line_get(line), 0);
  expect("set it active", cgpio_line_set(line, true), 0);
  expect_level("its level", false);
  cgpio_line_release(line);
  expect_level("released, with the pull-up that was asked for: level", true);
  line_information(path, offset, &info);
  expect("it is used", info.is_used, false);

  const cgpio_request plain = {.direction = cgpio_output};
  line = request_line(path, offset, &plain);
  expect_level("output, initially inactive, under a pull-up: level", false);
  expect("set it active", cgpio_line_set(line, true), 0);
  expect_level("its level", true);
  cgpio_line_release(line);
}

static void try_open_drain(const char *path, unsigned offset) {
  const cgpio_request request = {.direction = cgpio_open_drain_output, .is_initially_active = true};
  pull(false);
  cgpio_line *line = request_line(path, offset, &request);
  expect_level("open drain, active, under a pull-down: level", false);
  cgpio_line_release(line);
  pull(true);
  line = request_line(path, offset, &request);
  expect_level("open drain, active, under a pull-up: level", true);
  expect("set it inactive", cgpio_line_set(line, false), 0);
  expect_level("its level", false);
  cgpio_line_release(line);
}

static void try_input(const char *path, unsigned offset) {
  static const struct {
    cgpio_bias bias;
    bool is_pulled_up, is_active_low;
    const char *what, *pull;
    int value;
  } inputs[] = {
      {cgpio_bias_pull_up, false, false, "input with pull-up: pull", "pull-up", 1},
      {cgpio_bias_pull_down, true, false, "input with pull-down: pull", "pull-down", 0},
      {cgpio_bias_none, true, false, "input without bias, pulled up: pull", "pull-up", 1},
      {cgpio_bias_none, true, true, "active-low input without bias, pulled up: pull", "pull-up", 0},
  };
  for (size_t n = 0; n < sizeof inputs / sizeof *inputs; n++) {
    const cgpio_request request = {
        .direction = cgpio_input, .bias = inputs[n].bias, .is_active_low = inputs[n].is_active_low};
    pull(inputs[n].is_pulled_up);
    cgpio_line *line = request_line(path, offset, &request);
    expect_text(inputs[n].what, attribute("pull"), inputs[n].pull);
    expect("its value", cgpio_line_get(line), inputs[n].value);
    expect_error("set an input", -cgpio_line_set(line, true), EPERM);
    pull(!strcmp(inputs[n].pull, "pull-down"));
    expect("its value under the other pull", cgpio_line_get(line), !inputs[n].value);
    cgpio_line_release(line);
  }
}

static int64_t nanoseconds(void) {
  struct timespec now;
  clock_gettime(CLOCK_MONOTONIC, &now);
  return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

static void try_edges(const char *path, unsigned offset) {
  for (int is_active_low = 0; is_active_low < 2; is_active_low++) {
    const cgpio_request request = {.direction = cgpio_input_with_edges, .is_active_low = is_active_low};
    pull(false);
    cgpio_line *line = request_line(path, offset, &request);
    printf("    edges, active %s\n", is_active_low ? "low" : "high");
    pull(true);
    expect("edge after a pull-up", cgpio_line_next_edge(line, edge_timeout_nanoseconds), !is_active_low);
    expect("value", cgpio_line_get(line), !is_active_low);
    pull(false);
    expect("edge after a pull-down", cgpio_line_next_edge(line, edge_timeout_nanoseconds), is_active_low);
    expect("value", cgpio_line_get(line), is_active_low);
    const int64_t start = nanoseconds();
    expect_error("no edge", -cgpio_line_next_edge(line, silence_nanoseconds), ETIMEDOUT);
    expect("it waited as long as it was told", nanoseconds() - start >= silence_nanoseconds, true);
    expect_error("no edge, without waiting", -cgpio_line_next_edge(line, 0), ETIMEDOUT);
    cgpio_line_release(line);
  }
}

int main(int count, char **arguments) {
  if (count != 2 && count != 5) {
    fprintf(stderr, "usage: exercise MAJOR [LABEL LINE DIRECTORY]\n");
    return 64;
  }
  // A step that hangs shows which one it was.
  setvbuf(stdout, NULL, _IOLBF, 0);
  const char *version = library_version();
  expect("major version of libgpiod", strtol(version, NULL, 10), strtol(arguments[1], NULL, 10));
  expect("major version that the shim was compiled for", cgpio_library_version(), strtol(version, NULL, 10));
  try_what_is_no_chip();
  if (count == 5) {
    char path[sizeof ((struct dirent *)0)->d_name + sizeof "/dev/"];
    directory = arguments[4];
    find_chip(arguments[2], path, sizeof path);
    const unsigned offset = find_line(path, arguments[3]);
    try_output(path, offset);
    try_open_drain(path, offset);
    try_input(path, offset);
    try_edges(path, offset);
    pull(false);
  }
  printf("libgpiod %s: %d steps as expected%s\n", version, steps, count == 2 ? ", no line was given" : "");
}
