import HandModel
import PrimalLogic

/// The words of packed fields.
struct PackedWords {
  private(set) var lists: [CodeWords] = []
  /// Codes by the bytes in memory, one list after the other: taking one copies no list.
  private var codes: [Int8] = []
  /// Bytes in memory by the codes, likewise; `noByte` for a code that does not exist.
  private var bytes: [Int16] = []
  private static let noByte: Int16 = -1

  /// Takes a list; returns its place.
  mutating func append(_ list: CodeWords) -> Int {
    lists.append(list)
    codes += (0...UInt8.max).map { Int8(bitPattern: list.code(ofByte: $0)) }
    bytes += (0...UInt8.max).map { list.byte(ofCode: $0).map { Int16($0) } ?? Self.noByte }
    return lists.count - 1
  }

  @inline(__always)
  func code(_ list: Int, _ byte: UInt8) -> Int8 { codes[list << 8 | Int(byte)] }

  /// The byte in memory of a code; nil for one that does not exist.
  @inline(__always)
  func byte(_ list: Int, _ code: UInt8) -> UInt8? {
    let byte = bytes[list << 8 | Int(code)]
    return byte == Self.noByte ? nil : UInt8(truncatingIfNeeded: byte)
  }
}

/// How one value of a record becomes an integer of fixed width, and back: the form in which ticks are kept.
///
/// Real values of joints are scaled to whole quanta, those of ticks keep their bits; the smallest integer of
/// a scaled value means "none". Words become their codes. Computing with it allocates nothing.
struct PackedField {
  static let noValue32 = Int32.min
  static let noValue64 = Int64.min
  /// Larger magnitudes are stored as this: it leaves room for the arithmetic of 1 − value.
  static let largest64: Int64 = 9_000_000_000_000_000_000

  private enum Step {
    case bytes1, bytes2, bytes4, bytes8
    /// 0 or 1.
    case flag
    /// Below this, or 255 for no joint.
    case joint(below: UInt8)
    /// Index into the codec's words.
    case word(Int)
    case scaled32(scale: Double)
    case scaled64(scale: Double)
    /// `one` is 1 in units of the quantum.
    case complement64(scale: Double, one: Int64)
    /// There is no such value, which this integer says.
    case absent(Int64)
  }

  /// Bytes from the start of the record.
  let offset: Int
  /// 1, 2, 4 or 8 bytes.
  let byteCount: Int
  private let step: Step

  /// - Parameters:
  ///   - exists: whether the hand has such a value.
  ///   - ofTick: whether it is a tick's own value, which keeps all its bits.
  ///   - joints: of the hand.
  ///   - words: takes the field's words, where it has some.
  init(
    _ field: Field, exists: Bool, ofTick: Bool = false, joints: Int = maximumJoints, words: inout PackedWords
  ) {
    offset = field.offset
    let packing = ofTick ? .exact : field.packing
    byteCount = field.byteCount(packing)
    let one = Field.scale(decimals: packing.decimals)
    switch (packing, exists) {
    case (.scaled32, true): step = .scaled32(scale: Double(one))
    case (.scaled64, true): step = .scaled64(scale: Double(one))
    case (.complement64, true): step = .complement64(scale: Double(one), one: one)
    case (.scaled32, false): step = .absent(Int64(Self.noValue32))
    case (.scaled64, false), (.complement64, false): step = .absent(Self.noValue64)
    case (.exact, false):
      if case .real = field.kind {
        step = .absent(Int64(bitPattern: Double.nan.bitPattern))
      } else {
        step = .absent(0)
      }
    case (.exact, true):
      switch (field.kind, byteCount) {
      case (.word(let list), _):
        step = .word(words.append(list))
      case (.flag, _): step = .flag
      case (.joint, _): step = .joint(below: UInt8(joints))
      case (_, 1): step = .bytes1
      case (_, 2): step = .bytes2
      case (_, 4): step = .bytes4
      default: step = .bytes8
      }
    }
  }

