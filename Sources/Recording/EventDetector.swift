import HandModel

/// Finds the events in a stream of tick records: transitions, and ticks that are missing.
///
/// A change of state or fault is an event of its own. Commands and overruns may change every tick (a streamed
/// set-point, a machine that is too slow): changes within `mergeNanoseconds` of the last event of their kind
/// become one event with the numbers before and after, so none is lost and the file stays small. Refused commands are
/// counted so, and the event says why the last of them was.
struct EventDetector {
  static let mergeNanoseconds: Int64 = 1_000_000_000

  private let jointNames: [String]
  private let continues: Bool
  private var started = false
  private var state = HandState.starting
  private var fault = FaultCode.none
  private var lastSequence: UInt64 = 0
  private var lastWall: Int64 = 0
  private var outputsEnabled = false
  private var commands = MergedCounter(kind: .command, noun: "executed command")
  private var refusals = MergedCounter(kind: .refused, noun: "refused commands")
  private var overruns = MergedCounter(kind: .overrun, noun: "skipped deadlines")

  /// - Parameter continues: whether a recorder before this one recorded ticks of the same boot, so that the
  ///   first sequence seen here says nothing about missing ticks.
  init(jointNames: [String], continues: Bool) {
    self.jointNames = jointNames
    self.continues = continues
  }

  /// Whether the record continues the stream. One that does not is refused: its key is taken.
  func accepts(_ record: borrowing TickRecord) -> Bool {
    let sequence = record.sequence
    return !started || sequence > lastSequence
  }

  /// Reports the events between the last record and this one, which `accepts` has let in.
  mutating func observe(_ record: borrowing TickRecord, _ report: (RecordedEvent) -> Void) {
    let sequence = record.sequence
    let wall = record.wallNanoseconds
    if !started {
      started = true
      report(
        RecordedEvent(
          sequence: sequence, wallNanoseconds: wall, kind: .start, to: record.state.name,
          text: "first tick seen by the recorder"))
      if sequence > 0, !continues { report(gap(from: nil, missing: sequence, to: sequence, wall)) }
      state = record.state
      commands.last = UInt64(record.commandNumber)
      overruns.last = record.overruns
    } else if sequence - lastSequence > 1 {
      report(gap(from: lastSequence, missing: sequence - lastSequence - 1, to: sequence, wall))
    }
    lastSequence = sequence
    lastWall = wall
    outputsEnabled = record.outputsEnabled
    if record.state != state {
      report(
        RecordedEvent(
          sequence: sequence, wallNanoseconds: wall, kind: .state, from: state.name, to: record.state.name,
          text: "\(state.name) → \(record.state.name)"))
      state = record.state
    }
    if record.fault != fault {
      report(
        RecordedEvent(
          sequence: sequence, wallNanoseconds: wall, kind: .fault, from: fault.name, to: record.fault.name,
          text: faultText(record.fault, joint: record.faultJoint)))
      fault = record.fault
    }
    commands.observe(UInt64(record.commandNumber), record, report)
    var refused = refusals.last
    if record.command.kind != .none, let reason = record.commandResult.refusal {
      refused += 1
      refusals.detail = "; the last, \(record.command.kind) \(record.command.number): \(reason)"
    }
    refusals.observe(refused, record, report)
    overruns.observe(record.overruns, record, report)
  }

  /// Reports what is still being merged, and the end itself.
  mutating func finish(_ report: (RecordedEvent) -> Void) {
    commands.close(report)
    refusals.close(report)
    overruns.close(report)
    guard started else { return }
    report(
      RecordedEvent(
        sequence: lastSequence, wallNanoseconds: lastWall, kind: .stopped, to: state.name,
        text: "stopped in order in state \(state.name), outputs \(outputsEnabled ? "live" : "off")"))
  }

  private func gap(from: UInt64?, missing: UInt64, to: UInt64, _ wall: Int64) -> RecordedEvent {
    RecordedEvent(
      sequence: to, wallNanoseconds: wall, kind: .gap, from: from.map(String.init), to: String(to),
      text: "\(missing) ticks missing: the recorder's ring was full or the recorder was not running")
  }

  private func faultText(_ fault: FaultCode, joint: UInt8) -> String {
    guard fault != .none else { return "cleared" }
    guard joint != TickRow.noJoint else { return fault.name }
    let name = Int(joint) < jointNames.count ? jointNames[Int(joint)] : "joint \(joint)"
    return "\(fault.name): \(name)"
  }
}

/// A number that may change every tick, reported at most once in `EventDetector.mergeNanoseconds`.
private struct MergedCounter {
  let kind: RecordedEvent.Kind
  let noun: String
  /// Said behind the numbers.
  var detail = ""
  var last: UInt64 = 0
  /// The change that waits to be reported, starting at the first tick not covered by an event.
  private var open: (from: UInt64, sequence: UInt64, wall: Int64)?
  private var quietUntil = Int64.min

  init(kind: RecordedEvent.Kind, noun: String) {
    self.kind = kind
    self.noun = noun
  }

  mutating func observe(
    _ value: UInt64, _ record: borrowing TickRecord, _ report: (RecordedEvent) -> Void
  ) {
    if value != last {
      if open == nil { open = (last, record.sequence, record.wallNanoseconds) }
      last = value
    }
    guard open != nil, record.deadlineNanoseconds >= quietUntil else { return }
    close(report)
    quietUntil = record.deadlineNanoseconds + EventDetector.mergeNanoseconds
  }

  mutating func close(_ report: (RecordedEvent) -> Void) {
    guard let change = open else { return }
    open = nil
    report(
      RecordedEvent(
        sequence: change.sequence, wallNanoseconds: change.wall, kind: kind, from: String(change.from),
        to: String(last), text: "\(noun) \(change.from) → \(last)\(detail)"))
  }
}
