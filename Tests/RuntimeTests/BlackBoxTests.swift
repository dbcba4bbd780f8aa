import HandFiles
import Foundation
import HandModel
import Realtime
import Testing

@testable import Control
@testable import Runtime

@Suite("Black box")
struct BlackBoxTests {
  private func identity(rateHertz: Int) throws -> HandIdentity {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    var text = try String(contentsOf: root.appending(path: "Boards/sim.yaml"), encoding: .utf8)
    let calibration = try String(
      contentsOf: root.appending(path: "Calibration/nominal-hand.yaml"), encoding: .utf8)
    for (old, new) in [
      ("rate_hz: 1000", "rate_hz: \(rateHertz)"), ("budget_ticks: 20 ", "budget_ticks: 5 "),
      ("budget_ticks: 50 ", "budget_ticks: 5 "), ("stale_sample_ms: 25 ", "stale_sample_ms: 500 "),
    ] { text = text.replacingOccurrences(of: old, with: new) }
    let board = try Board(yaml: text, file: "sim.yaml")
    return HandIdentity(
      handID: "left", runID: "boot-7", board: board,
      calibration: try Calibration(yaml: calibration, file: "nominal-hand.yaml", board: board),
      boardYAML: text,
      calibrationYAML: calibration, version: "9.8.7", certificateJSON: #"{"rate":1}"#)
  }

  /// A second descriptor of the box's memory, opened as another process would have it.
  private func memory(of box: BlackBox) throws -> MemoryFile {
    try MemoryFile(
      reading: Descriptor(owning: dup(box.descriptor)), largestByteCount: BlackBox.largestFileBytes)
  }

  private func append(_ sequences: Range<UInt64>, to box: BlackBox) {
    var record = TickRecord()
    for sequence in sequences {
      record.sequence = sequence
      record.psi = Double(sequence) / 3
      record.jointCount = 15
      record.joints[14].positionRadians = Double(sequence) / 7
      box.append(&record)
    }
  }

  @Test("what was appended is read back with the description of its hand", arguments: [0, 1, 99])
  func partlyFilled(count: UInt64) throws {
    let identity = try identity(rateHertz: 10)
    let box = try BlackBox(identity: identity)
    append(0..<count, to: box)
    let contents = try BlackBox.contents(of: memory(of: box))
    #expect(contents.records.map(\.sequence) == Array(0..<count))
    #expect(contents.records.allSatisfy { $0.psi == Double($0.sequence) / 3 })
    #expect(
      contents.records.allSatisfy {
        $0.jointCount == 15 && $0.joints[14].positionRadians == Double($0.sequence) / 7
      })
    #expect(contents.identity.handID == "left")
    #expect(contents.identity.runID == "boot-7")
    #expect(contents.identity.boardYAML == identity.boardYAML)
    #expect(contents.identity.calibrationYAML == identity.calibrationYAML)
    #expect(contents.identity.version == "9.8.7")
    #expect(contents.identity.certificateJSON == #"{"rate":1}"#)
  }

  @Test(
    "a full box keeps the last ten seconds but for the record that may be half overwritten",
    arguments: [100, 101, 1234])
  func wrapped(count: UInt64) throws {
    let box = try BlackBox(identity: identity(rateHertz: 10))
    append(0..<count, to: box)
    let records = try BlackBox.contents(of: memory(of: box)).records
    #expect(records.map(\.sequence) == Array(count - 99..<count))
  }

  @Test(
    "a record is kept up to the last joint of its hand, and comes back whole", arguments: [1, 5, 17, 24, 32])
  func joints(count: Int) throws {
    var identity = try identity(rateHertz: 10)
    let wiring = identity.board.joints[0]
    identity.board.joints = (0..<count).map { index in
      var joint = wiring
      joint.name = "joint_\(index)"
      return joint
    }
    let box = try BlackBox(identity: identity)
    var record = TickRecord()
    record.jointCount = UInt8(count)
    for sequence in 0..<250 as Range<UInt64> {
      record.sequence = sequence
      record.energyIntegral = Double(sequence) / 3
      for joint in 0..<count { record.joints[joint].distance = Double(joint) + Double(sequence) / 7 }
      box.append(&record)
    }
    let memory = try memory(of: box)
    let ring = 100 * TickRecord.byteCount(joints: count)
    #expect(memory.byteCount >= ring && memory.byteCount < ring + (1 << 20))
    let records = try BlackBox.contents(of: memory).records
    #expect(records.map(\.sequence) == Array(151..<250))
    for read in records {
      #expect(read.energyIntegral == Double(read.sequence) / 3 && Int(read.jointCount) == count)
      let isWhole = (0..<count).allSatisfy {
        read.joints[$0].distance == Double($0) + Double(read.sequence) / 7
      }
      #expect(isWhole, "tick \(read.sequence)")
    }
  }

