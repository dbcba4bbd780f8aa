import HandModel

/// What a consumer has stored of a hand: retained, so that a hand that connects knows what is still to be
/// sent. Only this, and no acknowledgement of a broker, says that a tick or an event is safe.
package struct StoredMessage: Sendable, Equatable {
  /// What its key `schema` says.
  package static let schema = "motorhand.stored/1"
  /// Runs of a message: a hand that starts every half an hour keeps a day of them.
  package static let maximumRuns = 48
  /// Ranges of all runs of a message together. With the runs it stays below the 65,536 bytes that a hand
  /// takes, however long the numbers are.
  package static let maximumRanges = 1000

  /// What is stored of a run's ticks or events.
  package struct Numbers: Sendable, Equatable {
    /// Below it the message says nothing: there are more ranges than it has room for.
    package var from: UInt64
    package var ranges: SequenceRanges

    package init(from: UInt64 = 0, ranges: SequenceRanges) {
      self.from = from
      self.ranges = ranges
    }
  }

  /// What is stored of a start of the daemon.
  package struct Run: Sendable, Equatable {
    /// Its run identifier.
    package var runID: String
    /// Of its ticks.
    package var ticks: Numbers
    /// Of its events, by their numbers.
    package var events: Numbers
  }

  /// Name of who stores, 1 to 64 of A-Z a-z 0-9 _ -.
  package var consumer: String
  /// The newest first.
  package var runs: [Run]
  /// Whether nothing is stored of runs that are not named; false: there are more than it has room for.
  package var isComplete: Bool

  /// A message as large as it may be: the newest runs, and of a run with many ranges the highest.
  /// - Parameter runs: what is stored, the newest first.
  package init(
    consumer: String, newestFirst runs: [(runID: String, ticks: SequenceRanges, events: SequenceRanges)]
  ) {
    self.consumer = consumer
    isComplete = runs.count <= Self.maximumRuns
    var room = Self.maximumRanges
    // One range of each stream and run is always told.
    let shown = runs.prefix(Self.maximumRuns)
    room -= 2 * shown.count
    self.runs = shown.map { run in
      func numbers(_ all: SequenceRanges) -> Numbers {
        let part = all.newest(1 + room)
        room -= max(0, part.ranges.count - 1)
        return Numbers(from: part.ranges.count < all.ranges.count ? part.first ?? 0 : 0, ranges: part)
      }
      return Run(runID: run.runID, ticks: numbers(run.ticks), events: numbers(run.events))
    }
  }

  /// The message as it is sent.
  package func encoded() -> [UInt8] {
    var json = JSONWriter(capacity: 512)
    json.object { json in
      json.member("schema", Self.schema)
      json.member("consumer", consumer)
      json.member("complete", isComplete)
      json.key("runs")
      json.array(runs) { json, run in
        json.object { json in
          json.member("run_id", run.runID)
          Self.write(run.ticks, "ticks", into: &json)
          Self.write(run.events, "events", into: &json)
        }
      }
    }
    return json.bytes
  }

  private static func write(_ numbers: Numbers, _ name: String, into json: inout JSONWriter) {
    json.member(name) { json in
      json.key("from")
      json.wide(numbers.from)
      json.key("ranges")
      numbers.ranges.write(into: &json)
    }
  }

  /// Reads a message. Throws what is wrong with it, and where: one that is wrong in a part is not to be
  /// believed in the rest.
  package init(decoding bytes: [UInt8]) throws(MessageProblem) {
    let fields = try MessageFields(bytes, schema: Self.schema)
    consumer = try fields.text("consumer")
    guard HandIdentity.isValid(handID: consumer) else {
      throw fields.problem("consumer", "expected 1 to 64 of A-Z a-z 0-9 _ -")
    }
    isComplete = try fields.flag("complete")
    let objects = try fields.objects("runs")
    guard objects.count <= Self.maximumRuns else {
      throw fields.problem("runs", "found \(objects.count), expected at most \(Self.maximumRuns)")
    }
    runs = []
    var room = Self.maximumRanges
    for object in objects {
      let runID = try object.text("run_id")
      guard HandIdentity.isValid(handID: runID), !runs.contains(where: { $0.runID == runID }) else {
        throw object.problem("run_id", "expected 1 to 64 of A-Z a-z 0-9 _ -, each run once")
      }
      let ticks = try Self.numbers(object, "ticks", &room)
      runs.append(Run(runID: runID, ticks: ticks, events: try Self.numbers(object, "events", &room)))
    }
  }

  private static func numbers(
    _ run: MessageFields, _ key: String, _ room: inout Int
  ) throws(MessageProblem) -> Numbers {
    let fields = try run.object(key)
    let numbers = Numbers(
      from: try fields.natural("from"), ranges: try SequenceRanges(fields, "ranges", limit: room))
    room -= numbers.ranges.ranges.count
    guard numbers.from <= numbers.ranges.first ?? numbers.from else {
      throw fields.problem("from", "found a number above the first range")
    }
    return numbers
  }
}
