import Glibc
import Testing

/// A datagram socket as a service manager or a journal has one.
final class DatagramReceiver {
  let descriptor: Int32
  private let path: String?

  /// - Parameter name: a path, or an abstract name with a leading `@`.
  init(_ name: String) throws {
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    try #require(descriptor >= 0)
    path = name.hasPrefix("@") ? nil : name
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { bytes in
      bytes.copyBytes(from: name.utf8)
      if name.hasPrefix("@") { bytes[0] = 0 }
    }
    let length = socklen_t(2 + name.utf8.count)
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) { bind(descriptor, $0, length) }
    }
    try #require(bound == 0, "bind \(name): \(String(cString: strerror(errno)))")
  }

  deinit {
    close(descriptor)
    if let path { unlink(path) }
  }

  /// The next datagram that is already there; nil when there is none.
  func receive() -> [UInt8]? {
    var buffer = [UInt8](repeating: 0, count: 65_536)
    let count = recv(descriptor, &buffer, buffer.count, Int32(MSG_DONTWAIT))
    return count >= 0 ? Array(buffer[..<count]) : nil
  }

  func text() -> String? { receive().map { String(decoding: $0, as: UTF8.self) } }
}

/// A name in the abstract name space that nobody else uses.
func abstractName() -> String { "@motorhand-test-\(getpid())-\(UInt64.random(in: .min ... .max))" }
