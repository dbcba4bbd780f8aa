import HandModel
import Realtime
import Wire

extension HandSnapshot {
  /// The present state of a running hand.
  /// - Parameter identity: of the hand that `runtime` runs.
  package init(
    _ runtime: HandRuntime, identity: HandIdentity, recorder: Recorder?, publisher: Publisher?,
    degraded: [String]
  ) {
    var degraded = degraded
    if let seconds = runtime.standstillSeconds {
      degraded.append(
        "the control loop has stood still for \((seconds * 10).rounded() / 10) s: what is shown of the hand is as old"
      )
    }
    self.init(
      runtime.latestRecord(), identity: identity, isLineActive: runtime.isDriveEnableActive,
      outputsChangedNanoseconds: runtime.outputsChangedNanoseconds,
      wakeUps: Latency(runtime.wakeUps.snapshot()),
      computes: Latency(runtime.computes.snapshot()), recorder: recorder, publisher: publisher,
      timekeeping: runtime.latestTimekeeping(), degraded: degraded)
  }
}

extension HandSnapshot.Latency {
  init(_ distribution: LatencyDistribution) {
    self.init(
      p50: Double(distribution.p50), p99: Double(distribution.p99), p999: Double(distribution.p999),
      max: Double(distribution.max))
  }
}
