import Foundation
import HandModel
import SeededRandom
import Testing

@testable import Recording

@Suite("Files with random damage")
struct SpoiltFileTests {
  private static let ticks = 240

  private enum Spoiling: CaseIterable {
    case bits, page, cut, zeros

    func spoil(_ bytes: inout [UInt8], using random: inout SeededGenerator) {
      let page = 4096
      let start = Int.random(in: 0..<bytes.count / page, using: &random) * page
      switch self {
      case .bits:
        for _ in 0..<Int.random(in: 1...20, using: &random) {
          bytes[Int.random(in: 0..<bytes.count, using: &random)] ^=
            1 << UInt8.random(in: 0..<8, using: &random)
        }
      case .page:
        for place in start..<start + page { bytes[place] = UInt8.random(in: 0...255, using: &random) }
      case .cut: bytes.removeLast(Int.random(in: 1..<bytes.count, using: &random))
      case .zeros: for place in start..<start + page { bytes[place] = 0 }
      }
    }
  }

  /// What every reader makes of a directory; none may crash, hang, or give a tick that never was.
  private func read(_ path: String) throws -> (ticks: UInt64, isSound: Bool) {
    let recording: Recording
    do throws(RecordingError) { recording = try Recording.open(path: path) } catch { return (0, false) }
    let found = recording.verify()
    #expect(found.ticks <= UInt64(Self.ticks))
    #expect(found.lastSequence ?? 0 < UInt64(Self.ticks))
    let descriptor = open("/dev/null", O_WRONLY)
    defer { close(descriptor) }
    var isSound = found.damage.isEmpty && found.lostTicks == 0
    do throws(RecordingError) {
      _ = try recording.exportCSV(to: descriptor, joints: nil, range: 0...UInt64(Int64.max))
      _ = try recording.checkpoints()
      _ = try recording.info()
      _ = try Recording.diff(recording, recording)
    } catch { isSound = false }
    return (found.ticks, isSound)
  }

  @Test("whatever is changed in a segment or its events, the rest is read or a reason is given")
  func spoilt() throws {
    let seed = printedSeed("spoilt files")
    var random = SeededGenerator(seed: seed)
    let directory = try TemporaryDirectory()
    var options = RecorderOptions()
    options.batchTicks = 40
    options.segmentTicks = 120
    let whole = try record(
      (0..<Self.ticks).map { noisyRecord(UInt64($0), using: &random) }, in: directory.path, options: options)
    #expect(try read(whole.path) == (UInt64(Self.ticks), true))
    let files = try FileManager.default.contentsOfDirectory(atPath: whole.path).filter {
      $0.hasSuffix(".sqlite")
    }
    #expect(files.count == 3)
    var found: Set<Bool> = []
    var read: Set<UInt64> = []
    for round in 0..<36 {
      let spoiling = Spoiling.allCases[round % Spoiling.allCases.count]
      let name = files[round / Spoiling.allCases.count % files.count]
      let copy = directory.path + "/spoilt"
      try? FileManager.default.removeItem(atPath: copy)
      try FileManager.default.copyItem(atPath: whole.path, toPath: copy)
      var bytes = [UInt8](try Data(contentsOf: URL(fileURLWithPath: copy + "/" + name)))
      spoiling.spoil(&bytes, using: &random)
      try Data(bytes).write(to: URL(fileURLWithPath: copy + "/" + name))
      let (ticks, isSound) = try self.read(copy)
      found.insert(isSound)
      read.insert(ticks)
      #expect(
        isSound || ticks >= 120 || name.hasPrefix("segment"),
        "seed \(seed), round \(round): \(spoiling) \(name)")
    }
    // Some changes harm nobody, and of what others spoil the rest is read.
    #expect(
      found.contains(false) && read.contains(UInt64(Self.ticks)) && read.count > 1, "seed \(seed): \(read)")
  }
}
