import CSQLite
import Foundation
import HandModel
import PrimalLogic
import Recording
import Replay
import Testing

@testable import Analysis
@testable import Control

@Suite("Replay")
struct ReplayTests {
  /// Of `RecordedHand.liveThrough`.
  private static let ticks = 3000

  /// Changes the recording as `sql` says.
  private func alter(_ recording: Recording, _ sql: String) throws {
    var handle: OpaquePointer?
    let path = try #require(recording.segments.first).path
    try #require(sqlite3_open(path, &handle) == SQLITE_OK)
    defer { sqlite3_close_v2(handle) }
    try #require(sqlite3_exec(handle, sql, nil, nil, nil) == SQLITE_OK, "\(sql)")
    try #require(sqlite3_changes(handle) == 1, "\(sql)")
  }

  /// The bytes of the joints' blob in a tick, altered by `change`, as an SQL literal.
  private func joints(
    _ recording: Recording, tick: Int, _ change: (inout [UInt8]) -> Void
  ) throws -> String {
    var handle: OpaquePointer?
    var statement: OpaquePointer?
    let path = try #require(recording.segments.first).path
    try #require(sqlite3_open(path, &handle) == SQLITE_OK)
    defer { sqlite3_close_v2(handle) }
    let sql = "SELECT joints FROM tick WHERE sequence = \(tick)"
    try #require(sqlite3_prepare_v2(handle, sql, -1, &statement, nil) == SQLITE_OK)
    defer { sqlite3_finalize(statement) }
    try #require(sqlite3_step(statement) == SQLITE_ROW)
    let blob = UnsafeRawBufferPointer(
      start: sqlite3_column_blob(statement, 0), count: Int(sqlite3_column_bytes(statement, 0)))
    var bytes = Array(blob)
    change(&bytes)
    return "x'" + bytes.map { String(format: "%02x", $0) }.joined() + "'"
  }

  @Test("a run with commands, a stream, faults, e-stops and resets is the same to the bit")
  func everything() throws {
    let hand = try RecordedHand(seed: 11)
    hand.liveThrough()
    let recording = try hand.run(ticks: Self.ticks)
    var states: Set<HandState> = []
    var faults: Set<FaultCode> = []
    var kinds: Set<TickCommand.Kind> = []
    var hashes: Set<UInt64> = []
    let result = try Replay(recording, design: TestFiles.design).run { recorded, replayed in
      states.insert(recorded.pointee.state)
      faults.insert(recorded.pointee.fault)
      kinds.insert(recorded.pointee.command.kind)
      hashes.insert(replayed.pointee.outputHash)
    }
    #expect(result.isIdentical, "\(result.difference)")
    #expect(result.replayedTicks == UInt64(Self.ticks))
    #expect(result.skippedTicks == 0)
    // The run held what it is to prove.
    #expect(states == [.selfTest, .idle, .armed, .tracking, .fault, .eStop])
    #expect(faults.isSuperset(of: [.commandTimeout, .eStopRemote, .eStopLine, .busFault]), "\(faults)")
    #expect(kinds == [.none, .arm, .nullG, .reset, .pose, .stream])
    #expect(hashes.count == Self.ticks, "ticks with one hash")
  }

  @Test("a coupled finger's run is the same to the bit")
  func coupled() throws {
    let design = TestFiles.design(of: TestFiles.coupled)
    let hand = try RecordedHand(seed: 12, files: TestFiles.coupled, design: design)
    hand.command(30, .arm)
    hand.command(60, .pose(radians: [1, 0.2], seconds: 0.4))
    hand.command(700, .pose(radians: [0, 1.2], seconds: 0.4))
    let recording = try hand.run(ticks: 1400)
    let result = try Replay(recording, design: design).run { _, _ in }
    #expect(result.isIdentical && result.replayedTicks == 1400, "\(result.difference)")
  }

  @Test("what was recorded of the hand gives the design by which it is run again")
  func storedFiles() throws {
    let hand = try RecordedHand()
    hand.command(30, .arm)
    let recording = try hand.run(ticks: 200)
    let design = try RecordedFiles(recording).design()
    #expect(design.certificates.json == recording.certificateJSON)
    #expect(try Replay(recording, design: design).run().isIdentical)
  }

