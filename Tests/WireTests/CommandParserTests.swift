import Foundation
import HandRigs
import SeededRandom
import Testing

@testable import HandFiles
@testable import HandModel
@testable import Wire

@Suite("Commands")
struct CommandParserTests {
  private static let now: Int64 = 1_790_000_000_000_000_000
  private let parser: CommandParser
  private let power: [Double]

  init() throws {
    let calibration = TestHand.calibration
    parser = CommandParser(board: TestHand.board, calibration: calibration)
    power = try #require(calibration.poses.first { $0.name == "power" }).radians
  }

  private func parse(_ text: String, verb: String? = nil) -> Result<CommandEnvelope, CommandRejection> {
    parser.parse(text.utf8, verb: verb, now: Self.now)
  }

  private func reason(_ text: String, verb: String? = nil) -> String? {
    guard case .failure(let rejection) = parse(text, verb: verb) else { return nil }
    return rejection.reason
  }

  // MARK: What is accepted

  @Test("every verb reads as its command")
  func verbs() throws {
    let angles = [Double](repeating: 0.25, count: 15)
    let list = "[" + angles.map { "\($0)" }.joined(separator: ",") + "]"
    let table =
      "{" + (TestHand.board).joints.map { "\"\($0.name)\": 0.25" }.joined(separator: ", ") + "}"
    let expected: [(String, Command)] = [
      (#"{"verb":"arm"}"#, .arm), (#"{"verb":"disarm"}"#, .disarm), (#"{"verb":"stop"}"#, .stop),
      (#"{"verb":"reset"}"#, .reset),
      (#"{"verb":"pose","pose":"power","seconds":1.5}"#, .pose(radians: power, seconds: 1.5)),
      (#"{"verb":"pose","pose":"power"}"#, .pose(radians: power, seconds: nil)),
      (#"{"verb":"pose","radians":\#(list)}"#, .pose(radians: angles, seconds: nil)),
      (#"{"verb":"pose","radians":\#(table),"seconds":2}"#, .pose(radians: angles, seconds: 2)),
      (#"{"verb":"stream","pose":"power"}"#, .stream(radians: power)),
      (#"{"verb":"stream","radians":\#(list)}"#, .stream(radians: angles)),
      (
        #"{"verb":"move","joint":"index-proximal","radians":5e-1,"seconds":1}"#,
        .move(joint: 3, radians: 0.5, seconds: 1)
      ),
      (
        #"{"verb":"move","joint":"index-proximal","degrees":45}"#,
        .move(joint: 3, radians: .pi / 4, seconds: nil)
      ),
    ]
    for (text, command) in expected {
      #expect(parse(text) == .success(CommandEnvelope(id: "", command: command)), "\(text)")
    }
  }

  @Test("a joint's angle goes where its name says, whatever the order")
  func order() throws {
    let names = (TestHand.board).joints.map(\.name)
    let members = names.enumerated().reversed().map { "\"\($0.element)\":\(Double($0.offset) / 10)" }
    let expected = (0..<15).map { Double($0) / 10 }
    #expect(
      parse(#"{"verb":"stream","radians":{\#(members.joined(separator: ","))}}"#)
        == .success(CommandEnvelope(id: "", command: .stream(radians: expected))))
  }

  @Test("the topic may give the verb, with an empty body where the verb has no arguments")
  func topic() {
    for (verb, command) in [("arm", Command.arm), ("disarm", .disarm), ("reset", .reset), ("stop", .stop)] {
      #expect(parse("", verb: verb) == .success(CommandEnvelope(id: "", command: command)))
      #expect(parse(" \n", verb: verb) == .success(CommandEnvelope(id: "", command: command)))
      #expect(parse(#"{"id":"7"}"#, verb: verb) == .success(CommandEnvelope(id: "7", command: command)))
    }
    #expect(
      parse(#"{"verb":"pose","pose":"power"}"#, verb: "pose")
        == .success(CommandEnvelope(id: "", command: .pose(radians: power, seconds: nil))))
    #expect(reason("", verb: "pose") == "radians: found nothing, expected pose or radians")
    #expect(
      reason(#"{"verb":"arm"}"#, verb: "disarm") == #"verb: found "arm" in a message for "disarm""#)
    #expect(reason("") == "invalid JSON at byte 0: a value is missing")
  }

  @Test("id, issue and expiry travel as text or integers")
  func envelope() {
    let soon = Self.now + 1
    for expiry in ["\(soon)", "\"\(soon)\""] {
      #expect(
        parse(#"{"id":"a-1","verb":"arm","issued":"\#(Self.now)","expiry":\#(expiry)}"#)
          == .success(CommandEnvelope(id: "a-1", expiryNanoseconds: soon, command: .arm)))
    }
    #expect(
      parser.parse(Data(#"{"verb":"arm"}"#.utf8), now: Self.now)
        == .success(CommandEnvelope(id: "", command: .arm)))
  }

  // MARK: Stop

  @Test(
    "a stop is understood whatever surrounds it",
    arguments: [
      (#"{"verb":"stop","expiry":1,"issued":"1"}"#, nil), (#"{"verb":"stop","colour":"red"}"#, nil),
      (#"{"verb":"stop","verb":"stop"}"#, nil), (#"{"verb":"pose","verb":"stop","pose":"x"}"#, nil),
      (#"{"verb":"stop","id":17}"#, nil), ("stop", nil), ("\"stop\"", nil), ("STOP\r\n", nil),
      ("garbage {", "stop"), ("\u{FF}\0", "stop"), ("[]", "stop"), (#"{"verb":"arm"}"#, "stop"),
      (#"{"verb":"stop"}"#, "pose"), (String(repeating: "x", count: 5000), "stop"), ("", "stop"),
      (#"{"verb":"stop""#, nil), (#"{"verb":"stop"#, nil), (#"xx{"verb": "stop"} yy"#, nil),
      ("\0\0stop\0", nil), (#"{"verb":"\u0073top"}"#, nil), (#"{"Verb":"Stop"}"#, nil),
      ("{verb:'stop'}", nil),
      (#"{"verb":"arm"} stop"#, nil), ("please stop!", nil), (#"["stop"]"#, nil), ("stop", "arm"),
      (#"{"verb":"stop","x":"# + String(repeating: "[", count: 40), nil),
      (#"{"verb":"stop"}"# + String(repeating: " ", count: 5000), nil),
    ] as [(String, String?)])
  func stop(_ body: String, verb: String?) {
    #expect(parse(body, verb: verb) == .success(CommandEnvelope(id: "", command: .stop)))
  }

  @Test("a stop keeps its sender's identifier where there is one")
  func stopIdentifier() {
    #expect(
      parse(#"{"verb":"stop","id":"s1","x":[]}"#) == .success(CommandEnvelope(id: "s1", command: .stop)))
    #expect(parse(#"{"id":"s2"}"#, verb: "stop") == .success(CommandEnvelope(id: "s2", command: .stop)))
  }

  @Test("a stop is understood in whatever noise, cut off wherever, and no prefix of it that lacks it stops")
  func stopInNoise() {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed of stops in noise: \(seed)")
    var generator = SeededGenerator(seed: seed)
    /// No letters and digits: they would make another word of the word.
    func noise() -> [UInt8] {
      (0..<Int.random(in: 0...6, using: &generator)).map { _ in
        let byte = UInt8.random(in: 0...255, using: &generator)
        let isWord =
          byte < 0x80
          && (Character(Unicode.Scalar(byte)).isLetter || Character(Unicode.Scalar(byte)).isNumber)
        return isWord ? 0 : byte
      }
    }
    func space() -> String { ["", " ", "\t", "\r\n", "  "].randomElement(using: &generator) ?? "" }
    for _ in 0..<5000 {
      let word = ["stop", "STOP", "Stop"].randomElement(using: &generator) ?? ""
      let member = "\"verb\"\(space()):\(space())\"\(word)\""
      let before = [#"{"#, #"{"id":"stop 7","#, #"{"pose":"verb","#, "{ \"radians\":[1,"].randomElement(
        using: &generator)
      let after = ["}", #","id":"7"}"#, #","expiry":"1","x":{}}"#, "", ",", "}\r\n"].randomElement(
        using: &generator)
      let whole = Array(((before ?? "") + member + (after ?? "")).utf8)
      let earliest = (before ?? "").utf8.count + member.utf8.count - 1
      let cut = Array(whole.prefix(Int.random(in: earliest...whole.count, using: &generator)))
      let body = noise() + cut + noise()
      #expect(CommandParser.asksForStop(body), "seed \(seed): \(String(decoding: body, as: UTF8.self))")
      if cut.count > earliest {
        let sighting = CommandParser.sightStop(inBeginning: noise() + cut + [0x20])
        #expect(sighting != .none, "seed \(seed): \(String(decoding: cut, as: UTF8.self))")
      }
      // As Windows' consoles write: two bytes a letter.
      let wide = whole.flatMap { [$0, UInt8(0)] }
      #expect(CommandParser.asksForStop(wide), "seed \(seed)")
    }
  }

  @Test(
    "no legal command but the stop stops, whole or as far as it has arrived, whatever its texts are called")
  func noOtherStops() throws {
    let seed = UInt64.random(in: 0 ... .max)
    print("seed of commands that are no stop: \(seed)")
    var generator = SeededGenerator(seed: seed)
    var board = TestHand.board
    var calibration = TestHand.calibration
    let names = ["stop", "verb", "verb stop", "STOP", "verb:stop"]
    for (index, name) in names.enumerated() {
      board.joints[index].name = name
      calibration.poses[index % calibration.poses.count].name = name
    }
    let parser = CommandParser(board: board, calibration: calibration)
    let list = "[" + board.joints.map { _ in "0.25" }.joined(separator: ",") + "]"
    let table = "{" + board.joints.map { "\(JSON.quoted($0.name)):0.25" }.joined(separator: ",") + "}"
    let texts =
      names + [
        #"":"stop"#, #"\"verb\":\"stop\""#, #""verb":"stop""#, "e-stop", "\\", "don't stop",
        "{\"verb\":\"stop\"}",
      ]
    for _ in 0..<2000 {
      let pose = JSON.quoted(parser.poses.randomElement(using: &generator)?.name ?? "")
      let joint = JSON.quoted(board.joints.randomElement(using: &generator)?.name ?? "")
      let verb = [
        #""verb":"arm""#, #""verb":"null-g""#, #""verb":"disarm""#, #""verb":"reset""#,
        #""verb":"pose","pose":\#(pose)"#, #""verb":"pose","radians":\#(list)"#,
        #""verb":"stream","radians":\#(table)"#,
        #""verb":"move","joint":\#(joint),"radians":0.25"#,
      ].randomElement(using: &generator)
      let id = texts.randomElement(using: &generator) ?? ""
      var members = [verb ?? "", #""id":\#(JSON.quoted(id))"#, #""expiry":"\#(Self.now + 1)""#]
      members.shuffle(using: &generator)
      let body = Array("{ \(members.joined(separator: " , ")) }".utf8)
      guard case .success(let envelope) = parser.parse(body, now: Self.now) else {
        Issue.record("seed \(seed): refused \(String(decoding: body, as: UTF8.self))")
        continue
      }
      #expect(envelope.command != .stop, "seed \(seed): \(String(decoding: body, as: UTF8.self))")
      for end in 0...body.count where CommandParser.sightStop(inBeginning: Array(body[..<end])) != .none {
        Issue.record("seed \(seed): \(String(decoding: body[..<end], as: UTF8.self))")
      }
    }
  }

  // MARK: What is refused

  static let refusals: [(body: String, reason: String)] = [
    (#"[1]"#, "found no JSON object, expected one"),
    (
      #"{"pose":"power"}"#,
      "verb: found nothing, expected one of arm, null-g, disarm, stop, reset, pose, move, stream"
    ),
    (
      #"{"verb":"pse"}"#,
      #"verb: found "pse", expected one of arm, null-g, disarm, stop, reset, pose, move, stream (did you mean pose?)"#
    ),
    (#"{"verb":5}"#, "verb: expected a verb"),
    (#"{"verb":"arm","force":true}"#, #""force": found an unknown field, expected id, verb, issued, expiry"#),
    (#"{"verb":"arm","at":1}"#, #""at": found an unknown field, expected id, verb, issued, expiry"#),
    (#"{"verb":"arm","verb":"arm"}"#, "verb: found more than once"),
    (#"{"verb":"arm","id":"a","id":"a"}"#, "id: found more than once"),
    (#"{"verb":"arm","id":5}"#, "id: expected text of at most 64 printable characters"),
    (#"{"verb":"arm","id":"a\u0007"}"#, "id: expected text of at most 64 printable characters"),
    (
      #"{"verb":"pose","pose":"powr"}"#,
      #"pose: found "powr", expected one of open, power, precision, pointing, rest (did you mean power?)"#
    ),
    (#"{"verb":"pose","pose":"power","radians":[]}"#, "radians: found beside pose, expected one of both"),
    (#"{"verb":"pose","radians":[0,0]}"#, "radians: found 2 numbers, expected 15"),
    (#"{"verb":"pose","radians":"0"}"#, "radians: expected a list or an object of numbers"),
    (
      #"{"verb":"pose","radians":{"index-proximal":0.5}}"#,
      "radians: found no thumb-proximal, expected every joint (or the verb move)"
    ),
    (
      #"{"verb":"pose","radians":{"index-proximal":0.5,"index-proximal":0.6}}"#,
      "radians: found index-proximal more than once"
    ),
    (
      #"{"verb":"pose","radians":{"index-proxima":0.5}}"#,
      #"radians: found unknown joint "index-proxima" (did you mean index-proximal?)"#
    ),
    (
      #"{"verb":"pose","radians":[0,0,0,0,1.7,0,0,0,0,0,0,0,0,0,0]}"#,
      "radians: index-intermediate: found 1.7, expected 0.0 to 1.6 rad"
    ),
    (
      #"{"verb":"stream","radians":[0,0,0,0,1e999,0,0,0,0,0,0,0,0,0,0]}"#,
      "radians: index-intermediate: expected a finite number"
    ),
    (
      #"{"verb":"stream","radians":[0,0,0,0,null,0,0,0,0,0,0,0,0,0,0]}"#,
      "radians: index-intermediate: expected a finite number"
    ),
    (
      #"{"verb":"stream","pose":"open","seconds":1}"#,
      #""seconds": found an unknown field, expected id, verb, pose, radians, issued, expiry"#
    ),
    (#"{"verb":"move","radians":0.5}"#, "joint: found nothing, expected the name of a joint"),
    (
      #"{"verb":"move","joint":"index-proximal"}"#,
      "radians: found nothing, expected radians or degrees, a number"
    ),
    (
      #"{"verb":"move","joint":"index-proximal","radians":0.5,"degrees":30}"#,
      "degrees: found beside radians, expected one of both"
    ),
    // 1.6 rad are 91.67 degrees: what is told as a limit is within it.
    (
      #"{"verb":"move","joint":"index-proximal","degrees":91.7}"#,
      "degrees: index-proximal: found 91.7, expected 0.0 to 91.6 degrees"
    ),
    (
      #"{"verb":"move","joint":"index-proximal","radians":-0.01}"#,
      "radians: index-proximal: found -0.01, expected 0.0 to 1.6 rad"
    ),
    (#"{"verb":"pose","pose":"open","seconds":0}"#, "seconds: found 0.0, expected 0.01 to 60.0"),
    (#"{"verb":"pose","pose":"open","seconds":60.1}"#, "seconds: found 60.1, expected 0.01 to 60.0"),
    (#"{"verb":"pose","pose":"open","seconds":NaN}"#, "invalid JSON at byte 39: not a value"),
    (#"{"verb":"arm","expiry":"1.5"}"#, "expiry: expected wall-clock nanoseconds as text or integer"),
    (#"{"verb":"arm","expiry":\#(now)}"#, "expiry: expired"),
    (#"{"verb":"arm","expiry":"\#(Int64.min)"}"#, "expiry: expired"),
    (
      #"{"verb":"arm","expiry":"\#(now + 3_600_000_000_001)"}"#, "expiry: found a time more than 3600 s ahead"
    ),
    (#"{"verb":"arm","issued":\#(now - 60_000_000_001)}"#, "issued: expired: issued more than 60 s ago"),
    (#"{"verb":"arm","issued":\#(Int64.min)}"#, "issued: expired: issued more than 60 s ago"),
    (#"{"verb":"arm","issued":\#(now + 5_000_000_001)}"#, "issued: found a time more than 5 s ahead"),
  ]

  @Test("a wrong command is refused with its reason", arguments: refusals)
  func refusal(_ refusal: (body: String, reason: String)) {
    #expect(reason(refusal.body) == refusal.reason)
  }

  @Test("limits are inclusive")
  func limits() {
    for text in [
      #"{"verb":"move","joint":"index-proximal","radians":1.6,"seconds":0.01}"#,
      #"{"verb":"move","joint":"index-proximal","radians":0,"seconds":60}"#,
      #"{"verb":"arm","issued":\#(Self.now - 60_000_000_000),"expiry":\#(Self.now + 3_600_000_000_000)}"#,
      #"{"verb":"arm","issued":\#(Self.now + 5_000_000_000)}"#,
      #"{"verb":"arm","id":"\#(String(repeating: "i", count: 64))"}"#,
      #"{"verb":"arm"}"# + String(repeating: " ", count: 4096 - 14),
    ] { #expect(reason(text) == nil, "\(text)") }
    #expect(
      reason(#"{"verb":"arm"}"# + String(repeating: " ", count: 4097 - 14)) == "found more than 4096 bytes")
    #expect(reason(#"{"verb":"arm","id":"\#(String(repeating: "i", count: 65))"}"#) != nil)
  }

  @Test("a refusal carries the identifier it answers")
  func refusalIdentifier() {
    #expect(
      parse(#"{"id":"x9","verb":"fly"}"#).failure?.id == "x9"
        && parse(#"{"id":"x9","verb":"arm","expiry":1}"#).failure?.id == "x9")
  }

  // MARK: Hostile input

  @Test("deep nesting and damaged bytes are refused or read, never a crash")
  func hostile() {
    #expect(reason(String(repeating: "[", count: 4096)) == "invalid JSON at byte 17: nested deeper than 16")
    #expect(reason(String(repeating: #"{"a":"#, count: 800)) != nil)
    let seed = UInt64.random(in: 0 ... .max)
    print("seed of damaged commands: \(seed)")
    var generator = SeededGenerator(seed: seed)
    let valid =
      Self.refusals.map { Array($0.body.utf8) } + [Array(#"{"id":"é\ud83d\ude00\n","verb":"arm"}"#.utf8)]
    for _ in 0..<5000 {
      var bytes = valid.randomElement(using: &generator) ?? []
      for _ in 0..<Int.random(in: 1...4, using: &generator) where !bytes.isEmpty {
        let place = Int.random(in: 0..<bytes.count, using: &generator)
        switch Int.random(in: 0..<3, using: &generator) {
        case 0: bytes[place] = UInt8.random(in: 0...255, using: &generator)
        case 1: bytes.remove(at: place)
        default: bytes.insert(contentsOf: bytes[place...].prefix(8), at: place)
        }
      }
      switch parser.parse(bytes, now: Self.now) {
      case .success(let envelope): check(envelope.command, seed: seed)
      case .failure(let rejection): #expect(!rejection.reason.isEmpty, "seed \(seed)")
      }
    }
  }

  /// What is accepted is within the limits of the hand.
  private func check(_ command: Command, seed: UInt64) {
    switch command {
    case .pose(let radians, _), .stream(let radians):
      #expect(radians.count == 15 && radians.allSatisfy { (0...1.6).contains($0) }, "seed \(seed)")
    case .move(let joint, let radians, _):
      #expect((0..<15).contains(joint) && (0...1.6).contains(radians), "seed \(seed)")
    case .arm, .nullG, .disarm, .stop, .reset: break
    }
  }
}

extension Result {
  fileprivate var failure: Failure? {
    if case .failure(let failure) = self { return failure }
    return nil
  }
}
