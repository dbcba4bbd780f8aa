import HandModel
import Realtime
import Recording
import Wire

/// Hands: which there are, how they are, what is stored of them, and commands to them.
struct HandEndpoints: Sendable {
  /// A sample older than this is no state.
  private static let freshNanoseconds: Int64 = 2_000_000_000
  private static let runsPerPage: Int64 = 1000

  private static let handShape = Shape.object([
    .required("hand_id", .text(1...64), "name"),
    .required("is_online", .boolean, "a sample came within two seconds"),
    .optional("status", .text(), "word of its last status or will"),
    .optional("age_seconds", .number(0...1e12), "of the last sample"),
    .optional("lipschitz", .number(), "L of the worst joint, of the last sample"),
    .required(
      "violations", .integer(0...Int64.max), "samples with L above 1 or a window product of 1 or more"),
    .required("samples", .integer(0...Int64.max), "that came since the gateway's start"),
    .optional("run_id", .text(), "of which something was stored last"),
    .optional("last_stored", .text(), "RFC 3339, by the gateway's clock"),
  ])
  private static let numbersShape = Shape.list(of: .list(of: .text(), 2...2), 0...SequenceRanges.maximumCount)

  let services: GatewayServices

  var all: [Endpoint] {
    [list, one, state, birth, events, runs, reconciliation, block, series, command, stop]
  }

  // MARK: Live

  private var list: Endpoint {
    Endpoint(
      method: .get, path: "/hands", access: .role(.viewer), summary: "The hands that the asker may reach",
      success: (200, .list(of: Self.handShape, 0...LiveHands.most), "application/json")
    ) { (call) throws(Problem) in
      let asker = try call.asker()
      let stored = try await stored()
      let live = services.live.all
      let names = Set(stored.keys).union(live.keys).filter(asker.mayReach).sorted()
      return .json(.array(names.map { Self.json($0, live[$0], stored[$0]) }))
    }
  }

  private var one: Endpoint {
    Endpoint(
      method: .get, path: "/hands/{hand}", access: .role(.viewer), summary: "A hand",
      success: (200, Self.handShape, "application/json")
    ) { (call) throws(Problem) in
      let (live, stored) = (services.live.hand(call.hand), try await stored(call.hand)[call.hand])
      guard live != nil || stored != nil else { throw .notFound("hand \(call.hand): nothing has come of it") }
      return .json(Self.json(call.hand, live, stored))
    }
  }

  private typealias Stored = (runID: String?, lastSeen: Timestamp?)

  private func stored(_ handID: String? = nil) async throws(Problem) -> [String: Stored] {
    try await Problem.of { () throws(StoreError) in
      try await services.store.read { (session) throws(StoreError) in
        let query = "SELECT hand_id, run_id, last_seen FROM {telemetry.hands}"
        let rows =
          if let handID { try session.rows(query + " WHERE hand_id = $1", .text(handID)) } else {
            try session.rows(query)
          }
        var found: [String: Stored] = [:]
        for row in rows {
          found[try row.text("hand_id")] = (try row.optionalText("run_id"), try row.time("last_seen"))
        }
        return found
      }
    }
  }

  private static func json(_ handID: String, _ live: LiveHands.Hand?, _ stored: Stored?) -> JSONValue {
    let age = live?.stateAt.map { MonotonicClock().now() - $0 }
    return [
      "hand_id": .string(handID), "is_online": .boolean(age.map { $0 < freshNanoseconds } ?? false),
      "status": JSONValue(live?.word), "age_seconds": JSONValue(age.map { Double($0) / 1e9 }),
      "lipschitz": JSONValue(live?.lipschitz), "violations": .number("\(live?.violations ?? 0)"),
      "samples": .number("\(live?.samples ?? 0)"), "run_id": JSONValue(stored?.runID),
      "last_stored": JSONValue(stored?.lastSeen),
    ]
  }

