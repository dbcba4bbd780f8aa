import HandModel

extension TickInputs {
  /// Becomes what the tick of `record` was told. Call it for each tick in its order: what a tick does not take
  /// stays as it is.
  ///
  /// Numbers of samples and streamed set-points are not recorded. A tick only asks whether they are new, so here
  /// they count on their own.
  package mutating func recall(_ record: borrowing TickRecord) {
    nowNanoseconds = record.deadlineNanoseconds &+ record.wakeUpNanoseconds
    deadlineNanoseconds = record.deadlineNanoseconds
    wallNanoseconds = record.wallNanoseconds
    previousComputeNanoseconds = record.previousComputeNanoseconds
    overruns = record.overruns
    skippedDeadlines = record.skippedDeadlines
    for j in 0..<Int(record.jointCount) {
      let joint = record.joints[j]
      encoders[j].isValid = true
      encoders[j].counts = joint.encoderCounts
      encoders[j].timeNanoseconds = nowNanoseconds &- Int64(joint.sampleAgeNanoseconds)
      if joint.flags & JointFlags.sampled != 0 { encoders[j].number &+= 1 }
      currentsAmperes[j] = joint.currentAmperes
      forcesNewtons[j] = joint.forceNewtons
    }
    inertial = record.inertial
    failedBusJoints = record.failedBusJoints
    unhealthyJoints = record.unhealthyJoints
    failedActuatorJoints = record.failedActuatorJoints
    actuatorLagTicks = record.actuatorLagTicks
    killLineFailed = record.inputFlags & InputFlags.killLineFailed != 0
    actuatorFailed = record.inputFlags & InputFlags.actuatorFailed != 0
    eStopLineActive = record.eStopLineActive
    stopRequested = record.inputFlags & InputFlags.stop != 0
    stopSource = record.inputFlags & InputFlags.remoteStop != 0 ? .mqtt : .socket
    isLast = record.inputFlags & InputFlags.last != 0
    switch record.command.kind {
    case .none: break
    case .stream: stream = record.command
    default: command = record.command
    }
  }
}
