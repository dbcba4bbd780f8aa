import Foundation
import HandModel

/// What a recording holds, for people (`text`) and for programs (`json`).
package struct RecordingInfo: Sendable, Equatable, Codable {
  /// Ticks missing between two that are there.
  struct Gap: Sendable, Equatable, Codable {
    /// The last tick before the gap.
    var after: UInt64
    /// The first tick behind it.
    var before: UInt64
    var missing: UInt64
  }

  /// As `Recording.Segment`.
  struct Segment: Sendable, Equatable, Codable {
    var path: String
    var bytes: UInt64
    var closed: Bool
  }

  /// Gaps listed one by one; further ones are only counted.
  static let listedGaps = 100

  var path = ""
  var hand = ""
  var run = ""
  var version = ""
  var schema = SegmentSchema.version
  var rateHertz = 0
  var joints: [String] = []
  var segments: [Segment] = []
  var emptySegments: [String] = []
  /// What could not be read, with its place.
  package var damage: [String] = []
  var bytes: UInt64 = 0
  var ticks: UInt64 = 0
  var firstSequence: UInt64?
  var lastSequence: UInt64?
  /// Ticks that were thinned out on purpose, between some that are there.
  var thinnedTicks: UInt64 = 0
  /// Ticks that are missing for any other reason.
  var missingTicks: UInt64 = 0
  var gapCount = 0
  /// The first `listedGaps` of them.
  var gaps: [Gap] = []
  /// Rows skipped because their tick had been read before.
  var duplicates: UInt64 = 0
  /// From the first tick's deadline to the last one's.
  var durationSeconds = 0.0
  var firstWallNanoseconds: Int64?
  var lastWallNanoseconds: Int64?
  /// Ticks by state, under its name.
  var states: [String: UInt64] = [:]
  /// Ticks by latched fault, under its id; ticks without one are not counted.
  var faults: [String: UInt64] = [:]
  /// Ticks by the worst joint's certificate state, under its name.
  var certificates: [String: UInt64] = [:]
  /// Largest L of any tick; nil where no tick has one.
  var largestLipschitz: Double?
  /// Largest Λ of any tick; nil where no tick has one.
  var largestWindowProduct: Double?
  /// Deadlines skipped since the start, by the last tick.
  var overruns: UInt64 = 0
  /// Events by kind.
  var events: [String: Int] = [:]
  /// Text of the recorder's closing summary; nil when it was killed, still runs, or one file was opened.
  var summary: String?
  /// Further starts in the data directory that was given, the newest first.
  var otherStarts: [RecordedStart] = []

  /// One line a fact.
  package var text: String {
    var lines = [
      "recording      \(path)", "hand           \(hand)", "run            \(run)",
      "version        \(version), schema \(schema)", "rate           \(rateHertz) Hz, \(joints.count) joints",
      "size           \(bytes) bytes in \(segments.count) segments, \(segments.count { $0.closed }) closed",
      "start          \(RecordedStart.date(firstWallNanoseconds))",
      "ticks          \(ticks)"
        + (firstSequence.map { ", sequence \($0) to \(lastSequence ?? $0)" } ?? ""),
      "duration       \(durationSeconds) s",
      "missing        \(missingTicks) ticks in \(gapCount) gaps",
    ]
    if thinnedTicks > 0 { lines.append("thinned        \(thinnedTicks) ticks, by the mode of the recorder") }
    lines += gaps.map { "  gap          \($0.missing) ticks between \($0.after) and \($0.before)" }
    if gapCount > gaps.count { lines.append("  gap          \(gapCount - gaps.count) more") }
    if duplicates > 0 { lines.append("duplicates     \(duplicates) rows, skipped") }
    lines += damage.prefix(RecordingInfo.listedGaps).map { "damaged        \($0)" }
    if damage.count > RecordingInfo.listedGaps {
      lines.append("damaged        \(damage.count - RecordingInfo.listedGaps) more")
    }
    lines += emptySegments.map { "empty segment  \($0): its creation was interrupted" }
    lines.append("states         \(Self.counts(states))")
    lines.append("faults         \(Self.counts(faults))")
    lines.append("certificates   \(Self.counts(certificates))")
    lines.append("largest L      \(largestLipschitz.map { "\($0)" } ?? "none")")
    lines.append("largest Λ      \(largestWindowProduct.map { "\($0)" } ?? "none")")
    lines.append("overruns       \(overruns)")
    lines.append("events         \(Self.counts(events))")
    lines.append("summary        \(summary ?? "none: not closed by its recorder, or a single file")")
    lines += otherStarts.map { "other start    \($0.path) of \(RecordedStart.date($0.wallNanoseconds))" }
    return lines.joined(separator: "\n")
  }

  /// The same as JSON with sorted keys.
  package var json: String {
    let encoder = JSONEncoder()
    encoder.outputFormatting = [.sortedKeys, .prettyPrinted, .withoutEscapingSlashes]
    // Infinities can be stored in a file; JSON has no number for them.
    encoder.nonConformingFloatEncodingStrategy = .convertToString(
      positiveInfinity: "inf", negativeInfinity: "-inf", nan: "nan")
    // Every value here is encodable with that strategy, so encoding cannot fail.
    return String(decoding: try! encoder.encode(self), as: UTF8.self)
  }

  private static func counts<Count: Comparable & CustomStringConvertible>(_ counts: [String: Count]) -> String
  {
    counts.isEmpty
      ? "none"
      : counts.sorted { ($1.value, $0.key) < ($0.value, $1.key) }.map { "\($0.key) \($0.value)" }
        .joined(separator: ", ")
  }
}

