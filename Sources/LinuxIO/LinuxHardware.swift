import Devices
import HandModel

/// Everything that a board names, opened on Linux.
package final class LinuxHardware: Hardware {
  private let buses: [LinuxI2CBus]
  private let lines: [LineKey: any DigitalLine]
  private let channels: [PWMOutput: SysfsPWM]

  /// Opens all lines, buses and PWM channels. Throws all failures at once. Outputs are inactive afterwards,
  /// and no chip has been addressed. Lines are opened first, and the drive-enable line before all others: it
  /// is inactive then, whatever else is missing.
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
          case .driveEnable, .output: try GPIOLine(use.spec, direction: .output, among: inventory, in: tree)
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
    guard errors.isEmpty else { throw HardwareErrors(board: board.name, errors) }
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

  /// What identifies a line. Bias and polarity do not.
  private struct LineKey: Hashable {
    let chip: String
    let line: String
    init(_ spec: LineSpec) {
      chip = spec.chip
      line = spec.line
    }
  }
}
