#include <mosquitto.h>
#include <mqtt_protocol.h>
// adjtimex, which Swift's Glibc module leaves out: messages say whether the wall clock is disciplined.
#include <sys/timex.h>
