import NIOCore
import NIOHTTP1
import NIOWebSocket
import ServiceLifecycle
import Wire

/// Serves WebSockets: frames, pings, sizes, times and ends; what is said is `WebSocketSession`'s.
struct WebSocketServer: Sendable {
  /// Between two pings. One that is not answered by the next ends the connection.
  private static let pingSeconds: Int64 = 20
  /// For what was said last to be written.
  private static let lastWordsSeconds: Int64 = 2
  /// Messages of a client in a second, over some seconds: more is a flood.
  private static let messagesPerSecond = 50.0
  private static let burst = 200.0

  let services: GatewayServices
  /// Paths at which a WebSocket is to be had; empty: at every path.
  let paths: Set<String>
  /// Beside pages of the gateway itself.
  let origins: [String]
  let mostClients: Int

  /// Whether a request for a WebSocket is taken: its path, and where a browser sends it, the page that it is
  /// of.
  func takes(_ head: HTTPRequestHead) -> Bool {
    let path = String(head.uri.prefix { $0 != "?" })
    guard paths.isEmpty || paths.contains(path), services.listeners.count < mostClients else { return false }
    guard let origin = head.headers.first(name: "Origin") else { return true }
    if origins.contains(origin) { return true }
    guard let host = head.headers.first(name: "Host") else { return false }
    return origin == "http://\(host)" || origin == "https://\(host)"
  }

  /// Whom a request shows itself to be of: a ticket, or a token or key in a header.
  private func welcome(_ session: WebSocketSession, _ head: HTTPRequestHead) async -> WebSocketSession.Next {
    let query = head.uri.split(separator: "?", maxSplits: 1).dropFirst().first ?? ""
    for item in query.split(separator: "&") where item.hasPrefix("ticket=") {
      let ticket = String(item.dropFirst("ticket=".count))
      guard let found = try? await services.sessions.take(ticket: ticket, now: .now) else { return .goesOn }
      return session.welcome(found, until: Timestamp.now.adding(seconds: services.tokens.seconds), key: nil)
    }
    guard let header = head.headers.first(name: "Authorization")?.split(separator: " ", maxSplits: 1),
      header.count == 2, header[0].lowercased() == "bearer",
      let (identity, until) = try? await services.identity(of: String(header[1]), now: .now)
    else { return .goesOn }
    return session.welcome(identity, until: until, key: identity.isKey ? String(header[1]) : nil)
  }

  /// Serves a connection until it ends.
  func serve(_ frames: GatewayChannel.Frames, _ head: HTTPRequestHead) async {
    let session = WebSocketSession(services: services)
    defer { session.close() }
    let first = await welcome(session, head)
    let reader = Reader()
    let (shutdowns, shutdown) = AsyncStream<Void>.makeStream()
    try? await frames.executeThenClose { inbound, outbound in
      // A gateway that ends tells its clients, who go to another one.
      await withGracefulShutdownHandler {
        await withTaskGroup(of: (isLast: Bool, code: WebSocketErrorCode).self) { group in
          group.addTask { (true, await write(session, outbound)) }
          group.addTask {
            guard first == .goesOn else { return (false, .policyViolation) }
            return (false, await converse(inbound, outbound, session, reader, shutdowns))
          }
          guard let first = await group.next(), !first.isLast, first.code != Self.tooSlow else {
            return group.cancelAll()
          }
          // What was said last says why: the writer ends once it is written.
          session.mailbox.close()
          group.addTask {
            try? await Task.sleep(for: .seconds(Self.lastWordsSeconds))
            return (false, Self.tooSlow)
          }
          if await group.next()?.isLast == true { try? await outbound.write(Self.close(first.code)) }
          group.cancelAll()
        }
      } onGracefulShutdown: {
        shutdown.yield()
      }
    }
  }

  /// Until the client or the gateway ends it, or the client is not what it must be.
  private func converse(
    _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>,
    _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>, _ session: WebSocketSession, _ reader: Reader,
    _ shutdowns: AsyncStream<Void>
  ) async -> WebSocketErrorCode {
    await withTaskGroup(of: WebSocketErrorCode.self) { group in
      group.addTask { await read(inbound, session, reader, outbound) }
      group.addTask { await watch(session, reader) }
      group.addTask {
        for await _ in shutdowns { break }
        return .goingAway
      }
      defer { group.cancelAll() }
      return await group.next() ?? .normalClosure
    }
  }

  // MARK: Reading

