import HandModel
import PrimalLogic

/// The sensors that a hand does not have.
package struct AbsentSensors: Sendable, Equatable {
  /// Joints (bit j) without a current sensor.
  package var currents: JointMask = 0
  /// Joints (bit j) without a force sensor.
  package var forces: JointMask = 0

  /// None is absent.
  package init() {}

  /// The sensors that the board's joints lack.
  package init(on board: Board) {
    for (j, equipment) in board.equipment.enumerated() {
      let bit: JointMask = 1 << JointMask(j)
      if !equipment.hasCurrentSensor { currents |= bit }
      if !equipment.hasForceSensor { forces |= bit }
    }
  }
}

extension TickInputs {
  /// Becomes what the tick of `record` was told. Call it for each tick in its order: what a tick does not
  /// take stays as it is.
  ///
  /// Numbers of samples and streamed set-points are not recorded. A tick only asks whether they are new, so
  /// here they count on their own.
  /// - Parameter absent: sensors that the hand does not have. The tick was told zero for them, of which a
  ///   file says nothing. What a sensor itself told is given as it was, even where it is no number.
  package mutating func recall(
    _ record: UnsafePointer<TickRecord>, absent: AbsentSensors = AbsentSensors()
  ) {
    nowNanoseconds = record.pointee.deadlineNanoseconds &+ record.pointee.wakeUpNanoseconds
    deadlineNanoseconds = record.pointee.deadlineNanoseconds
    wallNanoseconds = record.pointee.wallNanoseconds
    previousComputeNanoseconds = record.pointee.previousComputeNanoseconds
    overruns = record.pointee.overruns
    skippedDeadlines = record.pointee.skippedDeadlines
    for j in 0..<Int(record.pointee.jointCount) {
      let joint = record.pointee.joints[j]
      encoders[j].isValid = true
      encoders[j].counts = joint.encoderCounts
      encoders[j].timeNanoseconds = nowNanoseconds &- Int64(joint.sampleAgeNanoseconds)
      if joint.flags & JointFlags.sampled != 0 { encoders[j].number &+= 1 }
      let bit: JointMask = 1 << JointMask(j)
      currentsAmperes[j] =
        absent.currents & bit != 0 && joint.currentAmperes.isNaN ? 0 : joint.currentAmperes
      forcesNewtons[j] = absent.forces & bit != 0 && joint.forceNewtons.isNaN ? 0 : joint.forceNewtons
    }
    inertial = record.pointee.inertial
    failedBusJoints = record.pointee.failedBusJoints
    unhealthyJoints = record.pointee.unhealthyJoints
    failedActuatorJoints = record.pointee.failedActuatorJoints
    actuatorLagTicks = record.pointee.actuatorLagTicks
    driveEnableFailed = record.pointee.inputFlags & InputFlags.driveEnableFailed != 0
    actuatorFailed = record.pointee.inputFlags & InputFlags.actuatorFailed != 0
    eStopLineActive = record.pointee.eStopLineActive
    stopRequested = record.pointee.inputFlags & InputFlags.stop != 0
    stopSource = record.pointee.inputFlags & InputFlags.remoteStop != 0 ? .mqtt : .socket
    isLast = record.pointee.inputFlags & InputFlags.last != 0
    switch record.pointee.command.kind {
    case .none: break
    case .stream: stream = record.pointee.takenCommand
    default: command = record.pointee.takenCommand
    }
  }
}
