import CRealtime
import Glibc
import Synchronization

/// How the kernel schedules a thread.
package enum SchedulingPolicy: Sendable, Equatable {
  /// SCHED_FIFO with a priority from 1 to 99.
  case fifo(priority: Int32)
  /// SCHED_OTHER, the time-sharing default.
  case normal

  /// The priority of the daemon's loop (docs/realtime.md).
  package static let loopPriority: Int32 = 80
  /// The priority of the threads that read and write for it: buses, kernel PWM, e-stop line.
  package static let busPriority: Int32 = 79
}

/// What a thread got, read back from the kernel by the thread itself.
package struct ThreadReport: Sendable, Equatable {
  /// At most 15 bytes, as the kernel has it.
  package var name: String
  package var policy: SchedulingPolicy
  /// The one CPU the thread is bound to; nil when it may run on several.
  package var cpu: Int?
  /// The kernel's number of the thread, as `ps -L` shows it.
  package var threadID: Int32
  /// Whether the wanted policy was not allowed and the thread runs as a normal one.
  package var isDegraded: Bool
}

/// Why a thread could not be started.
package enum RealtimeThreadError: Error, Equatable, Sendable {
  /// The user may not use SCHED_FIFO at this priority (`RealtimePrivileges.probe()` says how to get it).
  case notPermitted(priority: Int32)
  /// The CPU does not exist, is offline, or lies outside the process's cpuset.
  case noSuchCPU(Int)
  /// Anything else, such as EAGAIN for want of memory or threads.
  case system(Errno)
}

extension RealtimeThreadError: CustomStringConvertible {
  package var description: String {
    switch self {
    case .notPermitted(let priority):
      "SCHED_FIFO \(priority) refused: RLIMIT_RTPRIO or CAP_SYS_NICE is missing"
    case .noSuchCPU(let cpu):
      "there is no CPU \(cpu), or this process may not use it (\(sysconf(Int32(_SC_NPROCESSORS_ONLN))) are online, "
        + "numbered from 0; taskset -p shows which are allowed)"
    case .system(let cause): cause.description
    }
  }
}

/// A thread with explicit scheduling, CPU, and a small stack, as a rule resident before its body runs.
///
/// All signals are blocked in it: they are taken elsewhere and never interrupt the loop. The owner ends the
/// body by its own means and then calls `join`; the last release joins too.
package final class RealtimeThread: Sendable {
  /// What to do when the policy is not permitted.
  package enum MissingPrivilege: Sendable {
    case fail
    /// Run as a normal thread and say so in the report.
    case degrade
  }

  /// 256 KiB: some twenty times what a tick of 32 joints needs, and little of what is locked.
  package static let defaultStackBytes = 256 * 1024
  /// The kernel keeps 15 bytes of a thread's name.
  static let nameLimitBytes = 15

  /// What the kernel gave.
  package let report: ThreadReport
  private let handle: pthread_t
  private let isJoined = Locked(false)
  private let start: ThreadStart
  /// Time between two looks of a bounded wait.
  private static let lookNanoseconds: Int64 = 1_000_000

  /// The kernel's number of the thread, as `ps -L` shows it.
  package var threadID: Int32 { report.threadID }

  /// Starts the thread; `body` runs as soon as the report is complete.
  /// - Parameters:
  ///   - name: shown by `ps -L` and `top -H`; cut to 15 bytes.
  ///   - cpu: the CPU to pin to, or nil.
  ///   - stackBytes: at least 64 KiB.
  ///   - touchesStack: whether all of the stack is resident before `body` runs, and locked where memory is. A
  ///     thread that may wait for a page does without.
  package init(
    name: String, policy: SchedulingPolicy, cpu: Int? = nil, stackBytes: Int = defaultStackBytes,
    touchesStack: Bool = true, onMissingPrivilege: MissingPrivilege = .fail,
    body: sending @escaping () -> Void
  ) throws(RealtimeThreadError) {
    precondition(stackBytes >= 65_536, "a thread's stack must have at least 64 KiB")
    let start = ThreadStart(name: name, stackBytes: stackBytes, touchesStack: touchesStack, body: body)
    var isDegraded = false
    var created = start.create(policy: policy, cpu: cpu)
    if case .failure(.notPermitted) = created, onMissingPrivilege == .degrade {
      isDegraded = true
      created = start.create(policy: .normal, cpu: cpu)
    }
    handle = try created.get()
    self.start = start
    var report = start.awaitReport()
    report.isDegraded = isDegraded
    self.report = report
  }

  deinit { join() }

  /// Waits until the body has returned. May be called again, and from several threads, but not from the
  /// thread itself.
  package func join() {
    isJoined.withLock { isJoined in
      guard !isJoined else { return }
      let result = pthread_join(handle, nil)
      precondition(result == 0, "a thread cannot wait for its own end")
      isJoined = true
    }
  }

  /// Waits until the body has returned, at most until `deadline` of the monotonic clock. Returns
  /// whether it has.
  package func hasReturned(by deadline: Int64) -> Bool {
    let clock = MonotonicClock()
    while !start.hasReturned.load(ordering: .acquiring) {
      guard clock.now() < deadline else { return false }
      clock.sleep(until: clock.now() + Self.lookNanoseconds)
    }
    return true
  }

  /// Waits until the body has returned, at most until `deadline` of the monotonic clock. A thread that has
  /// not returned by then is detached: nobody waits for it any more, and the process may end without it.
  /// - Returns: whether it has returned.
  package func join(by deadline: Int64) -> Bool {
    guard hasReturned(by: deadline) else {
      leave()
      return false
    }
    join()
    return true
  }

  /// Leaves the thread to itself: nobody waits for it from now on, and the process may end without it.
  package func leave() {
    isJoined.withLock { isJoined in
      if !isJoined { pthread_detach(handle) }
      isJoined = true
    }
  }
}

