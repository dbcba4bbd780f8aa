/// FNV-1a with 64 bits (Fowler, Noll, Vo; offset basis and prime from draft-eastlake-fnv). A fingerprint that
/// tells two files apart, not a protection against someone who wants them to look alike.
package struct FingerprintFNV1a: Sendable, Equatable {
  /// The hash of what was taken in so far.
  package private(set) var value: UInt64 = 0xcbf2_9ce4_8422_2325

  /// Of the text's UTF-8 bytes.
  package init(_ text: String) {
    for byte in text.utf8 {
      value ^= UInt64(byte)
      value &*= 0x0000_0100_0000_01b3
    }
  }

  /// `fnv1a64:` and 16 hexadecimal digits: the name says what it is.
  package var text: String {
    let digits = String(value, radix: 16)
    return "fnv1a64:" + String(repeating: "0", count: 16 - digits.count) + digits
  }
}
