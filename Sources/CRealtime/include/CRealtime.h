// What the Realtime module needs of Linux and cannot say in Swift: variadic functions, macros, and headers
// that the Glibc module map leaves out. Wrappers only; no logic.
#ifndef CREALTIME_H
#define CREALTIME_H

#ifndef _GNU_SOURCE
#define _GNU_SOURCE
#endif
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <malloc.h>
#include <pthread.h>
#include <sched.h>
#include <stdint.h>
#include <sys/eventfd.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <unistd.h>

// The C library declares gettid only since glibc 2.30; the system call is older.
static inline int32_t crealtime_thread_id(void) { return (int32_t)syscall(SYS_gettid); }

// cpu_set_t is filled by macros. Returns an errno value, 0 for success.
static inline int crealtime_attr_set_cpu(pthread_attr_t *attributes, int cpu) {
  if (cpu < 0 || cpu >= CPU_SETSIZE) return EINVAL;
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  return pthread_attr_setaffinity_np(attributes, sizeof set, &set);
}

// The only CPU the calling thread may run on, or -1 when it may run on several.
static inline int crealtime_pinned_cpu(void) {
  cpu_set_t set;
  CPU_ZERO(&set);
  if (sched_getaffinity(0, sizeof set, &set) != 0 || CPU_COUNT(&set) != 1) return -1;
  for (int cpu = 0; cpu < CPU_SETSIZE; cpu++)
    if (CPU_ISSET(cpu, &set)) return cpu;
  return -1;
}

// getrlimit and setrlimit by number: sys/resource.h, included here, would clash with the Glibc module's view
// of it. Return errno values, 0 for success.
enum { crealtime_limit_priority = 14, crealtime_limit_memory = 8 };
int crealtime_get_limit(int resource, uint64_t *soft, uint64_t *hard);
int crealtime_set_limit(int resource, uint64_t soft, uint64_t hard);

// Whether the kernel disciplines its wall clock (NTP, PTP); sys/timex.h would clash too.
int crealtime_is_wall_clock_synchronised(void);

// MCL_ONFAULT (Linux 4.4) is missing from older C library headers.
#ifndef MCL_ONFAULT
#define MCL_ONFAULT 4
#endif
static inline int crealtime_lock_all_on_fault(void) {
  return mlockall(MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT);
}

static inline int crealtime_set_timer_slack(unsigned long nanoseconds) {
  return prctl(PR_SET_TIMERSLACK, nanoseconds, 0, 0, 0);
}

// mallopt returns 1 for success.
static inline int crealtime_keep_heap(void) {
  return mallopt(M_TRIM_THRESHOLD, -1) == 1 && mallopt(M_MMAP_MAX, 0) == 1;
}

// A store the compiler may not drop.
static inline void crealtime_touch(void *byte) { *(volatile char *)byte = 0; }

// Touches the calling thread's stack below its present frame, page by page. Not inlined: the array must be
// gone afterwards. `bytes` must fit what is left of the stack.
void crealtime_touch_stack(size_t bytes);

// RTLD_DEFAULT is a cast, which Swift does not import.
static inline void *crealtime_find_symbol(const char *name) { return dlsym(RTLD_DEFAULT, name); }

// A GNU extension, hidden from Swift's Glibc.
static inline int crealtime_pipe(int ends[2]) { return pipe2(ends, O_CLOEXEC); }

// A mutable global, which Swift 6 does not let a program read.
static inline char **crealtime_environment(void) { return environ; }

// Its flags are an enumeration, and the header is not in Swift's Glibc.
static inline int crealtime_event(void) { return eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK); }

// A GNU extension too.
static inline int crealtime_memory_file(const char *name) { return memfd_create(name, MFD_CLOEXEC); }
// MAP_FAILED is a cast, which Swift does not import.
static inline void *crealtime_map_shared(int descriptor, size_t bytes, int writable) {
  void *start = mmap(NULL, bytes, writable ? PROT_READ | PROT_WRITE : PROT_READ, MAP_SHARED, descriptor, 0);
  return start == MAP_FAILED ? NULL : start;
}

#endif
