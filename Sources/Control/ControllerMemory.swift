import HandModel

/// What a controller remembers from tick to tick besides joints and windows: one value, which a checkpoint
/// copies whole.
struct ControllerMemory: BitwiseCopyable {
  /// Number of the tick that comes next.
  var sequence: UInt64 = 0
  var clock = TickClock()
  var machine = HandStateMachine()
  /// Start of the last tick by which every actuator had what it was told, ns.
  var followedNanoseconds: Int64 = 0
  /// Number of the last command that was executed.
  var executedCommand: UInt32 = 0
  /// ∫ Σ ψγ dt of all driven ticks.
  var energyIntegral = 0.0

  /// Takes in the tick's time and what its record says before anything is decided.
  /// - Parameter period: between two ticks, ns.
  @_noLocks
  mutating func beginTick(
    _ inputs: UnsafePointer<TickInputs>, period: Int64, limits: GuardLimits, jointCount: Int,
    _ record: UnsafeMutablePointer<TickRecord>
  ) -> TickClock.Interval {
    let now = inputs.pointee.nowNanoseconds
    if sequence == 0 { machine.start(at: now) }
    let interval = clock.advance(to: now, isFirst: sequence == 0, period: period)
    record.pointee.keep(inputs, sequence: sequence, jointCount: jointCount, dt: interval.nanoseconds)
    if inputs.pointee.actuatorLagTicks <= limits.brakingLagTicks { followedNanoseconds = now }
    return interval
  }
}

/// The time from tick to tick, taken from the times that the ticks are told.
struct TickClock: BitwiseCopyable {
  struct Interval: BitwiseCopyable {
    /// Time since the tick before, at least 1 ns; a period in the first tick.
    var nanoseconds: Int64
    /// False where the clock stood still or went back.
    var hasAdvanced: Bool
  }

  /// Start of the present tick.
  private(set) var now: Int64 = 0

  @_noLocks
  mutating func advance(to now: Int64, isFirst: Bool, period: Int64) -> Interval {
    let last = self.now
    self.now = now
    guard !isFirst else { return Interval(nanoseconds: period, hasAdvanced: true) }
    return Interval(nanoseconds: max(now &- last, 1), hasAdvanced: now > last)
  }
}
