/// Bits of each transfer on the wire, with START, STOP, repeated START and acknowledges (docs/hardware.md,
/// bus budget).
package enum TransferBits {
  /// One byte without a register.
  package static let sendByte = 20
  /// One byte without a register.
  package static let receiveByte = 20
  /// One byte to a register.
  package static let writeByteData = 29
  /// One byte from a register; the address is sent twice.
  package static let readByteData = 39
  /// Two bytes to a register.
  package static let writeWordData = 38
  /// Two bytes from a register; the address is sent twice.
  package static let readWordData = 48
  /// START, the address that nobody acknowledges, STOP.
  package static let refusedAddress = 11
  /// SMBus 2.0 limit of a block.
  package static let blockLimit = 32
  /// `bytes` bytes, 1...32, from a register on.
  package static func readBlock(_ bytes: Int) -> Int { 30 + 9 * bytes }
  /// `bytes` bytes, 1...32, to a register.
  package static func writeBlock(_ bytes: Int) -> Int { 20 + 9 * bytes }
}
