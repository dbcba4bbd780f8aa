#include <mosquitto.h>
#include <mqtt_protocol.h>
// Swift's Glibc module leaves out both. eventfd: wakes a thread that waits for its socket.
#include <sys/eventfd.h>
// adjtimex: messages say whether the wall clock is disciplined.
#include <sys/timex.h>
