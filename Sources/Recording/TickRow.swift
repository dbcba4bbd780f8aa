import HandModel
import PrimalLogic

/// A tick as a row of the table `tick`.
enum TickRow {
  /// `TickRecord.faultJoint` when the fault names none; NULL in the file.
  static let noJoint: UInt8 = 255
  static let largestJoints = maximumJoints * JointFrame.byteCount
  /// Bytes of the memory that holds a row's two blobs, one behind the other.
  static let largestBlobs = largestJoints + CommandFrame.largestByteCount

  static let columnList =
    (TickColumn.allCases.map(\.column) + ["joints", "command"]).joined(separator: ", ")

  static let insert =
    "INSERT INTO tick (\(columnList)) VALUES ("
    + (0...TickColumn.command).map { "?\($0 + 1)" }.joined(separator: ", ") + ")"

  /// - Parameter blob: `largestBlobs` bytes, which must stay unchanged until the statement has run.
  static func bind(
    _ record: borrowing TickRecord, to statement: SQLiteStatement, blob: UnsafeMutableRawPointer
  ) {
    // SQLite integers are signed; at 10 kHz the sequence reaches 2^63 after 29 million years.
    statement.bind(1, Int64(clamping: record.sequence))
    statement.bind(2, record.deadlineNanoseconds)
    statement.bind(3, record.wallNanoseconds)
    statement.bind(4, record.wakeUpNanoseconds)
    statement.bind(5, record.previousComputeNanoseconds)
    statement.bind(6, record.dtNanoseconds)
    statement.bind(7, Int64(clamping: record.overruns))
    statement.bind(8, Int64(record.state.rawValue))
    statement.bind(9, Int64(record.mode.rawValue))
    statement.bind(10, Int64(record.fault.rawValue))
    if record.faultJoint == noJoint {
      statement.bindNull(11)
    } else {
      statement.bind(11, Int64(record.faultJoint))
    }
    statement.bind(12, Int64(record.certificate.rawValue))
    let count = min(Int(record.jointCount), maximumJoints)
    statement.bind(13, Int64(count))
    statement.bind(14, record.outputsEnabled ? 1 : 0 as Int64)
    statement.bind(15, record.eStopLineActive ? 1 : 0 as Int64)
    statement.bind(16, record.lipschitz)
    statement.bind(17, record.ratePerSecond)
    statement.bind(18, record.windowProduct)
    statement.bind(19, Int64(record.uncertifiedTicks))
    statement.bind(20, Int64(record.commandNumber))
    statement.bind(21, record.psi)
    statement.bind(22, record.gamma)
    statement.bind(23, record.energyIntegral)
    statement.bind(24, record.inertial.accelerationMetresPerSecondSquared.x)
    statement.bind(25, record.inertial.accelerationMetresPerSecondSquared.y)
    statement.bind(26, record.inertial.accelerationMetresPerSecondSquared.z)
    statement.bind(27, record.inertial.rotationRadiansPerSecond.x)
    statement.bind(28, record.inertial.rotationRadiansPerSecond.y)
    statement.bind(29, record.inertial.rotationRadiansPerSecond.z)
    statement.bind(30, Int64(record.failedBusJoints))
    statement.bind(31, Int64(record.unhealthyJoints))
    statement.bind(32, Int64(record.failedActuatorJoints))
    statement.bind(33, Int64(record.inputFlags))
    statement.bind(34, Int64(record.skippedDeadlines))
    statement.bind(35, Int64(bitPattern: record.outputHash))
    statement.bind(36, Int64(record.actuatorLagTicks))
    statement.bind(37, Int64(record.lateTicks))
    if record.command.kind == .none {
      statement.bindNull(38)
    } else {
      statement.bind(38, Int64(record.commandResult.rawValue))
    }
    for joint in 0..<count {
      JointFrame.encode(record.joints[joint], to: blob + joint * JointFrame.byteCount)
    }
    statement.bind(39, borrowing: blob, count: count * JointFrame.byteCount)
    if record.command.kind == .none {
      statement.bindNull(40)
    } else {
      let bytes = CommandFrame.encode(record.command, to: blob + largestJoints)
      statement.bind(40, borrowing: blob + largestJoints, count: bytes)
    }
  }

