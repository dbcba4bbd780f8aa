import HandModel

/// Why a command is not executed, in words for its sender.
package struct CommandRejection: Error, Sendable, Equatable {
  /// The sender's identifier as far as it could be read, else empty.
  package var id: String
  /// What was found and what was expected, for people.
  package var reason: String

  package init(id: String, reason: String) {
    self.id = id
    self.reason = reason
  }
}

/// Reads commands as the control socket and MQTT bring them: one JSON object, checked against the limits of
/// the hand. docs/board-file.md, section Commands, lists verbs and fields.
package struct CommandParser: Sendable {
  /// A pose of `maximumJoints` named joints takes about 600 bytes; more is no command of ours.
  package static let maximumBytes = 4096
  /// Identifiers are kept to recognise repeated commands; a UUID has 36 characters.
  package static let maximumIDLength = 64
  /// How far a sender's clock may be ahead of ours, in nanoseconds: well-kept clocks differ by less than one
  /// second, unsynchronised ones by minutes.
  package static let maximumClockLead: Int64 = 5_000_000_000
  /// A command issued longer ago, in nanoseconds, was kept somewhere and is no longer what its sender wants.
  package static let maximumAge: Int64 = 60_000_000_000
  /// The furthest expiry, in nanoseconds from now. An expiry is there to be soon.
  package static let maximumLifetime: Int64 = 3_600_000_000_000
  /// Duration of a motion in seconds. In less than 10 ms no joint can move visibly; more than a minute
  /// comes from a wrong unit.
  package static let seconds: ClosedRange<Double> = 0.01...60

  /// In the board's order, as are `limits` and the angles of a pose.
  let jointNames: [String]
  /// Angles that each joint may be sent to, rad.
  let limits: [ClosedRange<Double>]
  let poses: [Pose]

  /// What a command may ask for; docs/words.md tells what each does.
  package enum Verb: String, CaseIterable {
    case arm
    case nullG = "null-g"
    case disarm, stop, reset, pose, move, stream
  }

  /// A parser for the hand that `calibration` describes; its joints are those of `board`, in that order.
  package init(board: Board, calibration: Calibration) {
    jointNames = board.joints.map(\.name)
    limits = calibration.joints.map {
      $0.limits.lowerRadians...max($0.limits.lowerRadians, $0.limits.upperRadians)
    }
    poses = calibration.poses
  }

  /// Reads a command.
  ///
  /// - Parameters:
  ///   - bytes: the JSON object. It may be empty when `verb` is a verb without arguments.
  ///   - verb: the verb where the transport names it, such as the last level of an MQTT topic; the body need
  ///     not repeat it and must not contradict it.
  ///   - wallNanoseconds: the wall clock now, against which issue and expiry are judged.
  ///
  /// A stop is understood whatever surrounds it: unknown fields, a past expiry, a repeated verb, a body that
  /// is no JSON (`asksForStop`). Nobody who asks for a stop is told about syntax.
  package func parse(
    _ bytes: some Collection<UInt8>, verb: String? = nil, now wallNanoseconds: Int64
  ) -> Result<CommandEnvelope, CommandRejection> {
    // The count of a collection may itself be work; one byte too many is enough to know.
    let body = Array(bytes.prefix(Self.maximumBytes + 1))
    if verb == Verb.stop.rawValue || Self.asksForStop(body) {
      return .success(CommandEnvelope(id: Self.identifier(ofStop: body), command: .stop))
    }
    guard body.count <= Self.maximumBytes else {
      return .failure(CommandRejection(id: "", reason: "found more than \(Self.maximumBytes) bytes"))
    }
    if verb != nil, body.allSatisfy({ $0 == 0x20 || (0x09...0x0D).contains($0) }) {
      return parse([JSONValue.Member](), verb: verb, now: wallNanoseconds)
    }
    let value: JSONValue
    do {
      value = try JSONValue(parsing: body)
    } catch {
      return .failure(CommandRejection(id: "", reason: error.description))
    }
    guard case .object(let members) = value else {
      return .failure(CommandRejection(id: "", reason: "found no JSON object, expected one"))
    }
    return parse(members, verb: verb, now: wallNanoseconds)
  }

  private static func identifier(ofStop body: [UInt8]) -> String {
    guard case .object(let members) = try? JSONValue(parsing: body) else { return "" }
    return identifier(in: members) ?? ""
  }

  private func parse(
    _ members: [JSONValue.Member], verb: String?, now: Int64
  ) -> Result<CommandEnvelope, CommandRejection> {
    let id = Self.identifier(in: members)
    do throws(CommandProblem) {
      var fields = CommandFields(members)
      let command = try parse(&fields, verb: verb)
      guard let id else {
        throw CommandProblem("id: expected text of at most \(Self.maximumIDLength) printable characters")
      }
      let expiry = try expiry(in: &fields, now: now)
      try fields.finish()
      return .success(CommandEnvelope(id: id, expiryNanoseconds: expiry, command: command))
    } catch {
      return .failure(CommandRejection(id: id ?? "", reason: error.reason))
    }
  }

  /// The identifier: empty when there is none, nil when there is a bad one.
  private static func identifier(in members: [JSONValue.Member]) -> String? {
    guard let member = members.first(where: { $0.key == "id" }) else { return "" }
    guard case .string(let id) = member.value, id.utf8.count <= maximumIDLength,
      id.unicodeScalars.allSatisfy({ $0.value >= 0x20 && $0.value != 0x7F })
    else { return nil }
    return id
  }

  // MARK: Verbs

  /// Reads verb and arguments, leaving what surrounds them in `fields`.
  package func parse(
    _ fields: inout CommandFields, verb topicVerb: String?
  ) throws(CommandProblem) -> Command {
    fields.take("id")
    let bodyVerb = try fields.take("verb", as: "a verb") { Self.string($0) }
    if let topicVerb, let bodyVerb, topicVerb != bodyVerb {
      throw CommandProblem("verb: found \(Self.shown(bodyVerb)) in a message for \(Self.shown(topicVerb))")
    }
    let verbs = Verb.allCases.map(\.rawValue)
    guard let name = topicVerb ?? bodyVerb else {
      throw CommandProblem("verb: found nothing, expected one of \(verbs.joined(separator: ", "))")
    }
    guard let verb = Verb(rawValue: name) else {
      let hint = Suggestion.nearest(to: name, among: verbs).map { " (did you mean \($0)?)" } ?? ""
      throw CommandProblem(
        "verb: found \(Self.shown(name)), expected one of \(verbs.joined(separator: ", "))\(hint)")
    }
    switch verb {
    case .arm: return .arm
    case .nullG: return .nullG
    case .disarm: return .disarm
    case .stop: return .stop
    case .reset: return .reset
    case .pose: return .pose(radians: try allJoints(&fields), seconds: try duration(&fields))
    case .stream: return .stream(radians: try allJoints(&fields))
    case .move:
      let joint = try joint(&fields)
      return .move(joint: joint, radians: try angle(&fields, joint: joint), seconds: try duration(&fields))
    }
  }

  private func joint(_ fields: inout CommandFields) throws(CommandProblem) -> Int {
    guard let name = try fields.take("joint", as: "the name of a joint", Self.string) else {
      throw CommandProblem("joint: found nothing, expected the name of a joint")
    }
    return try index(ofJoint: name, field: "joint")
  }

  private func index(ofJoint name: String, field: String) throws(CommandProblem) -> Int {
    guard let index = jointNames.firstIndex(of: name) else {
      let hint = Suggestion.nearest(to: name, among: jointNames).map { " (did you mean \($0)?)" }
      throw CommandProblem(
        "\(field): found unknown joint \(Self.shown(name))"
          + (hint ?? ", expected one of \(jointNames.joined(separator: ", "))"))
    }
    return index
  }

  /// The angle of one joint in rad. A sender who wrote degrees is told in degrees what is wrong.
  private func angle(_ fields: inout CommandFields, joint: Int) throws(CommandProblem) -> Double {
    let radians = try fields.take("radians", as: "a number", Self.double)
    let degrees = try fields.take("degrees", as: "a number", Self.double)
    switch (radians, degrees) {
    case (let radians?, nil):
      try check(radians, joint: joint)
      return radians
    case (nil, let degrees?):
      let radians = degrees * .pi / 180
      try check(radians, joint: joint, degrees: degrees)
      return radians
    case (nil, nil): throw CommandProblem("radians: found nothing, expected radians or degrees, a number")
    default: throw CommandProblem("degrees: found beside radians, expected one of both")
    }
  }

  /// Degrees, rounded towards zero to a tenth, so that a limit as told lies within the limit itself.
  private static func inDegrees(_ radians: Double) -> Double {
    (radians * 180 / .pi * 10).rounded(.towardZero) / 10
  }

  private func duration(_ fields: inout CommandFields) throws(CommandProblem) -> Double? {
    guard let seconds = try fields.take("seconds", as: "a number", Self.double) else { return nil }
    guard Self.seconds.contains(seconds) else {
      throw CommandProblem(
        "seconds: found \(seconds), expected \(Self.seconds.lowerBound) to \(Self.seconds.upperBound)")
    }
    return seconds
  }

  /// The angles of all joints: a named pose, a list in the board's order, or an object with every joint.
  private func allJoints(_ fields: inout CommandFields) throws(CommandProblem) -> [Double] {
    let pose = try fields.take("pose", as: "the name of a pose", Self.string)
    let value = try fields.take("radians", as: "a list or an object of numbers") { $0 }
    if let pose {
      guard value == nil else { throw CommandProblem("radians: found beside pose, expected one of both") }
      return try radians(ofPose: pose)
    }
    let radians: [Double]
    switch value {
    case .array(let items): radians = try list(items)
    case .object(let members): radians = try table(members)
    case nil: throw CommandProblem("radians: found nothing, expected pose or radians")
    default: throw CommandProblem("radians: expected a list or an object of numbers")
    }
    for (joint, angle) in radians.enumerated() { try check(angle, joint: joint) }
    return radians
  }

  private func radians(ofPose name: String) throws(CommandProblem) -> [Double] {
    guard let pose = poses.first(where: { $0.name == name }) else {
      let names = poses.map(\.name)
      let hint = Suggestion.nearest(to: name, among: names).map { " (did you mean \($0)?)" } ?? ""
      throw CommandProblem(
        "pose: found \(Self.shown(name)), expected one of \(names.joined(separator: ", "))\(hint)")
    }
    return pose.radians
  }

  private func list(_ items: [JSONValue]) throws(CommandProblem) -> [Double] {
    guard items.count == jointNames.count else {
      throw CommandProblem("radians: found \(items.count) numbers, expected \(jointNames.count)")
    }
    var radians: [Double] = []
    for (joint, item) in items.enumerated() {
      guard let angle = Self.double(item) else {
        throw CommandProblem("radians: \(jointNames[joint]): expected a finite number")
      }
      radians.append(angle)
    }
    return radians
  }

  private func table(_ members: [JSONValue.Member]) throws(CommandProblem) -> [Double] {
    var radians = [Double?](repeating: nil, count: jointNames.count)
    for member in members {
      let joint = try index(ofJoint: member.key, field: "radians")
      guard radians[joint] == nil else { throw CommandProblem("radians: found \(member.key) more than once") }
      guard let angle = Self.double(member.value) else {
        throw CommandProblem("radians: \(member.key): expected a finite number")
      }
      radians[joint] = angle
    }
    if let missing = radians.firstIndex(of: nil) {
      throw CommandProblem(
        "radians: found no \(jointNames[missing]), expected every joint (or the verb move)")
    }
    return radians.compactMap(\.self)
  }

  /// - Parameter degrees: the angle as its sender wrote it, who is then answered in degrees.
  private func check(
    _ radians: Double, joint: Int, degrees: Double? = nil
  ) throws(CommandProblem) {
    guard limits[joint].contains(radians) else {
      let (lower, upper) = (limits[joint].lowerBound, limits[joint].upperBound)
      throw CommandProblem(
        degrees.map {
          "degrees: \(jointNames[joint]): found \($0), expected \(Self.inDegrees(lower)) to "
            + "\(Self.inDegrees(upper)) degrees"
        } ?? "radians: \(jointNames[joint]): found \(radians), expected \(lower) to \(upper) rad")
    }
  }

  // MARK: Time

  /// Judges issue and expiry, both wall-clock nanoseconds, and returns the expiry.
  private func expiry(in fields: inout CommandFields, now: Int64) throws(CommandProblem) -> Int64? {
    let text = "wall-clock nanoseconds as text or integer"
    let issued = try fields.take("issued", as: text, Self.integer)
    let expiry = try fields.take("expiry", as: text, Self.integer)
    if let issued {
      // Hostile numbers may overflow a difference, which is then beyond every limit.
      let age = now.subtractingReportingOverflow(issued)
      if age.overflow ? issued > now : age.partialValue < -Self.maximumClockLead {
        throw CommandProblem(
          "issued: found a time more than \(Self.maximumClockLead / 1_000_000_000) s ahead")
      }
      if age.overflow || age.partialValue > Self.maximumAge {
        throw CommandProblem("issued: expired: issued more than \(Self.maximumAge / 1_000_000_000) s ago")
      }
    }
    if let expiry {
      if expiry <= now { throw CommandProblem("expiry: expired") }
      let life = expiry.subtractingReportingOverflow(now)
      if life.overflow || life.partialValue > Self.maximumLifetime {
        throw CommandProblem(
          "expiry: found a time more than \(Self.maximumLifetime / 1_000_000_000) s ahead")
      }
    }
    return expiry
  }

  // MARK: Values

  /// The text of a string; nil for any other value.
  static func string(_ value: JSONValue) -> String? {
    if case .string(let text) = value { return text }
    return nil
  }

  /// A finite number; one too large for a double is not.
  package static func double(_ value: JSONValue) -> Double? {
    guard case .number(let text) = value, let number = Double(text), number.isFinite else { return nil }
    return number
  }

  /// An integer, or one as text: JavaScript's numbers are exact only to 2⁵³.
  package static func integer(_ value: JSONValue) -> Int64? {
    switch value {
    case .number(let text), .string(let text): Int64(text)
    default: nil
    }
  }

  /// A sender's word as an answer repeats it.
  package static func shown(_ word: String) -> String { JSON.quoted(word.shortened) }
}