  @Test(
    "a hand whose law decides every fourth tick is the same to the bit, from its start and from a stored state"
  )
  func heldDecisions() throws {
    let files = try TestFiles.fiftyHertzServos()
    let design = try HandDesign(board: files.board, calibration: files.calibration)
    try #require(design.joints.allSatisfy { $0.holdTicks == 4 })
    let hand = try RecordedHand(seed: 3, files: files, design: design)
    hand.command(30, .arm)
    hand.command(101, .pose(radians: [1, 1.2, 1.2, 1.2, 1.2], seconds: 1))
    for tick in stride(from: 500, to: 600, by: 7) {
      hand.command(tick, .stream(radians: [Double](repeating: 1 - Double(tick - 500) * 1e-3, count: 5)))
    }
    hand.command(900, .nullG)
    hand.command(931, .reset)
    hand.command(950, .arm)
    hand.before(1203) { hand.hand.eStopLine.press() }
    hand.before(1250) { hand.hand.eStopLine.release() }
    hand.command(1300, .reset)
    for tick in stride(from: 1401, to: 20_000, by: 350) {
      hand.command(tick, tick == 1401 ? .arm : .move(joint: 1, radians: Double(tick % 3) * 0.3, seconds: 1))
    }
    let whole = try hand.run(ticks: 20_000) { $0.segmentTicks = 2501 }
    var uncertified = 0
    let result = try Replay(whole, design: design).run { recorded, _ in
      if recorded.pointee.certificate == .uncertified { uncertified += 1 }
    }
    #expect(result.isIdentical && result.replayedTicks == 20_000, "\(result.difference)")
    #expect(uncertified == 0)
    for segment in whole.segments.prefix(2) { try FileManager.default.removeItem(atPath: segment.path) }
    var live = 0
    let rest = try Replay(try Recording.open(path: hand.directory), design: design).run { recorded, _ in
      if recorded.pointee.outputsEnabled { live += 1 }
    }
    #expect(rest.isIdentical && rest.skippedTicks > 0 && live > 10_000, "\(rest.difference)")
  }

  @Test("a recording without its first segments is run from the state stored in the next")
  func middle() throws {
    let hand = try RecordedHand(seed: 5)
    hand.liveThrough()
    // More ticks than the rings and batches between loop and disk hold, with its hand in motion at the end.
    for tick in stride(from: 3000, to: 30_000, by: 700) {
      hand.command(tick, .pose(radians: TestFiles.pose(tick % 1400 == 200 ? "power" : "open"), seconds: 0.4))
    }
    let whole = try hand.run(ticks: 30_000) { $0.segmentTicks = 3000 }
    try #require(whole.segments.count > 3)
    for segment in whole.segments.prefix(2) { try FileManager.default.removeItem(atPath: segment.path) }
    let rest = try Recording.open(path: hand.directory)
    var live = 0
    let result = try Replay(rest, design: TestFiles.design).run { recorded, _ in
      if recorded.pointee.outputsEnabled { live += 1 }
    }
    #expect(result.isIdentical, "\(result.difference)")
    #expect(result.skippedTicks > 0)
    #expect(result.lastTick == 29_999)
    // Longer than the window of Λ: its entries from before the checkpoint counted too.
    #expect(result.replayedTicks > 2 * UInt64(TestFiles.hand.board.control.windowTicks))
    #expect(live > TestFiles.hand.board.control.windowTicks)
  }

  @Test("a recorder that thins ticks out leaves stretches that are the same to the bit, each run by itself")
  func stretches() throws {
    let files = try TestFiles.servos()
    // As in real time, the recorder is hardly behind.
    let hand = try RecordedHand(seed: 3, files: files, design: TestFiles.design(of: files), ringCapacity: 64)
    // 100 Hz: the start, an arming after 60 s, and the stop after 120 s.
    hand.command(6000, .arm)
    let recording = try hand.run(ticks: 12_000) { $0.mode = .events }
    let whole = try Replay(recording, design: TestFiles.design(of: files)).run()
    #expect(whole.isIdentical && whole.replayedTicks >= 4000)
    let rows = hand.directory + "/stretch.sqlite"
    for (range, whole) in [(3000...8000, 5000...7000), (8500...12_000, 11_000...11_999)]
      as [(ClosedRange<UInt64>, ClosedRange<UInt64>)]
    {
      unlink(rows)
      _ = try recording.unpack(to: rows, range: range)
      var replayed: Set<UInt64> = []
      let alone = try Replay(try Recording.open(path: rows), design: TestFiles.design(of: files)).run(
        onTick: { was, _ in replayed.insert(was.pointee.sequence) })
      #expect(alone.isIdentical && whole.allSatisfy(replayed.contains), "\(alone.firstTick ?? 0)")
    }
  }

