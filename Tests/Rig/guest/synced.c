// Tells the kernel what a time server's client tells it: that the clock is right.
#include <stdio.h>
#include <sys/timex.h>

int main(void) {
  struct timex state = {.modes = ADJ_STATUS | ADJ_MAXERROR | ADJ_ESTERROR, .status = STA_PLL};
  int code = adjtimex(&state);
  if (code < 0) perror("rig-synced: adjtimex");
  return code == TIME_OK ? 0 : 1;
}
