// The plain C publisher beside which `motorhand bench publish` measures: the same events, QoS 1, 64 in flight, MQTT 5,
// no Nagle, one thread around mosquitto_loop.
//   peer PORT EVENTS
#include <mosquitto.h>
#include <mqtt_protocol.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

enum { in_flight_limit = 64, turn_milliseconds = 10 };

static long acknowledged;
static int connected;

static void on_connect(struct mosquitto *m, void *object, int reason, int flags, const mosquitto_property *p) {
  (void)m, (void)object, (void)flags, (void)p;
  if (reason != 0) exit(1);
  connected = 1;
}

static void on_publish(struct mosquitto *m, void *object, int message, int reason, const mosquitto_property *p) {
  (void)m, (void)object, (void)message, (void)p;
  if (reason >= 0x80) exit(1);
  acknowledged++;
}

static double now(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return (double)time.tv_sec + (double)time.tv_nsec * 1e-9;
}

int main(int count, char **arguments) {
  if (count != 3) return 2;
  long events = atol(arguments[2]);
  mosquitto_lib_init();
  struct mosquitto *client = mosquitto_new("peer", true, NULL);
  mosquitto_int_option(client, MOSQ_OPT_PROTOCOL_VERSION, MQTT_PROTOCOL_V5);
  mosquitto_int_option(client, MOSQ_OPT_TCP_NODELAY, 1);
  mosquitto_int_option(client, MOSQ_OPT_SEND_MAXIMUM, 100);
  mosquitto_connect_v5_callback_set(client, on_connect);
  mosquitto_publish_v5_callback_set(client, on_publish);
  if (mosquitto_connect(client, "127.0.0.1", atoi(arguments[1]), 15)) return 1;
  while (!connected)
    if (mosquitto_loop(client, turn_milliseconds, 1)) return 1;

  double start = now();
  long sent = 0;
  char text[512];
  while (acknowledged < events) {
    for (; sent < events && sent - acknowledged < in_flight_limit; sent++) {
      long long wall = 1700000000000000000LL + sent * 1000000LL;
      const char *from = sent % 2 ? "active" : "inactive", *to = sent % 2 ? "inactive" : "active";
      int length = snprintf(
          text, sizeof text,
          "{\"schema\":\"motorhand.event/1\",\"number\":\"%ld\",\"run_id\":\"bench\",\"kind\":\"e-stop-line\","
          "\"stored\":true,\"seq\":\"%ld\",\"t\":%lld.%09lld,\"t_ns\":\"%lld\",\"from\":\"%s\",\"to\":\"%s\","
          "\"joint\":null,\"count\":null,\"text\":\"e-stop line %s\"}",
          sent + 1, sent, wall / 1000000000, wall % 1000000000, wall, from, to, to);
      if (mosquitto_publish_v5(client, NULL, "motorhand/hand/bench/event", length, text, 1, false, NULL)) return 1;
    }
    if (mosquitto_loop(client, turn_milliseconds, 1)) return 1;
  }
  double seconds = now() - start;
  printf("{\"program\":\"peer\",\"events\":%ld,\"seconds\":%.6f,\"events_per_second\":%.1f}\n", events, seconds,
         (double)events / seconds);
  mosquitto_disconnect(client);
  mosquitto_destroy(client);
  return 0;
}
