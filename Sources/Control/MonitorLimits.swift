import HandModel
import PrimalLogic

/// Limits of the tests that see what the certificate's model cannot (docs/control.md), as plain numbers.
struct MonitorLimits: BitwiseCopyable {
  /// `GuardLimits.innovationDeviations`.
  let innovationDeviations: Double
  /// Largest load that the drive itself could hold against, with room for impacts: N m, for a servo rad.
  let load: Double
  /// Ticks beyond `load` that are no impact.
  let loadTicks: Int
  /// Amperes a duty of 1, and amperes lost a rad/s: what the motor's model makes of the commanded duty.
  let amperesPerDuty: Double
  let amperesPerRadianPerSecond: Double
  /// Duty below which the motor does not turn.
  let deadBand: Double
  /// 1/σ of a current reading; 0 where the joint has no sensor.
  let inverseCurrentDeviation: Double
  /// `GuardLimits.currentDrift`.
  let currentDrift: Double
  /// Share by which the current that duty and speed make may be off.
  let currentShare: Double
  /// Ticks from one reading to the next.
  let readingTicks: Int
  /// Square of the continuous current, A², and the winding's fading, 1/s.
  let continuousSquared: Double
  let inverseThermalSeconds: Double
  /// Travel of the set-point within which the encoder's word must change, rad.
  let stuckTravel: Double
  /// What V may have after a window beyond what contraction leaves of it: 4 ν.
  let decayAllowance: Double
  /// A change of the load beyond the observer's noise: N m, for a servo rad.
  let loadChange: Double

  /// - Parameter noiseFloor: ν of V.
  init(_ p: JointBasics, noiseFloor: Double, limits method: GuardLimits) {
    innovationDeviations = method.innovationDeviations
    loadChange = method.loadStepDeviations * p.observerGains.everyTick.loadDeviation
    loadTicks = max(2, Int((method.loadSeconds / p.tickSeconds).rounded(.up)))
    let limits = p.calibration.limits
    let hasSensor = p.currentReadingTicks > 0
    switch p.calibration.drive {
    case .motor(let drive):
      load = method.loadFactor * drive.torqueLimitNewtonMetres
      amperesPerDuty = drive.motor.supplyVolts / drive.motor.resistanceOhms
      amperesPerRadianPerSecond = drive.motor.backEMFVoltSecondsPerRadian / drive.motor.resistanceOhms
      deadBand = drive.motor.deadBandDuty
      inverseCurrentDeviation = hasSensor ? 1 / p.calibration.currentNoiseAmperes : 0
    case .servo(let servo):
      // What blocks a servo looks like the angle between where it is and where it was told to be.
      load = method.loadFactor * (limits.trackingErrorRadians + servo.correctionRadians)
      amperesPerDuty = 0
      amperesPerRadianPerSecond = 0
      deadBand = 0
      inverseCurrentDeviation = 0
    }
    currentDrift = method.currentDrift
    currentShare = p.calibration.uncertainty.currentShare
    readingTicks = p.currentReadingTicks
    continuousSquared = limits.continuousAmperes * limits.continuousAmperes
    inverseThermalSeconds = 1 / limits.thermalSeconds
    let share = inverseCurrentDeviation > 0 ? method.blockedShare : method.stuckShare
    stuckTravel = share * limits.trackingErrorRadians
    decayAllowance = method.decayFloors * noiseFloor
  }
}
