/// Limits of the guard that belong to the method and not to a board or a hand: the one source of their
/// numbers.
///
/// The controller holds them as a value, `docs/faults.md` takes its numbers from them. They are stored
/// properties and not statics, because a tick must not touch a static of another file: its first use may take
/// a lock.
package struct GuardLimits: BitwiseCopyable, Sendable {
  /// The limits of every hand. For whatever is no tick.
  package static let standard = GuardLimits()

  // Joints

  /// Beyond the calibrated range by this much a joint has left it, rad: 5°, more than end-stop compliance.
  package let positionMarginRadians = 0.087
  /// Beyond its range by this much a joint leans on its end stop, which the certificate's model does not
  /// have, rad: 1°, more than the noise about a set-point at the very end of the range.
  package let endStopMarginRadians = 0.0175
  /// How long a joint may lean on its end stop without a certificate, s. A finger that rests against its stop
  /// when it is armed is back within its range long before.
  package let endStopSeconds = 0.25
  /// The estimated speed may exceed the joint's speed limit by this factor, for overshoot.
  package let velocityFactor = 1.5
  /// A change between two samples beyond what the speed allows is noise up to this many σ: 6 σ is one in 10⁹.
  package let jumpDeviations = 6.0
  /// Rejected samples in a row that make a sensor implausible.
  package let rejectedSamples = 3
  /// Ticks over the current limit before a fault: longer than a bus's round of current readings.
  package let overCurrentTicks = 20

  // Start-up

  /// Consecutive ticks with fresh samples of all joints that pass the self-test.
  package let selfTestTicks = 10
  /// The self-test gives up after this time, ns.
  package let selfTestNanoseconds: Int64 = 1_000_000_000

  // Certificate and clock

  /// L may exceed 1 by rounding only (docs/control.md).
  package let lipschitzTolerance = 1e-9
  /// No model is advanced over a gap between ticks of this length or more, s: it is as long as the oldest
  /// sample that a board may allow. Such a gap means a suspended machine rather than a late one.
  package let longestStallSeconds = 1.0
  /// A joint counts as saturated below this slope of its saturation, 0...1.
  package let certifiedSlope = 0.2

  // The tests that see what the model cannot (docs/control.md, docs/faults.md)

  /// Innovations beyond this many σ are no noise, nor soft contact at the speed of a grasp.
  package let innovationDeviations = 6.0
  /// Samples in a row with such an innovation.
  package let innovationTicks = 5
  /// What blocks a joint pushes back no harder than the drive pushes. A load above that by this factor comes
  /// from outside.
  package let loadFactor = 1.5
  /// An impact is over after this time, s.
  package let loadSeconds = 0.02
  /// The allowance of the current's CUSUM, σ.
  package let currentDrift = 0.25
  /// Its trip level, σ: with this allowance one false alarm in 1.7·10¹² independent readings (Siegmund).
  package let currentThreshold = 51.0
  /// Share of the tracking limit that the set-point may travel while the encoder's word does not change.
  package let stuckShare = 0.25
  /// The same share where a current sensor tells a stuck encoder from a blocked joint: a firm grasp may press
  /// further.
  package let blockedShare = 0.75
  /// V below this many of its root mean squares says nothing about decay: the noise floor ν.
  package let noiseFloorDeviations = 3.0
  /// V may exceed what contraction leaves of it after a window by this many ν.
  package let decayFloors = 4.0
  /// A change of the estimated load by this many σ is no noise.
  package let loadStepDeviations = 6.0
  /// How long a joint is braked, ns: a shorted motor of a finger stops within tens of milliseconds.
  package let brakeNanoseconds: Int64 = 200_000_000

  // Proof that commands are written (`actuatorLagTicks`)

  /// Largest lag of the actuators while the hand is braked through them: one tick is the way to the chips and
  /// back, the second is a bus thread or a loop that is late by a period. Braking may end on suspicion,
  /// because limp is always safe.
  package let brakingLagTicks: UInt32 = 2
  /// Largest lag of the actuators of a driven hand. Beyond it, and beyond the age that the board allows a
  /// sample, the thread that writes hangs or is dead. The time is needed besides the ticks, because a thread
  /// that writes may be as late as one that reads: without a real-time kernel some stalls are longer than
  /// five ticks of 1 ms.
  package let drivenLagTicks: UInt32 = 5

  package init() {}
}
