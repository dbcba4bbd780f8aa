import Devices
import HandModel
import LinuxIO

/// Leaves a hand without torque, whatever state its last process left it in. Needs no running daemon and nothing
/// but the board's description; does no harm when done again.
///
/// The kill line goes first: it alone is enough where the hardware is as docs/hardware.md wants it. Then every
/// chip that drives motors is switched off, so that nothing moves when the line is driven live again. Parts that
/// could not be opened are passed over: who opened them knows.
/// - Returns: every part that could not be made safe although it was opened.
package func makeSafe(_ board: Board, _ parts: OutputParts) -> [DeviceError] {
  var failures: [DeviceError] = []
  if let killLine = parts.killLine, !killLine.setActive(false) { failures.append(.line(killLine.device)) }
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
