/// Exact product of the Lipschitz constants of the last N ticks, kept as a sum of fixed-point logarithms.
///
/// A running product of doubles could not be divided by the oldest factor without drift; integers add and
/// subtract exactly, so the sum after any number of ticks is the sum of the last N entries, bit for bit.
public struct WindowProduct: ~Copyable {
  let storage: UnsafeMutablePointer<Int64>
  /// N.
  public let ticks: Int
  var next = 0
  var filled = 0
  /// Σ ln L over the window in units of 2^-50.
  public private(set) var sum: Int64 = 0

  /// One unit of `sum`, 2^-50: |ln L| up to 1 over 4,096 ticks fits an Int64, and a unit is 10^-12 of the
  /// contraction of one tick at 1 kHz.
  public static var unit: Double {
    @_noLocks get { 0x1p-50 }
  }

  /// - Parameter ticks: length of the window N ≥ 1. All memory is taken here.
  public init(ticks: Int) {
    precondition(ticks > 0, "a window needs at least one tick")
    self.ticks = ticks
    storage = .allocate(capacity: ticks)
    storage.initialize(repeating: 0, count: ticks)
  }

  deinit { storage.deallocate() }

  /// Whether N ticks have been pushed since the start or the last reset.
  public var isFull: Bool {
    @_noLocks get { filled == ticks }
  }

  /// Adds a tick's ln L (`Certificate.Lookup.logarithm`) and drops the one N ticks ago.
  @_noLocks
  public mutating func push(_ logarithm: Int64) {
    let oldest = filled == ticks ? storage[next] : 0
    // Wrapping arithmetic, so that a wrong entry can never trap the real-time thread. Entries
    // are within ±2^50.
    sum = sum &+ logarithm &- oldest
    storage[next] = logarithm
    next += 1
    if next == ticks { next = 0 }
    if filled < ticks { filled += 1 }
  }

  /// Forgets all ticks. The next entry is written after the last one, for the sake of `copyEntries`.
  @_noLocks
  public mutating func reset() {
    sum = 0
    filled = 0
  }

  /// The position of a window. With its entries it is the whole state.
  public struct Head: BitwiseCopyable, Sendable {
    var next: Int
    var filled: Int
    var sum: Int64
  }

  /// The window's present position.
  public var head: Head {
    @_noLocks get { Head(next: next, filled: filled, sum: sum) }
  }

  /// Copies `count` entries, from the `first`-th oldest on, of the window as it was at `head`.
  ///
  /// They need not be copied at once. A push overwrites one entry, the oldest. A reader that starts with the
  /// oldest and copies more than one entry a push therefore never meets an entry that has changed since.
  @_noLocks
  public func copyEntries(
    to memory: UnsafeMutablePointer<Int64>, since head: Head, from first: Int, count: Int
  ) {
    for index in 0..<count {
      var place = head.next &+ first &+ index
      if place >= ticks { place = place &- ticks }
      memory[index] = storage[place]
    }
  }

  /// Restores the window of `head`, whose entries (`ticks` of them) begin with the oldest.
  public mutating func restore(_ head: Head, entries: UnsafePointer<Int64>) {
    storage.update(from: entries, count: ticks)
    next = 0
    filled = head.filled
    sum = head.sum
  }

  /// Λ = exp(sum), rounded; compare `sum` with 0 to decide Λ ≥ 1 exactly.
  public var product: Double {
    @_noLocks get { exponential(Double(sum) * 0x1p-50) }
  }
}
