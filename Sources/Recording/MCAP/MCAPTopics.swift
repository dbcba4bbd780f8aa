import HandModel

/// What a tick becomes in a file of MCAP: its topics, and a message of each.
struct MCAPTopics {
  /// Transforms a second. They follow from the angles, which are there at the full rate; eyes see no more,
  /// and Lichtblick warns above 60.
  static let transformHertz = 50

  /// Columns of a tick that have a topic each: what is looked at first when something went wrong.
  private static let handNumbers = [
    "lipschitz", "window_product", "uncertified_ticks", "certificate", "state", "fault", "outputs_enabled",
    "wake_up_nanoseconds", "previous_compute_nanoseconds", "overruns",
  ]
  /// The same of joints: one topic with a value for each of them.
  private static let jointNumbers = [
    "lipschitz", "load_newton_metres", "load_radians", "current_amperes", "force_newtons",
  ]

  private struct Numbers {
    var channel: UInt16
    var field: Field
  }

  private let equipment: [JointEquipment]
  private let names: [String]
  /// Chosen joints, by their numbers.
  private let joints: [Int]
  private let sketch: HandSketch
  private let transformStride: UInt64
  /// Number of the tick from which on transforms are due again; a recording may have some of its ticks only.
  private var nextTransforms: UInt64 = 0
  private let states: UInt16
  private let setpoints: UInt16
  private let transforms: UInt16
  private let description: UInt16
  private let log: UInt16
  private var ofHand: [Numbers] = []
  private var ofJoints: [Numbers] = []
  private var message = CDRMessage()

  /// Adds the topics to a file.
  /// - Parameter joints: numbers of those in the messages of joints.
  init(
    _ recording: Recording, sketch: HandSketch, joints: [Int], to writer: MCAPWriter
  ) throws(RecordingError) {
    equipment = recording.equipment
    self.joints = joints
    self.sketch = sketch
    names = joints.map { recording.jointNames[$0] }
    transformStride = UInt64(max(1, recording.rateHertz / Self.transformHertz))
    let hasMotor = joints.contains { !recording.equipment[$0].isServo }
    states = try writer.addChannel(
      "/joint_states", .jointState,
      metadata: [
        ("position", "position_radians"), ("velocity", "velocity_radians_per_second"),
        ("effort", hasMotor ? "torque_newton_metres" : "none: servos"),
      ])
    setpoints = try writer.addChannel(
      "/joint_setpoints", .jointState,
      metadata: [("position", "setpoint_radians"), ("velocity", "setpoint_radians_per_second")])
    transforms = try writer.addChannel(
      "/tf", .transforms,
      metadata: [("meaning", "from the angles by /robot_description, whose lengths are illustrative")])
    description = try writer.addChannel("/robot_description", .text)
    log = try writer.addChannel("/rosout", .log)
    for id in Self.handNumbers {
      guard let field = recording.fields.tickColumns.first(where: { $0.id == id }) else {
        preconditionFailure("no column \(id)")
      }
      let channel = try writer.addChannel("/hand/\(id)", .numbers, metadata: Self.metadata(field))
      ofHand.append(Numbers(channel: channel, field: field))
    }
    for id in Self.jointNumbers {
      guard let field = recording.fields.jointColumns.first(where: { $0.id == id }) else {
        preconditionFailure("no value \(id) of a joint")
      }
      guard joints.contains(where: { field.exists(on: recording.equipment[$0]) }) else { continue }
      let channel = try writer.addChannel(
        "/joints/\(id)", .numbers,
        metadata: Self.metadata(field) + [("joints", names.joined(separator: ","))])
      ofJoints.append(Numbers(channel: channel, field: field))
    }
  }

  private static func metadata(_ field: Field) -> [(key: String, value: String)] {
    var metadata = [(key: "unit", value: field.storedUnit), (key: "meaning", value: field.meaning)]
    if case .word(let words) = field.kind {
      metadata.append(("words", words.all.map { "\($0.code) \($0.word)" }.joined(separator: ", ")))
    }
    return metadata
  }

  /// Writes the description of the hand, once.
  mutating func writeDescription(_ time: MCAPTime, to writer: MCAPWriter) throws(RecordingError) {
    message.reset()
    message.append(sketch.urdf)
    try send(description, time, writer)
  }

