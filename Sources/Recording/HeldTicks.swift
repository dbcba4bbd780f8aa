import HandModel
import Wire

/// A state of the controller, as a segment keeps it.
struct StoredCheckpoint {
  /// The tick that follows it.
  var sequence: UInt64
  var bytes: [UInt8]
  /// Whether ticks before it are missing, so that a replay can go on only here.
  var isNeeded: Bool
}

/// What a recorder in mode `events` holds in memory until an event decides about it: the blocks of the last
/// seconds, encoded, and the states of the controller from which they can be run again. One thread only.
struct HeldTicks {
  /// All ticks are kept from this long before an event to this long after it, s.
  static let marginSeconds = 10
  /// An event is told up to a second after its tick, and its batch comes half a second later.
  private static let delaySeconds = 2
  /// How often a state of the controller is asked for, s: what is held lies between the margin and this more.
  /// A black box of ten seconds keeps two of them.
  static let checkpointSeconds = 4
  /// At 1 kHz and 15 joints 16 s are 4 MB. Beyond this bound less is held: some 6 s at 10 kHz.
  static let maximumBytes = 16_000_000
  /// Those of the time that is held, and one each side.
  private static let maximumCheckpoints = 6

  /// Ticks of one commit.
  struct Batch {
    var blocks: [TickBlock]
    var count: Int
    /// Of these ticks the ones that have a row.
    var rows: Int

    var last: UInt64 { blocks.last?.key.lastSequence ?? 0 }
    var bytes: Int { blocks.reduce(0) { $0 + $1.bytes.count } }
    /// Ticks that are nowhere when the blocks are dropped.
    var thinned: Int { count - rows }
  }

  private let margin: UInt64
  private let delay: UInt64
  private var batches: [Batch] = []
  private var checkpoints: [StoredCheckpoint] = []
  private var bytes = 0
  /// Last tick that an event wants kept.
  private var fullThrough: UInt64?

  init(rateHertz: Int) {
    margin = UInt64(Self.marginSeconds * rateHertz)
    delay = UInt64(Self.delaySeconds * rateHertz)
  }

  /// Takes note of an event.
  mutating func note(_ event: HandEvent) {
    guard event.kind.keepsEveryTick, let sequence = event.sequence else { return }
    fullThrough = max(fullThrough ?? 0, sequence + margin)
  }

  /// Takes a state of the controller; the older of two that say the same give way.
  mutating func hold(_ checkpoint: StoredCheckpoint) {
    if checkpoints.count == Self.maximumCheckpoints { checkpoints.removeFirst() }
    checkpoints.append(checkpoint)
  }

  /// Whether the ticks of a batch are to be written, and all that is held before them.
  func isWanted(first: UInt64) -> Bool { fullThrough.map { first <= $0 } ?? false }

  /// What to write with a wanted batch.
  var wanted: (blocks: [TickBlock], checkpoints: [StoredCheckpoint]) {
    let blocks = batches.flatMap(\.blocks)
    // A stretch that goes on has its own beginning.
    let needed = checkpoints.enumerated().filter {
      (!blocks.isEmpty && $0.offset == 0) || $0.element.isNeeded
    }
    return (blocks, needed.map(\.element))
  }

  /// What was wanted is written. Returns the ticks that are in a file only now.
  mutating func release() -> Int {
    let ticks = batches.reduce(0) { $0 + $1.thinned }
    batches = []
    bytes = 0
    // The newest is where the next stretch may begin.
    checkpoints = checkpoints.suffix(1).map {
      var checkpoint = $0
      checkpoint.isNeeded = false
      return checkpoint
    }
    return ticks
  }

  /// Holds a batch that nobody wants yet. Returns the batches that are dropped for it, because they are too
  /// old for any event to come.
  mutating func hold(_ batch: Batch) -> [Batch] {
    batches.append(batch)
    bytes += batch.bytes
    let oldest = batch.last - min(batch.last, margin + delay)
    // From a state of the controller on, so that what is written can be run again from its first tick.
    if let start = checkpoints.lastIndex(where: { $0.sequence <= oldest }) { checkpoints.removeFirst(start) }
    let begin = checkpoints.first.map { min($0.sequence, oldest) } ?? oldest
    let kept = batches.firstIndex { $0.last >= begin } ?? batches.count
    var dropped = Array(batches[..<kept])
    batches.removeFirst(kept)
    bytes -= dropped.reduce(0) { $0 + $1.bytes }
    while bytes > Self.maximumBytes, batches.count > 1 {
      let oldest = batches.removeFirst()
      bytes -= oldest.bytes
      dropped.append(oldest)
    }
    return dropped
  }

  /// Gives up what is held, because its segment cannot be written any longer.
  mutating func abandon() -> [Batch] {
    defer {
      batches = []
      bytes = 0
    }
    return batches
  }
}
