import CGPIO
import Devices
import Glibc
import HandModel
import Synchronization
import Realtime

/// A GPIO line through libgpiod, claimed for as long as the object lives.
///
/// An output starts inactive (an open drain: released) and is made inactive again before it is given back to
/// the kernel. Some kernel drivers go on driving what a dead program left. If the program cannot do that any
/// more, two things remain: the line's resistor, and the safe state when the service stops.
package final class GPIOLine: DigitalLine, @unchecked Sendable {
  // Safety of @unchecked: the handle is never changed, and the calls on it are single system calls that the
  // kernel serialises; only deinit frees it.

  /// What the line is claimed as.
  package enum Direction: Sendable {
    case output
    /// Active = released: a pull-up or another device sets the level.
    case openDrainOutput
    case input
    case inputWithEdges
  }

  /// How our lines appear in the kernel's list of lines.
  static let consumerPrefix = "motorhand "

  package let name: String
  private let direction: Direction
  private let handle: OpaquePointer
  private let failureCount = Atomic<UInt64>(0)

  /// Claims the line.
  /// - Parameter inventory: chips found by `GPIOChip.all`, so that several lines cost one look.
  package init(
    _ spec: LineSpec, direction: Direction, among inventory: GPIOChip.Inventory,
    in tree: SystemTree = .machine
  ) throws(HardwareError) {
    let part = "line \(spec.line)"
    let location = try GPIOLocation.find(spec, among: inventory, in: tree)
    var request = cgpio_request()
    request.direction =
      switch direction {
      case .output: cgpio_output
      case .openDrainOutput: cgpio_open_drain_output
      case .input: cgpio_input
      case .inputWithEdges: cgpio_input_with_edges
      }
    request.bias =
      switch spec.bias {
      case .none: cgpio_bias_none
      case .pullUp: cgpio_bias_pull_up
      case .pullDown: cgpio_bias_pull_down
      }
    request.is_active_low = spec.activeLow
    // An open drain at rest is released, because others share its wire.
    request.is_initially_active = direction == .openDrainOutput
    guard
      let handle = cgpio_line_request(
        location.node, location.offset, Self.consumerPrefix + spec.line, &request)
    else {
      let cause = Errno.latest
      if cause == .resourceBusy {
        throw HardwareError(
          .busy, part: part, found: "\(location.consumer ?? "another program") holds it",
          remedy: "end that program, or choose another line")
      }
      throw HardwareError(part: part, path: location.node, cause, in: tree)
    }
    name = spec.line
    self.direction = direction
    self.handle = handle
  }

  deinit {
    switch direction {
    case .output: _ = setActive(false)
    case .openDrainOutput: _ = setActive(true)
    case .input, .inputWithEdges: break
    }
    cgpio_line_release(handle)
  }

  /// Failed reads and writes since the line was claimed.
  package var failures: UInt64 { failureCount.load(ordering: .relaxed) }

  /// The logical level. A line that cannot be read counts as active: for an input that is the side that
  /// stops the hand.
  package var isActive: Bool { read() ?? true }

  /// The logical level, or nil when it cannot be read; the failure is counted.
  func read() -> Bool? {
    let value = cgpio_line_get(handle)
    guard value >= 0 else {
      failureCount.wrappingAdd(1, ordering: .relaxed)
      return nil
    }
    return value == 1
  }

  /// Drives an output and reads it back: a pin that is shorted or held does not follow. Two kinds of output
  /// are not compared: one whose driver cannot read outputs, and an open drain, whose level is not ours
  /// alone. Returns false on failure, and counts it.
  package func setActive(_ active: Bool) -> Bool {
    var follows = cgpio_line_set(handle, active) == 0
    if follows, direction == .output {
      let value = cgpio_line_get(handle)
      follows = value < 0 || (value == 1) == active
    }
    if !follows { failureCount.wrappingAdd(1, ordering: .relaxed) }
    return follows
  }

  /// How waiting for a change ended.
  enum Edge {
    case toActive, toInactive, none
    case failed
  }

  /// Waits for the next change of an `inputWithEdges`.
  func nextEdge(timeoutNanoseconds: Int64) -> Edge {
    switch cgpio_line_next_edge(handle, timeoutNanoseconds) {
    case 1: return .toActive
    case 0: return .toInactive
    case -ETIMEDOUT, -EINTR: return .none
    default:
      failureCount.wrappingAdd(1, ordering: .relaxed)
      return .failed
    }
  }
}
