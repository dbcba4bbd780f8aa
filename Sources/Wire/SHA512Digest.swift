import CCrypto
import Glibc

/// SHA-512 (FIPS 180-4) of bytes that come in pieces.
package final class SHA512Digest {
  /// Bytes of a digest.
  package static let byteCount = 64

  private let context: OpaquePointer

  /// Of nothing yet.
  package init() {
    // Nil only when memory is out; what would go on without a hash would claim what nobody computed.
    guard let context = EVP_MD_CTX_new(), EVP_DigestInit_ex(context, EVP_sha512(), nil) == 1 else {
      fatalError("libcrypto has no SHA-512")
    }
    self.context = context
  }

  deinit { EVP_MD_CTX_free(context) }

  /// Takes the next bytes.
  package func update(_ bytes: UnsafeRawBufferPointer) {
    EVP_DigestUpdate(context, bytes.baseAddress, bytes.count)
  }

  /// The digest of all bytes taken. Once only.
  package func finish() -> [UInt8] {
    [UInt8](unsafeUninitializedCapacity: Self.byteCount) { output, count in
      EVP_DigestFinal_ex(context, output.baseAddress, nil)
      count = Self.byteCount
    }
  }

  /// The digest of bytes.
  package static func of(_ bytes: [UInt8]) -> [UInt8] {
    let digest = SHA512Digest()
    bytes.withUnsafeBytes(digest.update)
    return digest.finish()
  }

  /// Lower-case hexadecimal text, as `sha512sum` prints it.
  package static func text(_ digest: some Sequence<UInt8>) -> String {
    let digits = Array("0123456789abcdef".utf8)
    return String(
      decoding: digest.flatMap { [digits[Int($0 >> 4)], digits[Int($0 & 15)]] }, as: UTF8.self)
  }
}
