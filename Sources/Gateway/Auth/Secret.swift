import Wire

/// Opaque secrets that the gateway gives out, of which it keeps only the hash: 256 bits of the kernel's.
enum Secret {
  private static let bytes = 32

  /// A new one, in the letters of base64url.
  static func make() -> String {
    var random = SystemRandomNumberGenerator()
    // Each call of the generator is one of the kernel.
    let words = (0..<bytes / MemoryLayout<UInt64>.size).map { _ in random.next() as UInt64 }
    return base64URL(words.flatMap { word in withUnsafeBytes(of: word, Array.init) })
  }

  /// What is kept of one: SHA-512 in hexadecimal digits. It needs no salt and no rounds, being random.
  static func hash(_ secret: String) -> String { SHA512Digest.text(SHA512Digest.of(Array(secret.utf8))) }

  /// RFC 4648, section 5, without padding.
  static func base64URL(_ bytes: [UInt8]) -> String {
    let letters = Array("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_".utf8)
    var text: [UInt8] = []
    for start in stride(from: 0, to: bytes.count, by: 3) {
      let group = bytes[start..<min(start + 3, bytes.count)]
      var word: UInt32 = 0
      for index in 0..<3 { word = word << 8 | UInt32(start + index < bytes.count ? bytes[start + index] : 0) }
      for index in 0...group.count { text.append(letters[Int(word >> (18 - 6 * UInt32(index)) & 63)]) }
    }
    return String(decoding: text, as: UTF8.self)
  }
}
