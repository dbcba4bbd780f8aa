// Proof at run time that a real-time thread neither allocates, nor locks, nor makes system calls beside its
// sleep. Loaded with LD_PRELOAD; watches only the thread that calls motorhand_probe_begin, and only until
// that thread calls motorhand_probe_end. docs/realtime.md says how to use it.
//
// MOTORHAND_PROBE_REPORT   file to which each end mark (or a forbidden system call) appends a line of JSON;
//                          standard error without it
// MOTORHAND_PROBE_SECCOMP  1: a system call between the marks that is not allowed ends the process with
//                          status 97
// MOTORHAND_PROBE_ALLOW    more allowed calls, comma-separated: write, ioctl (outputs the loop drives itself)
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/audit.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/time.h>
#include <ucontext.h>
#include <unistd.h>

// Distinct from the statuses of shells, sanitizers and signals.
enum { forbidden_call_status = 97 };

// MARK: counters

#define WATCHED(X)                                                                                         \
  X(malloc) X(calloc) X(realloc) X(free) X(aligned_alloc) X(memalign) X(posix_memalign)                    \
  X(pthread_mutex_lock) X(pthread_mutex_trylock) X(pthread_mutex_timedlock)                                \
  X(pthread_rwlock_rdlock) X(pthread_rwlock_wrlock) X(pthread_cond_wait) X(pthread_cond_timedwait)         \
  X(pthread_once) X(sem_wait) X(sem_timedwait)

#define ENUMERATE(name) watched_##name,
enum { WATCHED(ENUMERATE) watched_count };
#define NAME(name) #name,
static const char *const names[] = {WATCHED(NAME)};

// Initial-exec: the default model may itself allocate on first use.
#define THREAD_LOCAL static _Thread_local __attribute__((tls_model("initial-exec")))
THREAD_LOCAL int is_marked;
THREAD_LOCAL uint64_t counts[watched_count];
THREAD_LOCAL struct rusage usage_at_begin;
static int report_descriptor = STDERR_FILENO;

#define COUNT(name) do { if (is_marked) counts[watched_##name]++; } while (0)

// MARK: system calls that the filter lets pass

// The filter allows any call made at this one instruction: the probe's own calls, and those it repeats for
// the thread after the end mark.
long motorhand_probe_call(long number, long a, long b, long c, long d, long e, long f);
extern const char motorhand_probe_call_site[];
#if defined(__x86_64__)
__asm__(".text\n.globl motorhand_probe_call\n.type motorhand_probe_call,@function\nmotorhand_probe_call:\n"
        "mov %rdi,%rax\nmov %rsi,%rdi\nmov %rdx,%rsi\nmov %rcx,%rdx\nmov %r8,%r10\nmov %r9,%r8\n"
        "mov 8(%rsp),%r9\nsyscall\n.globl motorhand_probe_call_site\nmotorhand_probe_call_site:\nret\n");
#define AUDIT_ARCHITECTURE AUDIT_ARCH_X86_64
#define ARGUMENT(context, n) ((context)->uc_mcontext.gregs[(const int[]){                                  \
    REG_RDI, REG_RSI, REG_RDX, REG_R10, REG_R8, REG_R9}[n]])
#define RESULT(context) ((context)->uc_mcontext.gregs[REG_RAX])
#elif defined(__aarch64__)
__asm__(".text\n.globl motorhand_probe_call\n.type motorhand_probe_call,%function\nmotorhand_probe_call:\n"
        "mov x8,x0\nmov x0,x1\nmov x1,x2\nmov x2,x3\nmov x3,x4\nmov x4,x5\nmov x5,x6\nsvc #0\n"
        ".globl motorhand_probe_call_site\nmotorhand_probe_call_site:\nret\n");
#define AUDIT_ARCHITECTURE AUDIT_ARCH_AARCH64
#define ARGUMENT(context, n) ((context)->uc_mcontext.regs[n])
#define RESULT(context) ((context)->uc_mcontext.regs[0])
#else
#error "the probe knows x86-64 and aarch64"
#endif

static long direct(long number, long a, long b, long c) {
  return motorhand_probe_call(number, a, b, c, 0, 0, 0);
}

// MARK: report

