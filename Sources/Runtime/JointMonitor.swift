import HandModel
import PrimalLogic

/// Limits of the tests that see what the certificate's model cannot (docs/control.md), as plain numbers.
struct MonitorLimits: BitwiseCopyable {
  /// Innovations beyond this are no noise.
  let innovation: Double
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
  let currentDrift: Double
  /// Trip level of the current's sum: each reading is seen by as many ticks as a round of readings has.
  let currentThreshold: Double
  /// Shares by which the expected current's mean and its bounds move in a tick.
  let smoothingStep: Double
  let envelopeStep: Double
  /// From here on a change of the expected current is one, and no noise of the law's.
  let currentStep: Double
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
    let gains = p.observerGains
    innovation = GuardLimits.innovationDeviations * gains.innovationDeviation
    loadStep = GuardLimits.loadStepDeviations * gains.loadDeviation
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
    let readingTicks = Double(max(p.currentReadingTicks, 1))
    currentDrift = GuardLimits.currentDrift
    currentThreshold = GuardLimits.currentThreshold * readingTicks
    currentStep = GuardLimits.currentStepDeviations * p.calibration.currentNoiseAmperes
    // A reading is on average half a round old: the mean that it is compared with lags as much.
    smoothingStep = min(1, 2 / readingTicks)
    envelopeStep = 1 / (GuardLimits.envelopeRounds * readingTicks)
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
  private(set) var loadTicks = 0
  /// Mean of the expected current over about half a round of readings, and bounds of what the last readings can have
  /// seen.
  private var expected = 0.0
  private var expectedHigh = 0.0
  private var expectedLow = 0.0
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
    expectedHigh = 0
    expectedLow = 0
    sumAbove = 0
    sumBelow = 0
    referenceCounts = counts
    referenceSetpoint = setpoint
    decayTicks = 0
  }

  @_noLocks
  mutating func take(innovation: Double, limits: MonitorLimits) {
    innovationTicks = innovation.magnitude > limits.innovation ? innovationTicks &+ 1 : 0
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

  /// Adds how far a measured current lies outside the expected ones.
  @_noLocks
  mutating func take(amperes: Double, limits: MonitorLimits) {
    let above =
      sumAbove + ((amperes - expectedHigh) * limits.inverseCurrentDeviation - limits.currentDrift)
    let below =
      sumBelow + ((expectedLow - amperes) * limits.inverseCurrentDeviation - limits.currentDrift)
    sumAbove = above > 0 ? above : 0
    sumBelow = below > 0 ? below : 0
  }

  /// Notes the current that this tick's duty will draw at `velocity`.
  @_noLocks
  mutating func expect(duty: Double, velocity: Double, limits: MonitorLimits) {
    let excess = duty.magnitude - limits.deadBand
    let effective = excess > 0 ? (duty < 0 ? -excess : excess) : 0
    var amperes = limits.amperesPerDuty * effective - limits.amperesPerRadianPerSecond * velocity
    // The encoder's noise on the law's current would widen the bounds; a real change counts at once.
    expected += limits.smoothingStep * (amperes - expected)
    if (amperes - expected).magnitude < limits.currentStep { amperes = expected }
    expectedHigh =
      amperes > expectedHigh ? amperes : expectedHigh + limits.envelopeStep * (amperes - expectedHigh)
    expectedLow =
      amperes < expectedLow ? amperes : expectedLow + limits.envelopeStep * (amperes - expectedLow)
  }

  @_noLocks
  mutating func take(load: Double, limits: MonitorLimits) {
    loadTicks = load.magnitude > limits.load ? loadTicks &+ 1 : 0
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
