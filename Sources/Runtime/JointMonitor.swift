import HandModel
import PrimalLogic

/// Limits of the tests that see what the certificate's model cannot (docs/control.md), as plain numbers.
struct MonitorLimits: BitwiseCopyable {
  /// Innovations beyond this many deviations are no noise: `GuardLimits.innovationDeviations`, here because debug
  /// builds take that for a variable that may lock.
  let innovationDeviations: Double
  /// Largest load that the drive itself could hold against, with room for impacts.
  let load: Double
  /// Ticks beyond `load` that are no impact.
  let loadTicks: Int
  /// Amperes a duty of 1, and amperes lost a rad/s: what the motor's model makes of the commanded duty.
  let amperesPerDuty: Double
  let amperesPerRadianPerSecond: Double
  let deadBand: Double
  /// 1/σ of a current reading; 0 where the joint has no sensor.
  let inverseCurrentDeviation: Double
  /// `GuardLimits.currentDrift`.
  let currentDrift: Double
  /// Share by which the current that duty and speed make may be off.
  let currentShare: Double
  /// Ticks from one reading to the next.
  let readingTicks: Int
  /// Whether a current is known at all.
  let knowsCurrent: Bool
  let continuousSquared: Double
  let inverseThermalSeconds: Double
  /// Way of the set-point for which the encoder's word must change.
  let stuckWay: Double
  /// 4 ν: what V may have after a window beyond what contraction leaves of it.
  let decayRoom: Double
  /// A change of the load beyond the observer's noise.
  let loadStep: Double

  init(_ p: JointParameters) {
    innovationDeviations = GuardLimits.innovationDeviations
    loadStep = GuardLimits.loadStepDeviations * p.observerGains.everyTick.loadDeviation
    loadTicks = max(2, Int((GuardLimits.loadSeconds / p.tickSeconds).rounded(.up)))
    let limits = p.calibration.limits
    let hasSensor = p.currentReadingTicks > 0
    switch p.calibration.drive {
    case .motor(let drive):
      load = GuardLimits.loadFactor * drive.torqueLimitNewtonMetres
      amperesPerDuty = drive.motor.supplyVolts / drive.motor.resistanceOhms
      amperesPerRadianPerSecond = drive.motor.backEMFVoltSecondsPerRadian / drive.motor.resistanceOhms
      deadBand = drive.motor.deadBandDuty
      inverseCurrentDeviation = hasSensor ? 1 / p.calibration.currentNoiseAmperes : 0
      knowsCurrent = true
    case .servo(let servo):
      // What blocks a servo looks like the angle between where it is and where it was told to be.
      load = GuardLimits.loadFactor * (limits.trackingErrorRadians + servo.correctionRadians)
      amperesPerDuty = 0
      amperesPerRadianPerSecond = 0
      deadBand = 0
      inverseCurrentDeviation = 0
      knowsCurrent = hasSensor
    }
    currentDrift = GuardLimits.currentDrift
    currentShare = p.calibration.uncertainty.currentShare
    readingTicks = p.currentReadingTicks
    continuousSquared = limits.continuousAmperes * limits.continuousAmperes
    inverseThermalSeconds = 1 / limits.thermalSeconds
    let share = inverseCurrentDeviation > 0 ? GuardLimits.blockedShare : GuardLimits.stuckShare
    stuckWay = share * limits.trackingErrorRadians
    decayRoom = GuardLimits.decayFloors * noiseFloor(p)
  }
}

/// What these tests remember of one joint from tick to tick.
struct JointMonitor: BitwiseCopyable {
  /// Innovations beyond their limit in a row.
  private(set) var innovationTicks = 0
  private var loadTicks = 0
  /// What the duties of the last three ticks draw: a reading comes from some moment among them.
  private var expected = 0.0
  private var expectedBefore = 0.0
  private var expectedFirst = 0.0
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
    expectedBefore = 0
    expectedFirst = 0
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

  /// Adds how far a new reading lies outside the expected currents. One that has not changed for a round is new all
  /// the same: a dead sensor repeats itself.
  @_noLocks
  mutating func take(amperes: Double, limits: MonitorLimits) {
    readingTicks = readingTicks &+ 1
    if amperes == reading && readingTicks < limits.readingTicks { return }
    reading = amperes
    readingTicks = 0
    var high = expected > expectedBefore ? expected : expectedBefore
    var low = expected > expectedBefore ? expectedBefore : expected
    if expectedFirst > high { high = expectedFirst }
    if expectedFirst < low { low = expectedFirst }
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

  /// Notes the current that this tick's duty will draw at `velocity`.
  @_noLocks
  mutating func expect(duty: Double, velocity: Double, limits: MonitorLimits) {
    let excess = duty.magnitude - limits.deadBand
    let effective = excess > 0 ? (duty < 0 ? -excess : excess) : 0
    let back = limits.amperesPerRadianPerSecond * velocity
    expectedFirst = expectedBefore
    expectedBefore = expected
    expected = limits.amperesPerDuty * effective - back
    // A resistance that is off changes what flows, a supply that is off what the duty makes of it.
    let told = limits.amperesPerDuty * duty.magnitude
    allowance = limits.currentShare * (told > expected.magnitude ? told : expected.magnitude)
  }

  /// Deadlines went by without a tick: whether the drive went on meanwhile or was switched off is not known.
  @_noLocks
  mutating func missTicks() { expectedBefore = 0 }

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
      return (setpoint - referenceSetpoint).magnitude > limits.stuckWay
    }
    referenceCounts = counts
    referenceSetpoint = setpoint
    return false
  }

  /// Whether the load is another than when the decay test's window began.
  @_noLocks
  func hasStepped(load: Double, limits: MonitorLimits) -> Bool {
    (load - startLoad).magnitude > limits.loadStep
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
    let broken = !isDisturbed && distance > product * startDistance + limits.decayRoom
    startDistance = distance
    startLoad = load
    decayTicks = 0
    return broken
  }
}
