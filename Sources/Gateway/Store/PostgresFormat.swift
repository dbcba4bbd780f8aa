/// Values as PostgreSQL sends and takes them in its binary formats.
/// Source: PostgreSQL, "COPY", "Binary Format", and the send and receive functions of its types.
enum PostgresFormat {
  /// Sent to the server in one piece.
  static let copyBytes = 131_072
  /// Signature, flags, length of the extension.
  static let copyHeader: [UInt8] =
    Array("PGCOPY\n".utf8) + [0xFF, 0x0D, 0x0A, 0x00] + [UInt8](repeating: 0, count: 8)
  static let copyTrailer: [UInt8] = [0xFF, 0xFF]
  /// From 1970-01-01 to 2000-01-01, where PostgreSQL's time begins.
  private static let epochMicroseconds: Int64 = 946_684_800_000_000

  // pg_type.dat: the numbers of the types.
  private enum TypeID {
    static let boolean: UInt32 = 16
    static let bytes: UInt32 = 17
    static let int8: UInt32 = 20
    static let int2: UInt32 = 21
    static let int4: UInt32 = 23
    static let json: UInt32 = 114
    static let float4: UInt32 = 700
    static let float8: UInt32 = 701
    static let time: UInt32 = 1184
    static let jsonBinary: UInt32 = 3802
    static let void: UInt32 = 2278
    static let texts: Set<UInt32> = [18, 19, 25, 1042, 1043]
  }

  /// A parameter whose type the server takes from the statement: as text, but for bytes.
  static func parameter(_ value: SQLValue) -> (bytes: [UInt8]?, isBinary: Bool) {
    switch value {
    case .null: (nil, false)
    case .integer(let value): (Array("\(value)".utf8), false)
    case .real(let value): (Array(text(value).utf8), false)
    case .text(let value): (Array(value.utf8), false)
    case .bytes(let value): (value, true)
    case .boolean(let value): ([value ? 0x74 : 0x66], false)
    case .time(let value): (bigEndian(value.microseconds &- epochMicroseconds), true)
    }
  }

  private static func text(_ value: Double) -> String {
    value.isNaN ? "NaN" : value.isInfinite ? (value < 0 ? "-Infinity" : "Infinity") : "\(value)"
  }

  /// Adds a row to what COPY is sent.
  static func append(_ row: [SQLValue], to buffer: inout [UInt8]) {
    buffer += bigEndian(Int16(row.count))
    for value in row {
      guard let field = field(value) else {
        buffer += bigEndian(Int32(-1))
        continue
      }
      buffer += bigEndian(Int32(field.count))
      buffer += field
    }
  }

  private static func field(_ value: SQLValue) -> [UInt8]? {
    switch value {
    case .null: nil
    case .integer(let value): bigEndian(value)
    case .real(let value): bigEndian(Int64(bitPattern: value.bitPattern))
    case .text(let value): Array(value.utf8)
    case .bytes(let value): value
    case .boolean(let value): [value ? 1 : 0]
    case .time(let value): bigEndian(value.microseconds &- epochMicroseconds)
    }
  }

  private static func bigEndian(_ value: some FixedWidthInteger) -> [UInt8] {
    withUnsafeBytes(of: value.bigEndian) { Array($0) }
  }

  /// A value of a result.
  static func value(_ bytes: UnsafeRawBufferPointer, type: UInt32) throws(StoreError) -> SQLValue {
    func integer() -> Int64 {
      var value: Int64 = bytes.first.map { $0 & 0x80 != 0 ? -1 : 0 } ?? 0
      for byte in bytes { value = value << 8 | Int64(byte) }
      return value
    }
    switch type {
    case TypeID.boolean: return .boolean(integer() != 0)
    case TypeID.int2, TypeID.int4, TypeID.int8: return .integer(integer())
    case TypeID.float4: return .real(Double(Float(bitPattern: UInt32(truncatingIfNeeded: integer()))))
    case TypeID.float8: return .real(Double(bitPattern: UInt64(bitPattern: integer())))
    case TypeID.bytes: return .bytes(Array(bytes))
    case TypeID.time: return .time(Timestamp(microseconds: integer() &+ epochMicroseconds))
    case TypeID.void: return .null
    case TypeID.json: return .text(String(decoding: bytes, as: UTF8.self))
    // A version stands before it.
    case TypeID.jsonBinary: return .text(String(decoding: bytes.dropFirst(), as: UTF8.self))
    case _ where TypeID.texts.contains(type): return .text(String(decoding: bytes, as: UTF8.self))
    default: throw .defect("a result has type \(type), which no table of this program has")
    }
  }
}
