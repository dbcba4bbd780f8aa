import Glibc
import HandModel
import Wire

/// Whether a consumer has all that a device recorded, and where not, why.
package struct Reconciliation: Sendable, Equatable, Encodable {
  /// Ticks that the consumer has not.
  package struct Missing: Sendable, Equatable, Encodable {
    /// Number of the first.
    package var first: UInt64
    /// Number of the last.
    package var last: UInt64
    /// `waiting`, `thinned`, `damaged`, `no-blocks`, or the kind of the event that tells of it; nil where
    /// none does.
    package var cause: String?

    var count: UInt64 { last - first + 1 }
  }

  /// A start of the daemon.
  package struct Run: Sendable, Equatable, Encodable {
    /// Its run identifier.
    package var run: String
    /// The hand's identifier.
    package var hand: String
    /// Ticks that are known to have been.
    package var ticks: UInt64 = 0
    /// Of these the ones that the consumer has.
    package var stored: UInt64 = 0
    /// Blocks that the consumer has.
    package var blocks = 0
    /// Blocks that both have, with the same hash.
    package var equalBlocks = 0
    /// Messages that came to the consumer again.
    package var duplicates: UInt64 = 0
    package var missing: [Missing] = []
    /// Events that the device has, or the consumer.
    package var events: UInt64 = 0
    /// Of these the ones that the consumer has.
    package var storedEvents: UInt64 = 0
    /// What cannot be read on either side, or is not the same on both.
    package var damage: [String] = []

    /// On the device, and not yet at the consumer.
    package var waiting: UInt64 { sum { $0 == Reconciliation.waiting } }
    /// Thinned out by the recorder, whose mode wants no more.
    package var thinned: UInt64 { sum { $0 == Reconciliation.thinned } }
    /// Neither at the consumer nor on the device, nor thinned out.
    package var lost: UInt64 {
      sum { $0 != Reconciliation.waiting && $0 != Reconciliation.thinned }
    }

    private func sum(_ isCounted: (String?) -> Bool) -> UInt64 {
      missing.filter { isCounted($0.cause) }.reduce(0) { $0 + $1.count }
    }
  }

  static let waiting = "waiting"
  static let damaged = "damaged"
  static let noBlocks = "no-blocks"
  static let thinned = "thinned"

  /// The oldest first.
  package var runs: [Run] = []

  /// Of all runs, as the ones that follow.
  package var ticks: UInt64 { sum { $0.ticks } }
  /// Ticks neither at the consumer nor on the device.
  package var lost: UInt64 { sum { $0.lost } }
  /// Ticks that recorders thinned out.
  package var thinned: UInt64 { sum { $0.thinned } }
  /// Ticks on the device alone.
  package var waiting: UInt64 { sum { $0.waiting } }
  /// Messages that came again.
  package var duplicates: UInt64 { sum { $0.duplicates } }
  /// Events that the consumer has not.
  package var missingEvents: UInt64 { sum { $0.events - $0.storedEvents } }

  /// A consumer's numbers may be anything.
  private func sum(_ value: (Run) -> UInt64) -> UInt64 {
    runs.reduce(0) { total, run in
      let (sum, isOver) = total.addingReportingOverflow(value(run))
      return isOver ? .max : sum
    }
  }

  /// What cannot be read, or is not the same on both sides.
  package var damage: [String] { runs.flatMap(\.damage) }

  private enum CodingKeys: String, CodingKey {
    case runs, ticks, lost, thinned, waiting, duplicates, events, damage
    case missingEvents = "missing_events"
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(runs, forKey: .runs)
    try container.encode(ticks, forKey: .ticks)
    try container.encode(lost, forKey: .lost)
    try container.encode(thinned, forKey: .thinned)
    try container.encode(waiting, forKey: .waiting)
    try container.encode(duplicates, forKey: .duplicates)
    try container.encode(sum { $0.events }, forKey: .events)
    try container.encode(missingEvents, forKey: .missingEvents)
    try container.encode(damage, forKey: .damage)
  }

  /// Some lines a run, and one for all.
  package var text: String {
    var lines: [String] = []
    for run in runs {
      lines.append("run         \(run.run) of hand \(run.hand)")
      lines.append(
        "ticks       \(run.stored) of \(run.ticks) stored in \(run.blocks) blocks, \(run.waiting) only on the "
          + "device, \(run.lost) lost")
      lines.append("hashes      \(run.equalBlocks) blocks compared, the same on both sides")
      lines.append("events      \(run.storedEvents) of \(run.events) stored")
      lines.append("duplicates  \(run.duplicates) messages came again and were not stored twice")
      lines += run.missing.prefix(RecordingInfo.listedGaps).map {
        "missing     \($0.count) ticks, \($0.first) to \($0.last): \(Self.words($0.cause))"
      }
      if run.missing.count > RecordingInfo.listedGaps {
        lines.append("missing     \(run.missing.count - RecordingInfo.listedGaps) ranges more")
      }
      lines += run.damage.prefix(RecordingInfo.listedGaps).map { "damaged     \($0)" }
    }
    var more = waiting > 0 ? ", \(waiting) only on the device" : ""
    if thinned > 0 { more += ", \(thinned) thinned out" }
    lines.append(
      "\(lost) of \(ticks) ticks lost\(more), \(missingEvents) events missing, \(duplicates) duplicates")
    return lines.joined(separator: "\n")
  }

  private static func words(_ cause: String?) -> String {
    switch cause {
    case waiting: "on the device, not uploaded yet (waiting)"
    case damaged: "the device's file is damaged there (damaged)"
    case thinned: "not kept, as the recorder's mode wants (thinned)"
    case noBlocks: "recorded by an earlier version, without blocks (no-blocks)"
    default: RecordingVerification.words(cause)
    }
  }
}