  @Test("of the states of the controller that were kept the oldest counts that some of the ticks follow")
  func checkpoints() throws {
    let identity = try identity(rateHertz: 10)
    let box = try BlackBox(identity: identity, checkpointByteCount: 10_000)
    func keep(_ sequence: UInt64) {
      [UInt8](repeating: UInt8(sequence), count: 10_000).withUnsafeBytes { box.keep($0, before: sequence) }
    }
    func kept() throws -> (sequence: UInt64, bytes: [UInt8])? {
      try BlackBox.contents(of: memory(of: box)).checkpoint
    }
    append(0..<50, to: box)
    #expect(try kept() == nil)
    keep(20)
    #expect(try kept()?.sequence == 20)
    keep(40)
    #expect(try kept()?.sequence == 20)
    keep(45)
    #expect(try kept()?.sequence == 40 && kept()?.bytes == [UInt8](repeating: 40, count: 10_000))
    // The ring has gone on: no tick of it follows 40, nor the 45 that is torn.
    append(50..<200, to: box)
    #expect(try kept() == nil)
    keep(150)
    keep(180)
    #expect(try kept()?.sequence == 150)
    let whole = try memory(of: box)
    let copy = try MemoryFile(name: "copy", byteCount: whole.byteCount)
    copy.start.copyMemory(from: whole.start, byteCount: whole.byteCount)
    let start = Int(whole.start.load(fromByteOffset: 56, as: UInt64.self))
    let slot = Int(whole.start.load(fromByteOffset: 64, as: UInt64.self))
    for number in 0..<2 where whole.start.load(fromByteOffset: start + number * slot, as: UInt64.self) == 150
    {
      copy.start.storeBytes(of: 1, toByteOffset: start + number * slot + 9000, as: UInt8.self)
    }
    #expect(try BlackBox.contents(of: copy).checkpoint?.sequence == 180, "one half written is passed over")
    #expect(try BlackBox.contents(of: memory(of: BlackBox(identity: identity))).checkpoint == nil)
  }

  @Test("at the highest rate the memory stays within its limit")
  func limit() throws {
    let box = try BlackBox(identity: identity(rateHertz: 10_000))
    let memory = try memory(of: box)
    #expect(memory.byteCount <= BlackBox.largestFileBytes)
    #expect(memory.byteCount > BlackBox.largestBytes - TickRecord.byteCount(joints: 15))
  }

  @Test("memory that is no black box, is cut short or has another layout is refused, not misread")
  func damaged() throws {
    let box = try BlackBox(identity: identity(rateHertz: 10))
    append(0..<5, to: box)
    let whole = try memory(of: box)
    func changed(_ change: (UnsafeMutableRawPointer) -> Void, keep bytes: Int? = nil) throws -> MemoryFile {
      let copy = try MemoryFile(name: "copy", byteCount: bytes ?? whole.byteCount)
      copy.start.copyMemory(from: whole.start, byteCount: copy.byteCount)
      change(copy.start)
      return copy
    }
    #expect(try BlackBox.contents(of: changed { _ in }).records.count == 5)
    #expect(throws: BlackBoxError.self) {
      _ = try BlackBox.contents(of: changed { $0.storeBytes(of: 0, as: UInt64.self) })
    }
    #expect(throws: BlackBoxError.otherVersion) {
      _ = try BlackBox.contents(of: changed { $0.storeBytes(of: 1, toByteOffset: 8, as: UInt64.self) })
    }
    // No number of joints makes a record of this size.
    #expect(throws: BlackBoxError.self) {
      _ = try BlackBox.contents(of: changed { $0.storeBytes(of: 8, toByteOffset: 16, as: UInt64.self) })
    }
    // Capacity, length of the description and start of the records, each far beyond the memory.
    for field in [24, 32, 40, 56, 64] {
      #expect(throws: BlackBoxError.self) {
        _ = try BlackBox.contents(
          of: changed { $0.storeBytes(of: UInt64.max / 2, toByteOffset: field, as: UInt64.self) })
      }
    }
    for bytes in [1, 55, 4096, whole.byteCount - 1] {
      #expect(throws: BlackBoxError.self) {
        _ = try BlackBox.contents(of: changed({ _ in }, keep: bytes))
      }
    }
  }
}