  private var state: Endpoint {
    Endpoint(
      method: .get, path: "/hands/{hand}/state", access: .role(.viewer),
      summary: "The last sample, as the hand sent it (docs/telemetry.md)",
      success: (
        200,
        .object([
          .required("age_seconds", .number(0...1e12), "since it came"),
          .required("status", .any, "the last status"),
          .required("state", .any, "the sample"),
        ]), "application/json"
      )
    ) { (call) throws(Problem) in
      guard let hand = services.live.hand(call.hand), let at = hand.stateAt else {
        throw .notFound("hand \(call.hand): no sample has come since the gateway's start")
      }
      return .json([
        "age_seconds": JSONValue(Double(MonotonicClock().now() - at) / 1e9),
        "status": JSONValue(json: hand.status),
        "state": JSONValue(json: hand.state),
      ])
    }
  }

  private var birth: Endpoint {
    Endpoint(
      method: .get, path: "/hands/{hand}/birth", access: .role(.viewer),
      summary: "Joints, channels and hashes, as the hand sent them", success: (200, .any, "application/json")
    ) { (call) throws(Problem) in
      guard let birth = services.live.hand(call.hand)?.birth else {
        throw .notFound("hand \(call.hand): it has not told its birth since the gateway's start")
      }
      return .json(JSONValue(json: birth))
    }
  }

  // MARK: Stored

  private var events: Endpoint {
    Endpoint(
      method: .get, path: "/hands/{hand}/events", access: .role(.viewer),
      summary: "Stored events, the newest first, as the hand sent them",
      parameters: [
        .init(name: "limit", shape: .integer(1...1000), meaning: "at most; missing: 100"),
        .init(name: "before", shape: .text(1...40), meaning: "RFC 3339: only older ones"),
        .init(name: "kind", shape: .text(1...64), meaning: "only of this kind"),
      ], success: (200, .list(of: .any, 0...1000), "application/json")
    ) { (call) throws(Problem) in
      let before = try call.time("before") ?? Timestamp(microseconds: Self.latest)
      let kind = call.query["kind"]
      let messages = try await Problem.of { () throws(StoreError) in
        try await services.store.read { (session) throws(StoreError) in
          var messages: [String] = []
          for row in try session.rows(
            "SELECT message FROM {telemetry.hand_events} WHERE hand_id = $1 AND time < $2 "
              + "AND (kind = $3 OR $4) ORDER BY time DESC, number DESC LIMIT $5", .text(call.hand),
            .time(before),
            .text(kind ?? ""), .boolean(kind == nil), .integer(call.whole("limit", or: 100)))
          { messages.append(try row.text("message")) }
          return messages
        }
      }
      return .json(.array(messages.map { JSONValue(json: Array($0.utf8)) }))
    }
  }

  /// The year 9999, which both databases have.
  private static let latest: Int64 = 253_370_764_800_000_000

  private var runs: Endpoint {
    Endpoint(
      method: .get, path: "/hands/{hand}/runs", access: .role(.viewer),
      summary: "Starts of the hand of which something is stored, the newest first",
      success: (
        200,
        .list(
          of: .object([
            .required("run_id", .text(1...64), "the start"), .required("first_seen", .text(), "RFC 3339"),
            .required("last_seen", .text(), "RFC 3339"),
            .required("ticks", Self.numbersShape, "stored, first and last"),
            .required("events", Self.numbersShape, "stored, first and last"),
            .required("duplicates", .integer(0...Int64.max), "messages that came again"),
          ]), 0...Int(Self.runsPerPage)), "application/json"
      )
    ) { (call) throws(Problem) in
      let runs = try await Problem.of { () throws(StoreError) in
        try await Runs.newest(Int(Self.runsPerPage), of: call.hand, in: services.store)
      }
      return .json(
        .array(
          runs.map { run in
            [
              "run_id": .string(run.runID), "first_seen": .string(run.firstSeen.text),
              "last_seen": .string(run.lastSeen.text), "ticks": Self.json(run.ticks),
              "events": Self.json(run.events),
              "duplicates": .number("\(run.duplicates)"),
            ]
          }))
    }
  }

  private static func json(_ numbers: SequenceRanges) -> JSONValue {
    .array(numbers.ranges.map { [.string("\($0.lowerBound)"), .string("\($0.upperBound)")] })
  }

