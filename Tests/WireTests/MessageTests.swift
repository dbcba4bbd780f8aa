import HandModel
import HandRigs
import SeededRandom
import Testing

@testable import Wire

/// Encoders and decoders of all messages are inverse, and no bytes upset a decoder. A failure prints its seed.
@Suite("Messages")
struct MessageTests {
  private static let rounds = 500
  private static let mutations = 3000

  private let seed: UInt64

  init() {
    seed = UInt64.random(in: 0 ... .max)
    print("Messages: seed \(seed)")
  }

  /// Encodes and decodes random messages; then hands mutated ones to the decoder, which may refuse them. What it takes must
  /// be a message.
  private func check<Message: Equatable>(
    _ make: (inout RandomMessages) -> Message, _ encode: (Message) -> [UInt8],
    _ decode: ([UInt8]) throws -> Message
  ) throws {
    var random = RandomMessages(seed: seed)
    for _ in 0..<Self.rounds {
      let message = make(&random)
      let bytes = encode(message)
      do {
        #expect(try decode(bytes) == message, "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
      } catch {
        Issue.record("seed \(seed): \(error) in \(String(decoding: bytes, as: UTF8.self))")
      }
    }
    var taken = 0
    for _ in 0..<Self.mutations {
      let bytes = random.mutated(encode(make(&random)))
      guard let message = try? decode(bytes) else { continue }
      taken += 1
      // Not compared as values: a number that was null reads as NaN.
      let again = encode(message)
      #expect(try encode(decode(again)) == again, "seed \(seed): \(String(decoding: bytes, as: UTF8.self))")
    }
    #expect(taken > 0 && taken < Self.mutations, "seed \(seed): \(taken) mutated messages were taken")
  }

  @Test("events: decoding gives what was encoded, whatever the texts hold")
  func events() throws {
    try check({ $0.event() }, { $0.encoded() }, EventMessage.init(decoding:))
  }

  @Test("replies") func replies() throws {
    try check({ $0.reply() }, { $0.encoded() }, ReplyMessage.init(decoding:))
  }

  @Test("replies of the control socket") func socketReplies() throws {
    try check(
      { SocketReply(id: $0.text(), reply: $0.reply().reply) }, { Array($0.reply.replyJSON(id: $0.id).utf8) },
      { SocketReply(try CommandReply.read($0)) })
  }

  private struct SocketReply: Equatable {
    var id: String
    var reply: CommandReply

    init(id: String, reply: CommandReply) { (self.id, self.reply) = (id, reply) }
    init(_ read: (id: String, reply: CommandReply)) { (id, reply) = read }
  }

  @Test("status, with the will and the farewell that know less") func status() throws {
    try check({ $0.status() }, { $0.encoded() }, StatusMessage.init(decoding:))
  }

  @Test("audit: the head of the hash chain") func audit() throws {
    try check({ $0.audit() }, { $0.encoded() }, AuditMessage.init(decoding:))
  }

  @Test("AGP detail") func detail() throws {
    try check({ $0.detail() }, { $0.encoded() }, DetailMessage.init(decoding:))
  }

  @Test("birth") func birth() throws {
    try check({ $0.birth() }, { $0.encoded() }, BirthMessage.init(decoding:))
  }

  @Test("state, read by the channels that the birth announces") func state() throws {
    let channels = BirthPayload.channels(of: Fixtures.identity())
    try check(
      { $0.state(channels) }, { $0.encoded(channels) }, { try StateMessage(decoding: $0, channels) })
  }

