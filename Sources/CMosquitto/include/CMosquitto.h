// libmosquitto, and calls of it that keep what a broker sends within bounds.
#ifndef CMOSQUITTO_H
#define CMOSQUITTO_H

#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stddef.h>
#include <stdint.h>
// Swift's Glibc module leaves it out: wakes a thread that waits for its socket.
#include <sys/eventfd.h>

enum cmosquitto_refusal {
  CMOSQUITTO_FINE = 0,
  // An assertion of the library failed: nothing but cmosquitto_destroy may be called any more.
  CMOSQUITTO_MALFORMED = 1,
  // A packet of more than `most_bytes`, for which the library would take as much memory as it claims to have.
  CMOSQUITTO_TOO_LARGE = 2,
  // A message of QoS 2, which nobody asked for and which the library would keep.
  CMOSQUITTO_QOS = 3,
};

// What is seen of the packets that a connection's broker sends. All zero at first, but for the first two.
struct cmosquitto_packets {
  // Of a packet behind its length.
  size_t most_bytes;
  int is_tls;
  // Whole packets so far, and of these the acknowledgements of messages and the answers to pings.
  uint64_t count;
  uint64_t acknowledgements;
  uint64_t pings;
  enum cmosquitto_refusal refusal;
  // What the packet claims that is too large.
  size_t refused_bytes;
  // Within a packet: its first byte, the length that is read so far, and what is missing.
  uint8_t first;
  uint8_t stage;
  uint8_t shift;
  size_t length;
  size_t left;
};

// As mosquitto_loop without waiting, mosquitto_loop_read and mosquitto_destroy; each returns the library's code. Whatever
// the broker sends, no assertion of the library ends the process, and it is given nothing of a packet from the byte on
// that refuses it.
int cmosquitto_loop(struct mosquitto *client, struct cmosquitto_packets *packets);
int cmosquitto_read(struct mosquitto *client, struct cmosquitto_packets *packets);
void cmosquitto_destroy(struct mosquitto *client);

#endif
