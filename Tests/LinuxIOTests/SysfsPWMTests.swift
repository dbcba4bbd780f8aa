import Foundation
import Glibc
import Testing

@testable import LinuxIO

/// The order in which the files of a folder are written, as the kernel saw it.
private final class WriteOrder {
  private let descriptor = inotify_init1(Int32(IN_NONBLOCK | IN_CLOEXEC))

  init(_ folder: String) {
    _ = inotify_add_watch(descriptor, folder, UInt32(IN_MODIFY))
  }

  deinit { close(descriptor) }

  /// Names of the files written since the last call; one for several writes in a row to one file.
  func take() -> [String] {
    var names: [String] = []
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = read(descriptor, &buffer, buffer.count)
    var offset = 0
    while offset < count {
      // struct inotify_event: wd, mask, cookie, len, then len bytes of name.
      let length = buffer.withUnsafeBytes { $0.load(fromByteOffset: offset + 12, as: UInt32.self) }
      let name = String(decoding: buffer[(offset + 16)...].prefix { $0 != 0 }, as: UTF8.self)
      if names.last != name { names.append(name) }
      offset += 16 + Int(length)
    }
    return names
  }
}

@Suite("PWM through sysfs")
struct SysfsPWMTests {
  private let chip = "sys/devices/platform/axi/1000120000.pcie/1f00098000.pwm"

  private func fake(
    period: String = "0", duty: String = "0", enable: String = "0", polarity: String = "normal"
  ) throws -> FakeTree {
    let fake = try FakeTree()
    for (number, path) in [(0, "sys/devices/platform/soc/107d517a80.pwm"), (2, chip)] {
      let entry = "\(path)/pwm/pwmchip\(number)"
      try fake.write("\(entry)/npwm", "4\n")
      try fake.write("\(entry)/export", "")
      try fake.write("\(entry)/unexport", "")
      try fake.link("\(entry)/device", to: path)
      try fake.link("sys/class/pwm/pwmchip\(number)", to: entry)
    }
    for (attribute, value) in [
      ("period", period), ("duty_cycle", duty), ("enable", enable), ("polarity", polarity),
    ] {
      try fake.write("\(chip)/pwm/pwmchip2/pwm1/\(attribute)", value)
    }
    return fake
  }

  private func attribute(_ name: String, _ fake: FakeTree) throws -> String {
    try fake.read("\(chip)/pwm/pwmchip2/pwm1/\(name)")
  }

  private func open(_ fake: FakeTree, channel: Int = 1) throws -> SysfsPWM {
    try SysfsPWM(name: "servo", device: "1f00098000.pwm", channel: channel, in: fake.tree)
  }

  @Test("a fresh channel gets its period before anything else, and is enabled last")
  func fresh() throws {
    let fake = try fake(polarity: "inversed")
    let pwm = try open(fake)
    let order = WriteOrder("\(fake.root.path)/\(chip)/pwm/pwmchip2/pwm1")
    try pwm.start(periodNanoseconds: 20_000_000)
    #expect(order.take() == ["period", "polarity", "enable"])
    #expect(try attribute("period", fake) == "20000000")
    // Files, unlike attributes, keep what a shorter text does not cover.
    #expect(try attribute("polarity", fake).hasPrefix("normal"))
    #expect(try attribute("enable", fake).hasPrefix("1"))
  }

  @Test("a running channel is switched off and its duty cleared before the period shrinks")
  func running() throws {
    let fake = try fake(period: "20000000", duty: "1500000", enable: "1")
    let pwm = try open(fake)
    let order = WriteOrder("\(fake.root.path)/\(chip)/pwm/pwmchip2/pwm1")
    try pwm.start(periodNanoseconds: 1_000_000)
    #expect(order.take() == ["enable", "duty_cycle", "period", "enable"])
  }

  @Test("a pulse is written in nanoseconds and never longer than the period")
  func pulse() throws {
    let fake = try fake()
    let pwm = try open(fake)
    try pwm.start(periodNanoseconds: 3_003_003)
    try pwm.setPulse(nanoseconds: 1_500_000)
    #expect(try attribute("duty_cycle", fake) == "1500000")
    try pwm.setPulse(nanoseconds: 9_000_000)
    #expect(try attribute("duty_cycle", fake) == "3003003")
  }

  @Test("closing clears the duty before it switches off")
  func closing() throws {
    let fake = try fake()
    var pwm: SysfsPWM? = try open(fake)
    try pwm?.start(periodNanoseconds: 20_000_000)
    try pwm?.setPulse(nanoseconds: 1_500_000)
    let order = WriteOrder("\(fake.root.path)/\(chip)/pwm/pwmchip2/pwm1")
    pwm = nil
    #expect(order.take() == ["duty_cycle", "enable"])
    #expect(try attribute("duty_cycle", fake).hasPrefix("0"))
    #expect(try attribute("enable", fake).hasPrefix("0"))
  }

  @Test("a channel that is not exported is exported, and given up when no permission comes in time")
  func export() throws {
    let fake = try fake()
    let error = #expect(throws: HardwareError.self) { _ = try open(fake, channel: 3) }
    #expect(error?.kind == .missing && error?.found.contains("pwm3/duty_cycle") == true)
    #expect(try fake.read("\(chip)/pwm/pwmchip2/export") == "3")
    #expect(try fake.read("\(chip)/pwm/pwmchip2/unexport") == "3")
  }

  @Test("an unknown chip or channel says what there is")
  func unknown() throws {
    let fake = try fake()
    let chip = #expect(throws: HardwareError.self) {
      _ = try SysfsPWM(name: "servo", device: "8000.pwm", channel: 1, in: fake.tree)
    }
    #expect(chip?.kind == .missing && chip?.found.contains("1f00098000.pwm") == true)
    let channel = #expect(throws: HardwareError.self) { _ = try open(fake, channel: 4) }
    #expect(channel?.found.contains("has 4 channels") == true)
  }
}
