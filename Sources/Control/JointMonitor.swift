import HandModel
import PrimalLogic

/// What these tests remember of one joint from tick to tick.
struct JointMonitor: BitwiseCopyable {
  /// Innovations beyond their limit in a row.
  private(set) var innovationTicks = 0
  private var loadTicks = 0
  /// What the duties of the last three ticks draw: a reading comes from some moment among them.
  private var expected = 0.0
  private var previousExpected = 0.0
  private var secondPreviousExpected = 0.0
  /// How far the last of them may be off.
  private var allowance = 0.0
  /// The last reading, and the ticks since.
  private var reading = 0.0
  private var readingTicks = 0
  /// The CUSUM of what lies above the expected currents, and of what lies below.
  private var sumAbove = 0.0
  private var sumBelow = 0.0
  /// Faded mean square of the current, A²: the winding's temperature above its surroundings.
  private(set) var heat = 0.0
  /// The encoder's word, and where the set-point was, when the word last moved.
  private var referenceCounts: UInt16 = 0
  private var referenceSetpoint = 0.0
  /// The window of the decay test: V and load at its start, ticks since.
  private var startDistance = 0.0
  private var startLoad = 0.0
  private var decayTicks = 0

  /// Forgets all but the winding's heat, for a drive that begins at this encoder word.
  @_noLocks
  mutating func engage(counts: UInt16, setpoint: Double) {
    innovationTicks = 0
    loadTicks = 0
    expected = 0
    previousExpected = 0
    secondPreviousExpected = 0
    allowance = 0
    readingTicks = 0
    sumAbove = 0
    sumBelow = 0
    referenceCounts = counts
    referenceSetpoint = setpoint
    decayTicks = 0
  }

  /// - Parameter deviation: the innovation's designed standard deviation.
  @_noLocks
  mutating func take(innovation: Double, deviation: Double, limits: MonitorLimits) {
    let limit = limits.innovationDeviations * deviation
    innovationTicks = innovation.magnitude > limit ? innovationTicks &+ 1 : 0
  }

  /// Warms and cools the winding, driven or not.
  @_noLocks
  mutating func warm(amperes: Double, dt: Double, limits: MonitorLimits) {
    let share = dt * limits.inverseThermalSeconds
    let next = heat + (share < 1 ? share : 1) * (amperes * amperes - heat)
    // A current that is not finite is a fault of its own and must not stay in here.
    if next.isFinite { heat = next }
  }

  /// The larger of the two sums.
  var currentSum: Double {
    @_noLocks get { sumAbove > sumBelow ? sumAbove : sumBelow }
  }

  /// Adds how far a new reading lies outside the expected currents. One that has not changed for a round is
  /// new all the same: a dead sensor repeats itself.
  @_noLocks
  mutating func take(amperes: Double, limits: MonitorLimits) {
    readingTicks = readingTicks &+ 1
    if amperes == reading && readingTicks < limits.readingTicks { return }
    reading = amperes
    readingTicks = 0
    var high = expected > previousExpected ? expected : previousExpected
    var low = expected > previousExpected ? previousExpected : expected
    if secondPreviousExpected > high { high = secondPreviousExpected }
    if secondPreviousExpected < low { low = secondPreviousExpected }
    // One within them says nothing.
    var beyond = 0.0
    if amperes > high + allowance { beyond = amperes - high - allowance }
    if amperes < low - allowance { beyond = amperes - low + allowance }
    let deviations = beyond * limits.inverseCurrentDeviation
    let above = sumAbove + deviations - limits.currentDrift
    let below = sumBelow - deviations - limits.currentDrift
    sumAbove = above > 0 ? above : 0
    sumBelow = below > 0 ? below : 0
  }

  /// Remembers the current that this tick's duty will draw at `velocity`.
  @_noLocks
  mutating func expect(duty: Double, velocity: Double, limits: MonitorLimits) {
    let excess = duty.magnitude - limits.deadBand
    let effective = excess > 0 ? (duty < 0 ? -excess : excess) : 0
    let back = limits.amperesPerRadianPerSecond * velocity
    secondPreviousExpected = previousExpected
    previousExpected = expected
    expected = limits.amperesPerDuty * effective - back
    // A resistance that is off changes what flows, a supply that is off what the duty makes of it.
    let told = limits.amperesPerDuty * duty.magnitude
    allowance = limits.currentShare * (told > expected.magnitude ? told : expected.magnitude)
  }

  /// Deadlines went by without a tick: whether the drive went on meanwhile or was switched off is not known.
  @_noLocks
  mutating func missTicks() { previousExpected = 0 }

  /// Whether the load has been beyond its limit for longer than an impact takes.
  @_noLocks
  mutating func isOverborne(load: Double, limits: MonitorLimits) -> Bool {
    loadTicks = load.magnitude > limits.load ? loadTicks &+ 1 : 0
    return loadTicks > limits.loadTicks
  }

  /// Whether the encoder's word stayed where it was although the set-point has gone its way.
  /// - Parameter turn: counts of a turn, a power of two.
  @_noLocks
  mutating func isStuck(counts: UInt16, turn: Int, setpoint: Double, limits: MonitorLimits) -> Bool {
    let change = (Int(counts) &- Int(referenceCounts)) & (turn &- 1)
    if change <= 1 || change == turn &- 1 {
      return (setpoint - referenceSetpoint).magnitude > limits.stuckTravel
    }
    referenceCounts = counts
    referenceSetpoint = setpoint
    return false
  }

  /// Whether the load is another than when the decay test's window began.
  @_noLocks
  func hasStepped(load: Double, limits: MonitorLimits) -> Bool {
    (load - startLoad).magnitude > limits.loadChange
  }

  /// The windowed decay test: whether V did not fall as the product of L over the last window says.
  /// - Parameters:
  ///   - isCertified: whether this tick has an L at all.
  ///   - windowTicks: length of the window.
  ///   - windowSum: ln L summed over them (`WindowProduct.sum`).
  @_noLocks
  mutating func hasNotDecayed(
    distance: Double, load: Double, isCertified: Bool, windowTicks: Int, windowSum: Int64,
    limits: MonitorLimits
  ) -> Bool {
    decayTicks = decayTicks &+ 1
    let isDisturbed = !isCertified || hasStepped(load: load, limits: limits)
    guard isDisturbed || decayTicks > windowTicks else { return false }
    let product = isDisturbed ? 1 : exponential(Double(windowSum) * WindowProduct.unit)
    let broken = !isDisturbed && distance > product * startDistance + limits.decayAllowance
    startDistance = distance
    startLoad = load
    decayTicks = 0
    return broken
  }
}
