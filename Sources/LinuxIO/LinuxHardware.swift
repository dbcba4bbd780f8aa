import Devices
import HandModel

/// Everything that a board names, opened on Linux.
package final class LinuxHardware: Hardware {
  private let buses: [LinuxI2CBus]
  private let lines: [LineKey: any DigitalLine]
  private let channels: [PWMOutput: SysfsPWM]

  /// Opens all lines, buses and PWM channels; throws everything that could not be opened, at once. Outputs are
  /// inactive afterwards; no chip has been spoken to. Lines come first, the kill line before all: whatever else is
  /// missing, it has been made inactive.
  package init(board: Board, in tree: SystemTree = .machine) throws(HardwareErrors) {
    var errors: [HardwareError] = []
    let inventory = GPIOChip.all(in: tree)
    var lines: [LineKey: any DigitalLine] = [:]
    for use in board.lineUses {
      do throws(HardwareError) {
        if use.role.stopsHand {
          try GPIOLocation.find(use.spec, among: inventory, in: tree).requireImmediate(use.spec)
        }
        lines[LineKey(use.spec)] =
          switch use.role {
          case .killLine, .output: try GPIOLine(use.spec, direction: .output, among: inventory, in: tree)
          case .input: try GPIOLine(use.spec, direction: .input, among: inventory, in: tree)
          case .emergencyStop: try EmergencyStopLine(use.spec, among: inventory, in: tree)
          }
      } catch { errors.append(error) }
    }
    var buses: [LinuxI2CBus] = []
    for spec in board.buses {
      do throws(HardwareError) {
        buses.append(try LinuxI2CBus(name: spec.name, device: spec.device, in: tree))
      } catch { errors.append(error) }
    }
    var channels: [PWMOutput: SysfsPWM] = [:]
    for output in board.kernelOutputs {
      let spec = board.pwmChips[output.chip]
      guard case .sysfs(let device) = spec.chip else { continue }
      do throws(HardwareError) {
        channels[output] = try SysfsPWM(name: spec.name, device: device, channel: output.channel, in: tree)
      } catch { errors.append(error) }
    }
    guard errors.isEmpty else { throw HardwareErrors(errors) }
    self.buses = buses
    self.lines = lines
    self.channels = channels
  }

  package func bus(_ index: Int) -> any I2CBus { buses[index] }

  package func line(_ spec: LineSpec) -> any DigitalLine {
    guard let line = lines[LineKey(spec)] else { preconditionFailure("the board names no line \(spec.line)") }
    return line
  }

  package func pwmChannel(chip: Int, channel: Int) -> any PWMChannel {
    guard let output = channels[PWMOutput(chip: chip, channel: channel)] else {
      preconditionFailure("the board names no channel \(channel) of a kernel's PWM chip \(chip)")
    }
    return output
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
  case killLine
  case output
  case input
  case emergencyStop

  /// Whether the hand is stopped through it, so that it must wait for nothing.
  var stopsHand: Bool {
    switch self {
    case .killLine, .emergencyStop: true
    case .output, .input: false
    }
  }
}

extension Board {
  /// Every line that the running hand uses, with its purpose in words and its role; the kill line first.
  var lineUses: [(spec: LineSpec, purpose: String, role: LineRole)] {
    [(killLine, "kill line", .killLine), (eStopLine, "e-stop line", .emergencyStop)]
      + joints.flatMap { joint in
        joint.actuator.lines.map { line in
          line == joint.actuator.faultLine
            ? (line, "nFAULT of \(joint.name)", LineRole.input) : (line, "bridge of \(joint.name)", .output)
        }
      }
  }

  /// Every output of a PWM chip of the kernel's.
  var kernelOutputs: [PWMOutput] {
    joints.flatMap(\.actuator.outputs).filter { pwmChips[$0.chip].bus == nil }
  }
}
