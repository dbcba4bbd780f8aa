import Foundation
import HandModel
import Realtime
import Testing

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
      handID: "left", bootID: "boot-7", board: board,
      calibration: try Calibration(yaml: calibration, file: "nominal-hand.yaml", board: board),
      boardYAML: text,
      calibrationYAML: calibration, version: "9.8.7", certificateJSON: #"{"rate":1}"#)
  }

  /// A second descriptor of the box's memory, opened as another process would have it.
  private func memory(of box: BlackBox) throws -> MemoryFile {
    try MemoryFile(reading: dup(box.descriptor), largestByteCount: BlackBox.largestFileBytes)
  }

  private func append(_ sequences: Range<UInt64>, to box: BlackBox) {
    var record = TickRecord()
    for sequence in sequences {
      record.sequence = sequence
      record.psi = Double(sequence) / 3
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
    #expect(contents.identity.handID == "left")
    #expect(contents.identity.bootID == "boot-7")
    #expect(contents.identity.board == identity.board)
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

  @Test("at the highest rate the memory stays within its limit")
  func limit() throws {
    let box = try BlackBox(identity: identity(rateHertz: 10_000))
    let memory = try memory(of: box)
    #expect(memory.byteCount <= BlackBox.largestFileBytes)
    #expect(memory.byteCount > BlackBox.largestBytes - MemoryLayout<TickRecord>.stride)
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
    // Capacity, length of the description and start of the records, each far beyond the memory.
    for field in [24, 32, 40] {
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

  @Test("the last tick of a loop has its outputs off, whatever is commanded in it; a latched cause stays")
  func lastTick() {
    let bench = ControllerBench()
    for _ in 0..<20 { bench.tick() }
    bench.tick(.arm)
    #expect(bench.record.pointee.outputsEnabled)
    bench.inputs.pointee.isLast = true
    bench.tick(.arm)
    #expect(bench.record.pointee.state == .idle)
    #expect(!bench.record.pointee.outputsEnabled)
    #expect(!bench.actuators.pointee.enabled)

    let stopped = ControllerBench()
    for _ in 0..<20 { stopped.tick() }
    stopped.tick(.stop)
    stopped.inputs.pointee.isLast = true
    stopped.tick()
    #expect(stopped.record.pointee.state == .eStop)
    #expect(stopped.record.pointee.fault == .eStopSocket)
  }
}
