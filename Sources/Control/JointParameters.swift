import HandModel
import PrimalLogic

/// Everything of one joint that does not change between start and exit.
package struct JointParameters: Sendable {
  package var calibration: JointCalibration
  /// The nominal closed loop, from decision to decision.
  package var model: LoopModel
  /// N: what arms the hand.
  package var certificate: Certificate
  /// What the certificate U covers, from the calibration's shares and the output's timing.
  package var uncertainty: Uncertainty
  /// U, or why there is none; nil where nobody asked for it.
  package var uncertain: Result<UncertainCertificate, UncertaintyRefusal>?
  /// Gains of the observer by the time between samples.
  package var observerGains: Observer.Schedule
  /// The observer as U models it.
  package var loopObserver: LoopObserver
  /// Ticks that pass before the plant sees what a tick decides, on average: 0 to `maximumDelayTicks`
  /// decisions.
  package var outputLatency: Double
  /// Ticks from one decision of the law to the next: more than 1 for a servo whose frames come less often.
  package var holdTicks: Int
  /// Ticks from one reading of the joint's current to the next; 0 = it has no sensor.
  package var currentReadingTicks: Int
  /// The finger whose joints pull at each other, this one among them. `certificate` is then the finger's.
  package var coupled: CoupledFinger?

  /// What is known of it without a certificate.
  var basics: JointBasics {
    JointBasics(
      calibration: calibration, model: model, observerGains: observerGains, outputLatency: outputLatency,
      holdTicks: holdTicks, currentReadingTicks: currentReadingTicks)
  }

  /// The noise floor ν of V; of a coupled joint its finger's.
  func noiseFloor(_ limits: GuardLimits) -> Double {
    limits.noiseFloorDeviations
      * (coupled?.noiseDistance
        ?? model.noiseDistance(certificate, observerGains.everyTick, corrections: holdTicks))
  }
}

/// What is known of one joint without a certificate: enough to estimate where it is, and to guard it.
package struct JointBasics: Sendable {
  package var calibration: JointCalibration
  package var model: LoopModel
  /// Gains of the observer by the time between samples.
  package var observerGains: Observer.Schedule
  /// As in `JointParameters`.
  package var outputLatency: Double
  package var holdTicks: Int
  package var currentReadingTicks: Int

  /// Nominal time from tick to tick, s: the model's period is that of a decision.
  var tickSeconds: Double { model.period / Double(holdTicks) }
}
