import HandModel
import CI2C
import Devices
import Glibc
import Realtime

/// An I2C bus through /dev/i2c-N and libi2c.
///
/// One owner, one thread. Errors carry errno and adapter. The kernel driver decides how long a dead bus holds
/// the thread: not every driver honours the time-out asked for (docs/hardware.md).
package final class LinuxI2CBus: I2CBus {
  package let name: String
  package let adapter: I2CAdapter
  package private(set) var timeNanoseconds: Int64

  private let tree: SystemTree
  private let clock = MonotonicClock()
  private let file: Descriptor
  /// The address that the descriptor is set to; nil when none was accepted.
  private var selected: I2CAddress?

  /// I2C_TIMEOUT counts in 10 ms; one is the least that is not "none".
  private static let timeoutTensOfMilliseconds: UInt = 1
  /// The bus worker repeats what may be repeated, and counts it. The kernel must not hide repetitions.
  private static let kernelRetries: UInt = 0
  /// I2C_SMBUS_BLOCK_MAX.
  private static let blockLimit = 32

  /// What the drivers use, by the kernel's functionality bits (linux/i2c.h).
  private static let neededFunctions: [(bit: UInt, name: String)] = [
    (0x0002_0000, "read byte"), (0x0004_0000, "write byte"), (0x0008_0000, "read byte data"),
    (0x0010_0000, "write byte data"), (0x0020_0000, "read word data"), (0x0040_0000, "write word data"),
    (0x0400_0000, "read I2C block"), (0x0800_0000, "write I2C block"),
  ]

  /// Opens the adapter that `device` means and prepares it.
  /// - Parameters:
  ///   - name: of the bus in the board file.
  ///   - device: identity of the adapter, see `I2CAdapter.find`.
  package init(name: String, device: String, in tree: SystemTree = .machine) throws(HardwareError) {
    let part = "bus \(name)"
    let adapter = try I2CAdapter.find(device, bus: name, in: tree)
    let file: Descriptor
    do throws(Errno) { file = try Descriptor(opening: adapter.node, .readWrite) } catch {
      throw HardwareError(part: part, path: adapter.node, error, in: tree)
    }
    self.name = name
    self.adapter = adapter
    self.tree = tree
    self.file = file
    timeNanoseconds = clock.now()
    try prepare(part)
  }

  private var descriptor: Int32 { file.value }

  private func prepare(_ part: String) throws(HardwareError) {
    var functions: UInt = 0
    for result in [
      ci2c_get_functionality(descriptor, &functions),
      ci2c_set_timeout(descriptor, Self.timeoutTensOfMilliseconds),
      ci2c_set_retries(descriptor, Self.kernelRetries),
    ] where result < 0 {
      throw HardwareError(part: part, path: adapter.node, Errno(rawValue: -result), in: tree)
    }
    let missing = Self.neededFunctions.filter { functions & $0.bit == 0 }.map(\.name)
    guard missing.isEmpty else {
      throw HardwareError(
        .unsuitable, part: part, found: "\(adapter) cannot \(missing.joined(separator: ", "))",
        remedy: "use another adapter, or dtoverlay=i2c-gpio")
    }
  }

  /// A transfer is over when its system call returns.
  package func settle() {}

  package func writeByte(_ address: I2CAddress, _ value: UInt8) throws(I2CError) {
    try select(address)
    try finish(i2c_smbus_write_byte(descriptor, value), address)
  }

  package func readByte(_ address: I2CAddress) throws(I2CError) -> UInt8 {
    try select(address)
    return UInt8(truncatingIfNeeded: try finish(i2c_smbus_read_byte(descriptor), address))
  }

  package func writeByteData(_ address: I2CAddress, register: UInt8, _ value: UInt8) throws(I2CError) {
    try select(address)
    try finish(i2c_smbus_write_byte_data(descriptor, register, value), address)
  }

  package func readByteData(_ address: I2CAddress, register: UInt8) throws(I2CError) -> UInt8 {
    try select(address)
    return UInt8(truncatingIfNeeded: try finish(i2c_smbus_read_byte_data(descriptor, register), address))
  }

  package func writeWordData(_ address: I2CAddress, register: UInt8, _ value: UInt16) throws(I2CError) {
    try select(address)
    try finish(i2c_smbus_write_word_data(descriptor, register, value), address)
  }

  package func readWordData(_ address: I2CAddress, register: UInt8) throws(I2CError) -> UInt16 {
    try select(address)
    return UInt16(truncatingIfNeeded: try finish(i2c_smbus_read_word_data(descriptor, register), address))
  }

  package func writeBlock(
    _ address: I2CAddress, register: UInt8, _ bytes: Span<UInt8>
  ) throws(I2CError) {
    precondition((1...Self.blockLimit).contains(bytes.count), "an SMBus block has 1 to 32 bytes")
    try select(address)
    let result = bytes.withUnsafeBufferPointer {
      i2c_smbus_write_i2c_block_data(descriptor, register, UInt8($0.count), $0.baseAddress)
    }
    try finish(result, address)
  }

  package func readBlock(
    _ address: I2CAddress, register: UInt8, into bytes: inout MutableSpan<UInt8>
  ) throws(I2CError) {
    precondition((1...Self.blockLimit).contains(bytes.count), "an SMBus block has 1 to 32 bytes")
    try select(address)
    // libi2c copies as many bytes as the adapter says it read, so the buffer takes the most there can be.
    var buffer = InlineArray<32, UInt8>(repeating: 0)
    var span = buffer.mutableSpan
    let count = bytes.count
    let result = span.withUnsafeMutableBufferPointer {
      i2c_smbus_read_i2c_block_data(descriptor, register, UInt8(count), $0.baseAddress)
    }
    guard Int(try finish(result, address)) == count else { throw failure(EPROTO, address) }
    for index in 0..<count { bytes[index] = buffer[index] }
  }

  /// Sets the descriptor's address, if it is not set already.
  private func select(_ address: I2CAddress) throws(I2CError) {
    guard selected != address else { return }
    selected = nil
    let result = ci2c_set_address(descriptor, Int32(address.value))
    guard result == 0 else { throw failure(-result, address) }
    selected = address
  }

  @discardableResult
  private func finish(_ result: Int32, _ address: I2CAddress) throws(I2CError) -> Int32 {
    timeNanoseconds = clock.now()
    guard result >= 0 else { throw failure(-result, address) }
    return result
  }

  private func failure(_ errno: Int32, _ address: I2CAddress) -> I2CError {
    let failure = I2CFailure(errno: errno, driver: adapter.driver)
    return I2CError(
      failure, bus: name, address: address, errno: errno, adapter: adapter.name,
      kernelDriver: failure == .addressClaimed ? adapter.kernelDriver(at: address.value, in: tree) : nil)
  }
}
