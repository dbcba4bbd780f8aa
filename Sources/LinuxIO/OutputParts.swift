import Devices
import HandModel

/// The parts of a board that can move the hand, as far as they could be opened.
///
/// Work that needs only these, such as leaving a hand without torque, must not fail because of
/// a sensor's bus.
package struct OutputParts {
  /// Inactive from the moment it was opened; nil if it could not be.
  package var driveEnable: (any DigitalLine)?
  /// The buses with a PWM chip, by their index in `Board.buses`.
  package var buses: [Int: any I2CBus] = [:]
  /// Whether a running daemon holds the drive-enable line.
  package private(set) var isDriven = false
  /// The channels of the kernel's PWM chips that joints use.
  package var channels: [PWMOutput: any PWMChannel] = [:]

  /// The parts that `hardware` has: all of them.
  package init(_ board: Board, of hardware: any Hardware) {
    driveEnable = hardware.line(board.driveEnable)
    for bus in board.pwmBuses { buses[bus] = hardware.bus(bus) }
    for output in board.kernelOutputs {
      channels[output] = hardware.pwmChannel(chip: output.chip, channel: output.channel)
    }
  }

  /// Opens each part independently of the others, the drive-enable line first. If a program of ours holds
  /// that line, its hand is being driven. Then nothing else is opened: outputs must not be switched off
  /// behind the back of a program that believes them on.
  /// - Parameter errors: gets the parts that could not be opened.
  package init(opening board: Board, in tree: SystemTree = .machine, errors: inout [HardwareError]) {
    do throws(HardwareError) {
      driveEnable = try GPIOLine(
        board.driveEnable, direction: .output, among: GPIOChip.all(in: tree), in: tree)
    } catch {
      errors.append(error)
      if error.kind == .busy && error.found.hasPrefix(GPIOLine.consumerPrefix) {
        isDriven = true
        return
      }
    }
    for bus in board.pwmBuses {
      let spec = board.buses[bus]
      do throws(HardwareError) {
        buses[bus] = try LinuxI2CBus(name: spec.name, device: spec.device, in: tree)
      } catch { errors.append(error) }
    }
    for output in board.kernelOutputs {
      let spec = board.pwmChips[output.chip]
      guard case .sysfs(let device) = spec.chip else { continue }
      do throws(HardwareError) {
        channels[output] = try SysfsPWM(name: spec.name, device: device, channel: output.channel, in: tree)
      } catch { errors.append(error) }
    }
  }
}

extension Board {
  /// Indices of the buses that a PWM chip sits on, in rising order.
  fileprivate var pwmBuses: [Int] { Set(pwmChips.compactMap(\.bus)).sorted() }
}
