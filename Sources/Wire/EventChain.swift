/// The newest event that a recording holds, and the hash that stands for it and all before it.
package struct ChainHead: Sendable, Equatable {
  /// The event's number.
  package var number: UInt64
  /// `hash_sha512` of its row: 128 hexadecimal digits.
  package var hash: String
  /// Wall clock of the event, nanoseconds since 1970.
  package var wallNanoseconds: Int64

  package init(number: UInt64, hash: String, wallNanoseconds: Int64) {
    self.number = number
    self.hash = hash
    self.wallNanoseconds = wallNanoseconds
  }
}

/// The hash chain of a run's events: each row's `hash_sha512` is made of the one before and of what the row
/// stores, so that no row can be changed, taken out, put in or moved without every later hash telling. The
/// exact bytes: docs/recording.md, "Hash chain".
package struct EventChain {
  /// A stored value.
  package enum Value: Sendable, Equatable {
    case null
    /// Of a column of integers.
    case integer(Int64)
    /// Of a column of text.
    case text(String)
  }

  private static let seed = "motorhand.chain/1 "

  /// The newest hash.
  package private(set) var hash: [UInt8]

  /// Before the first event of a run.
  package init(runID: String) { hash = SHA512Digest.of(Array((Self.seed + runID).utf8)) }

  /// Goes on from the hash of an event.
  /// - Parameter text: its 128 hexadecimal digits; nil is returned where it is anything else.
  package init?(continuing text: String) {
    let digits = text.utf8.compactMap { UInt8(String(UnicodeScalar($0)), radix: 16) }
    guard text.utf8.count == 2 * SHA512Digest.byteCount, digits.count == text.utf8.count else { return nil }
    hash = stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
  }

  /// The newest hash as it is stored.
  package var hashText: String { SHA512Digest.text(hash) }

  /// Takes the next row: its values but the hash, in the order of the columns.
  package mutating func append(_ row: [Value]) { hash = SHA512Digest.of(hash + Self.bytes(row)) }

  /// The canonical bytes of a row: `N;` for NULL, `I` and the decimal number and `;`, or `T`, the number of
  /// UTF-8 bytes, `:`, the bytes and `;`.
  static func bytes(_ row: [Value]) -> [UInt8] {
    row.flatMap { value in
      switch value {
      case .null: Array("N;".utf8)
      case .integer(let number): Array("I\(number);".utf8)
      case .text(let text): Array("T\(text.utf8.count):\(text);".utf8)
      }
    }
  }
}