/// What a new thread needs to start, and the way its report comes back.
private final class ThreadStart: @unchecked Sendable {
  // Safety of @unchecked: `report` is written by the new thread before its maker reads it,
  // behind a semaphore.

  let name: String
  let stackBytes: Int
  let touchesStack: Bool
  let body: () -> Void
  private let ready = UnsafeMutablePointer<sem_t>.allocate(capacity: 1)
  private var report: ThreadReport?
  let hasReturned = Atomic(false)

  init(name: String, stackBytes: Int, touchesStack: Bool, body: @escaping () -> Void) {
    self.name = name
    self.stackBytes = stackBytes
    self.touchesStack = touchesStack
    self.body = body
    sem_init(ready, 0, 0)
  }

  deinit {
    sem_destroy(ready)
    ready.deallocate()
  }

  func create(policy: SchedulingPolicy, cpu: Int?) -> Result<pthread_t, RealtimeThreadError> {
    var attributes = pthread_attr_t()
    pthread_attr_init(&attributes)
    defer { pthread_attr_destroy(&attributes) }
    pthread_attr_setstacksize(&attributes, stackBytes)
    pthread_attr_setinheritsched(&attributes, Int32(PTHREAD_EXPLICIT_SCHED))
    var priority: Int32 = 0
    if case .fifo(let wanted) = policy {
      precondition((1...99).contains(wanted), "SCHED_FIFO priorities run from 1 to 99")
      priority = wanted
      pthread_attr_setschedpolicy(&attributes, SCHED_FIFO)
    } else {
      pthread_attr_setschedpolicy(&attributes, SCHED_OTHER)
    }
    var parameters = sched_param(sched_priority: priority)
    pthread_attr_setschedparam(&attributes, &parameters)
    if let cpu, crealtime_attr_set_cpu(&attributes, Int32(clamping: cpu)) != 0 {
      return .failure(.noSuchCPU(cpu))
    }

    // A new thread inherits the mask. Blocking the signals here leaves no moment in which it could take one.
    var all = sigset_t()
    var previous = sigset_t()
    sigfillset(&all)
    pthread_sigmask(SIG_SETMASK, &all, &previous)
    defer { pthread_sigmask(SIG_SETMASK, &previous, nil) }

    var thread = pthread_t()
    let retained = Unmanaged.passRetained(self)
    let result = pthread_create(
      &thread, &attributes,
      { argument in
        let start = Unmanaged<ThreadStart>.fromOpaque(argument!).takeRetainedValue()
        start.run()
        return nil
      }, retained.toOpaque())
    guard result != 0 else { return .success(thread) }
    retained.release()
    switch result {
    case EPERM: return .failure(.notPermitted(priority: priority))
    case EINVAL: return cpu.map { .failure(.noSuchCPU($0)) } ?? .failure(.system(Errno(rawValue: result)))
    default: return .failure(.system(Errno(rawValue: result)))
    }
  }

  /// On the creating thread.
  func awaitReport() -> ThreadReport {
    while sem_wait(ready) != 0 {}
    return report!
  }

  /// On the new thread.
  private func run() {
    let shortName = String(decoding: name.utf8.prefix(RealtimeThread.nameLimitBytes), as: UTF8.self)
    pthread_setname_np(pthread_self(), shortName)
    // Linux may otherwise delay a normal thread's timers by 50 µs. Real-time threads have no such slack.
    _ = crealtime_set_timer_slack(1)
    // The upper part of the stack is in use by the frames above and the C library, and the guard page must
    // not be touched: both are left out.
    if touchesStack { crealtime_touch_stack(stackBytes - 32_768) }
    var parameters = sched_param()
    sched_getparam(0, &parameters)
    let isFIFO = sched_getscheduler(0) & ~Int32(bitPattern: 0x4000_0000) == SCHED_FIFO
    let cpu = crealtime_pinned_cpu()
    report = ThreadReport(
      name: shortName, policy: isFIFO ? .fifo(priority: parameters.sched_priority) : .normal,
      cpu: cpu < 0 ? nil : Int(cpu), threadID: crealtime_thread_id(), isDegraded: false)
    sem_post(ready)
    body()
    hasReturned.store(true, ordering: .releasing)
  }
}
