#include "CRealtime.h"

#include <sys/resource.h>
#include <sys/timex.h>

_Static_assert(RLIMIT_RTPRIO == crealtime_limit_priority, "number of RLIMIT_RTPRIO");
_Static_assert(RLIMIT_MEMLOCK == crealtime_limit_memory, "number of RLIMIT_MEMLOCK");

int crealtime_get_limit(int resource, uint64_t *soft, uint64_t *hard) {
  struct rlimit limit;
  if (getrlimit((__rlimit_resource_t)resource, &limit) != 0) return errno;
  *soft = limit.rlim_cur;
  *hard = limit.rlim_max;
  return 0;
}

int crealtime_set_limit(int resource, uint64_t soft, uint64_t hard) {
  struct rlimit limit = {.rlim_cur = soft, .rlim_max = hard};
  return setrlimit((__rlimit_resource_t)resource, &limit) == 0 ? 0 : errno;
}

__attribute__((noinline)) void crealtime_touch_stack(size_t bytes) {
  volatile char array[bytes];
  for (size_t offset = 0; offset < bytes; offset += 1024) array[offset] = 0;
  array[bytes - 1] = 0;
}

int crealtime_is_wall_clock_synchronised(void) {
  struct timex state = {0};
  int code = adjtimex(&state);
  return code >= 0 && code != TIME_ERROR;
}
