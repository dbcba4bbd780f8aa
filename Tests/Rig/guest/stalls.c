// Says when a processor of the guest stood still: a line "CPU MILLISECONDS" for each time that a thread above all
// others, bound to that processor, slept for longer than it asked to. Real processors do not; those of a guest do
// while its host has other work. Runs until it is ended.
//
//   rig-stalls MILLISECONDS   shorter ones are not told
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

static const long periodNanoseconds = 2000000;

static void require(int result, const char *what) {
  if (result >= 0) return;
  fprintf(stderr, "rig-stalls: %s: %s\n", what, strerror(errno));
  exit(1);
}

static double milliseconds(void) {
  struct timespec time;
  clock_gettime(CLOCK_MONOTONIC, &time);
  return 1e3 * (double)time.tv_sec + 1e-6 * (double)time.tv_nsec;
}

static void watch(int cpu, double shortest) {
  cpu_set_t set;
  CPU_ZERO(&set);
  CPU_SET(cpu, &set);
  require(sched_setaffinity(0, sizeof set, &set), "binding to a processor");
  require(sched_setscheduler(0, SCHED_FIFO, &(struct sched_param){.sched_priority = 99}), "SCHED_FIFO 99");
  for (double last = milliseconds();;) {
    nanosleep(&(struct timespec){.tv_nsec = periodNanoseconds}, NULL);
    double present = milliseconds(), late = present - last - 1e-6 * (double)periodNanoseconds;
    last = present;
    if (late < shortest) continue;
    printf("%d %.0f\n", cpu, late);
    fflush(stdout);
  }
}

int main(int count, char **arguments) {
  if (count != 2) {
    fputs("usage: rig-stalls MILLISECONDS\n", stderr);
    return 64;
  }
  for (int cpu = 0; cpu < sysconf(_SC_NPROCESSORS_ONLN); cpu++) {
    int child = fork();
    require(child, "fork");
    if (child == 0) watch(cpu, atof(arguments[1]));
  }
  while (wait(NULL) > 0) {}
  return 1;
}
