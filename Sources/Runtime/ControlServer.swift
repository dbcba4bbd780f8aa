import Glibc
import HandModel
import Realtime
import Synchronization

/// The daemon's control socket: JSON lines in, JSON lines out, on a thread of its own.
///
/// A line is a command (`CommandParser`), `{"verb":"status"}` for one snapshot, or `{"verb":"watch"}` for a
/// stream of them. A client that does not read loses snapshots, never delays the hand or other clients.
package final class ControlServer: @unchecked Sendable {
  // Safety of @unchecked: `snapshot` is set before the server thread starts, and from then on only that thread
  // touches it and `clients`; `shouldStop` is atomic.

  /// Clients served at once; more are told so and closed.
  static let largestClientCount = 16
  /// A command line is far shorter (docs/board-file.md); longer input is no command.
  static let largestLineBytes = 4096
  /// Snapshots to watchers: 20 Hz, what an eye can follow.
  static let watchPeriodMilliseconds: Int32 = 50
  package static let watchPeriodSeconds = Double(watchPeriodMilliseconds) * 1e-3

  /// The two requests that are no commands; clients send them to the letter.
  package static let statusRequest = Array(statusLine.utf8)
  package static let statusLine = #"{"verb":"status"}"#
  package static let watchLine = #"{"verb":"watch"}"#
  package static let watchRequest = Array(watchLine.utf8)
  /// JSON parsing recurses and uses Foundation, which needs more than a plain thread's stack.
  static let stackBytes = 512 * 1024

  private struct Client {
    var descriptor: Int32
    var input: [UInt8] = []
    var isWatching = false
    /// Whether a whole line waits for its answer.
    var hasLine: Bool { input.contains(UInt8(ascii: "\n")) }
  }

  private let path: String
  private let parser: CommandParser
  private let port: CommandPort
  private var snapshot: @Sendable () -> String = { "" }
  private let listener: Int32
  private var lock: SocketLock
  private var clients: [Client] = []
  private let shouldStop = Atomic<Bool>(false)
  private var thread: RealtimeThread?

  /// Binds the socket, readable and writable by owner and group. Clients that connect wait until `start`.
  package init(path: String, parser: CommandParser, port: CommandPort) throws(SocketError) {
    self.path = path
    self.parser = parser
    self.port = port
    lock = try SocketLock.take(path)
    listener = socket(
      AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard listener >= 0 else { throw .system(operation: "socket", path: path, errno: errno) }
    let mask = umask(0o117)
    let bound: Int32
    do throws(SocketError) {
      bound = try withUnixAddress(path) { [listener] in bind(listener, $0, $1) }
    } catch {
      umask(mask)
      close(listener)
      throw error
    }
    umask(mask)
    guard bound == 0, listen(listener, Int32(Self.largestClientCount)) == 0 else {
      let reason = errno
      close(listener)
      throw .system(operation: "bind", path: path, errno: reason)
    }
    lock.bound()
  }

  /// Starts serving.
  /// - Parameter snapshot: the hand's present state as a JSON object on one line.
  package func start(snapshot: @escaping @Sendable () -> String) throws(RealtimeThreadError) {
    self.snapshot = snapshot
    thread = try RealtimeThread(name: "control", policy: .normal, stackBytes: Self.stackBytes) { [self] in
      serve()
    }
  }

  /// Why no client reaches this server any longer, or why another may take its place; nil while all is well.
  package var loss: String? { lock.loss }

  /// Stops serving, closes every client and removes the socket.
  package func stop() {
    shouldStop.store(true, ordering: .releasing)
    thread?.join()
    thread = nil
    for client in clients { close(client.descriptor) }
    clients = []
    close(listener)
    lock.removeSocket()
  }

  private func serve() {
    let clock = MonotonicClock()
    var nextWatch = clock.now()
    while !shouldStop.load(ordering: .acquiring) {
      var polled = [pollfd(fd: listener, events: Int16(POLLIN), revents: 0)]
      polled += clients.map { pollfd(fd: $0.descriptor, events: Int16(POLLIN), revents: 0) }
      let hasWork = clients.contains(where: \.hasLine)
      _ = poll(&polled, nfds_t(polled.count), hasWork ? 0 : Self.watchPeriodMilliseconds)
      for index in clients.indices.reversed()
      where polled[index + 1].revents != 0 || clients[index].hasLine {
        if !serve(&clients[index]) {
          close(clients[index].descriptor)
          clients.remove(at: index)
        }
      }
      if polled[0].revents != 0 { admit() }
      if clock.now() >= nextWatch {
        nextWatch = clock.now() + Int64(Self.watchPeriodMilliseconds) * 1_000_000
        if clients.contains(where: \.isWatching) {
          let line = snapshot()
          for client in clients where client.isWatching { send(line, to: client) }
        }
      }
    }
  }

  private func admit() {
    let descriptor = accept(listener, nil, nil)
    guard descriptor >= 0 else { return }
    _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
    _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
    let client = Client(descriptor: descriptor)
    guard clients.count < Self.largestClientCount else {
      send(
        #"{"id":"","result":"refused","reason":"too many clients: \#(Self.largestClientCount) are connected"}"#,
        to: client)
      close(descriptor)
      return
    }
    clients.append(client)
  }

  /// Answers one line of a client; false when the client is gone or misbehaves.
  ///
  /// One line a round, and nothing is read before all that was read is answered: a client that asks without end
  /// delays another's stop by one answer a round, not by its whole queue.
  private func serve(_ client: inout Client) -> Bool {
    if !client.hasLine {
      var chunk = [UInt8](repeating: 0, count: Self.largestLineBytes)
      let n = recv(client.descriptor, &chunk, chunk.count, 0)
      if n < 0 { return errno == EAGAIN || errno == EINTR }
      guard n > 0 else { return false }
      client.input += chunk[..<n]
    }
    guard let end = client.input.firstIndex(of: UInt8(ascii: "\n")) else {
      guard client.input.count <= Self.largestLineBytes else {
        send(
          #"{"id":"","result":"refused","reason":"a line has at most \#(Self.largestLineBytes) bytes"}"#,
          to: client)
        return false
      }
      return true
    }
    let line = Array(client.input[..<end])
    client.input.removeFirst(end + 1)
    if !line.isEmpty { answer(line, &client) }
    return true
  }

  private func answer(_ line: [UInt8], _ client: inout Client) {
    switch line {
    case Self.statusRequest: send(snapshot(), to: client)
    case Self.watchRequest: client.isWatching = true
    default: send(execute(line), to: client)
    }
  }

  private func execute(_ line: [UInt8]) -> String {
    switch parser.parse(line, now: MonotonicClock().wallNow()) {
    case .failure(let rejection):
      return CommandReply.refused(reason: rejection.reason).replyJSON(id: rejection.id)
    case .success(let envelope):
      return port.submit(envelope.command, source: .socket).replyJSON(id: envelope.id)
    }
  }

  private func send(_ line: String, to client: Client) {
    var line = line + "\n"
    // A full socket buffer means a client that does not read: this line is lost to it, by design.
    line.withUTF8 { _ = Glibc.send(client.descriptor, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
  }
}
