import HandModel

/// One message of a command topic, as the library's callback saw it.
struct InboundMessage: Sendable {
  /// From the topic; empty where the body names the verb.
  var verb: String
  /// Empty when the body was larger than `CommandIntake.largestBodyBytes`.
  var body: [UInt8]
  var bodyBytes: Int
  var retained: Bool
}

/// Judges inbound messages and hands commands to the runtime. Runs on the publisher thread, never inside
/// a callback of the library.
struct CommandIntake {
  /// What the domain's parser reads at most.
  static let largestBodyBytes = CommandParser.maximumBytes
  /// Messages waiting for the intake. The thread empties it after each turn of the network loop, so only a
  /// flood fills it.
  static let queueLimit = 64
  /// Shortest time between two answers to refused set-points without identifier: a stream at 200 Hz to a
  /// hand that is not armed must not come back as 200 refusals a second.
  static let streamRefusalPauseNanoseconds: Int64 = 100_000_000

  private let bootID: String
  private let submit: @Sendable (CommandEnvelope, CommandSource) -> CommandReply
  private let parse: @Sendable ([UInt8], String) -> Result<CommandEnvelope, CommandRejection>
  private var cache = ReplyCache()
  private var lastStreamRefusal: Int64?
  private(set) var accepted: UInt64 = 0
  private(set) var refused: UInt64 = 0

  init(
    bootID: String,
    submit: @escaping @Sendable (CommandEnvelope, CommandSource) -> CommandReply,
    parse: @escaping @Sendable ([UInt8], String) -> Result<CommandEnvelope, CommandRejection>
  ) {
    self.bootID = bootID
    self.submit = submit
    self.parse = parse
  }

  /// Executes or refuses one message; returns the reply to publish, or nil where none is due.
  /// - Parameters:
  ///   - wallNanoseconds: wall clock now, for the expiry.
  ///   - monotonicNanoseconds: for the pause between stream refusals.
  ///   - sequence: the newest record's, told in the reply.
  mutating func handle(
    _ message: InboundMessage, wallNanoseconds: Int64, monotonicNanoseconds: Int64, sequence: UInt64?
  ) -> [UInt8]? {
    // A stop is executed however it comes: late, twice, retained or with an unreadable body. Stopping is
    // always safe; refusing a stop for its form never is.
    if message.verb == "stop" { return stop(message, sequence: sequence) }
    guard message.bodyBytes <= Self.largestBodyBytes else {
      let reason = "body has \(message.bodyBytes) bytes: at most \(Self.largestBodyBytes)"
      return refuse(reason, id: nil, verb: message.verb, sequence: sequence)
    }
    switch parse(message.body, message.verb) {
    case .failure(let rejection):
      return refuse(
        rejection.reason, id: rejection.id.isEmpty ? nil : rejection.id, verb: message.verb,
        sequence: sequence)
    case .success(let envelope):
      if case .stop = envelope.command { return stop(message, envelope, sequence: sequence) }
      return handle(
        envelope, retained: message.retained, wall: wallNanoseconds, monotonic: monotonicNanoseconds,
        sequence: sequence)
    }
  }

  /// The answer to messages that the bounded queue could not take.
  mutating func refuseOverflow(count: UInt64, sequence: UInt64?) -> [UInt8] {
    refused += count
    let reason = "\(count) messages refused: more than \(Self.queueLimit) waiting"
    return reply(.init(verb: "", refusal: reason), id: nil, sequence: sequence)
  }

  private mutating func stop(
    _ message: InboundMessage, _ parsed: CommandEnvelope? = nil, sequence: UInt64?
  ) -> [UInt8] {
    var envelope = parsed ?? CommandEnvelope(id: "", command: .stop)
    if parsed == nil, message.bodyBytes <= Self.largestBodyBytes,
      case .success(let body) = parse(message.body, message.verb)
    {
      envelope.id = body.id
    }
    let outcome = execute(envelope)
    return reply(outcome, id: envelope.id, sequence: sequence)
  }

  private mutating func handle(
    _ envelope: CommandEnvelope, retained: Bool, wall: Int64, monotonic: Int64, sequence: UInt64?
  ) -> [UInt8]? {
    let id = envelope.id
    if !id.isEmpty, let first = cache.reply(to: id) { return reply(first, id: id, sequence: sequence) }
    let outcome: ReplyCache.Reply
    if let reason = objection(to: envelope, retained: retained, wall: wall) {
      refused += 1
      outcome = .init(verb: envelope.command.verb, refusal: reason)
    } else {
      outcome = execute(envelope)
    }
    if !id.isEmpty {
      cache.remember(outcome, id: id)
    } else if case .stream = envelope.command {
      guard outcome.refusal != nil else { return nil }
      if let last = lastStreamRefusal, monotonic - last < Self.streamRefusalPauseNanoseconds { return nil }
      lastStreamRefusal = monotonic
    }
    return reply(outcome, id: id, sequence: sequence)
  }

  /// What speaks against a command that was understood.
  private func objection(to envelope: CommandEnvelope, retained: Bool, wall: Int64) -> String? {
    if retained { return "retained: a command is for now, not for whoever connects later" }
    if let expiry = envelope.expiryNanoseconds, expiry < wall {
      return "expired \((wall - expiry) / 1_000_000) ms ago"
    }
    // The parser refuses these too; a motor must not depend on one reader alone.
    return envelope.command.isFinite ? nil : "holds a number that is not finite"
  }

  private mutating func execute(_ envelope: CommandEnvelope) -> ReplyCache.Reply {
    switch submit(envelope, .mqtt) {
    case .executed:
      accepted += 1
      return .init(verb: envelope.command.verb, refusal: nil)
    case .refused(let reason), .unconfirmed(let reason):
      refused += 1
      return .init(verb: envelope.command.verb, refusal: reason)
    }
  }

  private mutating func refuse(
    _ reason: String, id: String?, verb: String, sequence: UInt64?
  ) -> [UInt8] {
    refused += 1
    return reply(.init(verb: verb, refusal: reason), id: id, sequence: sequence)
  }

  private func reply(_ outcome: ReplyCache.Reply, id: String?, sequence: UInt64?) -> [UInt8] {
    var json = JSONWriter(capacity: 256)
    json.beginObject()
    json.key("id")
    if let id, !id.isEmpty { json.string(id) } else { json.null() }
    json.key("verb")
    if outcome.verb.isEmpty { json.null() } else { json.string(outcome.verb) }
    json.key("result")
    json.string(outcome.refusal == nil ? "executed" : "refused")
    if let reason = outcome.refusal {
      json.key("reason")
      json.string(reason)
    }
    json.key("boot_id")
    json.string(bootID)
    json.key("seq")
    if let sequence { json.wide(sequence) } else { json.null() }
    json.endObject()
    return json.bytes
  }
}

extension Command {
  /// The verb used in topics and replies.
  var verb: String {
    switch self {
    case .arm: "arm"
    case .nullG: "null-g"
    case .disarm: "disarm"
    case .stop: "stop"
    case .reset: "reset"
    case .pose: "pose"
    case .move: "move"
    case .stream: "stream"
    }
  }

  var isFinite: Bool {
    switch self {
    case .arm, .nullG, .disarm, .stop, .reset: true
    case .pose(let radians, let seconds): radians.allSatisfy(\.isFinite) && (seconds ?? 0).isFinite
    case .move(_, let radians, let seconds): radians.isFinite && (seconds ?? 0).isFinite
    case .stream(let radians): radians.allSatisfy(\.isFinite)
    }
  }
}
