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
  for chip in board.pwmChips {
    let bus = hardware.bus(chip.bus)
    do throws(DeviceError) {
      let driver = try PCA9685(
        name: chip.name, bus: bus, address: chip.address, oscillatorHertz: chip.oscillatorHertz,
        frequencyHertz: chip.frequencyHertz)
      try driver.allOff()
    } catch {
      failures.append(error)
    }
    bus.settle()
  }
  return failures
}
