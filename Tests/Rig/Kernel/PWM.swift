import Devices
import Glibc
import HandModel
import LinuxIO

/// A channel of the kernel's PCA9685 driver through sysfs, seen in the registers that the driver writes; and the
/// chip's address, which that driver owns, through the bus.
func checkPWM(device: String, bus: String, address: I2CAddress) throws -> String {
  let period: Int64 = 20_000_000
  do {
    // Channel 1: the rig's own golden pulses are on channel 0.
    let channel = try SysfsPWM(name: "kernel", device: device, channel: 1)
    try channel.start(periodNanoseconds: period)
    // Growing and shrinking, and beyond the period, which is cut to it.
    for pulse in [1_500_000, 500_000, 2_500_000, period + 1] { try channel.setPulse(nanoseconds: pulse) }
    try channel.setPulse(nanoseconds: 1_500_000)
    try channel.stop()
    // Again after a stop, with another period, as a daemon that resets a fault does.
    try channel.start(periodNanoseconds: period / 2)
    try channel.start(periodNanoseconds: period)
    try channel.setPulse(nanoseconds: 1_500_000)
    // The caller reads the registers meanwhile; the text must not wait in a buffer.
    let pulseSet = "pulse set\n"
    _ = write(STDOUT_FILENO, pulseSet, pulseSet.utf8.count)
    _ = readLine()
    // Let go: a channel without its owner has no pulses.
  }
  let bus = try LinuxI2CBus(name: "rig", device: bus)
  do throws(I2CError) {
    _ = try bus.readByte(address)
    findings.append("address \(address), which a kernel driver owns, could be used")
  } catch {
    require(
      error.failure == .addressClaimed && error.kernelDriver == "pca9685-pwm",
      "address \(address): found \(error), expected that the kernel driver pca9685-pwm owns it")
  }
  return "sysfs channel started, set, stopped and let go; address \(address) is the kernel driver's"
}
