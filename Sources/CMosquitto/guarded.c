#define _GNU_SOURCE
#include "CMosquitto.h"

#include <dlfcn.h>
#include <errno.h>
#include <setjmp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

// The guarded call of this thread. Only C may be between it and a failed assertion.
struct guard {
  jmp_buf back;
  int socket;
  struct cmosquitto_packets *packets;
};
static _Thread_local struct guard *guard;

enum call { LOOP, READ, DESTROY };

static int guarded(enum call call, struct mosquitto *client, struct cmosquitto_packets *packets) {
  struct guard here = {.socket = mosquitto_socket(client), .packets = packets};
  if (_setjmp(here.back) != 0) {
    if (packets != NULL) packets->refusal = CMOSQUITTO_MALFORMED;
    return MOSQ_ERR_PROTOCOL;
  }
  int code = MOSQ_ERR_SUCCESS;
  guard = &here;
  switch (call) {
    case LOOP: code = mosquitto_loop(client, 0, 1); break;
    case READ: code = mosquitto_loop_read(client, 1); break;
    case DESTROY: mosquitto_destroy(client); break;
  }
  guard = NULL;
  return code;
}

int cmosquitto_loop(struct mosquitto *client, struct cmosquitto_packets *packets) {
  return guarded(LOOP, client, packets);
}
int cmosquitto_read(struct mosquitto *client, struct cmosquitto_packets *packets) {
  return guarded(READ, client, packets);
}
void cmosquitto_destroy(struct mosquitto *client) { guarded(DESTROY, client, NULL); }

// MQTT 5.0, 2.1: type and flags, a length of up to four bytes with seven bits each, and what has this length.
enum { FIRST, LENGTH, REST };
enum { PUBLISH = 3, PUBACK = 4, PINGRESP = 13 };

static void end_packet(struct cmosquitto_packets *packets) {
  packets->count++;
  if (packets->first >> 4 == PUBACK) packets->acknowledgements++;
  if (packets->first >> 4 == PINGRESP) packets->pings++;
  packets->stage = FIRST;
}

// Whether the library may have these bytes.
static int see(struct cmosquitto_packets *packets, const uint8_t *bytes, size_t count) {
  size_t place = 0;
  while (place < count) {
    switch (packets->stage) {
      case FIRST:
        packets->first = bytes[place++];
        packets->length = 0;
        packets->shift = 0;
        packets->stage = LENGTH;
        if (packets->first >> 4 == PUBLISH && (packets->first >> 1 & 3) > 1) packets->refusal = CMOSQUITTO_QOS;
        break;
      case LENGTH:
        packets->length |= (size_t)(bytes[place] & 0x7F) << packets->shift;
        packets->shift += 7;
        if (bytes[place++] & 0x80) {
          // The library gives up at a fifth byte; no shift may be longer until it does.
          if (packets->shift > 28) packets->shift = 28;
          break;
        }
        if (packets->length > packets->most_bytes) {
          packets->refusal = CMOSQUITTO_TOO_LARGE;
          packets->refused_bytes = packets->length;
        }
        packets->left = packets->length;
        packets->stage = REST;
        if (packets->left == 0) end_packet(packets);
        break;
      default: {
        size_t rest = count - place < packets->left ? count - place : packets->left;
        place += rest;
        packets->left -= rest;
        if (packets->left == 0) end_packet(packets);
      }
    }
    if (packets->refusal != CMOSQUITTO_FINE) return 0;
  }
  return 1;
}

static ssize_t seen(const void *buffer, ssize_t count) {
  if (count <= 0 || see(guard->packets, buffer, (size_t)count)) return count;
  errno = EPROTO;
  return -1;
}

// What follows stands in place of the C library's and OpenSSL's functions, for every library of this process.

void __assert_fail(const char *assertion, const char *file, unsigned int line, const char *function) {
  struct guard *there = guard;
  guard = NULL;
  if (there != NULL) _longjmp(there->back, 1);
  fprintf(stderr, "%s:%u: %s: assertion '%s' failed\n", file, line, function, assertion);
  abort();
}

extern ssize_t __read(int, void *, size_t);
ssize_t read(int descriptor, void *buffer, size_t bytes) {
  ssize_t count = __read(descriptor, buffer, bytes);
  if (guard == NULL || guard->packets == NULL || guard->packets->is_tls || descriptor != guard->socket) return count;
  return seen(buffer, count);
}

struct ssl_st;
int SSL_read(struct ssl_st *connection, void *buffer, int bytes) {
  static int (*_Atomic next)(struct ssl_st *, void *, int);
  if (next == NULL) next = (int (*)(struct ssl_st *, void *, int))dlsym(RTLD_NEXT, "SSL_read");
  if (next == NULL) return -1;
  int count = next(connection, buffer, bytes);
  return guard == NULL || guard->packets == NULL ? count : (int)seen(buffer, count);
}
