import Glibc
import Realtime

/// Address of a datagram socket: a path, or an abstract name written with a leading `@`.
struct UnixDatagramAddress: Sendable {
  /// sun_path of unix(7): 108 bytes; a path must leave one for its end.
  private static let longestName = 107

  private let address: sockaddr_un
  private let length: socklen_t

  /// Nil when the name is neither an absolute path nor abstract, or is too long.
  init?(_ name: String) {
    let isAbstract = name.hasPrefix("@")
    guard isAbstract || name.hasPrefix("/"), (2...Self.longestName).contains(name.utf8.count) else {
      return nil
    }
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    withUnsafeMutableBytes(of: &address.sun_path) { path in
      path.copyBytes(from: name.utf8)
      if isAbstract { path[0] = 0 }
    }
    self.address = address
    // The length ends an abstract name; a path may have its zero byte counted or not.
    length = socklen_t(MemoryLayout<sockaddr_un>.offset(of: \.sun_path)! + name.utf8.count)
  }

  /// A socket to send from; nil when the process has no descriptor left.
  func makeSocket() -> Descriptor? {
    try? Descriptor(
      result: socket(AF_UNIX, Int32(SOCK_DGRAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue), 0))
  }

  /// Sends one datagram without waiting; false when it could not be delivered.
  /// - Parameter passed: a descriptor that the receiver gets a duplicate of (SCM_RIGHTS, unix(7)).
  func send(_ bytes: [UInt8], from descriptor: Int32, passing passed: Int32? = nil) -> Bool {
    var bytes = bytes
    var address = address
    // A control message is its header and one descriptor, padded to the header's alignment (cmsg(3)).
    let headerBytes = MemoryLayout<cmsghdr>.stride
    var control = [UInt64](repeating: 0, count: headerBytes / MemoryLayout<UInt64>.size + 1)
    return withUnsafeMutablePointer(to: &address) { address in
      bytes.withUnsafeMutableBytes { bytes in
        control.withUnsafeMutableBytes { control in
          var part = iovec(iov_base: bytes.baseAddress, iov_len: bytes.count)
          return withUnsafeMutablePointer(to: &part) { part in
            var message = msghdr()
            message.msg_name = UnsafeMutableRawPointer(address)
            message.msg_namelen = length
            message.msg_iov = part
            message.msg_iovlen = 1
            if let passed {
              var header = cmsghdr()
              header.cmsg_len = .init(headerBytes + MemoryLayout<Int32>.size)
              header.cmsg_level = SOL_SOCKET
              header.cmsg_type = Int32(SCM_RIGHTS)
              control.storeBytes(of: header, as: cmsghdr.self)
              control.storeBytes(of: passed, toByteOffset: headerBytes, as: Int32.self)
              message.msg_control = control.baseAddress
              message.msg_controllen = .init(control.count)
            }
            while true {
              let sent = sendmsg(descriptor, &message, Int32(MSG_NOSIGNAL | MSG_DONTWAIT))
              if sent < 0 && errno == EINTR { continue }
              return sent == bytes.count
            }
          }
        }
      }
    }
  }
}
