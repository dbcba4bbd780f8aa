import Glibc
import HandModel

/// Follows what is recorded in a data directory, or in the directory of one start, while it is recorded: each
/// event once, and the newest start when there is a new one. Opens files for a moment only: a reader of a
/// live segment delays its recorder's commit.
package final class RecordingTail {
  /// Something new.
  package enum News: Sendable {
    /// This start is followed from now on.
    case start(runID: String, path: String)
    /// It was stored.
    case event(HandEvent, runID: String)
    /// A file cannot be read, for the first time or again after it could. What is in it comes when it can.
    case trouble(RecordingError)
  }

  /// The newest tick of the start that is followed, of those with a row.
  package struct Tick: Sendable, Equatable {
    /// Of the start that recorded it.
    package var runID: String
    /// Its number.
    package var sequence: UInt64
    package var wallNanoseconds: Int64
    package var state: HandState
    package var fault: FaultCode
    /// L; NaN where no joint has a certificate.
    package var lipschitz: Double
    /// Λ, likewise.
    package var windowProduct: Double
    /// Whether a recorder lives that may write a newer one.
    package var isRecorded: Bool
  }

  private let directory: String
  /// Whether `directory` is that of one start, after which no other comes.
  private let isOneStart: Bool
  private let firstEvents: Int
  private var current: (runID: String, path: String)?
  /// Directories in `directory` that were looked at.
  private var known: Set<String> = []
  private var lastEvent = Int64.min
  /// The last error, and whether it was told. One that is over at the next look is none: a start that is just
  /// making its files, a commit that takes long.
  private var trouble: (error: RecordingError, isTold: Bool)?

  /// - Parameters:
  ///   - path: a data directory, which may be empty yet, or the directory of one start.
  ///   - firstEvents: of what was recorded before, the last so many are told too.
  /// - Throws: where there is no such directory.
  package init(path: String, firstEvents: Int) throws(RecordingError) {
    guard RecordingPaths.isDirectory(path) else {
      throw .notARecording(path: path, reason: "tail follows a directory")
    }
    directory = path
    self.firstEvents = firstEvents
    isOneStart =
      try !RecordingPaths.segments(in: path).isEmpty
      || access(path + "/" + RecordingPaths.eventsName, F_OK) == 0
  }

  /// What has come since the last call, in order. Of new starts one a call.
  package func next() -> [News] {
    var news: [News] = []
    var failure: RecordingError?
    // A start that cannot be read keeps nobody from being told of the next one.
    func attempt(_ body: () throws(RecordingError) -> Void) {
      do throws(RecordingError) { try body() } catch { failure = error }
    }
    attempt { () throws(RecordingError) in try takeEvents(&news) }
    var start: (runID: String, path: String)?
    attempt { () throws(RecordingError) in start = try newerStart() }
    if let start {
      // What the one before has told last, as its summary, was written before this one began.
      attempt { () throws(RecordingError) in try takeEvents(&news) }
      let last = current == nil ? firstEvents : nil
      (current, lastEvent) = (start, .min)
      news.append(.start(runID: start.runID, path: start.path))
      attempt { () throws(RecordingError) in try takeEvents(&news, last: last) }
    }
    guard let error = failure else {
      trouble = nil
      return news
    }
    let isAgain = trouble?.error == error
    let isTold = isAgain && trouble?.isTold == true
    if isAgain && !isTold { news.append(.trouble(error)) }
    trouble = (error, isAgain)
    return news
  }

  private func takeEvents(_ news: inout [News], last count: Int? = nil) throws(RecordingError) {
    guard let current else { return }
    let path = current.path + "/" + RecordingPaths.eventsName
    guard access(path, F_OK) == 0 else { return }
    let events = try Recording.events(in: path, after: lastEvent)
    lastEvent = events.last.map { Int64(clamping: $0.number) } ?? lastEvent
    news += events.suffix(count ?? events.count).map { .event($0, runID: current.runID) }
  }

  /// The start to follow in place of the present one; nil where there is none.
  private func newerStart() throws(RecordingError) -> (runID: String, path: String)? {
    if isOneStart {
      guard current == nil else { return nil }
      return (directory.split(separator: "/").last.map(String.init) ?? directory, directory)
    }
    let names = try RecordingPaths.names(in: directory)
    // Names of directories that are gone would grow for ever.
    known.formIntersection(names)
    // Before its first commit a start has a directory and nothing in it.
    let new = names.filter {
      !known.contains($0) && access("\(directory)/\($0)/\(RecordingPaths.eventsName)", F_OK) == 0
    }.map { RecordedStart(path: directory + "/" + $0, run: $0) }
      .sorted { ($0.wallNanoseconds ?? .min, $0.run) < ($1.wallNanoseconds ?? .min, $1.run) }
    // Those of before are history; those that begin from now on are all followed, one after the other.
    guard let next = current == nil ? new.last : new.first else { return nil }
    known.formUnion(current == nil ? new.map(\.run) : [next.run])
    return (next.run, next.path)
  }

  /// The newest tick of the start that is followed; nil before its first one.
  /// - Throws: where it cannot be read now.
  package func newestTick() throws(RecordingError) -> Tick? {
    guard let current else { return nil }
    for (_, path) in try RecordingPaths.segments(in: current.path).reversed() {
      let connection = try Recording.connect(path)
      guard try connection.integer("SELECT count(*) FROM sqlite_schema") > 0 else { continue }
      try Recording.requireTables(["tick"], connection, path)
      let row = try connection.prepare(
        """
        SELECT sequence, wall_nanoseconds, state, fault, lipschitz, window_product FROM tick
        ORDER BY sequence DESC LIMIT 1
        """)
      guard try row.step() else { continue }
      func code<Code: RawRepresentable<UInt8>>(_ column: Int32, _ none: Code? = nil) throws(RecordingError)
        -> Code
      {
        if row.isNull(column), let none { return none }
        guard case .integer(let value) = row.stored(column), let byte = UInt8(exactly: value),
          let code = Code(rawValue: byte)
        else {
          throw .damaged(
            path: path, sequence: UInt64(clamping: row.integer(0)),
            reason: "found \(row.stored(column).name) as a code")
        }
        return code
      }
      func real(_ column: Int32) -> Double {
        if case .real(let value) = row.stored(column) { value } else { .nan }
      }
      return Tick(
        runID: current.runID, sequence: UInt64(clamping: row.integer(0)), wallNanoseconds: row.integer(1),
        state: try code(2), fault: try code(3, FaultCode.none), lipschitz: real(4), windowProduct: real(5),
        isRecorded: RunDirectory.isClaimed(current.path))
    }
    return nil
  }
}
