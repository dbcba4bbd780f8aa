// GPIO lines through libgpiod, the same on its two incompatible interfaces: version 1 (Debian 12) and version 2
// (Debian 13). Functions that can fail return a negative errno value.
#ifndef CGPIO_H
#define CGPIO_H

#include <stdbool.h>
#include <stdint.h>

// A GPIO chip, open for questions; no line is claimed.
typedef struct cgpio_chip cgpio_chip;

// One requested line. It keeps its own hold on the chip and is driven or watched until released.
typedef struct cgpio_line cgpio_line;

// The kernel limits names, labels and consumers to 31 bytes and a NUL (GPIO_MAX_NAME_SIZE).
enum { cgpio_text_size = 32 };

typedef struct {
  char name[cgpio_text_size];      // empty when the line has none
  char consumer[cgpio_text_size];  // who holds it; empty when unknown
  bool is_used;
} cgpio_line_info;

typedef enum { cgpio_bias_none, cgpio_bias_pull_up, cgpio_bias_pull_down } cgpio_bias;

typedef enum {
  cgpio_output,
  cgpio_open_drain_output,
  cgpio_input,
  cgpio_input_with_edges,  // both edges, for cgpio_line_next_edge
} cgpio_direction;

typedef struct {
  cgpio_direction direction;
  cgpio_bias bias;
  bool is_active_low;
  bool is_initially_active;  // outputs only
} cgpio_request;

// Major version of the library this was compiled with.
int cgpio_library_version(void);

// NULL with errno set when `path` is no GPIO chip or may not be opened.
cgpio_chip *cgpio_chip_open(const char *path);
void cgpio_chip_close(cgpio_chip *chip);
// Writes cgpio_text_size bytes.
int cgpio_chip_label(cgpio_chip *chip, char *label);
int cgpio_chip_line_count(cgpio_chip *chip);
int cgpio_chip_line_info(cgpio_chip *chip, unsigned offset, cgpio_line_info *info);

// NULL with errno set; EBUSY: somebody holds the line.
cgpio_line *cgpio_line_request(const char *chip_path, unsigned offset, const char *consumer,
                               const cgpio_request *request);
// The kernel decides what the line does then: most drivers make it an input, some keep driving it.
void cgpio_line_release(cgpio_line *line);
// Logical value: 1 active, 0 not.
int cgpio_line_get(cgpio_line *line);
int cgpio_line_set(cgpio_line *line, bool is_active);
// Waits for a change: 1 = to active, 0 = to inactive, -ETIMEDOUT = none in time, else another error.
int cgpio_line_next_edge(cgpio_line *line, int64_t timeout_nanoseconds);

#endif