  /// Writes what is told of every tick.
  mutating func write(
    _ tick: UnsafePointer<TickRecord>, _ time: MCAPTime, to writer: MCAPWriter
  ) throws(RecordingError) {
    let start = UnsafeRawPointer(tick)
    let records = joints.map {
      start.loadUnaligned(fromByteOffset: TickRecord.jointOffset($0), as: JointRecord.self)
    }
    let isServo = joints.map { equipment[$0].isServo }
    let efforts =
      isServo.allSatisfy(\.self)
      ? [] : zip(records, isServo).map { $1 ? Double.nan : $0.torqueNewtonMetres }
    try writeJoints(
      states, records.map(\.positionRadians), records.map(\.velocityRadiansPerSecond), efforts, time, writer)
    try writeJoints(
      setpoints, records.map(\.setpointRadians), records.map(\.setpointRadiansPerSecond), [], time, writer)
    for numbers in ofHand {
      try write([numbers.field.number(start)], to: numbers.channel, time, writer)
    }
    for numbers in ofJoints {
      let values = joints.map { joint in
        numbers.field.exists(on: equipment[joint])
          ? numbers.field.number(start + TickRecord.jointOffset(joint)) : .nan
      }
      try write(values, to: numbers.channel, time, writer)
    }
    let sequence = tick.pointee.sequence
    if sequence >= nextTransforms {
      nextTransforms = sequence - sequence % transformStride + transformStride
      try writeTransforms(start, time, writer)
    }
  }

  /// Writes an event as a line of the log.
  mutating func write(
    _ event: HandEvent, hand: String, _ time: MCAPTime, to writer: MCAPWriter
  ) throws(RecordingError) {
    message.reset()
    message.append(time: time.log)
    message.append(event.severity)
    message.append(hand)
    message.append(event.joint.map { "\(event.text) (\($0))" } ?? event.text)
    // Of a log of programs: file, function, line. Here the kind and the number of the event.
    message.append("")
    message.append(event.kind.rawValue)
    message.append(UInt32(truncatingIfNeeded: event.number))
    try send(log, time, writer)
  }

  private mutating func writeJoints(
    _ channel: UInt16, _ positions: [Double], _ velocities: [Double], _ efforts: [Double], _ time: MCAPTime,
    _ writer: MCAPWriter
  ) throws(RecordingError) {
    message.reset()
    message.append(time: time.log)
    message.append("")
    message.append(names)
    message.append(positions)
    message.append(velocities)
    message.append(efforts)
    try send(channel, time, writer)
  }

  private mutating func write(
    _ values: [Double], to channel: UInt16, _ time: MCAPTime, _ writer: MCAPWriter
  ) throws(RecordingError) {
    message.reset()
    // A layout without dimensions and offset.
    message.append(UInt32(0))
    message.append(UInt32(0))
    message.append(values)
    try send(channel, time, writer)
  }

  private mutating func writeTransforms(
    _ tick: UnsafeRawPointer, _ time: MCAPTime, _ writer: MCAPWriter
  ) throws(RecordingError) {
    // A joint whose angle is not known has no place.
    let angles = sketch.links.indices.map { joint in
      tick.loadUnaligned(fromByteOffset: TickRecord.jointOffset(joint), as: JointRecord.self).positionRadians
    }
    let known = zip(sketch.links, angles).filter { $1.isFinite }
    message.reset()
    message.append(UInt32(known.count + (sketch.palmTransform == nil ? 0 : 1)))
    if let palm = sketch.palmTransform {
      appendTransform(
        palm.parent, palm.child, palm.origin, HandSketch.Rotation(about: .init(z: 1), radians: 0), time)
    }
    for (link, angle) in known {
      appendTransform(link.parent, link.name, link.origin, link.rotation(radians: angle), time)
    }
    try send(transforms, time, writer)
  }

  private mutating func appendTransform(
    _ parent: String, _ child: String, _ origin: HandSketch.Vector, _ rotation: HandSketch.Rotation,
    _ time: MCAPTime
  ) {
    message.append(time: time.log)
    message.append(parent)
    message.append(child)
    for value in [origin.x, origin.y, origin.z, rotation.x, rotation.y, rotation.z, rotation.w] {
      message.append(value)
    }
  }

  private func send(_ channel: UInt16, _ time: MCAPTime, _ writer: MCAPWriter) throws(RecordingError) {
    try writer.add(
      channel, sequence: time.sequence, logTime: time.log, publishTime: time.wall, message.bytes)
  }
}

/// When a message was, and its number.
struct MCAPTime {
  /// Lowest bits of the number of its tick or event.
  var sequence: UInt32
  /// By the hand's clock, ns since 1970.
  var log: UInt64
  /// By the machine's clock, as recorded, ns since 1970.
  var wall: UInt64
}

extension HandEvent {
  /// As `rcl_interfaces/msg/Log` counts: 20 information, 30 warning, 40 error.
  fileprivate var severity: UInt8 {
    switch kind {
    case .fault: to == nil ? 20 : 40
    case .eStopLine, .refused, .overrun, .gap, .storageDrop, .storageError, .disorder, .eventsLost: 30
    case .start, .inForce, .state, .mode, .command, .agp, .storageRecovered, .segment, .expired, .stopped,
      .summary:
      20
    }
  }
}