  @Test("what the hand sends as state reads back by its own birth")
  func stateOfRecord() throws {
    let identity = Fixtures.identity()
    let birth = try BirthMessage(decoding: BirthPayload.encode(identity, stateHertz: 20))
    // A birth does not carry what a channel means: that is in the documents.
    let announced = BirthPayload.channels(of: identity).map { channel in
      var channel = channel
      channel.meaning = ""
      return channel
    }
    #expect(birth.channels == announced)
    #expect(birth.schemas["state"] == StateMessage.schema && birth.joints.map(\.name) == Fixtures.jointNames)
    var payload = StatePayload(identity: identity)
    var record = Fixtures.record(20)
    record.fault = .overload
    record.faultJoint = 1
    record.lipschitz = .nan
    let state = try StateMessage(decoding: payload.encode(record, clockSynced: true), birth.channels)
    func value(_ name: String) throws -> StateMessage.Value {
      state.values[try #require(birth.channels.firstIndex { $0.name == name })]
    }
    #expect(try value("run_id") == .text(Fixtures.runID) && value("seq") == .wide(20))
    #expect(try value("fault") == .text("motor-overload"))
    #expect(try value("fault_joint") == .text("index-intermediate"))
    #expect(try value("lipschitz") == .number(nil) && value("clock_synced") == .flag(true))
    #expect(try value("index-distal.force") == .number(1.5))
    record.fault = .none
    let well = try StateMessage(decoding: payload.encode(record, clockSynced: true), birth.channels)
    #expect(well.values[try #require(birth.channels.firstIndex { $0.name == "fault" })] == .text(nil))
  }

  @Test("what the hand sends as AGP detail, status and sensors reads back")
  func payloads() throws {
    let identity = Fixtures.identity()
    let record = Fixtures.record(3)
    let detail = try DetailMessage(decoding: AGPPayload(identity: identity).detail(of: record))
    #expect(detail.sequence == 3 && detail.wallNanoseconds == record.wallNanoseconds)
    #expect(detail.mode == record.mode && detail.lipschitz == record.lipschitz)
    let status = try StatusMessage(
      decoding: StatusPayload(identity: identity).encode(
        .fault, session: 2, fault: (.staleSensor, 2), sequence: 9, ways: (CommandWay(), CommandWay())))
    #expect(status.fault == .staleSensor && status.faultJoint == "index-distal" && status.sequence == 9)
    let lost = try StatusMessage(decoding: StatusPayload(identity: identity).encode(.lost, session: 2))
    #expect(lost.fault == nil && lost.ways == nil && lost.word == .lost)
    var random = RandomMessages(seed: seed)
    for _ in 0..<Self.rounds {
      let value = random.number()
      let text = try #require(AGPPayload.lipschitzText(value))
      #expect(AGPPayload.lipschitz(ofText: text) == value, "seed \(seed), \(value)")
      var joint = JointRecord()
      joint.forceNewtons = value
      let force = try #require(SensorMetrics.text(.force, of: joint))
      let error = abs(try #require(SensorMetrics.value(ofText: force)) - value)
      #expect(error <= 0.500001e-6 + value.magnitude * 1e-15, "seed \(seed), \(value)")
    }
    for text in ["", "nan", "[1]", "\"1\"", "0x1", "1 2"] {
      #expect(SensorMetrics.value(ofText: Array(text.utf8)) == nil)
    }
  }

  @Test("commands: the parser reads what the encoder wrote")
  func commands() throws {
    var random = RandomMessages(seed: seed)
    let parser = CommandParser(board: Fixtures.board(), calibration: Fixtures.calibration())
    let now: Int64 = 1_000_000_000_000
    func radians() -> [Double] { (0..<3).map { _ in Double.random(in: 0...1.5, using: &random.random) } }
    for round in 0..<Self.rounds {
      let seconds = random.optional { Double.random(in: 0.1...10, using: &$0.random) }
      let commands: [Command] = [
        .arm, .nullG, .disarm, .stop, .reset, .pose(radians: radians(), seconds: seconds),
        .move(joint: round % 3, radians: radians()[0], seconds: seconds), .stream(radians: radians()),
      ]
      let command = commands[round % commands.count]
      // A stop never expires.
      let envelope = CommandEnvelope(
        id: "id-\(random.natural())",
        expiryNanoseconds: command == .stop ? nil : random.optional { _ in now + 1 },
        command: command)
      let bytes = envelope.encoded(jointNames: Fixtures.jointNames)
      #expect(try parser.parse(bytes, now: now).get() == envelope, "seed \(seed)")
      #expect(
        try parser.parse(bytes, verb: command.verb.rawValue, now: now).get() == envelope, "seed \(seed)")
    }
  }

  @Test("a reader passes over a new key, and refuses another schema, a key that comes twice, a wrong type")
  func strictness() throws {
    let message = EventMessage(
      runID: "r", event: HandEvent(number: 7, wallNanoseconds: 5, kind: .gap, to: "9", count: 3, text: "t"))
    let text = String(decoding: message.encoded(), as: UTF8.self)
    func decode(_ text: String) throws(MessageProblem) -> EventMessage {
      try EventMessage(decoding: Array(text.utf8))
    }
    #expect(try decode(text.replacing("\"run_id\"", with: "\"new\":{\"a\":[1]},\"run_id\"")) == message)
    for (text, reason) in [
      (
        text.replacing("event/1", with: "event/2"),
        #"schema: found "motorhand.event/2", expected motorhand.event/1"#
      ),
      (text.replacing("\"kind\"", with: "\"run_id\":\"x\",\"kind\""), "run_id: found more than once"),
      (text.replacing("\"7\"", with: "-7"), "number: expected an integer of 0 or more"),
      (text.replacing("\"gap\"", with: "\"hole\""), #"kind: found "hole", an unknown kind of event"#),
      (text.replacing("\"stored\":false,", with: ""), "stored: expected true or false"),
      ("[1]", "message: expected an object"), ("{", "invalid JSON at byte 1: a key in quotes is missing"),
    ] {
      #expect(throws: MessageProblem(reason)) { try decode(text) }
    }
  }

  @Test("topics: reading gives hand and content back, and nothing else is a topic of a hand")
  func topics() throws {
    let topics: [HandTopic] = [
      .status, .birth, .audit, .state, .summary, .event, .block, .stored, .reply, .agpState, .agpDetail,
      .agpCommand,
      .command(verb: "null-g"),
      .sensor(metric: "force-index"),
    ]
    for topic in topics {
      let read = try #require(HandTopic.read(topic.text(handID: "left_7-a")))
      #expect(read.handID == "left_7-a" && read.topic == topic)
    }
    for other in [
      "", "motorhand", "motorhand/hand/left", "motorhand/hand//state", "motorhand/hand/a b/state",
      "motorhand/hand/left/state/x", "motorhand/hand/left/cmd", "motorhand/hand/left/cmd/",
      "x/hand/left/state",
      "motorhand/sensors/left/", "motorhand/other/left/state", "motorhand/hand/left/STATE",
    ] {
      #expect(HandTopic.read(other) == nil, "\(other)")
    }
  }
}
