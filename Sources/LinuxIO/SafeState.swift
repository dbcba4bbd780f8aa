import Devices
import HandModel

/// Leaves a hand without torque, whatever state the last process left it in. Needs no running daemon, only
/// the board's description. May be repeated.
///
/// The drive-enable line is made inactive first: that alone is enough on hardware as docs/hardware.md asks
/// for. Then every chip that drives motors is switched off, so that nothing moves when the line is made
/// active again. Parts that could not be opened are skipped: whoever opened them has the errors.
/// - Returns: every part that could not be made safe although it was opened.
package func makeSafe(_ board: Board, _ parts: OutputParts) -> [DeviceError] {
  var failures: [DeviceError] = []
  if let driveEnable = parts.driveEnable, !driveEnable.setActive(false) {
    failures.append(.line(driveEnable.device))
  }
  for chip in board.pwmChips {
    guard case .pca9685(let index, let address, let oscillatorHertz) = chip.chip,
      let bus = parts.buses[index]
    else { continue }
    do throws(DeviceError) {
      let driver = try PCA9685(
        name: chip.name, bus: bus, address: address, oscillatorHertz: oscillatorHertz,
        frequencyHertz: chip.frequencyHertz)
      try driver.allOff()
      bus.settle()
    } catch { failures.append(error) }
  }
  for channel in parts.channels.values {
    do throws(PWMError) { try channel.stop() } catch {
      failures.append(.output(DeviceName(chip: "PWM", name: channel.name), error))
    }
  }
  return failures
}
