/// Something that happened to a hand or to its recording. There is one stream of events a start of the
/// daemon: the recorder derives, numbers and stores them, the publisher sends what the recorder hands on. A
/// hand that is not recorded has the same events, numbered by the publisher and stored nowhere.
package struct HandEvent: Sendable, Equatable {
  /// What happened.
  package enum Kind: String, Sendable, CaseIterable {
    /// First tick seen.
    case start
    /// What the recording was begun with: version, board, calibration and certificate, by their hashes.
    case inForce = "in-force"
    /// The hand changed its state.
    case state
    /// The AGP mode changed.
    case mode
    /// The latched fault, or the joint it names, changed.
    case fault
    /// The e-stop line became active or inactive.
    case eStopLine = "e-stop-line"
    /// Commands were executed: numbers before and after.
    case command
    /// Commands were refused: how many before and after since the first tick; the text says why the last was.
    case refused
    /// The AGP state of the last while, by its worst tick.
    case agp
    /// Deadlines were skipped: totals before and after.
    case overrun
    /// Ticks are missing in the stream because a ring was full: last before, first after, how many.
    case gap
    /// Ticks were dropped because storage failed: first and last dropped, how many.
    case storageDrop = "storage-drop"
    /// Storage began to fail; the text is its error.
    case storageError = "storage-error"
    /// Storage works again.
    case storageRecovered = "storage-recovered"
    /// A segment was closed: its file's name, and the hash of the file.
    case segment
    /// A closed segment was deleted to keep within the bounds: its first and last tick.
    case expired
    /// A record came with a sequence not above the last one and was refused.
    case disorder
    /// Events themselves were not stored, as many as `count` says, because their file could not be written.
    case eventsLost = "events-lost"
    /// The hand stopped in order: its last state. Missing after a crash.
    case stopped
    /// The recorder stopped: what it recorded and dropped.
    case summary

    /// Whether every tick around such an event is worth a row that SQLite alone can read. What a hand does
    /// every second, as moving and being told to, is not.
    package var isTrouble: Bool {
      switch self {
      case .start, .fault, .eStopLine, .gap, .storageDrop, .disorder, .stopped: true
      case .inForce, .state, .mode, .command, .refused, .agp, .overrun, .storageError, .storageRecovered,
        .segment, .expired, .eventsLost, .summary:
        false
      }
    }

    /// Whether a recorder that thins ticks out keeps all of them around such an event: around what happens to
    /// the hand, and not around what is written of it.
    package var keepsEveryTick: Bool {
      switch self {
      case .start, .state, .mode, .fault, .eStopLine, .command, .refused, .overrun, .gap, .storageDrop,
        .disorder,
        .stopped:
        true
      case .inForce, .agp, .storageError, .storageRecovered, .segment, .expired, .eventsLost, .summary: false
      }
    }

    /// Whether such events may come every second for hours, as those of a streamed hand do.
    package var isFrequent: Bool {
      switch self {
      case .command, .refused, .overrun: true
      case .start, .inForce, .state, .mode, .fault, .eStopLine, .agp, .gap, .storageDrop, .storageError,
        .storageRecovered, .segment, .expired, .disorder, .eventsLost, .stopped, .summary:
        false
      }
    }
  }

  /// 1, 2, 3 … without gaps since the start of the daemon; 0 until it has one.
  package var number: UInt64 = 0
  /// Whether the recording held it when it was handed on.
  package var isStored = false
  /// The tick it belongs to; nil when there is none.
  package var sequence: UInt64?
  /// Wall clock of that tick, nanoseconds since 1970.
  package var wallNanoseconds: Int64
  package var kind: Kind
  /// What was before: an `InterfaceWord`'s id or a decimal number. Nil where there is none; no fault is nil.
  package var from: String?
  /// What is now, likewise.
  package var to: String?
  /// The joint that a fault names.
  package var joint: String?
  /// How many ticks or events are missing.
  package var count: UInt64?
  /// The same in words for people.
  package var text: String

  package init(
    number: UInt64 = 0, isStored: Bool = false, sequence: UInt64? = nil, wallNanoseconds: Int64, kind: Kind,
    from: String? = nil, to: String? = nil, joint: String? = nil, count: UInt64? = nil, text: String
  ) {
    self.number = number
    self.isStored = isStored
    self.sequence = sequence
    self.wallNanoseconds = wallNanoseconds
    self.kind = kind
    self.from = from
    self.to = to
    self.joint = joint
    self.count = count
    self.text = text
  }
}
