import Foundation
import Glibc
import Realtime
import Runtime

/// A daemon on a simulated hand with everything against it that a stop has to get past: a private broker, a recorder
/// whose disk is full, closed standard error, idle clients, clients that command without pause, a flood of commands.
final class StopBenchSite {
  struct Failure: Error, CustomStringConvertible {
    var description: String
  }

  static let hand = "bench"
  /// Longest time to a hand that is idle, on a busy machine.
  private static let startSeconds = 30.0
  /// A memory file system of this size, filled to the brim after the start.
  private static let diskMegabytes = 16
  private static let flushMilliseconds: Int64 = 2

  let port: UInt16
  let socketPath: String
  /// Whether the recordings' disk could be filled: mounting needs root.
  private(set) var isDiskFull = false
  let flooded = Tally()

  private let folder: String
  private let disk: String
  private var processes: [Process] = []
  private var isMounted = false
  private let isOver = SharedState(false)
  private var threads: [RealtimeThread] = []

  /// Starts broker and daemon.
  /// - Parameters:
  ///   - board, calibration: paths of a simulated board's files.
  ///   - programs: folder of `motorhandd`.
  init(board: String, calibration: String, programs: String) throws {
    folder = NSTemporaryDirectory() + "/motorhand-bench-\(UUID().uuidString.prefix(8))"
    disk = folder + "/disk"
    socketPath = folder + "/control.sock"
    try FileManager.default.createDirectory(atPath: disk, withIntermediateDirectories: true)
    port = try Self.freePort()
    do {
      isMounted = mount("tmpfs", disk, "tmpfs", 0, "size=\(Self.diskMegabytes)m") == 0
      try startBroker()
      try startDaemon(board: board, calibration: calibration, programs: programs)
      if isMounted { try fillDisk() }
    } catch {
      stop()
      throw error
    }
  }

  deinit { stop() }

  /// Ends everything that was started and removes what it left.
  func stop() {
    isOver.withLock { $0 = true }
    for thread in threads { thread.join() }
    threads = []
    for process in processes.reversed() where process.isRunning {
      process.terminate()
      process.waitUntilExit()
    }
    processes = []
    if isMounted { umount2(disk, Int32(MNT_DETACH)) }
    isMounted = false
    try? FileManager.default.removeItem(atPath: folder)
  }

  private func startBroker() throws {
    guard
      let program = ["/usr/sbin/mosquitto", "/usr/bin/mosquitto", "/usr/local/sbin/mosquitto"]
        .first(where: { FileManager.default.isExecutableFile(atPath: $0) })
    else { throw Failure(description: "no Mosquitto: install it (Debian: mosquitto)") }
    let file = folder + "/mosquitto.conf"
    try "listener \(port) 127.0.0.1\nallow_anonymous true\n".write(
      toFile: file, atomically: true, encoding: .utf8)
    try start(program, ["-c", file])
  }

  private func startDaemon(board: String, calibration: String, programs: String) throws {
    let daemon = programs + "/motorhandd"
    guard access(daemon, X_OK) == 0 else {
      throw Failure(description: "\(daemon): not found, expected beside motorhand")
    }
    // Standard error closed, as under a supervisor that hung up.
    try start(
      "/bin/sh",
      [
        "-c", #"exec "$0" "$@" 2>&-"#, daemon, "--board", board, "--calibration", calibration, "--hand",
        Self.hand,
        "--socket", socketPath, "--data", disk + "/recordings", "--broker", "mqtt://127.0.0.1:\(port)",
      ])
    try wait("the daemon's hand is not idle") { (try? self.snapshot())?.state == "idle" }
    try wait("the daemon is not on its broker") { (try? self.snapshot())?.publisher?.connected == true }
  }

  private func start(_ program: String, _ arguments: [String]) throws {
    let process = Process()
    process.executableURL = URL(filePath: program)
    process.arguments = arguments
    process.standardOutput = FileHandle.nullDevice
    process.standardError = FileHandle.nullDevice
    try process.run()
    processes.append(process)
  }

  private func fillDisk() throws {
    let descriptor = open(disk + "/ballast", O_WRONLY | O_CREAT | O_CLOEXEC, 0o600)
    guard descriptor >= 0 else { throw Failure(description: "\(disk): \(String(cString: strerror(errno)))") }
    defer { close(descriptor) }
    let block = [UInt8](repeating: 1, count: 65_536)
    while write(descriptor, block, block.count) > 0 {}
    while write(descriptor, block, 512) > 0 {}
    try wait("the recorder does not notice that its disk is full") {
      (try? self.snapshot())?.recorder?.error != nil
    }
    isDiskFull = true
  }

  private func wait(_ complaint: String, _ condition: () -> Bool) throws {
    let end = Date().addingTimeInterval(Self.startSeconds)
    while !condition() {
      guard Date() < end, processes.allSatisfy(\.isRunning) else {
        throw Failure(description: "\(complaint) after \(Self.startSeconds) s, or a program ended")
      }
      Thread.sleep(forTimeInterval: 0.02)
    }
  }

  private func snapshot() throws -> HandSnapshot {
    try decodeSnapshot(try ControlClient(path: socketPath).request(ControlServer.statusLine))
  }

  private static func freePort() throws -> UInt16 {
    let descriptor = socket(AF_INET, Int32(SOCK_STREAM.rawValue), 0)
    defer { close(descriptor) }
    var address = sockaddr_in()
    address.sin_family = sa_family_t(AF_INET)
    address.sin_addr.s_addr = inet_addr("127.0.0.1")
    var length = socklen_t(MemoryLayout<sockaddr_in>.size)
    let isBound = withUnsafeMutablePointer(to: &address) { pointer in
      pointer.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        bind(descriptor, $0, length) == 0 && getsockname(descriptor, $0, &length) == 0
      }
    }
    guard isBound else { throw Failure(description: "no free port: \(String(cString: strerror(errno)))") }
    return UInt16(bigEndian: address.sin_port)
  }

  // MARK: - The crowd

  private func spawn(_ name: String, _ body: @escaping @Sendable (_ isOver: () -> Bool) -> Void) throws {
    let isOver = isOver
    threads.append(
      try RealtimeThread(name: name, policy: .normal, stackBytes: 512 * 1024) {
        body { isOver.withLock { $0 } }
      })
  }

  /// Clients that connect and then say nothing; one that the daemon ends comes again.
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
        // What could not be sent in time is not made up for in a burst.
        if due - sent > perSecond { sent = due - perSecond }
        while sent < due {
          if client.publish(topic, bytes, qos: qos) { flooded.add() }
          sent += 1
        }
        clock.pause(nanoseconds: Self.flushMilliseconds * 1_000_000)
      }
    }
  }
}

/// A count that several threads raise.
final class Tally: Sendable {
  private let count = SharedState(0)
  func add() { count.withLock { $0 += 1 } }
  var value: Int { count.withLock { $0 } }
}

extension MonotonicClock {
  fileprivate func pause(nanoseconds: Int64) { sleep(until: now() + nanoseconds) }
}
