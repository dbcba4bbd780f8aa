import HandModel
import Realtime

@testable import HandFiles
@testable import Telemetry
@testable import Wire

private let board = ShippedHand.files.board
private let calibration = ShippedHand.files.calibration
private let parser = CommandParser(board: board, calibration: calibration)
/// The wall clock of every input, so that an input always means the same.
private let wallNanoseconds: Int64 = 1_700_000_000_000_000_000

/// A command that was read is one that the hand can take: indices that exist, finite angles within the limits.
private func check(_ command: Command) {
  func check(_ radians: Double, _ joint: Int) {
    let limits = calibration.joints[joint].limits
    require(
      (limits.lowerRadians...limits.upperRadians).contains(radians), "\(radians) rad of joint \(joint)")
  }
  func check(_ seconds: Double?) {
    require(seconds.map { CommandParser.seconds.contains($0) } ?? true, "\(seconds ?? 0) s")
  }
  switch command {
  case .arm, .nullG, .disarm, .stop, .reset: break
  case .pose(let radians, let seconds):
    require(radians.count == board.joints.count, "\(radians.count) angles")
    for (joint, angle) in radians.enumerated() { check(angle, joint) }
    check(seconds)
  case .stream(let radians):
    require(radians.count == board.joints.count, "\(radians.count) angles")
    for (joint, angle) in radians.enumerated() { check(angle, joint) }
  case .move(let joint, let radians, let seconds):
    require(board.joints.indices.contains(joint), "joint \(joint)")
    check(radians, joint)
    check(seconds)
  }
  // As it goes to the tick.
  let tick = TickCommand(command, source: .mqtt, number: 1)
  require(tick.seconds.isFinite, "seconds of the tick's command")
}

/// A reply is one line of JSON, whatever the sender wrote.
private func checkReply(_ bytes: [UInt8]) {
  require(!bytes.contains(0x0A), "a reply of several lines")
  do { _ = try JSONValue(parsing: bytes) } catch {
    fatalError("a reply that is no JSON (\(error)): \(String(decoding: bytes, as: UTF8.self))")
  }
}

/// Where replies go: made once, because they hold descriptors of the kernel.
private let box = ReplyBox(wakeUp: WakeUp())

/// A message of a command topic: the topic's last level, a line end, the body. It goes the whole way of a message,
/// from the intake to the reply that is published.
func fuzzMQTT(_ input: UnsafeRawBufferPointer) {
  let end = input.firstIndex(of: 0x0A) ?? input.count
  let verb = String(decoding: input[..<end], as: UTF8.self)
  let body = Array(input[min(end + 1, input.count)...])
  nonisolated(unsafe) var stops = 0
  let sink = CommandSink(
    submit: { envelope, _, _, completion in
      check(envelope.command)
      if let expiry = envelope.expiryNanoseconds { require(expiry > wallNanoseconds, "expired") }
      completion(.executed)
      return true
    },
    requestStop: { _ in stops += 1 }, stopCount: { 0 },
    whenStopped: { _, completion in
      completion(.executed)
      return true
    },
    parse: { parser.parse($0, verb: $1.isEmpty ? nil : $1, now: wallNanoseconds) })
  var intake = CommandIntake(sink: sink, answers: StopAnswers(sink: sink), box: box)
  let inbox = CommandInbox(
    topics: Topics(handID: "hand"), sink: sink, connection: .commands, copies: StopCopies())
  // As the broker's callback makes it: a body beyond the limit does not come along.
  let isTooLong = body.count > CommandIntake.largestBodyBytes
  let message = InboundMessage(
    verb: verb, body: isTooLong ? [] : body, bodyBytes: body.count, retained: false)
  for turn in 1...2 {
    inbox.note(message)
    if verb == "stop" { require(stops == turn, "a stop that did not act in the callback") }
    intake.judge(inbox, stopWayAnswers: false, now: 1)
    for outcome in box.take(ReplyBox.capacity) {
      checkReply(ReplyPayload(runID: "boot").encode(outcome, sequence: 1))
    }
  }
}

/// What a client writes to the control socket: JSON lines.
func fuzzSocket(_ input: UnsafeRawBufferPointer) {
  for line in input.split(separator: 0x0A) {
    switch parser.parse(line, now: wallNanoseconds) {
    case .success(let envelope):
      check(envelope.command)
      if let expiry = envelope.expiryNanoseconds { require(expiry > wallNanoseconds, "expired") }
      checkReply(Array(CommandReply.executed.replyJSON(id: envelope.id).utf8))
    case .failure(let rejection):
      require(!rejection.reason.isEmpty, "refused without a reason")
      checkReply(Array(CommandReply.refused(reason: rejection.reason).replyJSON(id: rejection.id).utf8))
    }
  }
}

/// A script of commands, or errors that say where and what.
func fuzzScript(_ input: UnsafeRawBufferPointer) {
  let text = String(decoding: input, as: UTF8.self)
  do throws(ConfigurationErrors) {
    let script = try CommandScript(jsonLines: text, file: "script", parser: parser)
    require(!script.entries.isEmpty, "an empty script")
    var last: Int64 = 0
    for entry in script.entries {
      require(entry.atNanoseconds >= last, "a time before the one above")
      last = entry.atNanoseconds
      check(entry.command)
    }
  } catch {
    check(error, of: text)
  }
}

/// What a host writes to NCMD: read within its bounds or refused, and it never asks for more than a birth.
func fuzzSparkplug(_ input: UnsafeRawBufferPointer) {
  let inbox = SparkplugInbox(birthTopic: "")
  inbox.note(Array(input), isRetained: false)
  let asks = inbox.takeBirthRequest()
  // Each metric takes two bytes or more.
  let refused = inbox.takeRefused()
  require(refused <= UInt64(input.count / 2 + 1), "\(refused) refusals of \(input.count) bytes")
  inbox.note(Array(input), isRetained: true)
  require(!inbox.takeBirthRequest() && inbox.takeRefused() == 1, "a retained message that acts")
  if asks {
    let name = Array(SparkplugPayload.rebirth.utf8)
    require(
      input.indices.contains { input[$0...].starts(with: name) }, "a birth that nobody asked for")
  }
}
