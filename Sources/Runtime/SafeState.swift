import Devices
import HandModel

/// Leaves a hand without torque, whatever state its last process left it in. Needs no running daemon and nothing
/// but the board's description; does no harm when done again.
///
/// The kill line goes first: it alone is enough where the hardware is as docs/hardware.md wants it. Then every
/// chip that drives motors is switched off, so that nothing moves when the line is driven live again.
/// - Returns: every part that could not be made safe; empty = all done.
package func makeSafe(_ board: Board, hardware: any Hardware) -> [DeviceError] {
  hardware.line(board.killLine).setActive(false)
  var failures: [DeviceError] = []
  for (index, chip) in board.pwmChips.enumerated() {
    do throws(DeviceError) {
      switch chip.chip {
      case .pca9685(let bus, let address, let oscillatorHertz):
        let driver = try PCA9685(
          name: chip.name, bus: hardware.bus(bus), address: address, oscillatorHertz: oscillatorHertz,
          frequencyHertz: chip.frequencyHertz)
        try driver.allOff()
        hardware.bus(bus).settle()
      case .sysfs:
        for output in board.joints.flatMap(\.actuator.outputs) where output.chip == index {
          try stop(hardware.pwmChannel(chip: index, channel: output.channel))
        }
      }
    } catch {
      failures.append(error)
    }
  }
  return failures
}

private func stop(_ channel: any PWMChannel) throws(DeviceError) {
  do throws(PWMError) {
    try channel.stop()
  } catch {
    throw .output(DeviceName(chip: "PWM", name: channel.name), error)
  }
}