extension Recording {
  /// Reads the whole recording once and sums it up.
  package func info() throws(RecordingError) -> RecordingInfo {
    var info = RecordingInfo()
    info.path = path
    info.hand = handID
    info.run = runID
    info.version = version
    info.schema = schema
    info.rateHertz = rateHertz
    info.joints = jointNames
    info.segments = segments.map { .init(path: $0.path, bytes: $0.bytes, closed: $0.closed) }
    info.emptySegments = emptySegments
    info.bytes = segments.reduce(0) { $0 + $1.bytes }
    var told: [HandEvent] = []
    do throws(RecordingError) { told = try events() } catch { info.damage.append("events: \(error)") }
    let losses = Self.losses(told)
    var firstDeadline: Int64 = 0
    var record = TickRecord()
    let cursor = ticks(skippingDamage: true)
    while try cursor.next(into: &record) {
      if let last = info.lastSequence {
        if record.sequence - last > 1 {
          let gap = last + 1...record.sequence - 1
          let missing = record.sequence - last - 1
          if isThinned(gap), !losses.contains(where: { $0.overlaps(gap) }) {
            info.thinnedTicks += missing
          } else {
            info.missingTicks += missing
            info.gapCount += 1
            if info.gaps.count < RecordingInfo.listedGaps {
              info.gaps.append(.init(after: last, before: record.sequence, missing: missing))
            }
          }
        }
      } else {
        info.firstSequence = record.sequence
        info.firstWallNanoseconds = record.wallNanoseconds
        firstDeadline = record.deadlineNanoseconds
      }
      info.lastSequence = record.sequence
      info.lastWallNanoseconds = record.wallNanoseconds
      info.durationSeconds = Double(record.deadlineNanoseconds &- firstDeadline) / 1e9
      info.ticks += 1
      info.states[record.state.name, default: 0] += 1
      if record.fault != .none { info.faults[record.fault.id, default: 0] += 1 }
      info.certificates[record.certificate.name, default: 0] += 1
      if !record.lipschitz.isNaN {
        info.largestLipschitz = max(info.largestLipschitz ?? record.lipschitz, record.lipschitz)
      }
      if !record.windowProduct.isNaN {
        info.largestWindowProduct = max(
          info.largestWindowProduct ?? record.windowProduct, record.windowProduct)
      }
      info.overruns = record.overruns
    }
    info.otherStarts = otherStarts
    info.duplicates = cursor.duplicates
    info.damage = cursor.damage.map(\.description) + info.damage
    for event in told {
      info.events[event.kind.rawValue, default: 0] += 1
      info.summary = event.kind == .summary ? event.text : nil
    }
    return info
  }
}
