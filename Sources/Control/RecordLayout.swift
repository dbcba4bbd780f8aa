import HandModel

/// Where the arrays of joints lie in inputs and record. Their elements are reached there, because whether
/// indexing copies the whole array is up to the optimiser.
struct RecordLayout: BitwiseCopyable {
  private let jointsOffset: Int
  private let encodersOffset: Int

  init() {
    guard let joints = MemoryLayout<TickRecord>.offset(of: \.joints),
      let encoders = MemoryLayout<TickInputs>.offset(of: \.encoders)
    else { preconditionFailure("stored properties have an offset") }
    jointsOffset = joints
    encodersOffset = encoders
  }

  /// The records of the joints within `record`.
  @_noLocks
  func joints(_ record: UnsafeMutablePointer<TickRecord>, count: Int) -> JointRecords {
    JointRecords(
      UnsafeMutableRawPointer(record).advanced(by: jointsOffset).assumingMemoryBound(to: JointRecord.self),
      count: count)
  }

  /// The encoders' samples within `inputs`.
  @_noLocks
  func encoders(_ inputs: UnsafePointer<TickInputs>) -> UnsafePointer<EncoderSample> {
    UnsafeRawPointer(inputs).advanced(by: encodersOffset).assumingMemoryBound(to: EncoderSample.self)
  }

  /// Keeps the command, or the set-point, that the tick takes: its head once, its targets with the joints.
  @_noLocks
  func keepCommand(
    _ inputs: UnsafePointer<TickInputs>, isStream: Bool, _ record: UnsafeMutablePointer<TickRecord>,
    count: Int
  ) {
    let out = joints(record, count: count)
    if isStream {
      record.pointee.command = TickCommandHead(inputs.pointee.stream)
      for j in 0..<count { out[j].pointee.targetRadians = inputs.pointee.stream.targets[j] }
    } else {
      record.pointee.command = TickCommandHead(inputs.pointee.command)
      for j in 0..<count { out[j].pointee.targetRadians = inputs.pointee.command.targets[j] }
    }
  }
}

extension TickRecord {
  /// Keeps what the tick is told besides samples, so that it can be run again.
  /// - Parameter dt: ns since the tick before.
  @_noLocks
  mutating func keep(_ inputs: UnsafePointer<TickInputs>, sequence: UInt64, jointCount: Int, dt: Int64) {
    self.sequence = sequence
    deadlineNanoseconds = inputs.pointee.deadlineNanoseconds
    wallNanoseconds = inputs.pointee.wallNanoseconds
    wakeUpNanoseconds = inputs.pointee.nowNanoseconds &- inputs.pointee.deadlineNanoseconds
    previousComputeNanoseconds = inputs.pointee.previousComputeNanoseconds
    dtNanoseconds = dt
    overruns = inputs.pointee.overruns
    self.jointCount = UInt8(truncatingIfNeeded: jointCount)
    eStopLineActive = inputs.pointee.eStopLineActive
    inertial = inputs.pointee.inertial
    failedBusJoints = inputs.pointee.failedBusJoints
    unhealthyJoints = inputs.pointee.unhealthyJoints
    failedActuatorJoints = inputs.pointee.failedActuatorJoints
    skippedDeadlines = inputs.pointee.skippedDeadlines
    actuatorLagTicks = inputs.pointee.actuatorLagTicks
    var flags: UInt32 = 0
    if inputs.pointee.actuatorFailed { flags |= InputFlags.actuatorFailed }
    if inputs.pointee.stopRequested {
      flags |= InputFlags.stop
      if inputs.pointee.stopSource == .mqtt { flags |= InputFlags.remoteStop }
    }
    if inputs.pointee.isLast { flags |= InputFlags.last }
    if inputs.pointee.driveEnableFailed { flags |= InputFlags.driveEnableFailed }
    inputFlags = flags
    command.kind = .none
    commandResult = .executed
  }

  /// Keeps the state that the tick ends in.
  @_noLocks
  mutating func keep(_ machine: HandStateMachine) {
    state = machine.state
    mode = machine.mode
    fault = machine.fault
    faultJoint = machine.faultJoint
    outputsEnabled = machine.enablesOutputs
  }
}
