import Devices
import HandModel

/// The parts of a board that can make it move, as far as they could be opened.
///
/// What needs no more than these, like leaving a hand without torque, must not fail for a sensor's bus.
package struct OutputParts {
  /// Inactive since it was opened.
  package var killLine: (any DigitalLine)?
  /// The buses with a PWM chip, by their index in `Board.buses`.
  package var buses: [Int: any I2CBus] = [:]
  /// A running daemon holds the kill line.
  package private(set) var isDriven = false
  /// The channels of the kernel's PWM chips that joints use.
  package var channels: [PWMOutput: any PWMChannel] = [:]

  /// The parts that `hardware` has: all of them.
  package init(_ board: Board, of hardware: any Hardware) {
    killLine = hardware.line(board.killLine)
    for bus in board.pwmBuses { buses[bus] = hardware.bus(bus) }
    for output in board.kernelOutputs {
      channels[output] = hardware.pwmChannel(chip: output.chip, channel: output.channel)
    }
  }

  /// Opens each part for itself, the kill line first. A kill line that a program of ours holds belongs to a hand
  /// that is driven: then nothing else is opened, as switching off what the driver believes on is not safe.
  /// - Parameter errors: gets the parts that could not be opened.
  package init(opening board: Board, in tree: SystemTree = .machine, errors: inout [HardwareError]) {
    do throws(HardwareError) {
      killLine = try GPIOLine(board.killLine, direction: .output, among: GPIOChip.all(in: tree), in: tree)
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
