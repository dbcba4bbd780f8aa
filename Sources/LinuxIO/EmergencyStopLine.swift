import Devices
import HandModel
import Realtime
import Synchronization

/// The e-stop line. A thread of its own waits for edges, and the tick reads what that thread saw last.
///
/// Reading costs the tick no system call, and a press shorter than a tick is not lost. A failure counts as a
/// stop: the line reads active when it cannot be read, or when the thread has not looked for too long.
package final class EmergencyStopLine: DigitalLine {
  package let name: String
  private let watch: LineWatch
  private let thread: RealtimeThread

  /// Claims the line, reads it once and starts its thread.
  package init(
    _ spec: LineSpec, among inventory: GPIOChip.Inventory, in tree: SystemTree = .machine
  ) throws(HardwareError) {
    let line = try GPIOLine(spec, direction: .inputWithEdges, among: inventory, in: tree)
    let watch = LineWatch(line)
    name = spec.line
    self.watch = watch
    do throws(RealtimeThreadError) {
      thread = try RealtimeThread(
        name: "e-stop", policy: .fifo(priority: SchedulingPolicy.busPriority), onMissingPrivilege: .degrade
      ) { watch.run() }
    } catch {
      throw HardwareError(
        .unsuitable, part: "line \(spec.line)", found: "its thread could not be started: \(error)",
        remedy: "raise the limit of threads or of locked memory")
    }
  }

  deinit {
    watch.end()
    thread.join()
  }

  package var isActive: Bool { watch.isActive }

  /// Returns false: an input cannot be driven.
  package func setActive(_ active: Bool) -> Bool { false }
}

/// What the thread of an e-stop line knows.
private final class LineWatch: Sendable {
  /// Without an edge the line is read again after this time.
  private static let lookNanoseconds: Int64 = 20_000_000
  /// A thread that has not looked for this long is dead or stuck. It is the time of twelve looks, because a
  /// machine without real time may stall a thread for that long.
  private static let staleNanoseconds: Int64 = 250_000_000

  private let line: GPIOLine
  private let clock = MonotonicClock()
  /// Nanoseconds of the last look, shifted left by one, with the level in bit 0.
  private let level: Atomic<Int64>
  /// Whether there was a press that no tick has seen yet. The button may be released again by now.
  private let wasPressed = Atomic<Bool>(false)
  private let shouldEnd = Atomic<Bool>(false)

  init(_ line: GPIOLine) {
    self.line = line
    level = Atomic(Self.pack(line.isActive, at: clock.now()))
  }

  private static func pack(_ isActive: Bool, at nanoseconds: Int64) -> Int64 {
    nanoseconds << 1 | (isActive ? 1 : 0)
  }

  var isActive: Bool {
    if wasPressed.exchange(false, ordering: .acquiringAndReleasing) { return true }
    let level = level.load(ordering: .acquiring)
    return level & 1 != 0 || clock.now() - (level >> 1) > Self.staleNanoseconds
  }

  func end() { shouldEnd.store(true, ordering: .releasing) }

  func run() {
    var wasActive = level.load(ordering: .acquiring) & 1 != 0
    while !shouldEnd.load(ordering: .acquiring) {
      switch line.nextEdge(timeoutNanoseconds: Self.lookNanoseconds) {
      case .toActive: wasPressed.store(true, ordering: .releasing)
      case .toInactive:
        // The kernel names an edge by the level it reads some time after the edge. A press that was over by
        // then arrives as two releases. So a release without a press before it counts as a press.
        if !wasActive { wasPressed.store(true, ordering: .releasing) }
      case .none: break
      case .failed:
        // The line can no longer be read. It stays active until the hand is started again.
        level.store(Self.pack(true, at: clock.now()), ordering: .releasing)
        return
      }
      wasActive = line.isActive
      level.store(Self.pack(wasActive, at: clock.now()), ordering: .releasing)
    }
  }
}
