import Glibc
import Realtime

/// Wakes a thread that waits in `poll`, from any other.
final class WakeUp: Sendable {
  private let reading: Descriptor
  private let writing: Descriptor

  /// Nil when the process has no descriptors left; `errno` says so.
  init?() {
    var ends: [Int32] = [-1, -1]
    let kind = Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue)
    guard socketpair(AF_UNIX, kind, 0, &ends) == 0 else { return nil }
    reading = Descriptor(ends[0])
    writing = Descriptor(ends[1])
  }

  /// Readable once it was signalled, until `clear`.
  var descriptor: Int32 { reading.value }

  func signal() {
    // When it does not fit, earlier signals wait to be read: that is enough.
    _ = send(writing.value, [1] as [UInt8], 1, Int32(MSG_NOSIGNAL))
  }

  func clear() {
    var bytes = [UInt8](repeating: 0, count: 64)
    while recv(reading.value, &bytes, bytes.count, 0) > 0 {}
  }
}
