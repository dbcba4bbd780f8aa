/// A magnetic encoder of 8-bit registers behind a pointer, over an angle source. Subclasses are the
/// registers.
package class SimulatedEncoder: SimulatedChip {
  /// The register that the next byte is of.
  final var pointer: UInt8 = 0

  private let angle: @Sendable (Int64) -> UInt16
  private let angleMask: UInt16
  private var expectsPointer = false
  /// The sample that this read transfer shows: two bytes of one transfer belong together, two
  /// transfers do not.
  private var sample: UInt16?

  /// - Parameters:
  ///   - angleMask: the bits that the chip has of an angle.
  ///   - angle: angle at a time.
  init(address: UInt8, angleMask: UInt16, angle: @escaping @Sendable (Int64) -> UInt16) {
    self.angle = angle
    self.angleMask = angleMask
    super.init(address: address)
  }

  /// Whether the chip acknowledges a pointer or a byte there.
  func isValid(_ register: UInt8) -> Bool { true }

  /// A byte was written; returns whether the chip acknowledges it.
  func write(_ register: UInt8, _ byte: UInt8) -> Bool { isValid(register) }

  /// The angle of this read transfer.
  final func currentSample(at now: Int64) -> UInt16 {
    if let sample { return sample }
    let value = angle(now) & angleMask
    sample = value
    return value
  }

  /// The angle of this read transfer, less a zero position.
  final func currentSample(at now: Int64, zero: UInt16) -> UInt16 {
    (currentSample(at: now) &- zero) & angleMask
  }

  override final func beginWrite(to address: UInt8, at now: Int64) { expectsPointer = true }

  override final func beginRead(at now: Int64) { sample = nil }

  override final func receive(_ byte: UInt8, at now: Int64) -> Bool {
    if expectsPointer {
      expectsPointer = false
      pointer = byte
      return isValid(byte)
    }
    let register = pointer
    pointer &+= 1
    return write(register, byte)
  }
}
