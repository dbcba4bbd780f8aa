import HandModel

/// The present state of a running hand, as the control socket gives it: one JSON object.
package struct HandSnapshot: Codable, Sendable {
  /// Distribution of a latency over every tick since start, nanoseconds.
  package struct Latency: Codable, Sendable {
    /// The median.
    package var p50: Double
    /// 99 % of the ticks took at most this.
    package var p99: Double
    /// 99.9 % of the ticks took at most this.
    package var p999: Double
    /// The longest.
    package var max: Double

    package init(p50: Double, p99: Double, p999: Double, max: Double) {
      self.p50 = p50
      self.p99 = p99
      self.p999 = p999
      self.max = max
    }
  }

  /// What the recorder has done so far.
  package struct Recorder: Codable, Sendable {
    /// Ticks committed to a file: a power cut does not take them.
    package var recorded: UInt64
    /// Ticks lost because the ring was full or storage failed.
    package var dropped: UInt64
    /// Ticks of which nothing was to be kept, in mode `events`.
    package var thinned: UInt64
    package var lagTicks: Int
    /// The segment that is being written; empty when none is open.
    package var path: String
    /// The last storage error, which stays after recovery; nil where there was none.
    package var error: String?

    private enum CodingKeys: String, CodingKey {
      case recorded, dropped, thinned
      case lagTicks = "lag_ticks"
      case path, error
    }

    package init(
      recorded: UInt64, dropped: UInt64, thinned: UInt64, lagTicks: Int, path: String, error: String?
    ) {
      self.recorded = recorded
      self.dropped = dropped
      self.thinned = thinned
      self.lagTicks = lagTicks
      self.path = path
      self.error = error
    }
  }

  /// What the publisher has done so far.
  package struct Publisher: Codable, Sendable {
    /// Whether the broker has accepted the connection and it stands.
    package var connected: Bool
    /// Its address, for example `mqtts://broker.example:8883`.
    package var broker: String
    /// Messages written (QoS 0) or acknowledged (QoS 1). Replies to stops, which have their own connection,
    /// are not among them.
    package var published: UInt64
    /// Samples, events and replies that were to be sent and were not.
    package var dropped: UInt64
    package var lagTicks: Int
    /// Why the last connection or message failed; nil when nothing ever failed.
    package var error: String?
    /// What was dropped, by kind (docs/telemetry.md).
    package var drops: [String: UInt64]
    /// How commands reach the hand.
    package var commands: Way
    /// How stops reach it on their own connection.
    package var stopWay: Way
    /// Of the connection to Sparkplug's hosts; nil where there is none.
    package var sparkplug: Sparkplug?
    /// What is sent of the recording; nil where nothing is recorded.
    package var upload: UploadSnapshot?

    private enum CodingKeys: String, CodingKey {
      case connected, broker, published, dropped
      case lagTicks = "lag_ticks"
      case error, drops, commands, upload
      case stopWay = "stop_way"
      case sparkplug
    }

    package init(
      connected: Bool, broker: String, published: UInt64, dropped: UInt64, lagTicks: Int, error: String?,
      drops: [String: UInt64], commands: Way, stopWay: Way, upload: UploadSnapshot? = nil,
      sparkplug: Sparkplug? = nil
    ) {
      self.upload = upload
      self.connected = connected
      self.broker = broker
      self.published = published
      self.dropped = dropped
      self.lagTicks = lagTicks
      self.error = error
      self.drops = drops
      self.commands = commands
      self.stopWay = stopWay
      self.sparkplug = sparkplug
    }

    /// What the hand has done as an edge node of Sparkplug.
    package struct Sparkplug: Codable, Sendable {
      /// Whether hosts are heard.
      package var way: Way
      /// Births sent.
      package var births: UInt64
      /// Messages of data sent.
      package var data: UInt64
      /// Samples that were due and did not leave.
      package var dropped: UInt64
      /// Metrics that hosts would have written, and messages that could not be read.
      package var refused: UInt64

      package init(way: Way, births: UInt64, data: UInt64, dropped: UInt64, refused: UInt64) {
        self.way = way
        self.births = births
        self.data = data
        self.dropped = dropped
        self.refused = refused
      }
    }

    /// A way on which messages reach the hand.
    package struct Way: Codable, Sendable {
      /// `down`, `asking`, `deaf`, `unproved` or `up`: docs/telemetry.md, status.
      package var state: String
      /// Wall clock of the last change, seconds since 1970; nil before the first.
      package var since: Double?
      /// Why the way is not up, or what is wrong although it is; nil when nothing is.
      package var error: String?

      package init(state: String, since: Double?, error: String?) {
        self.state = state
        self.since = since
        self.error = error
      }
    }
  }

  /// How the machine keeps a simulated hand's time.
  package struct Timekeeping: Codable, Sendable {
    package var lateTicks: UInt64
    /// Deadlines that passed while the machine did something else.
    package var missedDeadlines: UInt64
    package var longestLatenessNanoseconds: Int64
    package var stoodStillSeconds: Double
    /// How often a real hand would have stopped if it had been armed again after each stop.
    package var realStops: UInt64
    /// Id of the fault that a real hand would have latched first; nil where it would not have stopped.
    package var realCause: String?
    /// All of it in words.
    package var sentence: String

    private enum CodingKeys: String, CodingKey {
      case lateTicks = "late_ticks"
      case missedDeadlines = "missed_deadlines"
      case longestLatenessNanoseconds = "longest_lateness_nanoseconds"
      case stoodStillSeconds = "stood_still_seconds"
      case realStops = "real_stops"
      case realCause = "real_cause"
      case sentence
    }

    /// Converts what the runtime counted: nanoseconds to seconds, the fault to its id.
    package init(_ timekeeping: HandModel.Timekeeping) {
      lateTicks = timekeeping.lateTicks
      missedDeadlines = timekeeping.missedDeadlines
      longestLatenessNanoseconds = timekeeping.longestLatenessNanoseconds
      stoodStillSeconds = Double(timekeeping.stoodStillNanoseconds) * 1e-9
      realStops = timekeeping.realStops
      realCause = timekeeping.realStops > 0 ? timekeeping.firstRealCause.idOrNil : nil
      sentence = timekeeping.sentence
    }
  }

  /// What its key `schema` says.
  package static let schema = "motorhand.snapshot/1"

  /// Of the hand, as in its topics.
  package var handID: String
  /// This start of the daemon.
  package var runID: String
  /// Of the daemon.
  package var version: String
  /// Name of the board.
  package var board: String
  package var rateHertz: Int
  /// Values of the newest tick.
  package var tick: SnapshotValues
  /// The latched cause in words; nil where nothing is latched.
  package var faultText: String?
  /// When the outputs last went on or off, on the machine's CLOCK_MONOTONIC; 0 = never.
  package var outputsChangedNanoseconds: Int64
  /// From a tick's deadline to its start.
  package var wakeUps: Latency
  /// Computing time of the ticks.
  package var computes: Latency
  package var joints: [Joint]
  package var recorder: Recorder?
  package var publisher: Publisher?
  /// Nil for a hand whose clock is the machine's own.
  package var timekeeping: Timekeeping?
  /// What real-time operation lacks; empty = full real time.
  package var degraded: [String]
  /// Messages of the daemon that nobody took: neither the journal nor standard error.
  package var unwrittenMessages: UInt64 = 0

  /// - Parameters:
  ///   - record: of the newest tick.
  ///   - identity: of the hand.
  ///   - isLineActive: whether outputs are enabled in hardware, read back.
  ///   - outputsChangedNanoseconds: as the property.
  ///   - timekeeping: nil for a hand whose clock is the machine's own.
  package init(
    _ record: TickRecord, identity: HandIdentity, isLineActive: Bool, outputsChangedNanoseconds: Int64,
    wakeUps: Latency, computes: Latency, recorder: Recorder?, publisher: Publisher?,
    timekeeping: HandModel.Timekeeping?, degraded: [String], fields: FieldTable = .standard
  ) {
    handID = identity.handID
    runID = identity.runID
    version = identity.version
    board = identity.board.name
    rateHertz = identity.board.control.rateHertz
    tick = SnapshotValues(record, of: identity, fields)
    faultText = record.fault == .none ? nil : record.fault.name
    // A stop that found no loop has released the line without it.
    tick["outputs_enabled"] = .flag(record.outputsEnabled && isLineActive)
    joints = Joint.all(record, of: identity, fields)
    self.outputsChangedNanoseconds = outputsChangedNanoseconds
    self.wakeUps = wakeUps
    self.computes = computes
    self.recorder = recorder
    self.publisher = publisher
    self.timekeeping = timekeeping.map { Timekeeping($0) }
    self.degraded = degraded
  }

  /// A word of `HandState`; empty where the daemon gave none.
  package var state: String { tick.text("state") ?? "" }
  /// A word of `ControlMode`; empty where the daemon gave none.
  package var mode: String { tick.text("mode") ?? "" }
  /// Nil where none is latched.
  package var fault: String? { tick.text("fault") }
  /// The joint that the fault names; nil where it names none.
  package var faultJoint: String? { tick.text("fault_joint") }
  /// Whether the newest tick drove the drive-enable line live and the line still reads as live.
  package var outputsEnabled: Bool { tick.flag("outputs_enabled") }
  /// Number of the newest tick since the start, from 0.
  package var sequence: UInt64 { UInt64(clamping: tick.integer("sequence") ?? 0) }
  /// Deadlines skipped since the start.
  package var overruns: Int64 { tick.integer("overruns") ?? 0 }
  /// The worst joint's, a word of `CertificateState`; empty where the daemon gave none.
  package var certificate: String { tick.text("certificate") ?? "" }
  /// L of the worst joint; nil where there is none.
  package var lipschitz: Double? { tick.real("lipschitz") }
  /// −ln L / dt of the worst joint, 1/s; nil as `lipschitz`.
  package var ratePerSecond: Double? { tick.real("rate_per_second") }
  /// Λ, the product of L over the window, of the worst joint; nil as `lipschitz`.
  package var windowProduct: Double? { tick.real("window_product") }
  package var uncertifiedTicks: Int64 { tick.integer("uncertified_ticks") ?? 0 }
}

