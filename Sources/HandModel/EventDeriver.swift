import PrimalLogic

/// Finds the events in a stream of tick records: transitions, and ticks that are missing.
///
/// A change of state, mode, fault or e-stop line is an event of its own. Commands and overruns may change
/// every tick (a streamed set-point, a machine that is too slow): changes within `mergeNanoseconds` of the
/// last event of their kind become one event with the numbers before and after, so none is lost and the file
/// stays small.
package struct EventDeriver: Sendable {
  package static let mergeNanoseconds: Int64 = 1_000_000_000

  private let jointNames: [String]
  private let continues: Bool
  private var previous: Summary?
  private var commands = MergedCounter(kind: .command, noun: "executed command")
  private var refusals = MergedCounter(kind: .refused, noun: "refused commands")
  private var overruns = MergedCounter(kind: .overrun, noun: "skipped deadlines")

  /// The part of a record that events are made of: copying whole records for it would cost 2 KB a tick.
  private struct Summary: Sendable {
    var sequence: UInt64
    var wall: Int64
    var state: HandState
    var mode: ControlMode
    var fault: FaultCode
    var faultJoint: UInt8
    var outputsEnabled: Bool
    var isLineActive: Bool

    init(_ record: borrowing TickRecord) {
      sequence = record.sequence
      wall = record.wallNanoseconds
      state = record.state
      mode = record.mode
      fault = record.fault
      faultJoint = record.faultJoint
      outputsEnabled = record.outputsEnabled
      isLineActive = record.eStopLineActive
    }
  }

  /// - Parameters:
  ///   - jointNames: of the hand, in the order of its records.
  ///   - continues: whether another deriver saw ticks of the same start, so that the first sequence seen here
  ///     says nothing about missing ticks.
  package init(jointNames: [String], continues: Bool = false) {
    self.jointNames = jointNames
    self.continues = continues
  }

  /// Whether the record continues the stream. One that does not must not be observed: its tick has been seen.
  package func accepts(_ record: borrowing TickRecord) -> Bool {
    guard let previous else { return true }
    return record.sequence > previous.sequence
  }

  /// Reports the events between the last record and this one, which `accepts` has let in. Causes come before
  /// effects: gap, line, fault, state, mode, then what is counted.
  package mutating func observe(_ record: borrowing TickRecord, _ report: (HandEvent) -> Void) {
    let now = Summary(record)
    if let before = previous {
      if now.sequence - before.sequence > 1 {
        report(gap(after: before.sequence, missing: now.sequence - before.sequence - 1, now))
      }
      transitions(from: before, to: now, report)
    } else {
      begin(now, report)
      commands.last = UInt64(record.commandNumber)
      overruns.last = record.overruns
    }
    previous = now
    if record.command.kind != .none, record.commandResult.refusal == nil {
      commands.detail = "; the last, \(Self.words(record))"
    }
    commands.observe(UInt64(record.commandNumber), record, report)
    var refused = refusals.last
    if record.command.kind != .none, let reason = record.commandResult.refusal {
      refused += 1
      refusals.detail = "; the last, \(record.command.kind.id) \(record.command.number): \(reason)"
    }
    refusals.observe(refused, record, report)
    overruns.observe(record.overruns, record, report)
  }

  /// Reports what is still being merged, and the end itself.
  package mutating func finish(_ report: (HandEvent) -> Void) {
    commands.close(report)
    refusals.close(report)
    overruns.close(report)
    guard let last = previous else { return }
    report(
      HandEvent(
        sequence: last.sequence, wallNanoseconds: last.wall, kind: .stopped, to: last.state.id,
        text: "stopped in order in state \(last.state.name), outputs \(last.outputsEnabled ? "live" : "off")")
    )
  }

  private func begin(_ now: Summary, _ report: (HandEvent) -> Void) {
    report(
      HandEvent(
        sequence: now.sequence, wallNanoseconds: now.wall, kind: .start, to: now.state.id,
        text: "first tick seen"))
    if now.sequence > 0, !continues { report(gap(after: nil, missing: now.sequence, now)) }
    if now.isLineActive { report(line(now)) }
    if now.fault != .none { report(fault(from: .none, now)) }
  }

  private func transitions(from before: Summary, to now: Summary, _ report: (HandEvent) -> Void) {
    if now.isLineActive != before.isLineActive { report(line(now)) }
    if now.fault != before.fault || (now.fault != .none && now.faultJoint != before.faultJoint) {
      report(fault(from: before.fault, now))
    }
    if now.state != before.state { report(change(.state, before.state, now.state, now)) }
    if now.mode != before.mode { report(change(.mode, before.mode, now.mode, now)) }
  }

  /// A command with its targets. Those of a stream change with every tick and are in the ticks alone.
  private static func words(_ record: borrowing TickRecord) -> String {
    let command = record.takenCommand
    var words = "\(command.kind.id) \(command.number) by \(command.source)"
    guard command.kind == .pose else { return words }
    let targets = (0..<Int(record.jointCount)).filter { command.jointMask >> JointMask($0) & 1 == 1 }
      .map { "\($0): \(command.targets[$0])" }
    if command.seconds > 0 { words += " in \(command.seconds) s" }
    return words + ", radians of joints {\(targets.joined(separator: ", "))}"
  }

  private func change(
    _ kind: HandEvent.Kind, _ from: some InterfaceWord, _ to: some InterfaceWord, _ now: Summary
  ) -> HandEvent {
    HandEvent(
      sequence: now.sequence, wallNanoseconds: now.wall, kind: kind, from: from.id, to: to.id,
      text: "\(from.name) → \(to.name)")
  }

  private func line(_ now: Summary) -> HandEvent {
    let words = ["inactive", "active"]
    return HandEvent(
      sequence: now.sequence, wallNanoseconds: now.wall, kind: .eStopLine,
      from: words[now.isLineActive ? 0 : 1],
      to: words[now.isLineActive ? 1 : 0], text: "e-stop line \(words[now.isLineActive ? 1 : 0])")
  }

  private func gap(after: UInt64?, missing: UInt64, _ now: Summary) -> HandEvent {
    HandEvent(
      sequence: now.sequence, wallNanoseconds: now.wall, kind: .gap, from: after.map(String.init),
      to: String(now.sequence), count: missing,
      text: "\(missing) ticks missing: a ring was full or nobody read it")
  }

  private func fault(from: FaultCode, _ now: Summary) -> HandEvent {
    let joint = Int(now.faultJoint) < jointNames.count ? jointNames[Int(now.faultJoint)] : nil
    let text = now.fault == .none ? "cleared" : now.fault.name + (joint.map { ": \($0)" } ?? "")
    return HandEvent(
      sequence: now.sequence, wallNanoseconds: now.wall, kind: .fault, from: from.idOrNil,
      to: now.fault.idOrNil, joint: now.fault == .none ? nil : joint, text: text)
  }
}

