import HandModel

/// Finds the events of a hand by comparing each tick record with the one before it, and numbers them
/// without gaps from 0 at each boot.
struct EventDeriver {
  private let bootID: String
  private let jointNames: [String]
  private var nextNumber: UInt64 = 0
  private var previous: Summary?

  /// The part of a record that events are made of: copying whole records for it would cost 2 KB a tick.
  private struct Summary {
    var sequence: UInt64
    var state: HandState
    var mode: ControlMode
    var fault: FaultCode
    var faultJoint: UInt8
    var eStopLineActive: Bool
  }

  init(identity: HandIdentity) {
    bootID = identity.bootID
    jointNames = identity.board.joints.map(\.name)
  }

  /// Number of events made so far.
  var count: UInt64 { nextNumber }

  /// Hands each event of this record to `emit`, causes before effects: gap, line, fault, state, mode.
  mutating func observe(_ record: borrowing TickRecord, emit: (_ payload: [UInt8]) -> Void) {
    let now = Summary(
      sequence: record.sequence, state: record.state, mode: record.mode, fault: record.fault,
      faultJoint: record.faultJoint, eStopLineActive: record.eStopLineActive)
    defer { previous = now }
    let wall = record.wallNanoseconds
    guard let before = previous else {
      emit(
        event("start", now.sequence, wall) { json in
          json.key("to")
          json.string(now.state.name)
        })
      return
    }
    if now.sequence != before.sequence &+ 1 { emit(gapEvent(after: before.sequence, now.sequence, wall)) }
    if now.eStopLineActive != before.eStopLineActive {
      emit(
        event("e-stop-line", now.sequence, wall) { json in
          json.key("active")
          json.bool(now.eStopLineActive)
        })
    }
    if now.fault != before.fault || (now.fault != .none && now.faultJoint != before.faultJoint) {
      let names = jointNames
      emit(
        event("fault", now.sequence, wall) { json in
          json.key("from")
          json.string(before.fault.name)
          json.key("to")
          json.string(now.fault.name)
          json.key("code")
          json.integer(Int64(now.fault.rawValue))
          json.key("joint")
          json.jointName(now.faultJoint, of: names)
        })
    }
    if now.state != before.state {
      emit(transition("state", before.state.name, now.state.name, now.sequence, wall))
    }
    if now.mode != before.mode {
      emit(transition("mode", before.mode.name, now.mode.name, now.sequence, wall))
    }
  }

  /// Records are missing: their ring was full, or the runtime numbered them wrongly.
  private mutating func gapEvent(after last: UInt64, _ sequence: UInt64, _ wall: Int64) -> [UInt8] {
    event("sequence-gap", sequence, wall) { json in
      json.key("after")
      json.wide(last)
      json.key("missing")
      json.wide(Int64(bitPattern: sequence &- last) - 1)
    }
  }

  private mutating func transition(
    _ kind: String, _ from: String, _ to: String, _ sequence: UInt64, _ wall: Int64
  ) -> [UInt8] {
    event(kind, sequence, wall) { json in
      json.key("from")
      json.string(from)
      json.key("to")
      json.string(to)
    }
  }

  private mutating func event(
    _ kind: String, _ sequence: UInt64, _ wall: Int64, fields: (inout JSONWriter) -> Void
  ) -> [UInt8] {
    var json = JSONWriter(capacity: 256)
    json.beginObject()
    json.key("schema")
    json.string("motorhand.event/1")
    json.key("number")
    json.wide(nextNumber)
    json.key("boot_id")
    json.string(bootID)
    json.key("kind")
    json.string(kind)
    json.key("seq")
    json.wide(sequence)
    json.key("t")
    json.seconds(nanoseconds: wall)
    json.key("t_ns")
    json.wide(wall)
    fields(&json)
    json.endObject()
    nextNumber += 1
    return json.bytes
  }
}