  /// The integer of a record's value, extended to 64 bits with its sign.
  @inline(__always)
  func load(_ record: UnsafeRawPointer, _ words: borrowing PackedWords) -> Int64 {
    switch step {
    case .bytes1, .flag, .joint: Int64(record.load(fromByteOffset: offset, as: Int8.self))
    case .bytes2: Int64(record.load(fromByteOffset: offset, as: Int16.self))
    case .bytes4: Int64(record.load(fromByteOffset: offset, as: Int32.self))
    case .bytes8: record.load(fromByteOffset: offset, as: Int64.self)
    case .word(let index): Int64(words.code(index, record.load(fromByteOffset: offset, as: UInt8.self)))
    case .scaled32(let scale):
      Int64(Self.scaled32(record.load(fromByteOffset: offset, as: Double.self), scale))
    case .scaled64(let scale): Self.scaled64(record.load(fromByteOffset: offset, as: Double.self), scale)
    case .complement64(let scale, _):
      Self.scaled64(1 - record.load(fromByteOffset: offset, as: Double.self), scale)
    case .absent(let value): value
    }
  }

  /// Whether the values of two records become the same integer.
  @inline(__always)
  func agree(_ a: UnsafeRawPointer, _ b: UnsafeRawPointer, _ words: borrowing PackedWords) -> Bool {
    switch step {
    case .scaled32, .scaled64, .complement64:
      // Many are the same to the bit, and to round them costs more than to see that.
      a.load(fromByteOffset: offset, as: UInt64.self) == b.load(fromByteOffset: offset, as: UInt64.self)
        || load(a, words) == load(b, words)
    case .absent: true
    default: load(a, words) == load(b, words)
    }
  }

  /// Puts the value of an integer into a record, NaN for "none".
  /// - Returns: false where the field has no such value.
  @inline(__always)
  func store(_ value: Int64, _ record: UnsafeMutableRawPointer, _ words: borrowing PackedWords) -> Bool {
    func put(_ value: Double) { record.storeBytes(of: value, toByteOffset: offset, as: Double.self) }
    switch step {
    case .bytes1: record.storeBytes(of: Int8(truncatingIfNeeded: value), toByteOffset: offset, as: Int8.self)
    case .flag:
      guard value == 0 || value == 1 else { return false }
      record.storeBytes(of: UInt8(value), toByteOffset: offset, as: UInt8.self)
    case .joint(let limit):
      let joint = UInt8(truncatingIfNeeded: value)
      guard joint < limit || joint == .max else { return false }
      record.storeBytes(of: joint, toByteOffset: offset, as: UInt8.self)
    case .bytes2:
      record.storeBytes(of: Int16(truncatingIfNeeded: value), toByteOffset: offset, as: Int16.self)
    case .bytes4:
      record.storeBytes(of: Int32(truncatingIfNeeded: value), toByteOffset: offset, as: Int32.self)
    case .bytes8: record.storeBytes(of: value, toByteOffset: offset, as: Int64.self)
    case .word(let index):
      guard let byte = words.byte(index, UInt8(truncatingIfNeeded: value)) else { return false }
      record.storeBytes(of: byte, toByteOffset: offset, as: UInt8.self)
    // Division, not multiplication by the inverse: its result is the double nearest to the decimal number,
    // and the view `joint_tick` divides too, so that both readers give the same bits.
    case .scaled32(let scale): put(value == Int64(Self.noValue32) ? .nan : Double(value) / scale)
    case .scaled64(let scale): put(value == Self.noValue64 ? .nan : Double(value) / scale)
    case .complement64(let scale, let one):
      put(value == Self.noValue64 ? .nan : Double(one - Self.clamped(value)) / scale)
    case .absent: break
    }
    return true
  }

  static func clamped(_ value: Int64) -> Int64 { min(max(value, -largest64), largest64) }

  // Rounding by adding a half and truncating: `rounded()` is a library call on processors without a
  // rounding instruction in their baseline, and this runs some 200 times a tick.
  @inline(__always)
  private static func scaled32(_ value: Double, _ scale: Double) -> Int32 {
    let scaled = value * scale
    let limit = Double(Int32.max)
    if scaled >= limit { return .max }
    if scaled <= -limit { return -.max }
    if scaled.isNaN { return noValue32 }
    return Int32(scaled + (scaled < 0 ? -0.5 : 0.5))
  }

  @inline(__always)
  private static func scaled64(_ value: Double, _ scale: Double) -> Int64 {
    let scaled = value * scale
    let limit = Double(largest64)
    if scaled >= limit { return largest64 }
    if scaled <= -limit { return -largest64 }
    if scaled.isNaN { return noValue64 }
    return Int64(scaled + (scaled < 0 ? -0.5 : 0.5))
  }
}
