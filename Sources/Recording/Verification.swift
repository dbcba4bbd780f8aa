import HandModel

/// Whether a recording is whole: what is damaged, which ticks are missing, and why.
package struct RecordingVerification: Sendable, Equatable, Encodable {
  /// Ticks in a row that are not there.
  package struct Missing: Sendable, Equatable, Encodable {
    /// Number of the first.
    package var first: UInt64
    /// Number of the last.
    package var last: UInt64
    /// Kind of the event that tells of it; nil where none does.
    package var cause: String?
  }

  /// As given, or the run's directory in it.
  package var path = ""
  /// The hand's identifier.
  package var hand = ""
  /// The start that was recorded.
  package var run = ""
  /// Segment files.
  package var segments = 0
  /// Blocks that could be read, each with its SHA-256.
  package var blocks: UInt64 = 0
  /// Ticks that are there.
  package var ticks: UInt64 = 0
  /// Number of the first tick that is there.
  package var firstSequence: UInt64?
  /// Number of the last one.
  package var lastSequence: UInt64?
  /// In their order, from tick 0, of a file alone from its first one, to the last that is known to have been.
  package var missing: [Missing] = []
  /// Events that are there.
  package var events = 0
  /// Numbers that are missing among them.
  package var missingEvents: UInt64 = 0
  /// Whether the events are those that were stored; nil where there are none.
  package var chain: ChainVerification?
  /// Whether the recorder closed the recording itself; nil where there are no events that would say.
  package var isClosed: Bool?
  /// What could not be read, with its place.
  package var damage: [String] = []

  /// Ticks that were thinned out on purpose, between some that are there; not among those that are missing.
  package var thinnedTicks: UInt64 = 0
  /// Missing ticks that were not deleted to keep within the bounds.
  package var lostTicks: UInt64 {
    missing.filter { $0.cause != HandEvent.Kind.expired.rawValue }.reduce(0) { $0 + $1.last - $1.first + 1 }
  }

  /// One line a fact.
  package var text: String {
    var lines = [
      "recording   \(path), run \(run) of hand \(hand)",
      "segments    \(segments), \(blocks) blocks, each with the hash of its bytes",
      "ticks       \(ticks)" + (firstSequence.map { ", \($0) to \(lastSequence ?? $0)" } ?? ""),
      "events      \(events)" + (missingEvents > 0 ? ", \(missingEvents) numbers missing" : ", none missing"),
    ]
    if thinnedTicks > 0 { lines.append("thinned     \(thinnedTicks) ticks, by the mode of the recorder") }
    if let chain { lines.append("chain       \(chain.text)") }
    lines += missing.prefix(RecordingInfo.listedGaps).map {
      "missing     \($0.last - $0.first + 1) ticks, \($0.first) to \($0.last): \(Self.words($0.cause))"
    }
    if missing.count > RecordingInfo.listedGaps {
      lines.append("missing     \(missing.count - RecordingInfo.listedGaps) ranges more")
    }
    lines += damage.prefix(RecordingInfo.listedGaps).map { "damaged     \($0)" }
    if isClosed == false {
      lines.append(
        "end         not closed by its recorder: it runs, or it was killed and a black box has its last ticks"
      )
    }
    let firstKnown = [firstSequence, missing.first?.first].compactMap(\.self).min() ?? 0
    lines.append("lost        \(lostTicks) of \(lastKnown.map { $0 - firstKnown + 1 } ?? 0) ticks")
    return lines.joined(separator: "\n")
  }

  /// Whether something there is not what was recorded.
  package var isDamaged: Bool {
    !damage.isEmpty || chain?.state == .broken || chain?.holdsAnchor == false
  }

  private var lastKnown: UInt64? { [lastSequence, missing.last?.last].compactMap(\.self).max() }

  static func words(_ cause: String?) -> String {
    switch cause.flatMap({ HandEvent.Kind(rawValue: $0) }) {
    case .expired: "deleted to keep within the bounds (expired)"
    case .gap: "the ring was full (gap)"
    case .storageDrop: "storage failed (storage-drop)"
    default: "no event tells why"
    }
  }
}

extension Recording {
  /// How often `progress` is called: some ten times a second.
  private static let verifyTicks: UInt64 = 10_000

