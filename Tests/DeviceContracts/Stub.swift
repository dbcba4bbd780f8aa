import Devices
import HandModel

extension DeviceContract {
  /// Puts a chip of i2c-stub, which is empty when it is loaded, into the contract's situation by ordinary writes.
  ///
  /// The stub keeps a word a register: byte and block calls use its low byte, word calls the whole. A register of
  /// one byte therefore carries its neighbour in the upper half, for drivers that read two of them as a word.
  package func preloadStub(on bus: any I2CBus) throws {
    let address = I2CAddress(address)
    for image in registers {
      switch image {
      case .word(let register, let value):
        try bus.writeWordData(address, register: register, value.byteSwapped)
      case .bytes(let first, let bytes):
        for (offset, byte) in bytes.enumerated() {
          let next = offset + 1 < bytes.count ? bytes[offset + 1] : 0
          try bus.writeWordData(
            address, register: first + UInt8(offset), UInt16(next) << 8 | UInt16(byte))
        }
      }
    }
  }
}

/// i2c-stub's semantics in this process (Linux, drivers/i2c/i2c-stub.c): what passes here, passes there.
package final class StubBus: I2CBus {
  package let name = "stub"
  /// Each transfer takes as long as a word at 400 kHz.
  package private(set) var timeNanoseconds: Int64 = 0
  private static let transferNanoseconds: Int64 = 120_000

  private final class Chip {
    var words = [UInt16](repeating: 0, count: 256)
    var pointer: UInt8 = 0
  }
  private let chips: [I2CAddress: Chip]

  package init(addresses: [UInt8]) {
    chips = Dictionary(uniqueKeysWithValues: addresses.map { (I2CAddress($0), Chip()) })
  }

  package func settle() {}

  private func chip(_ address: I2CAddress) throws(I2CError) -> Chip {
    timeNanoseconds += Self.transferNanoseconds
    guard let chip = chips[address] else { throw I2CError(.nack, bus: name, address: address) }
    return chip
  }

  package func writeByte(_ address: I2CAddress, _ value: UInt8) throws(I2CError) {
    try chip(address).pointer = value
  }

  package func readByte(_ address: I2CAddress) throws(I2CError) -> UInt8 {
    let chip = try chip(address)
    defer { chip.pointer &+= 1 }
    return UInt8(truncatingIfNeeded: chip.words[Int(chip.pointer)])
  }

  package func writeByteData(_ address: I2CAddress, register: UInt8, _ value: UInt8) throws(I2CError) {
    let chip = try chip(address)
    chip.words[Int(register)] = chip.words[Int(register)] & 0xFF00 | UInt16(value)
    chip.pointer = register &+ 1
  }

  package func readByteData(_ address: I2CAddress, register: UInt8) throws(I2CError) -> UInt8 {
    let chip = try chip(address)
    chip.pointer = register &+ 1
    return UInt8(truncatingIfNeeded: chip.words[Int(register)])
  }

  package func writeWordData(_ address: I2CAddress, register: UInt8, _ value: UInt16) throws(I2CError) {
    try chip(address).words[Int(register)] = value
  }

  package func readWordData(_ address: I2CAddress, register: UInt8) throws(I2CError) -> UInt16 {
    try chip(address).words[Int(register)]
  }

  package func writeBlock(_ address: I2CAddress, register: UInt8, _ bytes: Span<UInt8>) throws(I2CError) {
    let chip = try chip(address)
    for index in 0..<bytes.count {
      let word = (Int(register) + index) & 0xFF
      chip.words[word] = chip.words[word] & 0xFF00 | UInt16(bytes[index])
    }
  }

  package func readBlock(
    _ address: I2CAddress, register: UInt8, into bytes: inout MutableSpan<UInt8>
  ) throws(I2CError) {
    let chip = try chip(address)
    for index in 0..<bytes.count {
      bytes[index] = UInt8(truncatingIfNeeded: chip.words[(Int(register) + index) & 0xFF])
    }
  }
}
