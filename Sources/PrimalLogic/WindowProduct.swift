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
    // Wrapping, so that a wrong entry can never trap the real-time thread; entries are within ±2^50.
    sum = sum &+ logarithm &- oldest
    storage[next] = logarithm
    next += 1
    if next == ticks { next = 0 }
    if filled < ticks { filled += 1 }
  }

  /// Forgets all ticks.
  @_noLocks
  public mutating func reset() {
    sum = 0
    next = 0
    filled = 0
  }

  /// Λ = exp(sum), rounded; compare `sum` with 0 to decide Λ ≥ 1 exactly.
  public var product: Double {
    @_noLocks get { exponential(Double(sum) * 0x1p-50) }
  }
}
