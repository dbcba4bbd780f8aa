import Foundation
import Synchronization
import Testing

/// A TCP relay that lets so many bytes a second through from all clients together: a thin uplink.
final class ThrottledProxy: @unchecked Sendable {
  // Safety of @unchecked: the descriptors and the allowance are touched under `lock`.

  let port: UInt16
  private let target: UInt16
  private let bytesPerSecond: Double
  private let listener: Int32
  private let lock = NSLock()
  private var open: [Int32] = []
  private var isClosed = false
  /// When the next byte may pass.
  private var freeAt = ContinuousClock.now

  init(to target: UInt16, bytesPerSecond: Double) throws {
    self.target = target
    self.bytesPerSecond = bytesPerSecond
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var address = TestBroker.loopback(port: 0)
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let descriptor = listener
    let isListening = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
          && listen(descriptor, 8) == 0
      }
    }
    try #require(isListening)
    port = UInt16(bigEndian: address.sin_port)
    Thread.detachNewThread { [self] in acceptAll() }
  }

  func close() {
    lock.withLock {
      isClosed = true
      for descriptor in open { shutdown(descriptor, Int32(SHUT_RDWR)) }
    }
    shutdown(listener, Int32(SHUT_RDWR))
  }

  private func acceptAll() {
    while true {
      let client = accept(listener, nil, nil)
      guard client >= 0, !lock.withLock({ isClosed }) else { break }
      let server = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
      var address = TestBroker.loopback(port: target)
      let code = withUnsafePointer(to: &address) { pointer in
        pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          connect(server, $0, socklen_t(MemoryLayout<sockaddr_in>.size))
        }
      }
      // A sender must feel the uplink soon, as its own network card's queue would let it.
      var bytes: Int32 = 16_384
      setsockopt(client, SOL_SOCKET, SO_RCVBUF, &bytes, socklen_t(MemoryLayout<Int32>.size))
      guard code == 0 else {
        Foundation.close(client)
        Foundation.close(server)
        continue
      }
      lock.withLock { open += [client, server] }
      Thread.detachNewThread { [self] in copy(from: client, to: server, isThrottled: true) }
      Thread.detachNewThread { [self] in copy(from: server, to: client, isThrottled: false) }
    }
  }

  private func copy(from: Int32, to: Int32, isThrottled: Bool) {
    var buffer = [UInt8](repeating: 0, count: 2048)
    while true {
      let count = read(from, &buffer, buffer.count)
      guard count > 0 else { break }
      if isThrottled {
        let pause = lock.withLock { () -> Duration in
          freeAt = max(freeAt, ContinuousClock.now) + .seconds(Double(count) / bytesPerSecond)
          return ContinuousClock.now.duration(to: freeAt)
        }
        if pause > .zero { usleep(useconds_t(pause / .microseconds(1))) }
      }
      guard send(to, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
    }
    shutdown(from, Int32(SHUT_RDWR))
    shutdown(to, Int32(SHUT_RDWR))
  }
}
