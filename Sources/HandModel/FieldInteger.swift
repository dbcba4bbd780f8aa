/// Width and sign of an integer in a record.
package enum FieldInteger: Sendable, Equatable {
  case unsigned8, unsigned16, unsigned32, signed32, signed64
  /// Counts of 64 bits; files and messages hold 63 of them.
  case unsigned64

  /// Width in memory and in a frame.
  package var byteCount: Int {
    switch self {
    case .unsigned8: 1
    case .unsigned16: 2
    case .unsigned32, .signed32: 4
    case .unsigned64, .signed64: 8
    }
  }

  /// What may be stored.
  package var range: ClosedRange<Int64> {
    switch self {
    case .unsigned8: 0...Int64(UInt8.max)
    case .unsigned16: 0...Int64(UInt16.max)
    case .unsigned32: 0...Int64(UInt32.max)
    case .unsigned64: 0...Int64.max
    case .signed32: Int64(Int32.min)...Int64(Int32.max)
    case .signed64: Int64.min...Int64.max
    }
  }

  /// The value at `offset` bytes from `record`.
  package func load(_ record: UnsafeRawPointer, _ offset: Int) -> Int64 {
    switch self {
    case .unsigned8: Int64(record.load(fromByteOffset: offset, as: UInt8.self))
    case .unsigned16: Int64(record.load(fromByteOffset: offset, as: UInt16.self))
    case .unsigned32: Int64(record.load(fromByteOffset: offset, as: UInt32.self))
    case .unsigned64: Int64(clamping: record.load(fromByteOffset: offset, as: UInt64.self))
    case .signed32: Int64(record.load(fromByteOffset: offset, as: Int32.self))
    case .signed64: record.load(fromByteOffset: offset, as: Int64.self)
    }
  }

  /// - Parameter value: within `range`.
  package func store(_ value: Int64, _ record: UnsafeMutableRawPointer, _ offset: Int) {
    switch self {
    case .unsigned8: record.storeBytes(of: UInt8(value), toByteOffset: offset, as: UInt8.self)
    case .unsigned16: record.storeBytes(of: UInt16(value), toByteOffset: offset, as: UInt16.self)
    case .unsigned32: record.storeBytes(of: UInt32(value), toByteOffset: offset, as: UInt32.self)
    case .unsigned64: record.storeBytes(of: UInt64(value), toByteOffset: offset, as: UInt64.self)
    case .signed32: record.storeBytes(of: Int32(value), toByteOffset: offset, as: Int32.self)
    case .signed64: record.storeBytes(of: value, toByteOffset: offset, as: Int64.self)
    }
  }
}

/// The integer types of a record's properties.
package protocol FieldIntegerValue {
  static var fieldInteger: FieldInteger { get }
}

extension UInt8: FieldIntegerValue { package static var fieldInteger: FieldInteger { .unsigned8 } }
extension UInt16: FieldIntegerValue { package static var fieldInteger: FieldInteger { .unsigned16 } }
extension UInt32: FieldIntegerValue { package static var fieldInteger: FieldInteger { .unsigned32 } }
extension UInt64: FieldIntegerValue { package static var fieldInteger: FieldInteger { .unsigned64 } }
extension Int32: FieldIntegerValue { package static var fieldInteger: FieldInteger { .signed32 } }
extension Int64: FieldIntegerValue { package static var fieldInteger: FieldInteger { .signed64 } }
// The record's one plain `Int` is a count.
extension Int: FieldIntegerValue { package static var fieldInteger: FieldInteger { .unsigned64 } }
