/// A chip of 16-bit registers behind a pointer that stays where it was put, high byte first, as Texas
/// Instruments' monitors are. Subclasses are the registers.
package class WordRegisterChip: SimulatedChip {
  private var pointer: UInt8 = 0
  /// Byte within a transfer: 0 is the pointer of a write.
  private var position = 0
  private var highByte: UInt8 = 0
  private var readValue: UInt16 = 0

  /// A register was written; read-only ones ignore it.
  func write(_ register: UInt8, _ value: UInt16, at now: Int64) {}

  /// A read of the register begins: both its bytes are of this moment.
  func read(_ register: UInt8, at now: Int64) -> UInt16 { 0 }

  override final func beginWrite(to address: UInt8, at now: Int64) { position = 0 }

  override final func beginRead(at now: Int64) {
    position = 0
    readValue = read(pointer, at: now)
  }

  override final func receive(_ byte: UInt8, at now: Int64) -> Bool {
    switch position {
    case 0: pointer = byte
    case 1: highByte = byte
    case 2: write(pointer, UInt16(highByte) << 8 | UInt16(byte), at: now)
    default: break
    }
    position += 1
    return true
  }

  override final func send(at now: Int64) -> UInt8 {
    defer { position += 1 }
    return UInt8(truncatingIfNeeded: position % 2 == 0 ? readValue >> 8 : readValue)
  }
}
