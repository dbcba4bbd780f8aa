import Foundation
import Testing

/// The service manager's end of `NOTIFY_SOCKET`: takes messages, and the descriptors that come with them.
final class NotifySocket {
  let path: String
  private let descriptor: Int32
  /// Lines received so far, in their order.
  private(set) var lines: [String] = []
  /// Descriptors received with `FDSTORE=1`.
  private(set) var stored: [Int32] = []

  init(_ bench: TestBench, _ name: String = "notify.sock") throws {
    path = bench.path(name)
    descriptor = socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { $0.copyBytes(from: path.utf8) }
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, socklen_t(MemoryLayout<sockaddr_un>.size))
      }
    }
    try #require(bound == 0)
  }

  deinit {
    close(descriptor)
    for descriptor in stored { close(descriptor) }
  }

  /// Takes everything that has arrived.
  func drain() {
    while receive() {}
  }

  /// Waits until a line has this prefix.
  func awaits(_ prefix: String, seconds: Double = 20) -> Bool {
    waitUntil(seconds: seconds) {
      drain()
      return lines.contains { $0.hasPrefix(prefix) }
    }
  }

  func count(_ line: String) -> Int { lines.count { $0 == line } }

  private func receive() -> Bool {
    var bytes = [UInt8](repeating: 0, count: 4096)
    var control = [UInt64](repeating: 0, count: 8)
    let (count, passed) = bytes.withUnsafeMutableBytes { bytes in
      control.withUnsafeMutableBytes { control in
        var part = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
        return withUnsafeMutablePointer(to: &part) { part -> (Int, Int32?) in
          var message = msghdr()
          message.msg_iov = part
          message.msg_iovlen = 1
          message.msg_control = control.baseAddress
          message.msg_controllen = control.count
          let count = recvmsg(descriptor, &message, Int32(MSG_DONTWAIT))
          guard count > 0, message.msg_controllen >= MemoryLayout<cmsghdr>.stride + 4 else {
            return (count, nil)
          }
          return (count, control.load(fromByteOffset: MemoryLayout<cmsghdr>.stride, as: Int32.self))
        }
      }
    }
    guard count > 0 else { return false }
    lines += String(decoding: bytes[..<count], as: UTF8.self).split(separator: "\n").map(String.init)
    if let passed { stored.append(passed) }
    return true
  }
}