extension Reconciliation {
  /// Compares each run that a device has, or that the consumer has of the same hands.
  /// - Parameters:
  ///   - device: a data directory, or the directory of one run.
  ///   - received: the consumer's directory, or its file.
  ///   - progress: called now and then with the blocks compared so far.
  package init(
    device: String, received: String, progress: (Int) -> Void = { _ in }
  ) throws(RecordingError) {
    let store = try ReceivedStore(reading: received)
    let isRun = try !RecordingPaths.segments(in: device).isEmpty
    let parent = isRun ? RecordingPaths.directory(of: device) : device
    let all = try RecordingPaths.names(in: parent).filter {
      RecordingPaths.isRunID($0) && RecordingPaths.isDirectory(parent + "/" + $0)
    }
    let own = device.split(separator: "/").last.map(String.init) ?? device
    let names = isRun ? [own] : all
    let expired = DeviceRun.expired(in: all.map { parent + "/" + $0 })
    var blocks = 0
    var order: [String: Int] = [:]
    for name in names {
      let directory = parent + "/" + name
      var device = DeviceRun(directory)
      guard device.isRecording else { continue }
      order[name] = device.startNumber
      device.events.removeAll { $0.kind == .expired }
      device.events += expired[name] ?? []
      runs.append(
        try Self.compare(name, device, store) {
          blocks += 1
          progress(blocks)
        })
    }
    runs.sort { (order[$0.run] ?? 0, $0.run) < (order[$1.run] ?? 0, $1.run) }
    guard !runs.isEmpty else {
      throw .notARecording(path: device, reason: "no run in it")
    }
  }

  private static func compare(
    _ id: String, _ device: DeviceRun, _ store: ReceivedStore, _ isDone: () -> Void
  ) throws(RecordingError) -> Run {
    let received = store.run(id, of: device.handID)
    var run = Run(run: id, hand: device.handID ?? received?.handID ?? "")
    run.damage = device.damage
    run.duplicates = received?.duplicates ?? 0
    var stored = SequenceRanges()
    let deviceLast = device.lastTickThatWas(id)
    if let received {
      // Not what came since: the device was read before.
      let blocks = try store.blocks(of: received).filter { received.ticks.contains($0.range) }
      run.blocks = blocks.count
      for block in blocks {
        isDone()
        do throws(TickBlockError) {
          let bytes: [UInt8]?
          do throws(RecordingError) {
            bytes = try store.bytes(of: received, first: block.range.lowerBound)
          } catch {
            run.damage.append(error.description)
            continue
          }
          let found = try TickBlock(bytes: bytes ?? [])
          guard found.key.runID == id, found.key.firstSequence == block.range.lowerBound,
            found.key.lastSequence == block.range.upperBound
          else { throw .contradiction("it is another block than the file says") }
          if let deviceLast, block.range.upperBound > deviceLast {
            throw .contradiction("the device's last tick is \(deviceLast)")
          }
          stored.insert(block.range)
          guard let hashes = device.hashes[block.range] else {
            if device.contradicts(block.range) {
              throw .contradiction("the device has ticks \(block.range) in other blocks")
            }
            continue
          }
          if hashes.contains(where: found.sha256.elementsEqual) {
            run.equalBlocks += 1
          } else {
            run.damage.append(
              "ticks \(block.range.lowerBound) to \(block.range.upperBound): the device has another block")
          }
        } catch {
          run.damage.append("\(store.path): tick \(block.range.lowerBound): \(error)")
        }
      }
    }
    let last = deviceLast ?? stored.last
    run.ticks = last.map { $0 + 1 } ?? 0
    run.stored = stored.count
    if let last { run.missing = missing(SequenceRanges(0...last).subtracting(stored), device, id) }
    var events = received?.events ?? SequenceRanges()
    if let lastEvent = device.eventNumbers.last, let told = events.last, told > lastEvent {
      run.damage.append("\(store.path): event \(told): the device's last is \(lastEvent)")
      events = events.clamped(to: 0...lastEvent)
    }
    run.storedEvents = events.count
    events.formUnion(device.eventNumbers)
    run.events = events.count
    return run
  }

  private static func missing(_ ticks: SequenceRanges, _ device: DeviceRun, _ id: String) -> [Missing] {
    var parts: [Missing] = []
    // Each tick has one cause, the first that holds.
    var gone = ticks
    for (cause, there) in [
      (waiting, device.ticks), (damaged, device.damagedTicks), (noBlocks, device.plainTicks),
      (thinned, device.thinnedTicks),
    ] {
      parts += gone.intersection(there).ranges.map {
        Missing(first: $0.lowerBound, last: $0.upperBound, cause: cause)
      }
      gone = gone.subtracting(there)
    }
    parts += gone.ranges.flatMap { Recording.explained($0, device.events, run: id) }.map {
      Missing(first: $0.first, last: $0.last, cause: $0.cause)
    }
    return parts.sorted { $0.first < $1.first }
  }
}
