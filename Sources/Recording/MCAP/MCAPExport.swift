import Glibc
import HandModel

extension Recording {
  /// Ticks between two calls of a progress report.
  private static let progressTicks: UInt64 = 5000

  /// Writes a file of MCAP that Foxglove, Lichtblick, PlotJuggler and Rerun draw: every tick, with the exact
  /// values of the recording. The file appears whole or not at all.
  ///
  /// A message's log time is the wall clock of the recording's first tick, and from there on the hand's own
  /// clock: the wall clock may be set at any time, and readers want messages in order. What the wall clock
  /// said is the publish time.
  /// - Parameters:
  ///   - path: of the new file.
  ///   - sketch: what is drawn of the hand, its joints in the recording's order.
  ///   - joints: names of those in the messages of joints; nil = all.
  ///   - range: ticks to write.
  ///   - progress: called now and then with the ticks so far.
  /// - Returns: ticks written, and what could not be read.
  /// - Throws: where nothing of the recording can be read, or the file exists or cannot be written.
  package func exportMCAP(
    to path: String, sketch: HandSketch, joints: [String]? = nil,
    range: ClosedRange<UInt64> = 0...UInt64(Int64.max), progress: (UInt64) -> Void = { _ in }
  ) throws(RecordingError) -> (ticks: UInt64, damage: [RecordingError]) {
    precondition(sketch.links.map(\.joint.name) == jointNames)
    var chosen: [Int] = []
    for name in joints ?? jointNames {
      guard let index = jointNames.firstIndex(of: name) else {
        throw .unknownJoint(name: name, known: jointNames)
      }
      chosen.append(index)
    }
    let file = try PartialFile(path, magic: MCAPWriter.magic)
    let writer = try MCAPWriter(descriptor: file.file.value, library: "motorhand \(motorHandVersion)")
    let written = try write(to: writer, sketch, chosen, range, progress)
    try file.finish()
    return written
  }

  private func write(
    to writer: MCAPWriter, _ sketch: HandSketch, _ joints: [Int], _ range: ClosedRange<UInt64>,
    _ progress: (UInt64) -> Void
  ) throws(RecordingError) -> (ticks: UInt64, damage: [RecordingError]) {
    var damage: [RecordingError] = []
    var events: ArraySlice<(place: UInt64, event: HandEvent)> = []
    do throws(RecordingError) { events = try placedEvents(in: range)[...] } catch { damage.append(error) }
    var record = TickRecord()
    let first = try ticks(skippingDamage: true).next(into: &record)
    var clock = first ? HandClock(origin: record) : HandClock()
    try describe(writer, clock.last)
    var topics = try MCAPTopics(self, sketch: sketch, joints: joints, to: writer)

    var written: UInt64 = 0
    let cursor = ticks(in: range, skippingDamage: true)
    while try cursor.next(into: &record) {
      let time = clock.time(of: record)
      while let (place, event) = events.first, place <= record.sequence {
        events.removeFirst()
        let time = clock.time(of: event, before: time.log)
        try topics.write(event, hand: handID, time, to: writer)
      }
      clock.last = time.log
      if written == 0 { try topics.writeDescription(time, to: writer) }
      try withUnsafePointer(to: record) { tick throws(RecordingError) in
        try topics.write(tick, time, to: writer)
      }
      written += 1
      if written % Self.progressTicks == 0 { progress(written) }
    }
    // What came after the last tick, such as the recorder's summary. A wall clock of its own does not make
    // the file longer than its ticks.
    for (_, event) in events {
      try topics.write(event, hand: handID, clock.time(of: event, before: clock.last), to: writer)
    }
    try writer.finish()
    progress(written)
    return (written, damage + cursor.damage)
  }

  /// The events whose ticks are in a range, in the order of their ticks: some are stored later than others
  /// that came after them. What has no tick follows the event with the number before.
  private func placedEvents(
    in range: ClosedRange<UInt64>
  ) throws(RecordingError) -> [(place: UInt64, event: HandEvent)] {
    var placed: [(place: UInt64, event: HandEvent)] = []
    for event in try events() {
      placed.append((event.sequence ?? placed.last?.place ?? 0, event))
    }
    return placed.filter { range.contains($0.place) }
      .sorted { ($0.place, $0.event.number) < ($1.place, $1.event.number) }
  }

  /// Writes what explains the ticks.
  private func describe(_ writer: MCAPWriter, _ time: UInt64) throws(RecordingError) {
    try writer.describe(
      "motorhand",
      [
        ("run_id", runID), ("hand_id", handID), ("version", version),
        ("schema_version", String(FieldTable.version)), ("rate_hertz", String(rateHertz)),
        ("log_time", "wall clock of the first recorded tick, from there on the hand's own clock"),
        ("publish_time", "wall clock as recorded"),
        ("sequence", "of a message: number of its tick, in /rosout of its event"),
      ])
    for (name, type, text) in [
      ("board.yaml", "application/yaml", boardYAML),
      ("calibration.yaml", "application/yaml", calibrationYAML),
      ("certificate.json", "application/json", certificateJSON),
    ] {
      try writer.attach(name, mediaType: type, time: time, Array(text.utf8))
    }
  }
}

/// Makes log times of a recording's ticks and events: those of the hand's clock, never one before another.
private struct HandClock {
  private var wall: Int64 = 0
  private var start: Int64 = 0
  /// The last time given.
  var last: UInt64 = 0

  init() {}

  init(origin: borrowing TickRecord) {
    wall = origin.wallNanoseconds
    start = Self.start(origin)
    last = UInt64(clamping: wall)
  }

  func time(of tick: borrowing TickRecord) -> MCAPTime {
    let now = UInt64(clamping: wall &+ (Self.start(tick) &- start))
    return MCAPTime(
      sequence: UInt32(truncatingIfNeeded: tick.sequence), log: max(now, last),
      wall: UInt64(clamping: tick.wallNanoseconds))
  }

  /// By the wall clock, between the message before and the next one.
  mutating func time(of event: HandEvent, before limit: UInt64) -> MCAPTime {
    let wall = UInt64(clamping: event.wallNanoseconds)
    last = min(max(wall, last), limit)
    return MCAPTime(sequence: UInt32(truncatingIfNeeded: event.number), log: last, wall: wall)
  }

  // The start of the tick: of a simulated hand on a late machine the deadline lies before it.
  private static func start(_ tick: borrowing TickRecord) -> Int64 {
    tick.deadlineNanoseconds &+ tick.wakeUpNanoseconds
  }
}
