import HandModel

/// The columns of the table `tick` before its blob, in their order.
package enum TickColumn: Int32, CaseIterable, Sendable {
  case sequence, deadline, wall, wakeUp, previousCompute, dt, overruns
  case state, mode, fault, faultJoint, certificate, jointCount, outputsEnabled, eStopLine
  case lipschitz, rate, windowProduct, uncertifiedTicks, commandNumber, psi, gamma, energyIntegral
  case accelerationX, accelerationY, accelerationZ, rotationX, rotationY, rotationZ
  case failedBusJoints, unhealthyJoints, failedActuatorJoints, inputFlags, skippedDeadlines, outputHash
  case actuatorLag, lateTicks, commandResult

  /// Position of the blob in a row: after the last column here.
  static let joints = Int32(TickColumn.allCases.count)
  /// Position of the command's blob, the last column.
  static let command = joints + 1

  /// Column name in SQL, in CSV and in differences.
  package var column: String {
    switch self {
    case .sequence: "sequence"
    case .deadline: "deadline_nanoseconds"
    case .wall: "wall_nanoseconds"
    case .wakeUp: "wake_up_nanoseconds"
    case .previousCompute: "previous_compute_nanoseconds"
    case .dt: "dt_nanoseconds"
    case .overruns: "overruns"
    case .state: "state"
    case .mode: "mode"
    case .fault: "fault"
    case .faultJoint: "fault_joint"
    case .certificate: "certificate"
    case .jointCount: "joint_count"
    case .outputsEnabled: "outputs_enabled"
    case .eStopLine: "estop_line_active"
    case .lipschitz: "lipschitz"
    case .rate: "rate_per_second"
    case .windowProduct: "window_product"
    case .uncertifiedTicks: "uncertified_ticks"
    case .commandNumber: "command_number"
    case .psi: "psi"
    case .gamma: "gamma"
    case .energyIntegral: "energy_integral"
    case .accelerationX: "acceleration_x_metres_per_second_squared"
    case .accelerationY: "acceleration_y_metres_per_second_squared"
    case .accelerationZ: "acceleration_z_metres_per_second_squared"
    case .rotationX: "rotation_x_radians_per_second"
    case .rotationY: "rotation_y_radians_per_second"
    case .rotationZ: "rotation_z_radians_per_second"
    case .failedBusJoints: "failed_bus_joints"
    case .unhealthyJoints: "unhealthy_joints"
    case .failedActuatorJoints: "failed_actuator_joints"
    case .inputFlags: "input_flags"
    case .skippedDeadlines: "skipped_deadlines"
    case .outputHash: "output_hash"
    case .actuatorLag: "actuator_lag_ticks"
    case .lateTicks: "late_ticks"
    case .commandResult: "command_result"
    }
  }

  package var unit: String {
    switch self {
    case .sequence, .overruns, .uncertifiedTicks: "ticks"
    case .deadline, .wall, .wakeUp, .previousCompute, .dt: "ns"
    case .state, .mode, .fault, .certificate, .commandResult: "code"
    case .faultJoint, .jointCount, .commandNumber: "number"
    case .outputsEnabled, .eStopLine: "0/1"
    case .lipschitz, .windowProduct: "1"
    case .rate: "1/s"
    case .psi: "N·m"
    case .gamma: "rad"
    case .energyIntegral: "N·m·rad·s"
    case .accelerationX, .accelerationY, .accelerationZ: "m/s²"
    case .rotationX, .rotationY, .rotationZ: "rad/s"
    case .failedBusJoints, .unhealthyJoints, .failedActuatorJoints, .inputFlags, .outputHash: "bits"
    case .skippedDeadlines, .actuatorLag, .lateTicks: "ticks"
    }
  }

  package var isReal: Bool {
    switch self {
    case .lipschitz, .rate, .windowProduct, .psi, .gamma, .energyIntegral, .accelerationX, .accelerationY,
      .accelerationZ, .rotationX, .rotationY, .rotationZ:
      true
    default: false
    }
  }

  /// Declaration in CREATE TABLE. Real values, the fault's joint and a command's result are NULL where there is none.
  var declaration: String {
    switch self {
    case .sequence: "sequence INTEGER PRIMARY KEY"
    case .faultJoint, .commandResult: "\(column) INTEGER"
    default: isReal ? "\(column) REAL" : "\(column) INTEGER NOT NULL"
    }
  }

  /// Value as text: numbers exactly (a real in the shortest form that reads back to the same bits), codes
  /// by name, none as "".
  package func text(of record: borrowing TickRecord) -> String {
    switch self {
    case .sequence: String(record.sequence)
    case .deadline: String(record.deadlineNanoseconds)
    case .wall: String(record.wallNanoseconds)
    case .wakeUp: String(record.wakeUpNanoseconds)
    case .previousCompute: String(record.previousComputeNanoseconds)
    case .dt: String(record.dtNanoseconds)
    case .overruns: String(record.overruns)
    case .state: record.state.name
    case .mode: record.mode.name
    case .fault: record.fault.name
    case .faultJoint: record.faultJoint == TickRow.noJoint ? "" : String(record.faultJoint)
    case .certificate: record.certificate.name
    case .jointCount: String(record.jointCount)
    case .outputsEnabled: record.outputsEnabled ? "1" : "0"
    case .eStopLine: record.eStopLineActive ? "1" : "0"
    case .lipschitz: Self.text(record.lipschitz)
    case .rate: Self.text(record.ratePerSecond)
    case .windowProduct: Self.text(record.windowProduct)
    case .uncertifiedTicks: String(record.uncertifiedTicks)
    case .commandNumber: String(record.commandNumber)
    case .psi: Self.text(record.psi)
    case .gamma: Self.text(record.gamma)
    case .energyIntegral: Self.text(record.energyIntegral)
    case .accelerationX: Self.text(record.inertial.accelerationMetresPerSecondSquared.x)
    case .accelerationY: Self.text(record.inertial.accelerationMetresPerSecondSquared.y)
    case .accelerationZ: Self.text(record.inertial.accelerationMetresPerSecondSquared.z)
    case .rotationX: Self.text(record.inertial.rotationRadiansPerSecond.x)
    case .rotationY: Self.text(record.inertial.rotationRadiansPerSecond.y)
    case .rotationZ: Self.text(record.inertial.rotationRadiansPerSecond.z)
    case .failedBusJoints: String(record.failedBusJoints)
    case .unhealthyJoints: String(record.unhealthyJoints)
    case .failedActuatorJoints: String(record.failedActuatorJoints)
    case .inputFlags: String(record.inputFlags)
    case .skippedDeadlines: String(record.skippedDeadlines)
    case .outputHash: String(Int64(bitPattern: record.outputHash))
    case .actuatorLag: String(record.actuatorLagTicks)
    case .lateTicks: String(record.lateTicks)
    case .commandResult: record.command.kind == .none ? "" : record.commandResult.name
    }
  }

  private static func text(_ value: Double) -> String { value.isNaN ? "" : "\(value)" }

  /// Whether two records agree in this column; NaN agrees with NaN.
  func agrees(_ a: borrowing TickRecord, _ b: borrowing TickRecord) -> Bool {
    switch self {
    case .sequence: a.sequence == b.sequence
    case .deadline: a.deadlineNanoseconds == b.deadlineNanoseconds
    case .wall: a.wallNanoseconds == b.wallNanoseconds
    case .wakeUp: a.wakeUpNanoseconds == b.wakeUpNanoseconds
    case .previousCompute: a.previousComputeNanoseconds == b.previousComputeNanoseconds
    case .dt: a.dtNanoseconds == b.dtNanoseconds
    case .overruns: a.overruns == b.overruns
    case .state: a.state == b.state
    case .mode: a.mode == b.mode
    case .fault: a.fault == b.fault
    case .faultJoint: a.faultJoint == b.faultJoint
    case .certificate: a.certificate == b.certificate
    case .jointCount: a.jointCount == b.jointCount
    case .outputsEnabled: a.outputsEnabled == b.outputsEnabled
    case .eStopLine: a.eStopLineActive == b.eStopLineActive
    case .lipschitz: same(a.lipschitz, b.lipschitz)
    case .rate: same(a.ratePerSecond, b.ratePerSecond)
    case .windowProduct: same(a.windowProduct, b.windowProduct)
    case .uncertifiedTicks: a.uncertifiedTicks == b.uncertifiedTicks
    case .commandNumber: a.commandNumber == b.commandNumber
    case .psi: same(a.psi, b.psi)
    case .gamma: same(a.gamma, b.gamma)
    case .energyIntegral: same(a.energyIntegral, b.energyIntegral)
    case .accelerationX:
      same(a.inertial.accelerationMetresPerSecondSquared.x, b.inertial.accelerationMetresPerSecondSquared.x)
    case .accelerationY:
      same(a.inertial.accelerationMetresPerSecondSquared.y, b.inertial.accelerationMetresPerSecondSquared.y)
    case .accelerationZ:
      same(a.inertial.accelerationMetresPerSecondSquared.z, b.inertial.accelerationMetresPerSecondSquared.z)
    case .rotationX: same(a.inertial.rotationRadiansPerSecond.x, b.inertial.rotationRadiansPerSecond.x)
    case .rotationY: same(a.inertial.rotationRadiansPerSecond.y, b.inertial.rotationRadiansPerSecond.y)
    case .rotationZ: same(a.inertial.rotationRadiansPerSecond.z, b.inertial.rotationRadiansPerSecond.z)
    case .failedBusJoints: a.failedBusJoints == b.failedBusJoints
    case .unhealthyJoints: a.unhealthyJoints == b.unhealthyJoints
    case .failedActuatorJoints: a.failedActuatorJoints == b.failedActuatorJoints
    case .inputFlags: a.inputFlags == b.inputFlags
    case .skippedDeadlines: a.skippedDeadlines == b.skippedDeadlines
    case .outputHash: a.outputHash == b.outputHash
    case .actuatorLag: a.actuatorLagTicks == b.actuatorLagTicks
    case .lateTicks: a.lateTicks == b.lateTicks
    case .commandResult: a.commandResult == b.commandResult
    }
  }

  private func same(_ a: Double, _ b: Double) -> Bool { a == b || (a.isNaN && b.isNaN) }
}
