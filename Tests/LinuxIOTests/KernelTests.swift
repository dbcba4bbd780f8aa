import DeviceContracts
import Devices
import Foundation
import Testing

@testable import HandModel
@testable import LinuxIO

/// What of the kernel a test may use, named by environment variables; without them these tests skip.
private enum KernelParts {
  private static func variable(_ name: String) -> String? { ProcessInfo.processInfo.environment[name] }

  /// /dev/i2c-N of an i2c-stub with the chips of `DeviceContract.all` and none at 0x37.
  static let bus = variable("MOTORHAND_TEST_I2C")
  /// LABEL:LINE:DIRECTORY of a free gpio-sim line, DIRECTORY being its sim_gpioN under /sys/devices/platform.
  static let line = variable("MOTORHAND_TEST_GPIO").map { $0.split(separator: ":").map(String.init) }
}

@Suite("Real kernel interfaces", .serialized)
struct KernelTests {
  private let chip = I2CAddress(0x36)

  private func bus() throws -> LinuxI2CBus {
    try LinuxI2CBus(name: "stub", device: try #require(KernelParts.bus))
  }

  @Test(
    "bytes, words and blocks come back from i2c-stub as written, words low byte first",
    .enabled(if: KernelParts.bus != nil, "MOTORHAND_TEST_I2C names no i2c-stub bus"))
  func transfers() throws {
    let bus = try bus()
    let before = bus.timeNanoseconds
    try bus.writeByteData(chip, register: 0x20, 0xA5)
    #expect(try bus.readByteData(chip, register: 0x20) == 0xA5)
    try bus.writeWordData(chip, register: 0x30, 0x1234)
    #expect(try bus.readWordData(chip, register: 0x30) == 0x1234)
    #expect(try bus.readByteData(chip, register: 0x30) == 0x34)
    let sent = [UInt8](1...32)
    try bus.writeBlock(chip, register: 0x40, sent.span)
    var received = [UInt8](repeating: 0, count: 32)
    var span = received.mutableSpan
    try bus.readBlock(chip, register: 0x40, into: &span)
    #expect(received == sent)
    // The stub's pointer: a byte written sets it, a byte read returns the register there.
    try bus.writeByte(chip, 0x20)
    #expect(try bus.readByte(chip) == 0xA5)
    #expect(bus.timeNanoseconds > before)
  }

  @Test(
    "an address that nobody acknowledges is a nack with the adapter's name and errno",
    .enabled(if: KernelParts.bus != nil, "MOTORHAND_TEST_I2C names no i2c-stub bus"))
  func nack() throws {
    let bus = try bus()
    let error = #expect(throws: I2CError.self) { try bus.readByte(I2CAddress(0x37)) }
    #expect(error?.failure == .nack && error?.errno == ENODEV)
    #expect(error?.adapter.contains("SMBus stub driver") == true)
    // The next address is not harmed by it.
    _ = try bus.readByte(chip)
  }

  @Test(
    "each driver keeps its contract through the kernel",
    .enabled(if: KernelParts.bus != nil, "MOTORHAND_TEST_I2C names no i2c-stub bus"),
    arguments: DeviceContract.all)
  func contract(contract: DeviceContract) throws {
    let bus = try bus()
    try contract.preloadStub(on: bus)
    #expect(contract.findings(on: bus) == [])
  }

  private func spec(_ activeLow: Bool) throws -> (spec: LineSpec, directory: String) {
    let parts = try #require(KernelParts.line)
    try #require(parts.count == 3)
    return (LineSpec(chip: parts[0], line: parts[1], activeLow: activeLow, bias: .none), parts[2])
  }

  private func pull(_ directory: String, _ direction: String) throws {
    // Not atomically: an attribute cannot be renamed over.
    try Data(direction.utf8).write(to: URL(filePath: "\(directory)/pull"))
  }

  private func value(_ directory: String) throws -> String {
    try String(contentsOfFile: "\(directory)/value", encoding: .utf8).trimmingCharacters(in: .newlines)
  }

  @Test(
    "an active-low output rests high, goes low when active and is let go inactive",
    .enabled(if: KernelParts.line != nil, "MOTORHAND_TEST_GPIO names no gpio-sim line"))
  func output() throws {
    let (spec, directory) = try spec(true)
    let inventory = GPIOChip.all(in: .machine)
    var line: GPIOLine? = try GPIOLine(spec, direction: .output, among: inventory)
    #expect(try value(directory) == "1")
    line?.setActive(true)
    #expect(try value(directory) == "0")
    #expect(line?.isActive == true && line?.failures == 0)
    let busy = #expect(throws: HardwareError.self) {
      _ = try GPIOLine(spec, direction: .input, among: inventory)
    }
    #expect(busy?.kind == .busy)
    line = nil
    _ = try GPIOLine(spec, direction: .input, among: GPIOChip.all(in: .machine))
  }

  @Test(
    "the e-stop line sees a press and a release, and does not lose a press that is over",
    .enabled(if: KernelParts.line != nil, "MOTORHAND_TEST_GPIO names no gpio-sim line"))
  func emergencyStop() throws {
    let (spec, directory) = try spec(true)
    try pull(directory, "pull-up")
    let line = try EmergencyStopLine(spec, among: GPIOChip.all(in: .machine))
    #expect(!line.isActive)
    try pull(directory, "pull-down")
    try pull(directory, "pull-up")
    #expect(becomes(true, line), "a press between two looks is lost")
    #expect(becomes(false, line))
    try pull(directory, "pull-down")
    #expect(becomes(true, line))
    #expect(line.isActive)
  }

  /// Whether the line reads so within two seconds.
  private func becomes(_ active: Bool, _ line: EmergencyStopLine) -> Bool {
    let end = ContinuousClock.now + .seconds(2)
    while ContinuousClock.now < end {
      if line.isActive == active { return true }
      Thread.sleep(forTimeInterval: 0.001)
    }
    return false
  }
}
