import Devices
import HandModel

/// Everything that a board names, opened on Linux.
package final class LinuxHardware: Hardware {
  private let buses: [LinuxI2CBus]
  private let lines: [LineKey: any DigitalLine]

  /// Opens all buses and lines; throws everything that could not be opened, at once. Outputs are inactive
  /// afterwards; no chip has been spoken to.
  package init(board: Board, in tree: SystemTree = .machine) throws(HardwareErrors) {
    var errors: [HardwareError] = []
    var buses: [LinuxI2CBus] = []
    for spec in board.buses {
      do throws(HardwareError) {
        buses.append(try LinuxI2CBus(name: spec.name, device: spec.device, in: tree))
      } catch { errors.append(error) }
    }
    let inventory = GPIOChip.all(in: tree)
    var lines: [LineKey: any DigitalLine] = [:]
    for use in board.lineUses {
      do throws(HardwareError) {
        lines[LineKey(use.spec)] =
          switch use.role {
          case .output: try GPIOLine(use.spec, direction: .output, among: inventory, in: tree)
          case .emergencyStop: try EmergencyStopLine(use.spec, among: inventory, in: tree)
          }
      } catch { errors.append(error) }
    }
    guard errors.isEmpty else { throw HardwareErrors(errors) }
    self.buses = buses
    self.lines = lines
  }

  package func bus(_ index: Int) -> any I2CBus { buses[index] }

  package func line(_ spec: LineSpec) -> any DigitalLine {
    guard let line = lines[LineKey(spec)] else { preconditionFailure("the board names no line \(spec.line)") }
    return line
  }

  /// What tells one line from another: not its bias nor its polarity.
  private struct LineKey: Hashable {
    let chip: String
    let line: String
    init(_ spec: LineSpec) {
      chip = spec.chip
      line = spec.line
    }
  }
}

/// What a board uses a line for.
enum LineRole {
  case output
  case emergencyStop
}

extension Board {
  /// Every line that the running hand uses, with its purpose in words and its role.
  var lineUses: [(spec: LineSpec, purpose: String, role: LineRole)] {
    [(killLine, "kill line", .output), (eStopLine, "e-stop line", .emergencyStop)]
      + joints.map { ($0.actuator.directionLine, "direction of \($0.name)", .output) }
  }
}