// `call` is the forbidden system call, or -1.
static void report(long call) {
  struct rusage usage;
  direct(SYS_getrusage, RUSAGE_THREAD, (long)&usage, 0);
  char line[2048];
  size_t length = 0;
  uint64_t violations = call >= 0;
#define APPEND(...) length += (size_t)snprintf(line + length, sizeof line - length, __VA_ARGS__)
  APPEND("{\"calls\":{");
  for (int index = 0; index < watched_count; index++) {
    APPEND("%s\"%s\":%llu", index ? "," : "", names[index], (unsigned long long)counts[index]);
    violations += counts[index];
  }
  long minor = usage.ru_minflt - usage_at_begin.ru_minflt;
  long major = usage.ru_majflt - usage_at_begin.ru_majflt;
  APPEND("},\"minorFaults\":%ld,\"majorFaults\":%ld,\"voluntarySwitches\":%ld,\"involuntarySwitches\":%ld",
         minor, major, usage.ru_nvcsw - usage_at_begin.ru_nvcsw, usage.ru_nivcsw - usage_at_begin.ru_nivcsw);
  if (call >= 0) APPEND(",\"forbiddenSystemCall\":%ld", call);
  APPEND(",\"violations\":%llu}\n", (unsigned long long)violations + (uint64_t)minor + (uint64_t)major);
  direct(SYS_write, report_descriptor, (long)line, (long)length);
}

// MARK: filter

static void on_forbidden_call(int signal, siginfo_t *info, void *argument) {
  (void)signal;
  ucontext_t *context = argument;
  long number = info->si_syscall;
  if (is_marked) {
    is_marked = 0;
    report(number);
    char message[96];
    int length = snprintf(message, sizeof message,
                          "motorhand probe: system call %ld on the marked thread\n", number);
    direct(SYS_write, STDERR_FILENO, (long)message, length);
    direct(SYS_exit_group, forbidden_call_status, 0, 0);
  }
  // A filter cannot be removed: after the end mark each call of the thread comes by here and is repeated.
  if (number == SYS_rt_sigprocmask) {
    // The mask that counts is the one this handler returns to, and SIGSYS must stay open in it.
    const sigset_t *set = (const sigset_t *)ARGUMENT(context, 1);
    sigset_t *previous = (sigset_t *)ARGUMENT(context, 2);
    size_t bytes = (size_t)ARGUMENT(context, 3);
    sigset_t mask = context->uc_sigmask;
    if (set) {
      unsigned char *to = (unsigned char *)&context->uc_sigmask;
      const unsigned char *from = (const unsigned char *)set;
      for (size_t index = 0; index < bytes; index++)
        switch ((int)ARGUMENT(context, 0)) {
        case SIG_BLOCK: to[index] |= from[index]; break;
        case SIG_UNBLOCK: to[index] &= (unsigned char)~from[index]; break;
        default: to[index] = from[index]; break;
        }
      sigdelset(&context->uc_sigmask, SIGSYS);
    }
    if (previous) memcpy(previous, &mask, bytes);
    RESULT(context) = 0;
    return;
  }
  RESULT(context) = motorhand_probe_call(number, ARGUMENT(context, 0), ARGUMENT(context, 1),
                                         ARGUMENT(context, 2), ARGUMENT(context, 3), ARGUMENT(context, 4),
                                         ARGUMENT(context, 5));
}

static int is_allowed_by_environment(const char *name) {
  const char *list = getenv("MOTORHAND_PROBE_ALLOW");
  size_t length = strlen(name);
  while (list && *list) {
    size_t item = strcspn(list, ",");
    if (item == length && strncmp(list, name, item) == 0) return 1;
    list += item + (list[item] == ',');
  }
  return 0;
}

static void fail(const char *what) {
  perror(what);
  _exit(1);
}

static void install_filter(void) {
  struct sigaction action = {.sa_sigaction = on_forbidden_call, .sa_flags = SA_SIGINFO | SA_NODEFER};
  if (sigaction(SIGSYS, &action, NULL) != 0) fail("motorhand probe: sigaction");
  // A trap into a blocked signal kills the process without the report.
  sigset_t set;
  sigemptyset(&set);
  sigaddset(&set, SIGSYS);
  pthread_sigmask(SIG_UNBLOCK, &set, NULL);

  uint64_t site = (uint64_t)(uintptr_t)motorhand_probe_call_site;
  uint32_t write_number = is_allowed_by_environment("write") ? SYS_write : SYS_clock_nanosleep;
  uint32_t ioctl_number = is_allowed_by_environment("ioctl") ? SYS_ioctl : SYS_clock_nanosleep;
#define FIELD(name) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, name))
#define HALF(offset) BPF_STMT(BPF_LD | BPF_W | BPF_ABS, offsetof(struct seccomp_data, instruction_pointer) + offset)
#define ALLOW BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_ALLOW)
#define ALLOW_NUMBER(number) BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, number, 0, 1), ALLOW
  // Both architectures are little-endian: the low half comes first.
  struct sock_filter program[] = {
      FIELD(arch),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, AUDIT_ARCHITECTURE, 1, 0),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_KILL_PROCESS),
      HALF(0),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)site, 0, 3),
      HALF(4),
      BPF_JUMP(BPF_JMP | BPF_JEQ | BPF_K, (uint32_t)(site >> 32), 0, 1),
      ALLOW,
      FIELD(nr),
      ALLOW_NUMBER(SYS_clock_nanosleep),
      ALLOW_NUMBER(SYS_clock_gettime),
      ALLOW_NUMBER(SYS_futex),
      // Not the loop's: the kernel's own ends of a signal handler and of an interrupted sleep.
      ALLOW_NUMBER(SYS_rt_sigreturn),
      ALLOW_NUMBER(SYS_restart_syscall),
      ALLOW_NUMBER(write_number),
      ALLOW_NUMBER(ioctl_number),
      BPF_STMT(BPF_RET | BPF_K, SECCOMP_RET_TRAP),
  };
  struct sock_fprog filter = {.len = sizeof program / sizeof *program, .filter = program};
  if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) fail("motorhand probe: no_new_privs");
  // Without the flag that would synchronise threads: only this one is bound.
  if (syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, 0, &filter) != 0) fail("motorhand probe: seccomp");
}