/// A number that may change every tick, reported at most once in `EventDeriver.mergeNanoseconds`.
private struct MergedCounter: Sendable {
  let kind: HandEvent.Kind
  let noun: String
  /// Said behind the numbers.
  var detail = ""
  var last: UInt64 = 0
  /// The change that waits to be reported, starting at the first tick not covered by an event.
  private var open: (from: UInt64, sequence: UInt64, wall: Int64)?
  private var quietUntil = Int64.min

  init(kind: HandEvent.Kind, noun: String) {
    self.kind = kind
    self.noun = noun
  }

  mutating func observe(
    _ value: UInt64, _ record: borrowing TickRecord, _ report: (HandEvent) -> Void
  ) {
    if value != last {
      if open == nil { open = (last, record.sequence, record.wallNanoseconds) }
      last = value
    }
    guard open != nil, record.deadlineNanoseconds >= quietUntil else { return }
    close(report)
    quietUntil = record.deadlineNanoseconds + EventDeriver.mergeNanoseconds
  }

  mutating func close(_ report: (HandEvent) -> Void) {
    guard let change = open else { return }
    open = nil
    report(
      HandEvent(
        sequence: change.sequence, wallNanoseconds: change.wall, kind: kind, from: String(change.from),
        to: String(last), text: "\(noun) \(change.from) → \(last)\(detail)"))
  }
}
