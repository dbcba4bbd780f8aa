#include "CGPIO.h"

#include <errno.h>
#include <gpiod.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static void copy_text(char *target, const char *text) {
  memset(target, 0, cgpio_text_size);
  if (text) strncpy(target, text, cgpio_text_size - 1);
}

// libgpiod sets errno; a failure without one must not read as success.
static int failure(void) { return errno > 0 ? -errno : -EIO; }

// A macro that only version 1 has: its bulk operations are gone from version 2.
#if defined(GPIOD_LINE_BULK_MAX_LINES)

struct cgpio_chip {
  struct gpiod_chip *chip;
};

// A version 1 line belongs to its chip and is only valid while that is open.
struct cgpio_line {
  struct gpiod_chip *chip;
  struct gpiod_line *line;
};

int cgpio_library_version(void) { return 1; }

cgpio_chip *cgpio_chip_open(const char *path) {
  cgpio_chip *self = malloc(sizeof *self);
  if (!self) return NULL;
  self->chip = gpiod_chip_open(path);
  if (self->chip) return self;
  int cause = errno;
  free(self);
  errno = cause;
  return NULL;
}

void cgpio_chip_close(cgpio_chip *chip) {
  gpiod_chip_close(chip->chip);
  free(chip);
}

int cgpio_chip_label(cgpio_chip *chip, char *label) {
  copy_text(label, gpiod_chip_label(chip->chip));
  return 0;
}

int cgpio_chip_line_count(cgpio_chip *chip) { return (int)gpiod_chip_num_lines(chip->chip); }

int cgpio_chip_line_info(cgpio_chip *chip, unsigned offset, cgpio_line_info *info) {
  struct gpiod_line *line = gpiod_chip_get_line(chip->chip, offset);
  if (!line) return failure();
  copy_text(info->name, gpiod_line_name(line));
  copy_text(info->consumer, gpiod_line_consumer(line));
  info->is_used = gpiod_line_is_used(line);
  return 0;
}

static int request_flags(const cgpio_request *request) {
  int flags = request->is_active_low ? GPIOD_LINE_REQUEST_FLAG_ACTIVE_LOW : 0;
  if (request->direction == cgpio_open_drain_output) flags |= GPIOD_LINE_REQUEST_FLAG_OPEN_DRAIN;
  switch (request->bias) {
    case cgpio_bias_none: return flags | GPIOD_LINE_REQUEST_FLAG_BIAS_DISABLE;
    case cgpio_bias_pull_up: return flags | GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_UP;
    case cgpio_bias_pull_down: return flags | GPIOD_LINE_REQUEST_FLAG_BIAS_PULL_DOWN;
  }
  return flags;
}

static int request_type(cgpio_direction direction) {
  switch (direction) {
    case cgpio_output:
    case cgpio_open_drain_output: return GPIOD_LINE_REQUEST_DIRECTION_OUTPUT;
    case cgpio_input: return GPIOD_LINE_REQUEST_DIRECTION_INPUT;
    case cgpio_input_with_edges: return GPIOD_LINE_REQUEST_EVENT_BOTH_EDGES;
  }
  return GPIOD_LINE_REQUEST_DIRECTION_INPUT;
}

cgpio_line *cgpio_line_request(const char *chip_path, unsigned offset, const char *consumer,
                               const cgpio_request *request) {
  cgpio_line *self = malloc(sizeof *self);
  if (!self) return NULL;
  self->chip = gpiod_chip_open(chip_path);
  self->line = self->chip ? gpiod_chip_get_line(self->chip, offset) : NULL;
  const struct gpiod_line_request_config config = {
      .consumer = consumer,
      .request_type = request_type(request->direction),
      .flags = request_flags(request),
  };
  if (self->line && gpiod_line_request(self->line, &config, request->is_initially_active) == 0) return self;
  int cause = errno;
  if (self->chip) gpiod_chip_close(self->chip);
  free(self);
  errno = cause;
  return NULL;
}

void cgpio_line_release(cgpio_line *line) {
  // Closing the chip releases its lines.
  gpiod_chip_close(line->chip);
  free(line);
}

int cgpio_line_get(cgpio_line *line) {
  int value = gpiod_line_get_value(line->line);
  return value < 0 ? failure() : value;
}

int cgpio_line_set(cgpio_line *line, bool is_active) {
  return gpiod_line_set_value(line->line, is_active) < 0 ? failure() : 0;
}

int cgpio_line_next_edge(cgpio_line *line, int64_t timeout_nanoseconds) {
  const struct timespec timeout = {
      .tv_sec = timeout_nanoseconds / 1000000000,
      .tv_nsec = timeout_nanoseconds % 1000000000,
  };
  int ready = gpiod_line_event_wait(line->line, &timeout);
  if (ready < 0) return failure();
  if (ready == 0) return -ETIMEDOUT;
  struct gpiod_line_event event;
  if (gpiod_line_event_read(line->line, &event) < 0) return failure();
  return event.event_type == GPIOD_LINE_EVENT_RISING_EDGE;
}

#else

struct cgpio_chip {
  struct gpiod_chip *chip;
};

struct cgpio_line {
  struct gpiod_line_request *request;
  struct gpiod_edge_event_buffer *events;
  unsigned offset;
};

int cgpio_library_version(void) { return 2; }

cgpio_chip *cgpio_chip_open(const char *path) {
  cgpio_chip *self = malloc(sizeof *self);
  if (!self) return NULL;
  self->chip = gpiod_chip_open(path);
  if (self->chip) return self;
  int cause = errno;
  free(self);
  errno = cause;
  return NULL;
}

void cgpio_chip_close(cgpio_chip *chip) {
  gpiod_chip_close(chip->chip);
  free(chip);
}