  @Test("a black box is run by itself, though its start has long left it")
  func blackBox() throws {
    let files = try TestFiles.servos()
    let design = TestFiles.design(of: files)
    let hand = try RecordedHand(seed: 4, files: files, design: design, ringCapacity: 64, hasBlackBox: true)
    hand.command(200, .arm)
    let whole = try hand.run(ticks: 3000)
    #expect(try whole.checkpoints().count == 1, "those of the black box cost the segments nothing")
    let box = try #require(try hand.savedBlackBox())
    let result = try Replay(box, design: design).run()
    #expect(result.isIdentical && result.firstTick ?? 0 > 2000 && result.lastTick == 2999)
    // Ten seconds of ticks, and states four seconds apart.
    #expect(result.replayedTicks >= 400 && result.replayedTicks + result.skippedTicks == 999)
  }

  @Test("a missing tick ends the run; what follows is not guessed")
  func gap() throws {
    let hand = try RecordedHand()
    hand.command(30, .arm)
    let recording = try hand.run(ticks: 1000, asRows: true)
    try alter(recording, "DELETE FROM tick WHERE sequence = 900")
    let result = try Replay(recording, design: TestFiles.design).run()
    #expect(result.isIdentical)
    #expect(result.replayedTicks == 900)
    #expect(result.skippedTicks == 99)
  }

