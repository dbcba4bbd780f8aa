import Devices
import HandModel
import Realtime
import Synchronization

/// The e-stop line: a thread of its own waits for its edges, the tick reads what that thread last knew.
///
/// Reading costs the tick no system call, and a press shorter than a tick is not lost. It fails towards stop:
/// the line reads active when it cannot be read, or when the thread has not looked for too long.
package final class EmergencyStopLine: DigitalLine {
  package let name: String
  private let watch: LineWatch
  private let thread: RealtimeThread

  /// With the bus threads (docs/design.md, threads of the daemon).
  private static let priority: Int32 = 79

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
        name: "e-stop", policy: .fifo(priority: Self.priority), onMissingPrivilege: .degrade
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

  /// An input cannot be driven.
  package func setActive(_ active: Bool) -> Bool { false }
}

/// What the thread of an e-stop line knows.
private final class LineWatch: Sendable {
  /// The line is read again after this time without an edge.
  private static let lookNanoseconds: Int64 = 20_000_000
  /// A thread that has not looked for this long is dead or stuck. Twelve looks, because a machine without
  /// real time may stall a thread that long.
  private static let staleNanoseconds: Int64 = 250_000_000

  private let line: GPIOLine
  private let clock = MonotonicClock()
  /// Nanoseconds of the last look, shifted left by one, with the level in bit 0.
  private let level: Atomic<Int64>
  /// A press that no tick has seen yet; the button may have been let go since.
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
        // The kernel names an edge by the level it reads some time after it: a press that was over by then comes
        // as two releases. A release of what was not pressed is such a press.
        if !wasActive { wasPressed.store(true, ordering: .releasing) }
      case .none: break
      case .failed:
        // Nothing more is known of this line: it stays active until the hand is started anew.
        level.store(Self.pack(true, at: clock.now()), ordering: .releasing)
        return
      }
      wasActive = line.isActive
      level.store(Self.pack(wasActive, at: clock.now()), ordering: .releasing)
    }
  }
}