/// A reason to refuse a command.
package struct CommandProblem: Error {
  /// The field, what was found and what was expected, for people.
  package var reason: String

  package init(_ reason: String) {
    self.reason = reason
  }
}

/// The fields of a command's object. Taking a field removes it, so that what is left at the end is unknown.
package struct CommandFields {
  private var members: [JSONValue.Member]
  private var known: [String] = []

  package init(_ members: [JSONValue.Member]) {
    self.members = members
  }

  /// Takes a field whatever it holds.
  package mutating func take(_ key: String) {
    known.append(key)
    if let index = members.firstIndex(where: { $0.key == key }) { members.remove(at: index) }
  }

  /// Takes a field, nil when it is not there. Throws when `convert` cannot make sense of it.
  package mutating func take<Value>(
    _ key: String, as expected: String, _ convert: (JSONValue) -> Value?
  ) throws(CommandProblem) -> Value? {
    known.append(key)
    guard let index = members.firstIndex(where: { $0.key == key }) else { return nil }
    let member = members.remove(at: index)
    guard let value = convert(member.value) else { throw CommandProblem("\(key): expected \(expected)") }
    return value
  }

  /// Throws when a field was repeated or is none of the verb's.
  package func finish() throws(CommandProblem) {
    guard let member = members.first else { return }
    if known.contains(member.key) { throw CommandProblem("\(member.key): found more than once") }
    let hint = Suggestion.nearest(to: member.key, among: known).map { " (did you mean \($0)?)" } ?? ""
    throw CommandProblem(
      "\(CommandParser.shown(member.key)): found an unknown field, expected "
        + "\(known.joined(separator: ", "))\(hint)")
  }
}
