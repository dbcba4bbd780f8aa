import Devices
import Glibc
import HandModel
import Realtime

/// A PWM chip as the kernel shows it under /sys/class/pwm.
package struct PWMChip: Sendable, Equatable {
  /// Its directory; the number in it changes with kernel and probing order.
  package let directory: String
  /// Where its controller sits, such as `/sys/devices/platform/axi/.../1f00098000.pwm`.
  package let devicePath: String
  /// Its outputs.
  package let channelCount: Int

  /// Every chip, in the order of their numbers.
  package static func all(in tree: SystemTree) -> [PWMChip] {
    tree.numbered("pwmchip", in: "\(tree.sysfs)/class/pwm").map { entry in
      let directory = "\(tree.sysfs)/class/pwm/\(entry.name)"
      return PWMChip(
        directory: directory, devicePath: tree.resolve("\(directory)/device") ?? "",
        channelCount: SystemFile.readLine("\(directory)/npwm").flatMap { Int($0) } ?? 0)
    }
  }

  /// Finds the chip whose device path ends with the whole components of `device`.
  package static func find(
    _ device: String, part: String, in tree: SystemTree
  ) throws(HardwareError) -> PWMChip {
    let chips = all(in: tree)
    let matches = chips.filter { $0.devicePath == device || $0.devicePath.hasSuffix("/" + device) }
    if let match = matches.first, matches.count == 1 { return match }
    let known = (matches.isEmpty ? chips : matches).map(\.devicePath).joined(separator: ", ")
    if !matches.isEmpty {
      throw HardwareError(
        .unsuitable, part: part, found: "\(device) means \(known)",
        remedy: "give device with more of the end of its path")
    }
    throw HardwareError(
      .missing, part: part,
      found: "no PWM chip is \(device); there " + (known.isEmpty ? "is none" : "are \(known)"),
      remedy: "enable it by the configuration lines at the top of the board file, or correct device")
  }
}

