import HandModel

/// Packs the values of one joint of one hand into its frame of the `joints` blob, and back. The places come
/// from the table of fields; integers are big-endian two's complement, because SQL can take a blob apart byte
/// by byte only from the most significant end without knowing its length.
package struct JointCodec {
  /// What a scaled value of 4 bytes holds where there is none.
  package static let noValue32 = PackedField.noValue32
  /// The same of 8 bytes.
  package static let noValue64 = PackedField.noValue64

  private struct Place {
    var frame: Int
    var field: PackedField
  }

  /// Bytes of a frame.
  package let byteCount: Int
  private let encoding: [Place]
  private let decoding: [Place]
  private let words: PackedWords

  /// - Parameter joint: which values there are; nil = all of them.
  package init(_ fields: FieldTable, _ joint: JointEquipment?) {
    var encoding: [Place] = []
    var decoding: [Place] = []
    var words = PackedWords()
    for field in fields.jointColumns {
      let exists = joint.map(field.exists) ?? true
      let place = Place(
        frame: field.frameOffset, field: PackedField(field, exists: exists, words: &words))
      // A place that two fields share is written once, by the field that the joint has.
      if let twin = encoding.firstIndex(where: { $0.frame == field.frameOffset }) {
        if exists { encoding[twin] = place }
        continue
      }
      encoding.append(place)
      decoding.append(
        Place(frame: field.frameOffset, field: PackedField(field, exists: true, words: &words)))
    }
    byteCount = fields.frameByteCount
    self.encoding = encoding
    self.decoding = decoding
    self.words = words
  }

  /// Fills a frame.
  /// - Parameter joint: a `JointRecord`.
  package func encode(_ joint: UnsafeRawPointer, to frame: UnsafeMutableRawPointer) {
    for place in encoding {
      let value = place.field.load(joint, words)
      switch place.field.byteCount {
      case 1: Self.store(Int8(truncatingIfNeeded: value), frame, place.frame)
      case 2: Self.store(Int16(truncatingIfNeeded: value), frame, place.frame)
      case 4: Self.store(Int32(truncatingIfNeeded: value), frame, place.frame)
      default: Self.store(value, frame, place.frame)
      }
    }
  }

  /// Fills a `JointRecord`, with NaN where there is no value. False when the frame holds a code that does not
  /// exist.
  package func decode(_ frame: UnsafeRawPointer, into joint: UnsafeMutableRawPointer) -> Bool {
    for place in decoding {
      let value: Int64 =
        switch place.field.byteCount {
        case 1: Int64(Self.load(frame, place.frame) as Int8)
        case 2: Int64(Self.load(frame, place.frame) as Int16)
        case 4: Int64(Self.load(frame, place.frame) as Int32)
        default: Self.load(frame, place.frame)
        }
      guard place.field.store(value, joint, words) else { return false }
    }
    return true
  }

  /// The stored integer of a field, a complement turned back into the value; nil for "none".
  /// Its decimal point is `field.packing.decimals` digits from the right.
  package static func integer(_ field: Field, _ frame: UnsafeRawPointer) -> Int64? {
    let place = field.frameOffset
    switch field.packing {
    case .scaled32:
      let stored: Int32 = load(frame, place)
      return stored == noValue32 ? nil : Int64(stored)
    case .scaled64:
      let stored: Int64 = load(frame, place)
      return stored == noValue64 ? nil : stored
    case .complement64(let decimals):
      let stored: Int64 = load(frame, place)
      return stored == noValue64 ? nil : Field.scale(decimals: decimals) - PackedField.clamped(stored)
    case .exact:
      guard case .integer(let integer) = field.kind else { return Int64(load(frame, place) as UInt8) }
      switch integer {
      case .unsigned8: return Int64(load(frame, place) as UInt8)
      case .unsigned16: return Int64(load(frame, place) as UInt16)
      case .unsigned32: return Int64(load(frame, place) as UInt32)
      case .signed32: return Int64(load(frame, place) as Int32)
      case .unsigned64, .signed64: return load(frame, place)
      }
    }
  }

  @inline(__always)
  private static func store<T: FixedWidthInteger & BitwiseCopyable>(
    _ value: T, _ frame: UnsafeMutableRawPointer, _ offset: Int
  ) {
    frame.storeBytes(of: value.bigEndian, toByteOffset: offset, as: T.self)
  }

  @inline(__always)
  private static func load<T: FixedWidthInteger & BitwiseCopyable>(
    _ frame: UnsafeRawPointer, _ offset: Int
  ) -> T {
    T(bigEndian: frame.loadUnaligned(fromByteOffset: offset, as: T.self))
  }
}