extension HandSnapshot {
  private enum CodingKeys: String, CodingKey {
    case schema
    case handID = "hand_id"
    case runID = "run_id"
    case version, board
    case rateHertz = "rate_hertz"
    case faultText = "fault_text"
    case outputsChangedNanoseconds = "outputs_changed_nanoseconds"
    case wakeUps = "wake_up_percentiles_nanoseconds"
    case computes = "compute_percentiles_nanoseconds"
    case joints, recorder, publisher, timekeeping, degraded
    case unwrittenMessages = "unwritten_messages"
  }

  /// - Throws: `MessageProblem` where it is of another schema, `DecodingError` where it is none.
  package init(from decoder: any Decoder) throws {
    let container = try decoder.container(keyedBy: CodingKeys.self)
    // First who sent it: a command's refusal, for example, is no snapshot of another version.
    handID = try container.decode(String.self, forKey: .handID)
    let schema = try container.decodeIfPresent(String.self, forKey: .schema)
    guard schema == Self.schema else {
      throw MessageProblem(
        "schema: found \(schema.map { JSON.quoted($0.shortened) } ?? "none"), expected \(Self.schema): daemon and "
          + "reader are of different versions")
    }
    runID = try container.decode(String.self, forKey: .runID)
    version = try container.decode(String.self, forKey: .version)
    board = try container.decode(String.self, forKey: .board)
    rateHertz = try container.decode(Int.self, forKey: .rateHertz)
    tick = try SnapshotValues(from: decoder)
    faultText = try container.decodeIfPresent(String.self, forKey: .faultText)
    outputsChangedNanoseconds = try container.decode(Int64.self, forKey: .outputsChangedNanoseconds)
    wakeUps = try container.decode(Latency.self, forKey: .wakeUps)
    computes = try container.decode(Latency.self, forKey: .computes)
    joints = try container.decode([Joint].self, forKey: .joints)
    recorder = try container.decodeIfPresent(Recorder.self, forKey: .recorder)
    publisher = try container.decodeIfPresent(Publisher.self, forKey: .publisher)
    timekeeping = try container.decodeIfPresent(Timekeeping.self, forKey: .timekeeping)
    degraded = try container.decode([String].self, forKey: .degraded)
    unwrittenMessages = try container.decode(UInt64.self, forKey: .unwrittenMessages)
  }

  package func encode(to encoder: any Encoder) throws {
    var container = encoder.container(keyedBy: CodingKeys.self)
    try container.encode(Self.schema, forKey: .schema)
    try container.encode(handID, forKey: .handID)
    try container.encode(runID, forKey: .runID)
    try container.encode(version, forKey: .version)
    try container.encode(board, forKey: .board)
    try container.encode(rateHertz, forKey: .rateHertz)
    try tick.encode(to: encoder)
    try container.encode(faultText, forKey: .faultText)
    try container.encode(outputsChangedNanoseconds, forKey: .outputsChangedNanoseconds)
    try container.encode(wakeUps, forKey: .wakeUps)
    try container.encode(computes, forKey: .computes)
    try container.encode(joints, forKey: .joints)
    // Absent is null, not left out.
    try container.encode(recorder, forKey: .recorder)
    try container.encode(publisher, forKey: .publisher)
    try container.encode(timekeeping, forKey: .timekeeping)
    try container.encode(degraded, forKey: .degraded)
    try container.encode(unwrittenMessages, forKey: .unwrittenMessages)
  }
}