int cgpio_chip_label(cgpio_chip *chip, char *label) {
  struct gpiod_chip_info *info = gpiod_chip_get_info(chip->chip);
  if (!info) return failure();
  copy_text(label, gpiod_chip_info_get_label(info));
  gpiod_chip_info_free(info);
  return 0;
}

int cgpio_chip_line_count(cgpio_chip *chip) {
  struct gpiod_chip_info *info = gpiod_chip_get_info(chip->chip);
  if (!info) return failure();
  int count = (int)gpiod_chip_info_get_num_lines(info);
  gpiod_chip_info_free(info);
  return count;
}

int cgpio_chip_line_info(cgpio_chip *chip, unsigned offset, cgpio_line_info *info) {
  struct gpiod_line_info *line = gpiod_chip_get_line_info(chip->chip, offset);
  if (!line) return failure();
  copy_text(info->name, gpiod_line_info_get_name(line));
  copy_text(info->consumer, gpiod_line_info_get_consumer(line));
  info->is_used = gpiod_line_info_is_used(line);
  gpiod_line_info_free(line);
  return 0;
}

static enum gpiod_line_bias line_bias(cgpio_bias bias) {
  switch (bias) {
    case cgpio_bias_none: return GPIOD_LINE_BIAS_DISABLED;
    case cgpio_bias_pull_up: return GPIOD_LINE_BIAS_PULL_UP;
    case cgpio_bias_pull_down: return GPIOD_LINE_BIAS_PULL_DOWN;
  }
  return GPIOD_LINE_BIAS_DISABLED;
}

static int apply(struct gpiod_line_settings *settings, const cgpio_request *request) {
  bool is_output = request->direction == cgpio_output || request->direction == cgpio_open_drain_output;
  int failed = gpiod_line_settings_set_direction(
      settings, is_output ? GPIOD_LINE_DIRECTION_OUTPUT : GPIOD_LINE_DIRECTION_INPUT);
  failed |= gpiod_line_settings_set_bias(settings, line_bias(request->bias));
  if (request->direction == cgpio_open_drain_output)
    failed |= gpiod_line_settings_set_drive(settings, GPIOD_LINE_DRIVE_OPEN_DRAIN);
  if (request->direction == cgpio_input_with_edges)
    failed |= gpiod_line_settings_set_edge_detection(settings, GPIOD_LINE_EDGE_BOTH);
  if (is_output)
    failed |= gpiod_line_settings_set_output_value(
        settings, request->is_initially_active ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE);
  gpiod_line_settings_set_active_low(settings, request->is_active_low);
  return failed;
}

static struct gpiod_line_request *request_line(struct gpiod_chip *chip, unsigned offset, const char *consumer,
                                               const cgpio_request *request) {
  struct gpiod_line_settings *settings = gpiod_line_settings_new();
  struct gpiod_line_config *lines = gpiod_line_config_new();
  struct gpiod_request_config *config = gpiod_request_config_new();
  struct gpiod_line_request *result = NULL;
  if (settings && lines && config && apply(settings, request) == 0 &&
      gpiod_line_config_add_line_settings(lines, &offset, 1, settings) == 0) {
    gpiod_request_config_set_consumer(config, consumer);
    result = gpiod_chip_request_lines(chip, config, lines);
  }
  int cause = errno;
  gpiod_request_config_free(config);
  gpiod_line_config_free(lines);
  gpiod_line_settings_free(settings);
  errno = cause;
  return result;
}

cgpio_line *cgpio_line_request(const char *chip_path, unsigned offset, const char *consumer,
                               const cgpio_request *request) {
  cgpio_line *self = calloc(1, sizeof *self);
  if (!self) return NULL;
  self->offset = offset;
  // One event at a time, so that none is taken from the kernel and then left lying here.
  self->events = gpiod_edge_event_buffer_new(1);
  struct gpiod_chip *chip = self->events ? gpiod_chip_open(chip_path) : NULL;
  if (chip) self->request = request_line(chip, offset, consumer, request);
  int cause = errno;
  // A version 2 request outlives the chip it came from.
  if (chip) gpiod_chip_close(chip);
  if (self->request) return self;
  gpiod_edge_event_buffer_free(self->events);
  free(self);
  errno = cause;
  return NULL;
}

void cgpio_line_release(cgpio_line *line) {
  gpiod_line_request_release(line->request);
  gpiod_edge_event_buffer_free(line->events);
  free(line);
}

int cgpio_line_get(cgpio_line *line) {
  switch (gpiod_line_request_get_value(line->request, line->offset)) {
    case GPIOD_LINE_VALUE_ACTIVE: return 1;
    case GPIOD_LINE_VALUE_INACTIVE: return 0;
    default: return failure();
  }
}

int cgpio_line_set(cgpio_line *line, bool is_active) {
  enum gpiod_line_value value = is_active ? GPIOD_LINE_VALUE_ACTIVE : GPIOD_LINE_VALUE_INACTIVE;
  return gpiod_line_request_set_value(line->request, line->offset, value) < 0 ? failure() : 0;
}

int cgpio_line_next_edge(cgpio_line *line, int64_t timeout_nanoseconds) {
  int ready = gpiod_line_request_wait_edge_events(line->request, timeout_nanoseconds);
  if (ready < 0) return failure();
  if (ready == 0) return -ETIMEDOUT;
  if (gpiod_line_request_read_edge_events(line->request, line->events, 1) < 0) return failure();
  struct gpiod_edge_event *event = gpiod_edge_event_buffer_get_event(line->events, 0);
  if (!event) return failure();
  return gpiod_edge_event_get_event_type(event) == GPIOD_EDGE_EVENT_RISING_EDGE;
}

#endif
