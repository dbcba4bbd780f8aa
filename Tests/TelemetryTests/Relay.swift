import Foundation
import Synchronization
import Testing

/// A TCP relay between publisher and broker, so that a test can cut a connection as a pulled cable's far end
/// does: the broker sees its socket die without DISCONNECT.
final class Relay: @unchecked Sendable {
  // Safety of @unchecked: the descriptors are touched under `lock`.

  /// Whether what the broker sends is held back.
  private let isHolding = Atomic(false)

  /// Both ends of one relayed connection; closed when nobody uses them any more.
  private final class Pair: Sendable {
    let client: Int32
    let server: Int32

    init(client: Int32, server: Int32) {
      self.client = client
      self.server = server
    }

    deinit {
      Foundation.close(client)
      Foundation.close(server)
    }

    func end() {
      shutdown(client, Int32(SHUT_RDWR))
      shutdown(server, Int32(SHUT_RDWR))
    }

    func copy(from: Int32, to: Int32, held: () -> Bool = { false }) {
      var buffer = [UInt8](repeating: 0, count: 16_384)
      while true {
        let count = read(from, &buffer, buffer.count)
        while held() { usleep(2000) }
        guard count > 0, send(to, buffer, count, Int32(MSG_NOSIGNAL)) == count else { break }
      }
      end()
    }
  }

  let port: UInt16
  private let target: UInt16
  private let listener: Int32
  private let lock = NSLock()
  private var open: [Pair] = []
  private var closed = false

  init(to target: UInt16) throws {
    self.target = target
    port = try PrivateBroker.freePort()
    listener = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    var reuse: Int32 = 1
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &reuse, socklen_t(MemoryLayout<Int32>.size))
    var address = PrivateBroker.loopback(port: port)
    let bound = withUnsafePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(listener, $0, socklen_t(MemoryLayout<sockaddr_in>.size)) == 0
      }
    }
    try #require(bound && listen(listener, 8) == 0)
    Thread.detachNewThread { [self] in acceptAll() }
  }

  /// What the broker sends waits, as in a network that stalls, and comes all at once afterwards.
  func hold(_ isHeld: Bool) { isHolding.store(isHeld, ordering: .releasing) }

  /// Ends all connections that stand; new ones are taken.
  func cut() {
    lock.withLock {
      for pair in open { pair.end() }
      open.removeAll()
    }
  }

  /// Ends everything.
  func close() {
    lock.withLock { closed = true }
    hold(false)
    cut()
    shutdown(listener, Int32(SHUT_RDWR))
  }

  private func acceptAll() {
    while true {
      let client = accept(listener, nil, nil)
      guard client >= 0, !lock.withLock({ closed }) else { break }
      guard let server = PrivateBroker.connectLoopback(port: target) else {
        Foundation.close(client)
        continue
      }
      let pair = Pair(client: client, server: server)
      lock.withLock { open.append(pair) }
      Thread.detachNewThread { pair.copy(from: client, to: server) }
      Thread.detachNewThread {
        pair.copy(from: server, to: client) { self.isHolding.load(ordering: .acquiring) }
      }
    }
    Foundation.close(listener)
  }
}