  /// Fills `record` from the row under `statement`, which selected `columnList`.
  static func read(
    _ statement: SQLiteStatement, path: String, into record: inout TickRecord
  ) throws(RecordingError) {
    let sequence = UInt64(clamping: statement.integer(0))
    func code<T: RawRepresentable<UInt8>>(_ column: TickColumn, _ type: T.Type) throws(RecordingError) -> T {
      let stored = statement.integer(column.rawValue)
      guard let raw = UInt8(exactly: stored), let value = T(rawValue: raw) else {
        throw .damaged(path: path, sequence: sequence, reason: "\(column.column) \(stored) does not exist")
      }
      return value
    }
    record.sequence = sequence
    record.deadlineNanoseconds = statement.integer(1)
    record.wallNanoseconds = statement.integer(2)
    record.wakeUpNanoseconds = statement.integer(3)
    record.previousComputeNanoseconds = statement.integer(4)
    record.dtNanoseconds = statement.integer(5)
    record.overruns = UInt64(clamping: statement.integer(6))
    record.state = try code(.state, HandState.self)
    record.mode = try code(.mode, ControlMode.self)
    record.fault = try code(.fault, FaultCode.self)
    record.faultJoint = statement.isNull(10) ? noJoint : UInt8(clamping: statement.integer(10))
    record.certificate = try code(.certificate, CertificateState.self)
    record.outputsEnabled = statement.integer(13) != 0
    record.eStopLineActive = statement.integer(14) != 0
    record.lipschitz = statement.real(15)
    record.ratePerSecond = statement.real(16)
    record.windowProduct = statement.real(17)
    record.uncertifiedTicks = UInt32(clamping: statement.integer(18))
    record.commandNumber = UInt32(clamping: statement.integer(19))
    record.psi = statement.real(20)
    record.gamma = statement.real(21)
    record.energyIntegral = statement.real(22)
    record.inertial = InertialSample(
      accelerationMetresPerSecondSquared: Vector3(
        x: statement.real(23), y: statement.real(24), z: statement.real(25)),
      rotationRadiansPerSecond: Vector3(
        x: statement.real(26), y: statement.real(27), z: statement.real(28)))
    record.failedBusJoints = UInt16(truncatingIfNeeded: statement.integer(29))
    record.unhealthyJoints = UInt16(truncatingIfNeeded: statement.integer(30))
    record.failedActuatorJoints = UInt16(truncatingIfNeeded: statement.integer(31))
    record.inputFlags = UInt16(truncatingIfNeeded: statement.integer(32))
    record.skippedDeadlines = Int(statement.integer(33))
    record.outputHash = UInt64(bitPattern: statement.integer(34))
    record.actuatorLagTicks = UInt32(clamping: statement.integer(35))
    record.lateTicks = UInt32(clamping: statement.integer(36))
    record.commandResult = statement.isNull(37) ? .executed : try code(.commandResult, CommandResult.self)
    record.command.kind = .none
    if !statement.isNull(TickColumn.command) {
      guard let command = CommandFrame.decode(statement.bytes(TickColumn.command)) else {
        throw .damaged(path: path, sequence: sequence, reason: "its command cannot be read")
      }
      record.command = command
    }
    let count = Int(statement.integer(12))
    let blob = statement.bytes(TickColumn.joints)
    guard (0...maximumJoints).contains(count), blob.count == count * JointFrame.byteCount else {
      throw .damaged(path: path, sequence: sequence, reason: "\(blob.count) bytes for \(count) joints")
    }
    record.jointCount = UInt8(count)
    for index in 0..<count {
      guard let joint = JointFrame.decode(blob.baseAddress! + index * JointFrame.byteCount) else {
        throw .damaged(path: path, sequence: sequence, reason: "joint \(index) has no certificate state")
      }
      record.joints[index] = joint
    }
  }
}
