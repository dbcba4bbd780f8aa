import ControlSocket
import Foundation
import Glibc
import Realtime
import Wire

/// A daemon on a simulated hand under the worst load that a stop has to get through: a private broker, a
/// recorder whose disk is full, closed standard error, idle clients, clients that command without pause, and
/// a flood of commands.
final class StopBenchSite {
  static let hand = "bench"
  /// Longest time to a hand that is idle, on a busy machine.
  private static let startSeconds = 30.0
  /// A memory file system of this size, filled to the brim after the start.
  private static let diskMegabytes = 16
  private static let flushNanoseconds: Int64 = 2_000_000
  /// JSON parsing uses Foundation, which needs more than a plain thread's stack.
  private static let stackBytes = 512 * 1024

  let socketPath: String
  /// Whether the recordings' disk could be filled: mounting needs root.
  private(set) var isDiskFull = false
  let flooded = Tally()
  let isCancelled: () -> Bool

  private let scratch: ScratchDirectory
  private let disk: String
  private let broker: PrivateBroker
  private var daemon: ToolProgram?
  private var isMounted = false
  private let isOver = Locked(false)
  private var threads: [RealtimeThread] = []

  var port: UInt16 { broker.port }

  /// Starts broker and daemon.
  /// - Parameters:
  ///   - board: path of a simulated board's file; `calibration` likewise.
  ///   - daemon: path of `motorhandd`.
  init(board: String, calibration: String, daemon: String, isCancelled: @escaping () -> Bool) throws {
    self.isCancelled = isCancelled
    scratch = try ScratchDirectory(in: nil)
    disk = scratch.path + "/disk"
    socketPath = scratch.path + "/control.sock"
    broker = try PrivateBroker(directory: scratch.path, isCancelled: isCancelled)
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    isMounted = mount("tmpfs", disk, "tmpfs", 0, "size=\(Self.diskMegabytes)m") == 0
    // Standard error closed, as under a supervisor that hung up.
    self.daemon = try ToolProgram(
      "/bin/sh",
      [
        "-c", #"exec "$0" "$@" 2>&-"#, daemon, "--board", board, "--calibration", calibration, "--hand",
        Self.hand, "--socket", socketPath, "--data", disk + "/recordings", "--broker",
        "mqtt://127.0.0.1:\(broker.port)",
      ])
    try wait("the hand's way to idle, on its broker") {
      $0.state == "idle" && $0.publisher?.connected == true
    }
    if isMounted { try fillDisk() }
  }

  deinit {
    isOver.withLock { $0 = true }
    for thread in threads { thread.join() }
    daemon = nil
    if isMounted { umount2(disk, Int32(MNT_DETACH)) }
  }

  private func fillDisk() throws {
    let path = disk + "/ballast"
    let file: Descriptor
    do throws(Errno) {
      file = try Descriptor(opening: path, .writeOnly, .create, permissions: .ownerReadWrite)
    } catch { throw BenchError.directory(path: path, reason: error.description) }
    let block = [UInt8](repeating: 1, count: 65_536)
    for size in [block.count, 512] {
      while write(file.value, block, size) > 0 {}
    }
    try wait("the recorder's notice of a full disk") { $0.recorder?.error != nil }
    isDiskFull = true
  }

  private func wait(_ what: String, _ condition: (HandSnapshot) -> Bool) throws {
    try waitFor(what, seconds: Self.startSeconds, isCancelled: isCancelled) {
      guard daemon?.isRunning == true else {
        throw BenchError.program(name: "motorhandd", status: 0, output: "ended although nobody asked it to")
      }
      return snapshot().map(condition) ?? false
    }
  }

  /// The hand's state; nil while nobody answers.
  func snapshot() -> HandSnapshot? {
    guard let line = try? ControlClient(path: socketPath).request(ControlServer.statusLine) else {
      return nil
    }
    return try? JSONDecoder().decode(HandSnapshot.self, from: Data(line.utf8))
  }

  // MARK: - The crowd

  private func spawn(_ name: String, _ body: @escaping @Sendable (_ isOver: () -> Bool) -> Void) throws {
    let isOver = isOver
    threads.append(
      try RealtimeThread(name: name, policy: .normal, stackBytes: Self.stackBytes) {
        body { isOver.withLock { $0 } }
      })
  }

  /// Clients that connect and then stay silent. One that the daemon disconnects connects again.
  func idle(clients: Int) throws {
    let path = socketPath
    try spawn("idle") { isOver in
      var sockets: [ControlClient?] = Array(repeating: nil, count: clients)
      while !isOver() {
        for index in sockets.indices where !Self.isOpen(sockets[index]) {
          sockets[index] = try? ControlClient(path: path)
        }
        MonotonicClock().pause(nanoseconds: 20_000_000)
      }
    }
  }

  private static func isOpen(_ client: ControlClient?) -> Bool {
    guard let client else { return false }
    do throws(SocketError) {
      _ = try client.receive(seconds: 0)
      return true
    } catch {
      if case .timedOut = error { return true }
      return false
    }
  }

  /// Clients that send a command as soon as the last one was answered.
  func commanding(clients: Int, command: String) throws {
    let path = socketPath
    for number in 0..<clients {
      try spawn("commander-\(number)") { isOver in
        var client: ControlClient?
        while !isOver() {
          do {
            let connected = try client ?? ControlClient(path: path)
            client = connected
            _ = try connected.request(command)
          } catch {
            client = nil
            MonotonicClock().pause(nanoseconds: 1_000_000)
          }
        }
      }
    }
  }

  /// Commands over the broker at a steady rate.
  func flood(perSecond: Int, qos: Int32, topic: String, payload: String) throws {
    guard perSecond > 0 else { return }
    let client = try MQTTClient(port: port, sendMaximum: 10_000)
    let bytes = Array(payload.utf8)
    let flooded = flooded
    try spawn("flood-\(qos)") { isOver in
      let clock = MonotonicClock()
      let start = clock.now()
      var sent = 0
      while !isOver() {
        let due = Int(Double(clock.now() - start) * 1e-9 * Double(perSecond))
        // What could not be sent in time is not sent later in a burst.
        if due - sent > perSecond { sent = due - perSecond }
        while sent < due {
          if client.publish(topic, bytes, qos: qos) { flooded.add() }
          sent += 1
        }
        clock.pause(nanoseconds: Self.flushNanoseconds)
      }
    }
  }
}

/// A count that several threads raise.
final class Tally: Sendable {
  private let count = Locked(0)
  func add() { count.withLock { $0 += 1 } }
  var value: Int { count.withLock { $0 } }
}

extension MonotonicClock {
  fileprivate func pause(nanoseconds: Int64) { sleep(until: now() + nanoseconds) }
}
