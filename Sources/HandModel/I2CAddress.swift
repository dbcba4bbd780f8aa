/// A 7-bit I2C address.
package struct I2CAddress: Hashable, Sendable, CustomStringConvertible {
  /// 0...0x7F.
  package let value: UInt8
  /// The address `value`, which must be at most 0x7F.
  package init(_ value: UInt8) {
    precondition(value < 0x80, "an I2C address has 7 bits")
    self.value = value
  }
  package var description: String {
    let digits = String(value, radix: 16)
    return "0x" + (digits.count < 2 ? "0" : "") + digits
  }
}
