import Glibc
import HandModel
import Realtime
import Synchronization

/// The daemon's control socket: JSON lines in, JSON lines out, on a thread of its own (docs/control-socket.md).
///
/// A line is a command (`CommandParser`), `{"verb":"status"}` for one snapshot, or `{"verb":"watch"}` for a
/// stream of them. The thread never waits for the loop: each round it reads every client that wrote, which is where
/// stops act, and then answers what there is time for. A client that does not read loses snapshots, never delays the
/// hand or other clients.
package final class ControlServer: @unchecked Sendable {
  // Safety of @unchecked: `snapshot` and `thread` are set before the server thread starts, and from then on only that
  // thread touches what is not a constant; `shouldStop` is atomic, `outcomes` locked, the queue's and the waiter's
  // threads use these two and `wakeUp` only.

  /// Clients that may ask and watch at once: far more than people and programs at one hand, and a small part of the
  /// 1024 descriptors that a process has.
  static let places = 64
  /// Clients beyond, that are only heard for a stop.
  static let surplusPlaces = 32
  /// For as long as this: whoever connects to stop the hand writes at once.
  static let surplusNanoseconds: Int64 = 1_000_000_000
  /// A client that neither asks nor watches for so long has forgotten its connection. Longer than the pauses of
  /// `motorhand demo` and of people.
  static let longestSilenceNanoseconds: Int64 = 300_000_000_000
  /// Answering others delays a stop that arrives meanwhile by no more than this and the answer under way.
  static let answeringNanoseconds: Int64 = 1_000_000
  /// Connections taken in one round, so that they cannot keep the thread from those it has.
  static let acceptsPerRound = 32
  /// Connections that wait for the next round; beyond, `connect` waits.
  static let backlog: Int32 = 128
  static let largestLineBytes = ControlConnection.largestLineBytes
  /// Snapshots to watchers: 20 Hz, what an eye can follow.
  static let watchPeriodMilliseconds: Int32 = 50
  package static let watchPeriodSeconds = Double(watchPeriodMilliseconds) * 1e-3

  /// The two requests that are no commands, and the stop, ready to be sent.
  package static let statusLine = #"{"verb":"status"}"#
  package static let watchLine = #"{"verb":"watch"}"#
  package static let stopLine = #"{"verb":"stop"}"#
  /// JSON parsing recurses and uses Foundation, which needs more than a plain thread's stack.
  static let stackBytes = 512 * 1024
  private static let readBytes = 16_384

  /// What other threads found out for a client.
  private enum Outcome {
    case command(String)
    case stop(CommandReply)
  }

  private let path: String
  private let parser: CommandParser
  private let port: CommandPort
  private let queue: CommandQueue
  private let stops: StopWaiter
  private var snapshot: @Sendable () -> String = { "" }
  private let listener: Int32
  private var lock: SocketLock
  private let shouldStop = Atomic<Bool>(false)
  private var thread: RealtimeThread?
  private let wakeUp: WakeUp
  /// By the client's number. As many as are asked for: one command a client, and its stops.
  private let outcomes = SharedState<[(client: UInt64, outcome: Outcome)]>([])

  private let clock = MonotonicClock()
  private var clients: [ControlConnection] = []
  private var connections: UInt64 = 0
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: readBytes, alignment: 16)
  /// Whose turn it is to be answered first.
  private var turn = 0
  /// The state as this round's answers give it.
  private var present: String?
  /// Given up to take a connection when the process has no descriptor left, so that a stop is heard even then.
  private var spare: Descriptor? = ControlServer.makeSpare()
  private var listensAgainAt: Int64 = 0

  /// Binds the socket, readable and writable by owner and group. Clients that connect wait until `start`.
  package init(
    path: String, parser: CommandParser, port: CommandPort, queue: CommandQueue
  ) throws(SocketError) {
    self.path = path
    self.parser = parser
    self.port = port
    self.queue = queue
    stops = StopWaiter(port: port)
    lock = try SocketLock.take(path)
    listener = socket(
      AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_CLOEXEC.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
    guard listener >= 0 else { throw .system(operation: "socket", path: path, errno: errno) }
    guard let wakeUp = WakeUp() else {
      let reason = errno
      close(listener)
      throw .system(operation: "socketpair", path: path, errno: reason)
    }
    self.wakeUp = wakeUp
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
    guard bound == 0, listen(listener, Self.backlog) == 0 else {
      let reason = errno
      close(listener)
      throw .system(operation: "bind", path: path, errno: reason)
    }
    lock.bound()
  }

  deinit { buffer.deallocate() }

  /// Starts serving.
  /// - Parameter snapshot: the hand's present state as a JSON object on one line.
  package func start(snapshot: @escaping @Sendable () -> String) throws(RealtimeThreadError) {
    self.snapshot = snapshot
    try stops.start()
    thread = try RealtimeThread(name: "control", policy: .normal, stackBytes: Self.stackBytes) { [self] in
      serve()
    }
  }

  /// Why no client reaches this server any longer, or why another may take its place; nil while all is well.
  package var loss: String? { lock.loss }

  /// Stops serving, closes every client and removes the socket.
  package func stop() {
    // What was asked before is answered: first the stops, then in the thread's last round all that is known.
    stops.stop()
    shouldStop.store(true, ordering: .releasing)
    wakeUp.signal()
    _ = thread?.join(by: clock.now() + CommandPort.endNanoseconds)
    thread = nil
    clients = []
    close(listener)
    lock.removeSocket()
  }

  // MARK: - Rounds

  private func serve() {
    var nextWatch = clock.now()
    var isLast = false
    while !isLast {
      waitForWork(until: nextWatch)
      isLast = shouldStop.load(ordering: .acquiring)
      present = nil
      deliver()
      answer()
      if clock.now() >= nextWatch {
        nextWatch = clock.now() + Int64(Self.watchPeriodMilliseconds) * 1_000_000
        for client in clients where client.isWatching { client.sendSnapshot(presentState()) }
      }
      endWhatIsOver()
    }
  }

  /// Waits for clients and outcomes, then reads everything that clients wrote: here stops act.
  private func waitForWork(until nextWatch: Int64) {
    let now = clock.now()
    var polled = [
      pollfd(fd: wakeUp.descriptor, events: Int16(POLLIN), revents: 0),
      pollfd(fd: now < listensAgainAt ? -1 : listener, events: Int16(POLLIN), revents: 0),
    ]
    // A deserted connection would report its end without end.
    polled += clients.map { pollfd(fd: $0.isDeserted ? -1 : $0.descriptor, events: $0.events, revents: 0) }
    let pause = min(max((nextWatch - now) / 1_000_000 + 1, 0), Int64(Self.watchPeriodMilliseconds))
    _ = poll(&polled, nfds_t(polled.count), clients.contains(where: \.isReady) ? 0 : Int32(pause))
    if polled[0].revents != 0 { wakeUp.clear() }
    for (client, polled) in zip(clients, polled.dropFirst(2)) where polled.revents != 0 {
      read(client)
      if client.hasFinished && polled.revents & Int16(POLLHUP | POLLERR) != 0 { client.desert() }
      if polled.revents & Int16(POLLOUT) != 0 { client.flush() }
    }
    if polled[1].revents != 0 { admit() }
  }

  @discardableResult
  private func read(_ client: ControlConnection) -> Bool {
    client.read(
      into: buffer, now: clock.now(), stopCount: { [port] in port.stopCount },
      onStop: { stop(for: client, isAnswered: $0) })
  }

  private func stop(for client: ControlConnection, isAnswered: Bool) {
    guard isAnswered else { return stops.request(.socket) }
    let number = client.number
    stops.request(.socket) { [self] in post(.stop($0), to: number) }
  }

  /// From any thread.
  private func post(_ outcome: Outcome, to number: UInt64) {
    outcomes.withLock { $0.append((number, outcome)) }
    wakeUp.signal()
  }

  private func deliver() {
    let arrived = outcomes.withLock { outcomes in
      defer { outcomes = [] }
      return outcomes
    }
    for (number, outcome) in arrived {
      guard let client = clients.first(where: { $0.number == number }) else { continue }
      switch outcome {
      case .stop(let reply): client.stopAnswered(reply)
      case .command(let line):
        client.isAsking = false
        client.send(line)
      }
    }
  }

  // MARK: - Answers

  /// One answer each, as far as time allows, the next round from where this one ended.
  private func answer() {
    let end = clock.now() + Self.answeringNanoseconds
    for offset in clients.indices {
      let index = (turn + offset) % clients.count
      guard clients[index].isReady else { continue }
      answer(clients[index])
      guard clock.now() < end else {
        turn = index + 1
        return
      }
    }
  }

  private func answer(_ client: ControlConnection) {
    switch client.next() {
    case .end(let reason): end(client, reason)
    case .stop(let line):
      let id = (try? parser.parse(line, verb: "stop", now: clock.wallNow()).get().id) ?? ""
      client.send(client.stopReply().replyJSON(id: id))
    case .line(let line, let stopCount):
      guard hasPlace(client) else {
        return end(client, "too many clients: \(Self.places) are connected and active")
      }
      switch Self.verb(of: line) {
      case "status": client.send(presentState())
      case "watch": client.isWatching = true
      default: execute(line, stopCount, client)
      }
    }
  }

  private static func verb(of line: [UInt8]) -> String? {
    guard case .object(let members) = try? JSONValue(parsing: line),
      case .string(let verb) = members.first(where: { $0.key == "verb" })?.value
    else { return nil }
    return verb
  }

  private func presentState() -> String {
    if let present { return present }
    let state = snapshot()
    present = state
    return state
  }

  private func execute(_ line: [UInt8], _ stopCount: UInt32, _ client: ControlConnection) {
    switch parser.parse(line, now: clock.wallNow()) {
    case .failure(let rejection):
      client.send(CommandReply.refused(reason: rejection.reason).replyJSON(id: rejection.id))
    case .success(let envelope):
      let number = client.number
      client.isAsking = true
      let isTaken = queue.submit(envelope, source: .socket, stopCount: stopCount) { [self] reply in
        post(.command(reply.replyJSON(id: envelope.id)), to: number)
      }
      guard !isTaken else { return }
      client.isAsking = false
      client.send(
        CommandReply.refused(reason: CommandQueue.laneIsFull).replyJSON(
          id: envelope.id))
    }
  }

  // MARK: - Places

  private func admit() {
    for _ in 0..<Self.acceptsPerRound {
      let descriptor = accept(listener, nil, nil)
      if descriptor < 0 {
        let reason = errno
        if reason == EINTR || reason == ECONNABORTED { continue }
        if reason == EAGAIN { return }
        // The listener stays readable: without a pause this would turn as fast as the processor does.
        guard reason == EMFILE || reason == ENFILE, freeDescriptor() else {
          listensAgainAt = clock.now() + Int64(Self.watchPeriodMilliseconds) * 1_000_000
          return
        }
        continue
      }
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
      if clients.count >= Self.places + Self.surplusPlaces, let oldest = oldestSurplus() { drop(oldest) }
      connections += 1
      let client = ControlConnection(number: connections, descriptor: descriptor, now: clock.now())
      if placesTaken >= Self.places { client.surplusUntil = clock.now() + Self.surplusNanoseconds }
      clients.append(client)
      read(client)
    }
  }

  private var placesTaken: Int { clients.count { $0.surplusUntil == nil && $0.endsAt == nil } }

  /// Whether the client may ask: it has a place, or one is free, or one is not used.
  private func hasPlace(_ client: ControlConnection) -> Bool {
    guard client.surplusUntil != nil else { return true }
    if placesTaken >= Self.places {
      guard let idle = mostIdle() else { return false }
      idle.surplusUntil = clock.now() + Self.surplusNanoseconds
    }
    client.surplusUntil = nil
    return true
  }

  /// Whose place is needed least: first who never asked, then who asked longest ago, then who does not read.
  private func mostIdle() -> ControlConnection? {
    let candidates = clients.filter { $0.surplusUntil == nil && ($0.isSilent || $0.isDeaf) }
    func rank(_ client: ControlConnection) -> Int { client.isDeaf ? 2 : client.hasAsked ? 1 : 0 }
    return candidates.min { (rank($0), $0.lastHeard) < (rank($1), $1.lastHeard) }
  }

  /// Who waits for the answer to a stop goes last: the stop itself is under way.
  private func oldestSurplus() -> ControlConnection? {
    func rank(_ client: ControlConnection) -> Int { client.isAwaitingStop ? 1 : 0 }
    return clients.filter { $0.surplusUntil != nil || $0.endsAt != nil }
      .min { (rank($0), $0.lastHeard) < (rank($1), $1.lastHeard) }
  }

  /// Whether a descriptor was made free.
  private func freeDescriptor() -> Bool {
    if spare != nil {
      spare = nil
      return true
    }
    // A watcher that reads has its place among places, not among descriptors: these a stop needs.
    let watcher = { [clients] in clients.filter(\.isWatching).min { $0.lastHeard < $1.lastHeard } }
    guard let client = oldestSurplus() ?? mostIdle() ?? watcher() else { return false }
    drop(client)
    return true
  }

  /// More than a socket holds (net.core.wmem_default) in buffers of `readBytes`.
  private static let readsBeforeEnd = 64

  private static func makeSpare() -> Descriptor? {
    let descriptor = open("/dev/null", O_RDONLY | O_CLOEXEC)
    return descriptor >= 0 ? Descriptor(descriptor) : nil
  }

  private func end(_ client: ControlConnection, _ reason: String) {
    client.end(reason, at: clock.now() + Self.surplusNanoseconds)
  }

  /// Closes a connection at once, after a last look for a stop.
  private func drop(_ client: ControlConnection) {
    for _ in 0..<Self.readsBeforeEnd where !read(client) { break }
    end(client, "too many clients: no room for one that is silent")
    clients.removeAll { $0 === client }
  }

  private func endWhatIsOver() {
    let now = clock.now()
    for client in clients {
      client.finishStop(
        silentSince: now - Int64(Self.watchPeriodMilliseconds) * 1_000_000,
        stopCount: { [port] in port.stopCount }, onStop: { stop(for: client, isAnswered: $0) })
      if let until = client.surplusUntil, now >= until, !client.isAwaitingStop {
        end(client, "too many clients: \(Self.places) are connected, and this one was silent longest")
      } else if client.isHopeless(since: now - Self.surplusNanoseconds) {
        end(client, "its answers are not read")
      } else if client.isSilent && now - client.lastHeard >= Self.longestSilenceNanoseconds {
        end(client, "silent for \(Self.longestSilenceNanoseconds / 1_000_000_000) s")
      }
    }
    let count = clients.count
    clients.removeAll { $0.isOver(now: now) }
    if clients.count < count && spare == nil { spare = Self.makeSpare() }
  }
}