  @Test("a recording with nowhere to begin, or with a state of another layout, is refused with the reason")
  func nowhere() throws {
    let hand = try RecordedHand()
    let recording = try hand.run(ticks: 500, asRows: true)
    let first = try #require(try recording.checkpoints().first)
    try #require(first < 490)
    for sequence in 0..<first { try alter(recording, "DELETE FROM tick WHERE sequence = \(sequence)") }
    try alter(
      recording, "UPDATE checkpoint SET bytes = x'00' || substr(bytes, 2) WHERE sequence = \(first)")
    let other = #expect(throws: ReplayError.self) {
      try Replay(recording, design: TestFiles.design).run()
    }
    #expect(other?.description.contains("another version") == true, "\(String(describing: other))")
    try alter(recording, "DELETE FROM checkpoint")
    let none = #expect(throws: ReplayError.self) { try Replay(recording, design: TestFiles.design).run() }
    #expect(none?.description.contains("no state of the controller") == true)
  }

  /// One changed bit of each kind of input, and of an output.
  private static let flips: [(name: String, sql: String)] = [
    ("time", "wake_up_nanoseconds = wake_up_nanoseconds | 1"),
    ("a deadline skipped", "skipped_deadlines = 1"),
    ("a health bit", "unhealthy_joints = 4"),
    ("a bus", "failed_bus_joints = 4"),
    ("a bridge", "failed_actuator_joints = 4"),
    ("the actuators", "input_flags = 1"),
    ("the e-stop line", "estop_line_active = 1"),
    ("the last bit of Λ", "window_product = window_product * 1.0000000000000002"),
    ("the hash", "output_hash = output_hash + 1"),
  ]

  @Test("one flipped bit in an input or an output is found at its tick", arguments: flips.indices)
  func flippedBit(index: Int) throws {
    let tick = 400
    let hand = try RecordedHand()
    hand.command(30, .arm)
    let recording = try hand.run(ticks: 600, asRows: true)
    try alter(recording, "UPDATE tick SET \(Self.flips[index].sql) WHERE sequence = \(tick)")
    let result = try Replay(recording, design: TestFiles.design).run()
    #expect(result.difference.first?.sequence == UInt64(tick), "\(Self.flips[index].name)")
  }

  @Test("one flipped bit of a sample, a current, a force or a command's target is found at its tick")
  func flippedBlob() throws {
    let tick = 400
    let joint = 7
    // Encoder counts, age, current and force in the joint's frame: docs/recording.md.
    for byte in [1, 7, 51, 59] {
      let hand = try RecordedHand()
      hand.command(30, .arm)
      let recording = try hand.run(ticks: 600, asRows: true)
      let blob = try joints(recording, tick: tick) { $0[80 * joint + byte] ^= 1 }
      try alter(recording, "UPDATE tick SET joints = \(blob) WHERE sequence = \(tick)")
      let result = try Replay(recording, design: TestFiles.design).run()
      #expect(result.difference.first?.sequence == UInt64(tick), "byte \(byte): \(result.difference)")
    }
    let hand = try RecordedHand()
    hand.command(30, .arm)
    hand.command(tick, .move(joint: joint, radians: 0.3, seconds: 0.5))
    let recording = try hand.run(ticks: 600, asRows: true)
    // 0.3 = 0x3FD3333333333333.
    try alter(
      recording,
      "UPDATE tick SET command = CAST(substr(command, 1, 27) || x'32' AS BLOB) WHERE sequence = \(tick)"
        + " AND substr(command, 21) = x'3fd3333333333333'")
    let result = try Replay(recording, design: TestFiles.design).run()
    #expect(result.difference.first?.sequence == UInt64(tick))
  }

  @Test("other gains give other torques, from the first tick of the law on, and a picture of both")
  func otherGains() throws {
    let hand = try RecordedHand()
    hand.command(30, .arm)
    hand.command(100, .pose(radians: TestFiles.pose("power"), seconds: 0.5))
    let recording = try hand.run(ticks: 1500)
    let files = try RecordedFiles(recording)
    var softer = files.calibration
    for joint in softer.joints.indices { softer.joints[joint].gains.kp *= 0.8 }
    let design = try files.design(calibration: softer, gainsOnly: true)
    var plot = ReplayPlot(joint: 3, title: "index & <thumb>")
    let result = try Replay(recording, design: design).run { recorded, replayed in
      plot.add(recorded: recorded, replayed: replayed)
    }
    #expect(!result.isIdentical)
    #expect(try #require(result.difference.first).sequence >= 30)
    #expect(try #require(result.largestTorqueDifference).newtonMetres > 1e-4)

    let svg = plot.svg
    let lines = svg.split(separator: "\n").filter { $0.hasPrefix("<polyline") }
    // Three panels; before arming there is no L.
    #expect(lines.count == 6)
    #expect(!svg.contains("nan") && !svg.contains("inf"))
    #expect(svg.contains("index &amp; &lt;thumb&gt;"))
    let parser = XMLShape()
    #expect(parser.isWellFormed(svg))
    // Torque: recorded and replayed are not one line.
    let points = lines.map { $0.split(separator: "points=")[1] }
    #expect(points[2] != points[3])
  }

  @Test("a long replay keeps a picture of bounded size that spans it all")
  func longPlot() {
    var plot = ReplayPlot(joint: 0, title: "long")
    var record = TickRecord()
    for tick in 0..<100_000 {
      record.deadlineNanoseconds = Int64(tick) * 1_000_000
      withUnsafePointer(to: record) { plot.add(recorded: $0, replayed: $0) }
    }
    let svg = plot.svg
    let spansAll = svg.contains(">99.999 s<")
    #expect(svg.utf8.count < 400_000)
    #expect(spansAll)
  }

  @Test("the bytes under a hash have no padding, whose content nobody defines")
  func noPadding() {
    func sizes(_ value: Any, until last: String?) -> Int {
      var sum = 0
      for child in Mirror(reflecting: value).children {
        if child.label == last { break }
        func size<T>(_ value: T) -> Int { MemoryLayout<T>.size }
        sum += size(child.value)
      }
      return sum
    }
    #expect(sizes(JointRecord(), until: nil) == MemoryLayout<JointRecord>.stride)
    #expect(sizes(TickRecord(), until: "outputHash") == MemoryLayout<TickRecord>.offset(of: \.outputHash))
    #expect(MemoryLayout<TickRecord>.offset(of: \.outputHash)! % 8 == 0)
    #expect(MemoryLayout<TickRecord>.offset(of: \.joints)! % 8 == 0)
  }

  @Test("equal and opposite changes in two values change the hash")
  func signs() {
    let hasher = OutputHasher(jointCount: 15)
    var actuators = ActuatorCommand()
    var record = TickRecord()
    let before = hasher.hash(&record, &actuators)
    // Four words apart, in one lane of the hash.
    record.joints[0].setpointRadians = -0.0
    record.joints[0].velocityRadiansPerSecond = -0.0
    #expect(hasher.hash(&record, &actuators) != before)
    actuators.duty[14] = .leastNonzeroMagnitude
    let third = hasher.hash(&record, &actuators)
    actuators.duty[14] = 0
    #expect(hasher.hash(&record, &actuators) != third)
  }
}

/// Whether a text is well-formed XML, as far as this package writes it: elements nest, and nothing is left open.
private struct XMLShape {
  func isWellFormed(_ text: String) -> Bool {
    var open: [Substring] = []
    var rest = text[...]
    while let start = rest.firstIndex(of: "<") {
      guard let end = rest[start...].firstIndex(of: ">") else { return false }
      let tag = rest[rest.index(after: start)..<end]
      rest = rest[rest.index(after: end)...]
      guard tag.filter({ $0 == "\"" }).count % 2 == 0 else { return false }
      let name = tag.drop { $0 == "/" }.prefix { $0.isLetter }
      if tag.hasPrefix("/") {
        guard open.popLast() == name else { return false }
      } else if !tag.hasSuffix("/") {
        open.append(name)
      }
    }
    return open.isEmpty
  }
}
