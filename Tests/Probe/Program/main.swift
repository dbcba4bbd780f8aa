// A small process for the tests that need one: what an unprivileged user gets, and a loop thread under the
// proof library, clean or with one deliberate sin. Usage: realtime-probe privileges | thread | loop
// [clean | malloc | mutex | getpid | fault] | bench <hertz> <seconds> <cpu>
import Analysis
import Glibc
import Realtime

/// What the loop hands on each tick.
struct Output: BitwiseCopyable, Sendable {
  var tick: UInt64 = 0
  var words = InlineArray<32, UInt64>(repeating: 0)
}

/// What the loop does wrong, once, in the middle of the marked stretch.
enum Sin: String {
  case clean, malloc, mutex, getpid, fault
}

/// Long enough for a late page fault or a lock on a rare path to show; 5 kHz keeps it at 0.4 s.
let ticks = 2000
let periodNanoseconds: Int64 = 200_000

func runLoop(_ sin: Sin) throws {
  let process = RealtimeProcess()
  let marks = ProbeMarks()
  let clock = MonotonicClock()
  let histogram = LatencyHistogram()
  let ring = Ring(capacity: 4096, filling: Output())
  let newest = TripleBuffer(Output())
  nonisolated(unsafe) let mutex = UnsafeMutablePointer<pthread_mutex_t>.allocate(capacity: 1)
  pthread_mutex_init(mutex, nil)
  nonisolated(unsafe) let untouched = mmap(
    nil, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0)!
  nonisolated(unsafe) var kept: UnsafeMutableRawPointer?
  let thread = try RealtimeThread(
    name: "probe-loop", policy: .fifo(priority: SchedulingPolicy.loopPriority),
    onMissingPrivilege: .degrade
  ) {
    var cadence = DeadlineSchedule(
      periodNanoseconds: periodNanoseconds, start: clock.now() + periodNanoseconds)
    var output = Output()
    func tick() {
      clock.sleep(until: cadence.deadlineNanoseconds)
      let now = clock.now()
      histogram.record(now - cadence.deadlineNanoseconds)
      output.tick &+= 1
      newest.write(output)
      ring.push(output)
      cadence.advance(now: clock.now())
    }
    // Touches the code and data of the path once, as the daemon does with its outputs off.
    for _ in 0..<100 { tick() }
    marks.begin()
    for number in 0..<ticks {
      tick()
      guard number == ticks / 2 else { continue }
      switch sin {
      case .clean: break
      case .malloc: kept = Glibc.malloc(64)
      case .mutex:
        pthread_mutex_lock(mutex)
        pthread_mutex_unlock(mutex)
      case .getpid: _ = Glibc.getpid()
      case .fault: untouched.storeBytes(of: 1, as: UInt8.self)
      }
    }
    marks.end()
  }
  thread.join()
  free(kept)
  pthread_mutex_destroy(mutex)
  mutex.deallocate()
  munmap(untouched, 1 << 20)
  print("ticks \(newest.read().value.tick), complete \(process.isComplete), probed \(marks.isProbed)")
}

switch CommandLine.arguments.dropFirst().first {
case "privileges":
  print(RealtimePrivileges.probe().json)
case "thread":
  let policy = SchedulingPolicy.fifo(priority: SchedulingPolicy.loopPriority)
  do throws(RealtimeThreadError) {
    try RealtimeThread(name: "strict", policy: policy, body: {}).join()
    print("strict: granted")
  } catch {
    print("strict: \(error)")
  }
  let thread = try RealtimeThread(name: "lenient", policy: policy, onMissingPrivilege: .degrade, body: {})
  print("lenient: \(thread.report.policy) degraded \(thread.report.isDegraded)")
  let process = RealtimeProcess()
  print("memory lock: \(process.memoryLockError.map { "\($0)" } ?? "granted")")
  print("cpu latency: \(process.cpuLatencyError.map { "\($0)" } ?? "granted")")
case "loop":
  guard let sin = Sin(rawValue: CommandLine.arguments.count > 2 ? CommandLine.arguments[2] : "clean") else {
    fallthrough
  }
  try runLoop(sin)
case "bench":
  let numbers = CommandLine.arguments.dropFirst(2).compactMap(Double.init)
  guard numbers.count == 3 else { fallthrough }
  let result = try LoopBench.run(
    rateHertz: numbers[0], seconds: numbers[1], cpu: Int(numbers[2]), body: { _ in })
  print(result.json)
default:
  print("usage: realtime-probe privileges | thread | loop [sin] | bench <hertz> <seconds> <cpu>")
  exit(64)  // EX_USAGE of sysexits.h
}
