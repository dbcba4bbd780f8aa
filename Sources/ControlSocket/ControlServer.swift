import Glibc
import HandModel
import Logging
import Realtime
import Synchronization
import Wire

/// The daemon's control socket: JSON lines in, JSON lines out, on a thread of its own
/// (docs/control-socket.md).
///
/// A line is a command (`CommandParser`), `{"verb":"status"}` for one snapshot, or `{"verb":"watch"}` for a
/// stream of them. The thread never waits for the loop: each round it reads every client that wrote, which is
/// where stops act, and then answers what there is time for. A client that does not read loses snapshots,
/// never delays the hand or other clients.
///
/// Over 400 lines: all of it is one thread's work on the same private state, which a second file would have
/// to open to the module.
package final class ControlServer: @unchecked Sendable {
  // Safety of @unchecked: `snapshot` and `lock` do not change from `start` on, and `thread` belongs to the
  // caller of `start` and `stop`. While the server's thread runs, all else that is not constant is its own;
  // `stop` clears `clients` and `listener` after it has waited for that thread. The threads of commands and
  // stops use only `stopsUnderWay`, which is atomic, `outcomes`, which is locked, and `wakeUp`.
  // `shouldStop` is atomic.

  /// Clients that may ask and watch at once: far more than people and programs at one hand, and a small part
  /// of the 1024 descriptors that a process has.
  static let places = 64
  /// Clients beyond these, which are only heard for a stop.
  static let surplusPlaces = 32
  /// How long they are heard: whoever connects to stop the hand writes at once.
  static let surplusNanoseconds: Int64 = 1_000_000_000
  /// A client that neither asks nor watches for so long has forgotten its connection. Longer than the pauses
  /// of `motorhand demo` and of people.
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

  /// Asks for one snapshot.
  package static let statusLine = #"{"verb":"status"}"#
  /// Asks for a snapshot every `watchPeriodSeconds`.
  package static let watchLine = #"{"verb":"watch"}"#
  /// The e-stop.
  package static let stopLine = #"{"verb":"stop"}"#
  /// JSON parsing recurses and uses Foundation, which needs more than a plain thread's stack.
  static let stackBytes = 512 * 1024
  /// How long the end waits for the answers to stops, and again for the server's thread: each longer than a
  /// stop may take.
  static let endNanoseconds: Int64 = 700_000_000
  private static let lookNanoseconds: Int64 = 1_000_000
  private static let readBytes = 16_384

  /// What other threads found out for a client.
  private enum Outcome {
    case command(String)
    case stop(CommandReply)
  }

  private let path: String
  private let sink: CommandSink
  private let logger: Logger?
  private let troubles = OncePerCause()
  private var snapshot: @Sendable () -> String = { "" }
  /// Given up at the end, so that nobody connects any more.
  private var listener: Descriptor?
  private let listenerNumber: Int32
  private var lock: SocketLock
  private let shouldStop = Atomic<Bool>(false)
  private var thread: RealtimeThread?
  private let wakeUp: WakeUp
  /// Stops that wait for their answer.
  private let stopsUnderWay = Atomic(0)
  /// Each with its client's number. A client has at most one command here, and its stops.
  private let outcomes = Locked<[(client: UInt64, outcome: Outcome)]>([])

  private let clock = MonotonicClock()
  private var clients: [ControlConnection] = []
  private var connections: UInt64 = 0
  private let buffer = UnsafeMutableRawBufferPointer.allocate(byteCount: readBytes, alignment: 16)
  /// Whose turn it is to be answered first.
  private var turn = 0
  /// The state as this round's answers give it.
  private var present: String?
  /// A descriptor kept in reserve. It is closed to take a connection when the process has none left, so that
  /// a stop is heard even then.
  private var spare: Descriptor? = ControlServer.makeSpare()
  private var listensAgainAt: Int64 = 0

  /// The file mask is the process's: two servers that set it at the same time would each restore the other's.
  private static let fileMask = Locked(())

  /// Binds the socket, readable and writable by owner and group. Clients that connect wait until `start`.
  /// - Parameter logger: told what keeps clients away; nil = nobody.
  package init(
    path: String, sink: CommandSink, logger: Logger? = nil
  ) throws(SocketError) {
    self.path = path
    self.sink = sink
    self.logger = logger
    lock = try SocketLock.take(path)
    let socket = try makeUnixSocket(path, Int32(SOCK_NONBLOCK.rawValue))
    wakeUp = WakeUp()
    guard wakeUp.descriptor >= 0 else { throw .system(operation: "eventfd", path: path, .latest) }
    let number = socket.value
    let bound = try Self.fileMask.withLock { _ throws(SocketError) in
      let mask = umask(0o117)
      defer { umask(mask) }
      return try withUnixAddress(path) { bind(number, $0, $1) }
    }
    guard bound == 0, listen(number, Self.backlog) == 0 else {
      throw .system(operation: "bind", path: path, .latest)
    }
    listenerNumber = number
    listener = consume socket
    lock.bound()
  }

  deinit { buffer.deallocate() }

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
    // Whoever asked before this is answered: stops are waited for, and the thread's last round sends every
    // answer that is known by then.
    let answered = clock.now() + Self.endNanoseconds
    while stopsUnderWay.load(ordering: .acquiring) > 0 && clock.now() < answered {
      clock.sleep(until: clock.now() + Self.lookNanoseconds)
    }
    shouldStop.store(true, ordering: .releasing)
    wakeUp.ring()
    let hasEnded = thread?.join(by: clock.now() + Self.endNanoseconds) ?? true
    thread = nil
    // A thread that hangs still has them; the end of the process closes them then.
    if hasEnded {
      clients = []
      listener = nil
    }
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
      pollfd(fd: now < listensAgainAt ? -1 : listenerNumber, events: Int16(POLLIN), revents: 0),
    ]
    // A deserted connection would report its end in every round.
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
      into: buffer, now: clock.now(), stopCount: sink.stopCount,
      onStop: { stop(for: client, isAnswered: $0) })
  }

  private func stop(for client: ControlConnection, isAnswered: Bool) {
    sink.requestStop(.socket)
    guard isAnswered else { return }
    let number = client.number
    stopsUnderWay.add(1, ordering: .relaxed)
    let isTaken = sink.whenStopped(.socket) { [self] reply in
      post(.stop(reply), to: number)
      stopsUnderWay.subtract(1, ordering: .releasing)
    }
    guard !isTaken else { return }
    stopsUnderWay.subtract(1, ordering: .relaxed)
    post(.stop(.unconfirmed(reason: "the daemon is ending: nobody waits for the outputs")), to: number)
  }

  /// From any thread.
  private func post(_ outcome: Outcome, to number: UInt64) {
    outcomes.withLock { $0.append((number, outcome)) }
    wakeUp.ring()
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

  /// Answers each client once, as far as time allows. The next round begins where this one ended.
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
      let id = (try? sink.parse(line, "stop").get().id) ?? ""
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
    switch sink.parse(line, "") {
    case .failure(let rejection):
      client.send(CommandReply.refused(reason: rejection.reason).replyJSON(id: rejection.id))
    case .success(let envelope):
      let number = client.number
      client.isAsking = true
      let isTaken = sink.submit(envelope, .socket, stopCount) { [self] reply in
        post(.command(reply.replyJSON(id: envelope.id)), to: number)
      }
      guard !isTaken else { return }
      client.isAsking = false
      client.send(
        CommandReply.refused(reason: CommandSink.fullReason).replyJSON(
          id: envelope.id))
    }
  }

  // MARK: - Places

  private func admit() {
    for _ in 0..<Self.acceptsPerRound {
      let descriptor = accept(listenerNumber, nil, nil)
      if descriptor < 0 {
        let reason = errno
        if reason == EINTR || reason == ECONNABORTED { continue }
        if reason == EAGAIN { return }
        // The listener stays readable: without a pause this thread would use up a processor.
        guard reason == EMFILE || reason == ENFILE, freeDescriptor() else {
          sayDeaf(Errno(rawValue: reason))
          listensAgainAt = clock.now() + Int64(Self.watchPeriodMilliseconds) * 1_000_000
          return
        }
        continue
      }
      troubles.isOver(Self.deaf)
      _ = fcntl(descriptor, F_SETFD, FD_CLOEXEC)
      _ = fcntl(descriptor, F_SETFL, O_NONBLOCK)
      if clients.count >= Self.places + Self.surplusPlaces, let oldest = oldestSurplus() { drop(oldest) }
      connections += 1
      let client = ControlConnection(
        number: connections, socket: Descriptor(owning: descriptor), now: clock.now())
      if placesTaken >= Self.places { client.surplusUntil = clock.now() + Self.surplusNanoseconds }
      clients.append(client)
      read(client)
    }
  }

  private static let deaf = "no client is taken"

  private func sayDeaf(_ cause: Errno) {
    guard troubles.isNew(Self.deaf) else { return }
    logger?.error("control socket \(path): \(Self.deaf): \(cause)")
  }

  private var placesTaken: Int { clients.count { $0.surplusUntil == nil && $0.endsAt == nil } }

  /// Whether the client may ask: it has a place, or gets one that is free or that an idle client loses.
  private func hasPlace(_ client: ControlConnection) -> Bool {
    guard client.surplusUntil != nil else { return true }
    if placesTaken >= Self.places {
      guard let idle = mostIdle() else { return false }
      idle.surplusUntil = clock.now() + Self.surplusNanoseconds
    }
    client.surplusUntil = nil
    return true
  }

  /// The client that needs its place least: one that never asked, else one that has asked, else one that does
  /// not read; of several the one silent longest.
  private func mostIdle() -> ControlConnection? {
    let candidates = clients.filter { $0.surplusUntil == nil && ($0.isSilent || $0.isDeaf) }
    func rank(_ client: ControlConnection) -> Int { client.isDeaf ? 2 : client.hasAsked ? 1 : 0 }
    return candidates.min { (rank($0), $0.lastHeard) < (rank($1), $1.lastHeard) }
  }

  /// Of those without a place or at their end, the one silent longest. Those that wait for the answer to a
  /// stop go last; the stop itself is under way.
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
    // Last a watcher, even one that reads: a stop needs its descriptor more.
    let watcher = { [clients] in clients.filter(\.isWatching).min { $0.lastHeard < $1.lastHeard } }
    guard let client = oldestSurplus() ?? mostIdle() ?? watcher() else { return false }
    drop(client)
    return true
  }

  /// Reads of `readBytes` each: together more than a socket holds (net.core.wmem_default).
  private static let readsBeforeEnd = 64

  private static func makeSpare() -> Descriptor? {
    try? Descriptor(opening: "/dev/null", .readOnly)
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
        stopCount: sink.stopCount, onStop: { stop(for: client, isAnswered: $0) })
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