  /// What was read, for who watches.
  private actor Reader {
    private(set) var isAnswered = true
    private var tokens = WebSocketServer.burst
    private var filledAt = ContinuousClock.now

    func asked() { isAnswered = false }
    func answered() { isAnswered = true }

    /// Whether one more message is no flood.
    func admits() -> Bool {
      let now = ContinuousClock.now
      tokens = min(
        WebSocketServer.burst,
        tokens + filledAt.duration(to: now) / .seconds(1) * WebSocketServer.messagesPerSecond)
      filledAt = now
      tokens -= 1
      return tokens >= 0
    }
  }

  private func read(
    _ inbound: NIOAsyncChannelInboundStream<WebSocketFrame>, _ session: WebSocketSession, _ reader: Reader,
    _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>
  ) async -> WebSocketErrorCode {
    var message: [UInt8]?
    do {
      for try await frame in inbound {
        // RFC 6455, section 5.1.
        guard frame.maskKey != nil else { return .protocolError }
        guard await reader.admits() else {
          session.refuse("too many messages")
          return .policyViolation
        }
        let data = Array(buffer: frame.unmaskedData)
        switch frame.opcode {
        case .pong: await reader.answered()
        case .ping:
          guard frame.fin, data.count <= 125 else { return .protocolError }
          try await outbound.write(WebSocketFrame(fin: true, opcode: .pong, data: ByteBuffer(bytes: data)))
        case .connectionClose: return .normalClosure
        case .text, .continuation:
          // Section 5.4: a message is one frame, or a first and those that continue it.
          guard (frame.opcode == .text) == (message == nil) else { return .protocolError }
          let whole = (message ?? []) + data
          guard whole.count <= GatewayChannel.largestMessage else { return .messageTooLarge }
          message = frame.fin ? nil : whole
          guard frame.fin else { continue }
          guard String(validating: whole, as: UTF8.self) != nil else { return .dataInconsistentWithMessage }
          if await session.take(whole) == .ends { return .policyViolation }
        default: return .unacceptableData
        }
      }
    } catch { return .normalClosure }
    return .normalClosure
  }

  // MARK: Writing

  private func write(
    _ session: WebSocketSession, _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>
  ) async -> WebSocketErrorCode {
    for await _ in session.mailbox.rings {
      do {
        while true {
          guard let frames = session.mailbox.take() else { return Self.tooSlow }
          guard !frames.isEmpty else { break }
          try await Self.send(frames, outbound)
        }
        if session.mailbox.takePing() {
          try await outbound.write(WebSocketFrame(fin: true, opcode: .ping, data: ByteBuffer()))
        }
      } catch { return .normalClosure }
      session.mailbox.written()
    }
    // Said between the last ring and the end.
    while let rest = session.mailbox.take(), !rest.isEmpty {
      do { try await Self.send(rest, outbound) } catch { break }
    }
    return .normalClosure
  }

  /// "Try again later": registered with IANA for RFC 6455.
  private static let tooSlow = WebSocketErrorCode(codeNumber: 1013)

  private static func send(
    _ frames: [[UInt8]], _ outbound: NIOAsyncChannelOutboundWriter<WebSocketFrame>
  ) async throws {
    try await outbound.write(
      contentsOf: frames.map { WebSocketFrame(fin: true, opcode: .text, data: ByteBuffer(bytes: $0)) })
  }

  private static func close(_ code: WebSocketErrorCode) -> WebSocketFrame {
    var data = ByteBuffer()
    data.write(webSocketErrorCode: code)
    return WebSocketFrame(fin: true, opcode: .connectionClose, data: data)
  }

  /// Sees that the client is there, takes what is sent, has said who it is, and still is.
  private func watch(_ session: WebSocketSession, _ reader: Reader) async -> WebSocketErrorCode {
    do {
      try await Task.sleep(for: .seconds(WebSocketSession.authenticationSeconds))
      guard session.isKnown else {
        session.refuse("no token came within \(WebSocketSession.authenticationSeconds) s")
        return .policyViolation
      }
      while true {
        await reader.asked()
        session.mailbox.askForPing()
        try await Task.sleep(for: .seconds(Self.pingSeconds))
        if session.mailbox.isStuck(after: Self.pingSeconds / 2) { return Self.tooSlow }
        guard await reader.isAnswered else { return .goingAway }
        if await session.isOver(.now) {
          session.refuse("the access token is over: send a new one in time")
          return .policyViolation
        }
      }
    } catch { return .normalClosure }
  }
}
