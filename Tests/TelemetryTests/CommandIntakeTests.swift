import HandModel
import Testing

@testable import Telemetry

@Suite("Command intake")
struct CommandIntakeTests {
  private let runtime = Rig.Runtime()
  private let wall: Int64 = 1_790_000_000_000_000_000

  private func intake() -> CommandIntake {
    CommandIntake(
      bootID: Fixtures.bootID, submit: { [runtime] envelope, _ in runtime.submit(envelope) },
      // Read two seconds before the intake looks at it.
      parse: { [wall] in Fixtures.parse($0, verb: $1, now: wall - 2_000_000_000) })
  }

  private func message(_ verb: String, _ body: String, retained: Bool = false) -> InboundMessage {
    InboundMessage(verb: verb, body: Array(body.utf8), bodyBytes: body.utf8.count, retained: retained)
  }

  private func answer(
    _ intake: inout CommandIntake, _ message: InboundMessage, at monotonic: Int64 = 0
  ) throws -> [String: Any]? {
    let bytes = intake.handle(
      message, wallNanoseconds: wall, monotonicNanoseconds: monotonic, sequence: 42)
    return try bytes.map { try json($0) }
  }

  @Test("a command is executed once; its repeated id gets the first reply")
  func repeatedID() throws {
    var intake = intake()
    let pose = message("pose", #"{"id":"a","radians":[0.1,0.2,0.3]}"#)
    let first = try #require(try answer(&intake, pose))
    #expect(first["result"] as? String == "executed")
    #expect(first["id"] as? String == "a" && first["verb"] as? String == "pose")
    #expect(first["boot_id"] as? String == Fixtures.bootID && first["seq"] as? String == "42")
    runtime.refusal.withLock { $0 = "not armed" }
    #expect(try answer(&intake, pose)?["result"] as? String == "executed")
    #expect(runtime.count == 1)
    let other = try answer(&intake, message("pose", #"{"id":"b","radians":[0.1,0.2,0.3]}"#))
    #expect(other?["result"] as? String == "refused" && other?["reason"] as? String == "not armed")
  }

  @Test("the verb may stand in the body of the AGP topic")
  func verbInBody() throws {
    var intake = intake()
    #expect(try answer(&intake, message("", #"{"id":"x","verb":"arm"}"#))?["verb"] as? String == "arm")
    #expect(runtime.commands.withLock { $0.map(\.command) } == [.arm])
  }

  @Test(
    "what must not move the hand is refused with its reason",
    arguments: [
      (#"{"id":"a","radians":[0.1,0.2,0.3],"speed":1}"#, false, #""speed": found an unknown field"#),
      (#"{"id":"a","radians":[NaN]}"#, false, "invalid JSON"),
      ("\u{1}\u{2}garbage", false, "invalid JSON"),
      ("", false, "expected pose or radians"),
      (#"{"id":"a","radians":[0.1,0.2,0.3]}"#, true, "retained"),
      (
        #"{"id":"a","expiry":"1789999999000000000","radians":[0.1,0.2,0.3]}"#, false, "expired 1000 ms ago"
      ),
    ])
  func refuses(body: String, retained: Bool, reason: String) throws {
    var intake = intake()
    let reply = try #require(try answer(&intake, message("pose", body, retained: retained)))
    #expect(reply["result"] as? String == "refused")
    #expect((reply["reason"] as? String)?.contains(reason) == true)
    #expect(runtime.count == 0 && intake.refused == 1)
  }

  @Test("numbers that are not finite are refused even when a parser lets them pass")
  func nonFinite() throws {
    var intake = CommandIntake(
      bootID: "b", submit: { [runtime] envelope, _ in runtime.submit(envelope) },
      parse: { _, _ in .success(CommandEnvelope(id: "n", command: .pose(radians: [.nan], seconds: nil))) })
    #expect(try answer(&intake, message("pose", "{}"))?["result"] as? String == "refused")
    #expect(runtime.count == 0)
  }

  @Test("an oversize body is refused unread, at one byte above the limit")
  func oversize() throws {
    var intake = intake()
    let limit = CommandIntake.largestBodyBytes
    let tooLarge = InboundMessage(verb: "arm", body: [], bodyBytes: limit + 1, retained: false)
    let reason = try answer(&intake, tooLarge)?["reason"] as? String
    #expect(reason == "body has \(limit + 1) bytes: at most \(limit)")
    let padded = "{}" + String(repeating: " ", count: limit - 2)
    #expect(try answer(&intake, message("arm", padded))?["result"] as? String == "executed")
  }

  @Test("a stop is executed late, twice, retained, oversize and with an unreadable body")
  func stopAlways() throws {
    var intake = intake()
    let stops = [
      message("stop", #"{"id":"s"}"#), message("stop", #"{"id":"s"}"#),
      message("stop", #"{"id":"s"}"#, retained: true), message("stop", "garbage"), message("stop", ""),
      message("", #"{"id":"s","verb":"stop","expiry":"1"}"#),
      InboundMessage(verb: "stop", body: [], bodyBytes: 1 << 20, retained: false),
    ]
    for (index, stop) in stops.enumerated() {
      #expect(try answer(&intake, stop)?["result"] as? String == "executed")
      #expect(runtime.count == index + 1)
    }
    #expect(runtime.commands.withLock { $0.allSatisfy { $0.command == .stop } })
  }

  @Test("streamed set-points are answered only when refused, and refusals at most ten times a second")
  func streams() throws {
    var intake = intake()
    let stream = message("stream", #"{"radians":[0.1,0.2,0.3]}"#)
    #expect(try answer(&intake, stream) == nil)
    #expect(runtime.count == 1)
    runtime.refusal.withLock { $0 = "not armed" }
    #expect(try answer(&intake, stream, at: 1_000)?["result"] as? String == "refused")
    #expect(try answer(&intake, stream, at: 99_000_000) == nil)
    #expect(try answer(&intake, stream, at: 101_000_000)?["reason"] as? String == "not armed")
    #expect(runtime.count == 4)
    let named = message("stream", #"{"id":"n","radians":[0.1,0.2,0.3]}"#)
    #expect(try answer(&intake, named, at: 101_000_001)?["id"] as? String == "n")
  }

  @Test("the reply cache forgets the id not used for longest, at its 257th")
  func cacheBound() {
    var cache = ReplyCache()
    let reply = ReplyCache.Reply(verb: "arm", refusal: nil)
    for number in 0..<ReplyCache.capacity { cache.remember(reply, id: "\(number)") }
    // Asking uses it: now "1" is the oldest.
    let used = cache.reply(to: "0")
    cache.remember(reply, id: "new")
    let found = ["0", "new", "1"].map { cache.reply(to: $0) }
    #expect(used == reply && found == [reply, reply, nil])
  }
}