/// One channel of a kernel PWM chip, through sysfs.
///
/// The kernel keeps a channel running when its program dies. It is stopped on close. If the program cannot do
/// that, the drive-enable line must hold the actuator.
package final class SysfsPWM: PWMChannel {
  /// Whether the duty is the high or the low part of a period.
  package enum Polarity: String, Sendable { case normal, inversed }

  package let name: String
  private let directory: String
  private let chipDirectory: String
  private let channel: Int
  private let polarity: Polarity
  private let wasExportedHere: Bool
  /// Kept open: it is written at the rate of the pulses.
  private let duty: Descriptor
  private var periodNanoseconds: Int64 = 0

  /// Bound of the wait for udev, which sets the group of a new channel's files some time after they appear. A
  /// loaded machine takes tenths of a second for that.
  private static let exportNanoseconds: Int64 = 1_000_000_000
  private static let exportPollNanoseconds: Int64 = 10_000_000

  /// Claims the channel. It gives no pulses yet.
  /// - Parameters:
  ///   - name: of the chip in the board file.
  ///   - device: end of the path of the chip's controller, such as `1f00098000.pwm`.
  package init(
    name: String, device: String, channel: Int, polarity: Polarity = .normal, in tree: SystemTree = .machine
  ) throws(HardwareError) {
    let part = "PWM chip \(name) channel \(channel)"
    let chip = try PWMChip.find(device, part: part, in: tree)
    guard (0..<chip.channelCount).contains(channel) else {
      throw HardwareError(
        .missing, part: part, found: "\(chip.devicePath) has \(chip.channelCount) channels from 0",
        remedy: "correct channel")
    }
    self.name = "\(name) channel \(channel)"
    self.channel = channel
    self.polarity = polarity
    chipDirectory = chip.directory
    directory = "\(chip.directory)/pwm\(channel)"
    if tree.exists(directory) {
      wasExportedHere = false
    } else {
      let export = "\(chip.directory)/export"
      do throws(Errno) { try Self.write("\(channel)", to: export) } catch {
        throw HardwareError(part: part, path: export, error, in: tree)
      }
      wasExportedHere = true
    }
    do throws(Errno) { duty = try Self.awaitAccess("\(directory)/duty_cycle") } catch {
      if wasExportedHere { try? Self.write("\(channel)", to: "\(chip.directory)/unexport") }
      throw HardwareError(part: part, path: "\(directory)/duty_cycle", error, in: tree)
    }
  }

  deinit {
    // A channel that cannot be stopped has been removed by the kernel: nothing is left to do.
    try? stop()
    if wasExportedHere { try? Self.write("\(channel)", to: "\(chipDirectory)/unexport") }
  }

  /// Throws when the file may still not be opened after the bound.
  private static func awaitAccess(_ path: String) throws(Errno) -> Descriptor {
    let clock = MonotonicClock()
    let end = clock.now() + exportNanoseconds
    while true {
      do throws(Errno) { return try Descriptor(opening: path, .writeOnly) } catch {
        guard error == .permissionDenied || error == .noSuchFileOrDirectory, clock.now() < end else {
          throw error
        }
      }
      clock.sleep(until: clock.now() + exportPollNanoseconds)
    }
  }

  /// Starts the output at this period with pulses of no length.
  ///
  /// The kernel refuses a duty above the period, a change of polarity while enabled, and any setting but
  /// the period while that is 0 (drivers/pwm/core.c). Hence this order: off, duty to 0 unless it is 0,
  /// period, polarity, on.
  package func start(periodNanoseconds: Int64) throws(PWMError) {
    if try read("enable") != "0" { try write("0", to: "enable") }
    if try read("duty_cycle") != "0" { try setDuty(0) }
    try write("\(periodNanoseconds)", to: "period")
    if try read("polarity") != polarity.rawValue { try write(polarity.rawValue, to: "polarity") }
    try write("1", to: "enable")
    self.periodNanoseconds = periodNanoseconds
  }

  /// Length of the pulse. A longer one than the period is cut to the period.
  package func setPulse(nanoseconds: Int64) throws(PWMError) {
    try setDuty(min(max(nanoseconds, 0), periodNanoseconds))
  }

  /// No pulses until the next `start`. The duty is set to 0 first, because the driver decides what a
  /// disabled output does.
  package func stop() throws(PWMError) {
    // Before the first period is set the kernel refuses every duty, and the channel is off.
    guard try read("enable") != "0" else { return }
    try setDuty(0)
    try write("0", to: "enable")
  }

  private func read(_ attribute: String) throws(PWMError) -> String {
    do throws(Errno) { return try SystemFile.line(of: "\(directory)/\(attribute)") } catch {
      throw failure(attribute, error)
    }
  }

  private func write(_ text: String, to attribute: String) throws(PWMError) {
    do throws(Errno) { try Self.write(text, to: "\(directory)/\(attribute)") } catch {
      throw failure(attribute, error)
    }
  }

  private static func write(_ text: String, to path: String) throws(Errno) {
    let file = try Descriptor(opening: path, .writeOnly)
    let bytes = Array(text.utf8)
    guard Glibc.write(file.value, bytes, bytes.count) == bytes.count else { throw .latest }
  }

  /// Writes the decimal digits without allocating: this is called at the rate of the pulses.
  private func setDuty(_ nanoseconds: Int64) throws(PWMError) {
    // Int64.max has 19 digits.
    var digits = InlineArray<20, UInt8>(repeating: 0)
    var first = 20
    var rest = nanoseconds
    repeat {
      first -= 1
      digits[first] = UInt8(ascii: "0") + UInt8(rest % 10)
      rest /= 10
    } while rest > 0
    let count = 20 - first
    let written = digits.span.withUnsafeBytes { pwrite(duty.value, $0.baseAddress! + first, count, 0) }
    guard written == count else { throw failure("duty_cycle", .latest) }
  }

  private func failure(_ attribute: String, _ cause: Errno) -> PWMError {
    PWMError(channel: name, reason: "\(directory)/\(attribute): \(cause)")
  }
}