  private var reconciliation: Endpoint {
    Endpoint(
      method: .get, path: "/hands/{hand}/reconciliation", access: .role(.viewer),
      summary: "What is missing between the first and the last stored number of each run",
      success: (
        200,
        .object([
          .required("summary", .text(), "in words"),
          .required("ticks", .text(), "from the first to the last, all runs"),
          .required("ticks_missing", .text(), "of them not stored"),
          .required("events_missing", .text(), "between 1 and the last"),
          .required("runs", .any, "of each run what is missing"),
        ]), "application/json"
      )
    ) { (call) throws(Problem) in
      let runs = try await Problem.of { () throws(StoreError) in
        try await Runs.newest(Int(Self.runsPerPage), of: call.hand, in: services.store)
      }
      var totals: (ticks: UInt64, missing: UInt64, events: UInt64) = (0, 0, 0)
      var rows: [JSONValue] = []
      for run in runs {
        var ticks = SequenceRanges()
        var events = SequenceRanges()
        if let first = run.ticks.first, let last = run.ticks.last { ticks.insert(first...last) }
        if let last = run.events.last { events.insert(min(1, last)...last) }
        let missing = (ticks.subtracting(run.ticks), events.subtracting(run.events))
        // Numbers that somebody invents may be as large as they like.
        totals.ticks = totals.ticks.addingSaturating(ticks.count)
        totals.missing = totals.missing.addingSaturating(missing.0.count)
        totals.events = totals.events.addingSaturating(missing.1.count)
        rows.append([
          "run_id": .string(run.runID), "ticks_missing": Self.json(missing.0.newest(Self.shownRanges)),
          "events_missing": Self.json(missing.1.newest(Self.shownRanges)),
          "duplicates": .number("\(run.duplicates)"),
        ])
      }
      return .json([
        "summary": .string(
          "\(totals.missing) of \(totals.ticks) ticks missing, \(totals.events) events missing"),
        "ticks": .string("\(totals.ticks)"), "ticks_missing": .string("\(totals.missing)"),
        "events_missing": .string("\(totals.events)"), "runs": .array(rows),
      ])
    }
  }

  private static let shownRanges = 100

  private var block: Endpoint {
    Endpoint(
      method: .get, path: "/hands/{hand}/runs/{run}/blocks/{first}", access: .role(.viewer),
      summary: "A stored block, byte for byte as the hand recorded it (docs/recording.md)",
      success: (200, .any, "application/octet-stream"), failures: [404]
    ) { (call) throws(Problem) in
      let first = call.path["first"].flatMap(Int64.init) ?? 0
      let row = try await Problem.of { () throws(StoreError) in
        try await services.store.read { (session) throws(StoreError) in
          try session.row(
            "SELECT bytes FROM {telemetry.blocks} WHERE hand_id = $1 AND run_id = $2 AND first_sequence = $3",
            .text(call.hand), .text(call.path["run"] ?? ""), .integer(first))?.bytes("bytes")
        }
      }
      guard let row else { throw .notFound("no block of this run begins at tick \(first)") }
      return Endpoint.Answer(contentType: "application/octet-stream", body: row)
    }
  }

  private var series: Endpoint {
    Endpoint(
      method: .get, path: "/hands/{hand}/series", access: .role(.viewer),
      summary: "A channel's least and greatest value in each of equal parts of a time",
      parameters: [
        .init(
          name: "channel", shape: .text(1...100),
          meaning: "a tick's field, or joint and field: index-proximal.position_radians", isRequired: true),
        .init(name: "from", shape: .text(1...40), meaning: "RFC 3339", isRequired: true),
        .init(name: "to", shape: .text(1...40), meaning: "RFC 3339", isRequired: true),
        .init(name: "buckets", shape: .integer(1...10_000), meaning: "parts; missing: 500"),
      ],
      success: (
        200,
        .object([
          .required("channel", .text(), "as asked"), .required("from", .text(), "RFC 3339"),
          .required("bucket_seconds", .number(0...1e12), "length of a part"),
          .required("ticks", .integer(0...Int64.max), "that were looked at"),
          .required("buckets", .any, "of each part that has values [index, least, greatest, last, count]"),
        ]), "application/json"
      ), failures: [404, 413]
    ) { (call) throws(Problem) in
      guard let from = try call.time("from"), let to = try call.time("to"), from < to else {
        throw .invalid(["query: expected from before to"])
      }
      return .json(
        try await Series(store: services.store, birth: services.live.hand(call.hand)?.birth).read(
          call.query["channel"] ?? "", of: call.hand, from...to, buckets: Int(call.whole("buckets", or: 500)))
      )
    }
  }