  /// Reads everything: each page of each file, each block and its hash, each row that no block covers, and
  /// the events.
  /// - Parameters:
  ///   - anchor: a hash that the chain of events must hold.
  ///   - progress: called now and then with the ticks so far.
  package func verify(
    anchor: String? = nil, progress: (UInt64) -> Void = { _ in }
  ) -> RecordingVerification {
    var result = RecordingVerification()
    result.path = path
    result.hand = handID
    result.run = runID
    result.segments = files.count
    for file in files { result.damage += Self.brokenPages(file) }
    var told: [HandEvent] = []
    do throws(RecordingError) { told = try events() } catch { result.damage.append("events: \(error)") }
    let losses = Self.losses(told)
    // A file alone says nothing of what was before it.
    let isAlone = !RecordingPaths.isDirectory(path)
    var gaps: [ClosedRange<UInt64>] = []
    let cursor = ticks(skippingDamage: true)
    var record = TickRecord()
    do throws(RecordingError) {
      while try cursor.next(into: &record) {
        let expected = result.lastSequence.map { $0 + 1 } ?? (isAlone ? record.sequence : 0)
        if record.sequence > expected {
          let gap = expected...record.sequence - 1
          if isThinned(gap), !losses.contains(where: { $0.overlaps(gap) }) {
            result.thinnedTicks += UInt64(gap.count)
          } else {
            gaps.append(gap)
          }
        }
        result.firstSequence = result.firstSequence ?? record.sequence
        result.lastSequence = record.sequence
        result.ticks += 1
        if result.ticks % Self.verifyTicks == 0 { progress(result.ticks) }
      }
    } catch {
      result.damage.append(error.description)
    }
    result.blocks = cursor.readBlocks
    result.damage += cursor.damage.map(\.description).filter { !result.damage.contains($0) }
    do throws(RecordingError) { result.chain = try verifyChain(anchor: anchor) } catch {
      result.damage.append("hash chain: \(error)")
    }
    if anchor != nil, result.chain == nil {
      result.damage.append("there are no events to hold the given head")
    }
    result.damage += foreignSegments(told)
    result.damage += cutSegments(cursor.found, besides: result.damage)
    // Every recorder makes it, so that nobody can hide something by taking it away.
    if !isAlone, eventsPath == nil {
      result.damage.append("\(path)/\(RecordingPaths.eventsName): it is not there, and every start has one")
    }
    result.events = told.count
    // They are numbered from 1.
    if let last = told.last { result.missingEvents = last.number - min(last.number, UInt64(told.count)) }
    result.isClosed =
      told.isEmpty ? nil : told.last { $0.kind == .summary || $0.kind == .start }?.kind == .summary
    // A tick that an event names was, whether it was recorded or not.
    let lastTold = told.compactMap { $0.kind == .expired ? nil : $0.sequence }.max()
    let end = result.lastSequence.map { $0 + 1 } ?? 0
    if let lastTold, lastTold >= end { gaps.append(end...lastTold) }
    let others = gaps.isEmpty ? [] : expiredByOthers()
    result.missing = gaps.flatMap { Self.explained($0, told + others, run: runID) }
    return result
  }

  /// Closed segments with another number of ticks than their recorder noted, and no other damage.
  /// - Parameter found: ticks that were read of each file.
  private func cutSegments(_ found: [UInt64], besides damage: [String]) -> [String] {
    zip(files, found).compactMap { file, found in
      guard !damage.contains(where: { $0.hasPrefix(file) }),
        let meta = try? Self.openSegment(file)?.meta, meta["closed"] == "1",
        let noted = meta["ticks"].flatMap({ UInt64($0) }), noted != found
      else { return nil }
      return "\(file): \(found) ticks are there, and its recorder closed it with \(noted)"
    }
  }

  /// Segments of this run that later starts have deleted.
  private func expiredByOthers() -> [HandEvent] {
    guard RecordingPaths.isDirectory(path) else { return [] }
    let parent = RecordingPaths.directory(of: path)
    let own = path.split(separator: "/").last.map(String.init)
    let others = ((try? RecordingPaths.names(in: parent)) ?? []).filter {
      $0 != own && RecordingPaths.isRunID($0) && RecordingPaths.isDirectory(parent + "/" + $0)
    }
    return DeviceRun.expired(in: others.map { parent + "/" + $0 })[runID] ?? []
  }

  /// What SQLite finds wrong with a file's pages.
  private static func brokenPages(_ file: String) -> [String] {
    do throws(RecordingError) {
      let check = try connect(file).prepare("PRAGMA quick_check(10)")
      var findings: [String] = []
      while try check.step() {
        if let text = check.text(0), text != "ok" { findings.append("\(file): \(text)") }
      }
      return findings
    } catch {
      return [error.description]
    }
  }

  /// Cuts a range by what the events tell of it.
  static func explained(
    _ range: ClosedRange<UInt64>, _ events: [HandEvent], run: String
  ) -> [RecordingVerification.Missing] {
    var parts: [RecordingVerification.Missing] = []
    var next = range.lowerBound
    let causes = events.compactMap { cause($0, run) }.filter { $0.range.overlaps(range) }
      .sorted { $0.range.lowerBound < $1.range.lowerBound }
    for (kind, told) in causes where told.upperBound >= next {
      let part = told.clamped(to: next...range.upperBound)
      if part.lowerBound > next { parts.append(.init(first: next, last: part.lowerBound - 1)) }
      parts.append(.init(first: part.lowerBound, last: part.upperBound, cause: kind.rawValue))
      guard part.upperBound < range.upperBound else { return parts }
      next = part.upperBound + 1
    }
    parts.append(.init(first: next, last: range.upperBound))
    return parts
  }

  /// The ticks that events say were lost.
  static func losses(_ events: [HandEvent]) -> [ClosedRange<UInt64>] {
    events.compactMap { cause($0, "") }.filter { $0.kind != .expired }.map(\.range)
  }

  /// The ticks that an event says are not there.
  static func cause(
    _ event: HandEvent, _ run: String
  ) -> (kind: HandEvent.Kind, range: ClosedRange<UInt64>)? {
    guard let from = event.from.flatMap({ UInt64($0) }), let to = event.to.flatMap({ UInt64($0) }),
      from <= to
    else { return nil }
    switch event.kind {
    // The events tell of other starts' segments too.
    case .expired where !event.text.contains("/\(run)/"): return nil
    case .expired, .storageDrop: return (event.kind, from...to)
    // The last before and the first after.
    case .gap where to - from > 1: return (event.kind, from + 1...to - 1)
    default: return nil
    }
  }
}
