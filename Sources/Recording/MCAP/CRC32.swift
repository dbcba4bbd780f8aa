/// The checksum of MCAP: CRC-32 of ISO 3309, as in zlib and PNG.
struct CRC32 {
  /// Bytes taken at once: with eight tables the sum keeps up with the compressor, with one it does not.
  private static let stride = 8

  /// Row k: what a byte does to the sum when k bytes follow it.
  private static let tables: [UInt32] = {
    /// The polynomial, its bits reversed.
    let polynomial: UInt32 = 0xEDB8_8320
    var rows = [
      (0..<256).map { byte in
        (0..<8).reduce(UInt32(byte)) { sum, _ in sum >> 1 ^ (sum & 1 == 0 ? 0 : polynomial) }
      }
    ]
    for _ in 1..<stride {
      rows.append(rows[rows.count - 1].map { $0 >> 8 ^ rows[0][Int($0 & 0xFF)] })
    }
    return rows.flatMap(\.self)
  }()

  private var sum: UInt32 = .max

  /// Of the bytes so far.
  var value: UInt32 { ~sum }

  /// Of all of `bytes`.
  static func of(_ bytes: [UInt8]) -> UInt32 {
    var crc = CRC32()
    bytes.withUnsafeBytes { crc.add($0) }
    return crc.value
  }

  /// Takes the next bytes.
  mutating func add(_ bytes: UnsafeRawBufferPointer) {
    var sum = sum
    var place = 0
    Self.tables.withUnsafeBufferPointer { tables in
      while bytes.count - place >= Self.stride {
        let word =
          UInt64(
            littleEndian: bytes.loadUnaligned(fromByteOffset: place, as: UInt64.self)) ^ UInt64(sum)
        sum = 0
        for byte in 0..<Self.stride {
          sum ^= tables[256 * (Self.stride - 1 - byte) + Int(word >> UInt64(8 * byte) & 0xFF)]
        }
        place += Self.stride
      }
      for byte in bytes[place...] { sum = sum >> 8 ^ tables[Int((sum ^ UInt32(byte)) & 0xFF)] }
    }
    self.sum = sum
  }
}