  // MARK: Commands

  private static let replyShape = Shape.object([
    .required("result", .text(words: ReplyMessage.Word.allCases.map(\.rawValue)), "the hand's own answer"),
    .optional("reason", .text(), "why it was refused or is unconfirmed"),
  ])

  private var command: Endpoint {
    Endpoint(
      method: .post, path: "/hands/{hand}/commands", access: .role(.operating),
      summary: "Send a command and wait for the hand's answer (docs/telemetry.md)",
      body: .object([
        .required("verb", .text(words: CommandParser.Verb.allCases.map(\.rawValue)), "what to do"),
        .optional("pose", .text(1...64), "a named pose, for pose"),
        .optional("joint", .text(1...64), "for move"),
        .optional("radians", .any, "an angle for move, a list or an object of joints for pose and stream"),
        .optional("seconds", .number(0.01...60), "duration of the motion"),
        .optional("expiry", .any, "wall clock in nanoseconds, after which the hand refuses it"),
      ]), success: (200, Self.replyShape, "application/json"), failures: [409, 504]
    ) { (call) throws(Problem) in
      try await send(call, verb: call.body["verb"]?.text ?? "")
    }
  }

  private var stop: Endpoint {
    Endpoint(
      method: .post, path: "/hands/{hand}/stop", access: .role(.operating),
      summary: "Stop a hand. A software stop, not safety-rated",
      success: (200, Self.replyShape, "application/json"),
      failures: [409, 504], isStop: true
    ) { (call) throws(Problem) in try await send(call, verb: CommandParser.Verb.stop.rawValue) }
  }

  private func send(_ call: Call, verb: String) async throws(Problem) -> Endpoint.Answer {
    let asker = try call.asker()
    let isStop = verb == CommandParser.Verb.stop.rawValue
    let members: [JSONValue.Member] = if case .object(let members) = call.body { members } else { [] }
    // What is done is written down before it is done; but no store keeps a stop from its hand.
    if !isStop { try await note(call, asker, "command", verb, "") }
    let outcome = await services.commands.send(verb: verb, members, to: call.hand, over: services.link)
    let (word, detail) = Self.words(outcome)
    // Whoever stops a hand is told at once what came of it, whatever the store does.
    let noting = Task { await noteOutcome(call, asker, isStop ? "stop" : "command-\(word)", verb, detail) }
    if !isStop { await noting.value }
    switch outcome {
    case .answered(let reply):
      return .json(["result": .string(reply.word), "reason": JSONValue(reply.reason)])
    case .unheard:
      throw .conflict("hand \(call.hand): nobody listens to its commands; is the daemon running?")
    case .failed(let reason): throw .unavailable(reason)
    case .silent:
      throw .timeout("hand \(call.hand): no answer came; whether it acts on the command is not known")
    }
  }

  private static func words(_ outcome: HandCommands.Outcome) -> (String, String) {
    switch outcome {
    case .answered(let reply): (reply.word, reply.reason ?? "")
    case .unheard: ("unheard", "")
    case .failed(let reason): ("failed", reason)
    case .silent: ("silent", "")
    }
  }

  private func noteOutcome(
    _ call: Call, _ asker: Identity, _ action: String, _ verb: String, _ detail: String
  ) async {
    do throws(Problem) { try await note(call, asker, action, verb, detail) } catch {
      services.log.error(
        "hand \(call.hand): \(action) \(verb) of \(asker.username) is not in the audit: \(error.cause)")
    }
  }

  private func note(
    _ call: Call, _ asker: Identity, _ action: String, _ verb: String, _ detail: String
  ) async throws(Problem) {
    let body = verb + (detail.isEmpty ? "" : ": " + detail)
    try await Problem.of { () throws(StoreError) in
      try await services.store.write { (session) throws(StoreError) in
        try Audit.append(
          to: session, actor: asker.username, action: action, subject: call.hand, detail: body, now: call.now)
      }
    }
  }
}

extension UInt64 {
  /// The sum, or the largest number where it is beyond.
  fileprivate func addingSaturating(_ other: UInt64) -> UInt64 {
    let (sum, isBeyond) = addingReportingOverflow(other)
    return isBeyond ? .max : sum
  }
}