// MARK: marks

void motorhand_probe_begin(void) {
  static pthread_mutex_t once = PTHREAD_MUTEX_INITIALIZER;
  THREAD_LOCAL int is_filtered;
  if (!is_filtered) {
    pthread_mutex_lock(&once);
    const char *path = getenv("MOTORHAND_PROBE_REPORT");
    if (path && report_descriptor == STDERR_FILENO) {
      report_descriptor = open(path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644);
      if (report_descriptor < 0) fail("motorhand probe: report");
    }
    pthread_mutex_unlock(&once);
    const char *filter = getenv("MOTORHAND_PROBE_SECCOMP");
    if (filter && strcmp(filter, "1") == 0) install_filter();
    is_filtered = 1;
  }
  memset(counts, 0, sizeof counts);
  direct(SYS_getrusage, RUSAGE_THREAD, (long)&usage_at_begin, 0);
  is_marked = 1;
}

void motorhand_probe_end(void) {
  if (!is_marked) return;
  is_marked = 0;
  report(-1);
}

// MARK: interposed allocation

// glibc's own entry points: asking dlsym for the next malloc may itself allocate.
void *__libc_malloc(size_t size);
void *__libc_calloc(size_t count, size_t size);
void *__libc_realloc(void *block, size_t size);
void *__libc_memalign(size_t alignment, size_t size);
void __libc_free(void *block);

void *malloc(size_t size) { COUNT(malloc); return __libc_malloc(size); }
void *calloc(size_t count, size_t size) { COUNT(calloc); return __libc_calloc(count, size); }
void *realloc(void *block, size_t size) { COUNT(realloc); return __libc_realloc(block, size); }
void free(void *block) { COUNT(free); __libc_free(block); }
void *memalign(size_t alignment, size_t size) { COUNT(memalign); return __libc_memalign(alignment, size); }
void *aligned_alloc(size_t alignment, size_t size) {
  COUNT(aligned_alloc);
  return __libc_memalign(alignment, size);
}
int posix_memalign(void **block, size_t alignment, size_t size) {
  COUNT(posix_memalign);
  if (alignment % sizeof(void *) != 0 || (alignment & (alignment - 1)) != 0 || alignment == 0) return EINVAL;
  void *taken = __libc_memalign(alignment, size);
  if (!taken) return ENOMEM;
  *block = taken;
  return 0;
}

// MARK: interposed locks

// The definition after this library's. Threads that look it up at the same time find the same one.
#define FORWARD(name, parameters, arguments)                                                               \
  int name parameters {                                                                                    \
    static int(*next) parameters;                                                                          \
    COUNT(name);                                                                                           \
    int(*found) parameters = __atomic_load_n(&next, __ATOMIC_RELAXED);                                     \
    if (!found) {                                                                                          \
      found = (int(*) parameters)dlsym(RTLD_NEXT, #name);                                                  \
      __atomic_store_n(&next, found, __ATOMIC_RELAXED);                                                    \
    }                                                                                                      \
    return found arguments;                                                                                \
  }

FORWARD(pthread_mutex_lock, (pthread_mutex_t *mutex), (mutex))
FORWARD(pthread_mutex_trylock, (pthread_mutex_t *mutex), (mutex))
FORWARD(pthread_mutex_timedlock, (pthread_mutex_t *mutex, const struct timespec *time), (mutex, time))
FORWARD(pthread_rwlock_rdlock, (pthread_rwlock_t *lock), (lock))
FORWARD(pthread_rwlock_wrlock, (pthread_rwlock_t *lock), (lock))
FORWARD(pthread_cond_wait, (pthread_cond_t *condition, pthread_mutex_t *mutex), (condition, mutex))
FORWARD(pthread_cond_timedwait,
        (pthread_cond_t *condition, pthread_mutex_t *mutex, const struct timespec *time),
        (condition, mutex, time))
FORWARD(pthread_once, (pthread_once_t *once, void (*routine)(void)), (once, routine))
FORWARD(sem_wait, (sem_t *semaphore), (semaphore))
FORWARD(sem_timedwait, (sem_t *semaphore, const struct timespec *time), (semaphore, time))
