import HandModel
import Glibc

/// What went wrong on a bus, classified by the runtime's reaction (docs/hardware.md, bus errors).
package enum I2CFailure: UInt8, Sendable {
  /// Nobody acknowledged the address or a byte: counted, and the sample grows stale.
  case nack
  /// Arbitration lost: repeated once, then a bus fault.
  case arbitrationLost
  /// No completion in time or a stuck line: the whole bus is stale.
  case busFault
  /// A kernel driver owns the address: refuse to start.
  case addressClaimed
  /// Anything else: counts as `nack`.
  case busError
}

/// A failed transfer: which bus, which address, why.
package struct I2CError: Error, Sendable, CustomStringConvertible {
  package let failure: I2CFailure
  /// Name of the bus in the board file.
  package let bus: String
  package let address: I2CAddress
  /// The kernel's error number; 0 where no kernel was asked.
  package let errno: Int32
  /// The kernel's name of the adapter; empty where there is none.
  package let adapter: String
  /// The kernel driver that owns the address, if it is known.
  package let kernelDriver: String?

  /// A failed transfer to `address`.
  package init(
    _ failure: I2CFailure, bus: String, address: I2CAddress, errno: Int32 = 0, adapter: String = "",
    kernelDriver: String? = nil
  ) {
    self.failure = failure
    self.bus = bus
    self.address = address
    self.errno = errno
    self.adapter = adapter
    self.kernelDriver = kernelDriver
  }

  package var description: String {
    let place = adapter.isEmpty ? "" : " (\(adapter))"
    let cause = errno == 0 ? "" : ": \(String(cString: strerror(errno))) (errno \(errno))"
    let owner =
      kernelDriver.map { "; kernel driver \($0) owns the address: unbind it or move the chip" } ?? ""
    return "bus \(bus)\(place), address \(address): \(failure)\(cause)\(owner)"
  }
}

/// The SMBus transfers the drivers use. One owner, one thread: implementations need not lock.
///
/// Words are as on the wire of SMBus, low byte first; drivers of big-endian chips swap.
package protocol I2CBus: AnyObject {
  /// Name from the board file, for messages.
  var name: String { get }
  /// When the last transfer ended, on the runtime's clock: the time stamp of a sample.
  var timeNanoseconds: Int64 { get }
  /// Returns when the transfers so far are really over. Only a simulated bus has anything to wait for: it
  /// counts the time on the wire without waiting for it.
  func settle()
  /// Sends one byte without a register (SMBus send byte). All transfers throw `I2CError`.
  func writeByte(_ address: I2CAddress, _ value: UInt8) throws(I2CError)
  /// Reads one byte without a register (SMBus receive byte).
  func readByte(_ address: I2CAddress) throws(I2CError) -> UInt8
  /// Writes one byte to a register (SMBus write byte).
  func writeByteData(_ address: I2CAddress, register: UInt8, _ value: UInt8) throws(I2CError)
  /// Reads one byte from a register (SMBus read byte).
  func readByteData(_ address: I2CAddress, register: UInt8) throws(I2CError) -> UInt8
  /// Writes two bytes from `register` on, the low byte first as SMBus has it (SMBus write word).
  func writeWordData(_ address: I2CAddress, register: UInt8, _ value: UInt16) throws(I2CError)
  /// Reads two bytes from `register` on, the low byte first as SMBus has it (SMBus read word).
  func readWordData(_ address: I2CAddress, register: UInt8) throws(I2CError) -> UInt16
  /// Writes 1...32 bytes from `register` on in one transfer.
  func writeBlock(_ address: I2CAddress, register: UInt8, _ bytes: Span<UInt8>) throws(I2CError)
  /// Reads 1...32 bytes from `register` on in one transfer.
  func readBlock(_ address: I2CAddress, register: UInt8, into bytes: inout MutableSpan<UInt8>)
    throws(I2CError)
}

/// One digital line. Levels are logical; the implementation inverts an active-low line.
package protocol DigitalLine: AnyObject {
  /// As in the board file, for messages.
  var name: String { get }
  var isActive: Bool { get }
  /// Drives the line. Returns false when the line could not be driven, or when it reads back otherwise where
  /// the hardware can tell. The real-time loop calls it: it allocates nothing.
  func setActive(_ active: Bool) -> Bool
}

/// A PWM channel could not be set.
package struct PWMError: Error, Sendable, CustomStringConvertible {
  /// The channel's name, for messages.
  package let channel: String
  /// What the kernel or the simulation said.
  package let reason: String
  package init(channel: String, reason: String) {
    self.channel = channel
    self.reason = reason
  }
  package var description: String { "PWM channel \(channel): \(reason)" }
}

/// One PWM output that is not a channel of a chip on an I2C bus.
package protocol PWMChannel: AnyObject {
  /// Chip and channel, for messages.
  var name: String { get }
  /// Starts the output at this period with pulses of no length.
  func start(periodNanoseconds: Int64) throws(PWMError)
  /// Length of the pulse, 0 to the period.
  func setPulse(nanoseconds: Int64) throws(PWMError)
  /// No pulses until the next `start`.
  func stop() throws(PWMError)
}
