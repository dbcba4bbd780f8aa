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
    func refusal(_ column: Int32, _ name: String, expected: String) -> RecordingError {
      .damaged(
        path: path, sequence: sequence,
        reason: "\(name) is \(statement.stored(column).name), expected \(expected)")
    }
    // Nothing is rounded or clipped into the range of a field: a row that this program cannot have written says so.
    func integer<T: FixedWidthInteger>(_ column: TickColumn, _ type: T.Type = T.self) throws(RecordingError)
      -> T
    {
      guard case .integer(let stored) = statement.stored(column.rawValue), let value = T(exactly: stored)
      else {
        throw refusal(column.rawValue, column.column, expected: "an integer from \(T.min) to \(T.max)")
      }
      return value
    }
    func code<T: RawRepresentable<UInt8>>(_ column: TickColumn, _ type: T.Type) throws(RecordingError) -> T {
      guard case .integer(let stored) = statement.stored(column.rawValue), let raw = UInt8(exactly: stored),
        let value = T(rawValue: raw)
      else { throw refusal(column.rawValue, column.column, expected: "a code that exists") }
      return value
    }
    func flag(_ column: TickColumn) throws(RecordingError) -> Bool {
      switch statement.stored(column.rawValue) {
      case .integer(0): return false
      case .integer(1): return true
      default: throw refusal(column.rawValue, column.column, expected: "0 or 1")
      }
    }
    /// NULL reads as NaN, which SQLite has not.
    func real(_ column: TickColumn) throws(RecordingError) -> Double {
      switch statement.stored(column.rawValue) {
      case .real(let value): return value
      case .null: return .nan
      default: throw refusal(column.rawValue, column.column, expected: "a number or NULL")
      }
    }
    func bytes(_ column: Int32, _ name: String) throws(RecordingError) -> UnsafeRawBufferPointer {
      guard statement.stored(column) == .blob else { throw refusal(column, name, expected: "bytes") }
      return statement.bytes(column)
    }
    let count: UInt8 = try integer(.jointCount)
    record.sequence = sequence
    record.deadlineNanoseconds = try integer(.deadline)
    record.wallNanoseconds = try integer(.wall)
    record.wakeUpNanoseconds = try integer(.wakeUp)
    record.previousComputeNanoseconds = try integer(.previousCompute)
    record.dtNanoseconds = try integer(.dt)
    record.overruns = try integer(.overruns)
    record.state = try code(.state, HandState.self)
    record.mode = try code(.mode, ControlMode.self)
    record.fault = try code(.fault, FaultCode.self)
    record.faultJoint = noJoint
    if statement.stored(TickColumn.faultJoint.rawValue) != .null {
      let joint: UInt8 = try integer(.faultJoint)
      guard joint < count else {
        throw refusal(
          TickColumn.faultJoint.rawValue, TickColumn.faultJoint.column,
          expected: "a joint below \(count) or NULL")
      }
      record.faultJoint = joint
    }
    record.certificate = try code(.certificate, CertificateState.self)
    record.outputsEnabled = try flag(.outputsEnabled)
    record.eStopLineActive = try flag(.eStopLine)
    record.lipschitz = try real(.lipschitz)
    record.ratePerSecond = try real(.rate)
    record.windowProduct = try real(.windowProduct)
    record.uncertifiedTicks = try integer(.uncertifiedTicks)
    record.commandNumber = try integer(.commandNumber)
    record.psi = try real(.psi)
    record.gamma = try real(.gamma)
    record.energyIntegral = try real(.energyIntegral)
    record.inertial = InertialSample(
      accelerationMetresPerSecondSquared: Vector3(
        x: try real(.accelerationX), y: try real(.accelerationY), z: try real(.accelerationZ)),
      rotationRadiansPerSecond: Vector3(
        x: try real(.rotationX), y: try real(.rotationY), z: try real(.rotationZ)))
    record.failedBusJoints = try integer(.failedBusJoints)
    record.unhealthyJoints = try integer(.unhealthyJoints)
    record.failedActuatorJoints = try integer(.failedActuatorJoints)
    record.inputFlags = try integer(.inputFlags)
    record.skippedDeadlines = Int(clamping: try integer(.skippedDeadlines, UInt64.self))
    record.outputHash = UInt64(bitPattern: try integer(.outputHash))
    record.actuatorLagTicks = try integer(.actuatorLag)
    record.lateTicks = try integer(.lateTicks)
    record.commandResult =
      statement.stored(TickColumn.commandResult.rawValue) == .null
      ? .executed : try code(.commandResult, CommandResult.self)
    record.command.kind = .none
    if statement.stored(TickColumn.command) != .null {
      guard let command = CommandFrame.decode(try bytes(TickColumn.command, "command")) else {
        throw .damaged(path: path, sequence: sequence, reason: "its command cannot be read")
      }
      record.command = command
    }
    let blob = try bytes(TickColumn.joints, "joints")
    guard count <= maximumJoints, blob.count == Int(count) * JointFrame.byteCount else {
      throw .damaged(path: path, sequence: sequence, reason: "\(blob.count) bytes for \(count) joints")
    }
    record.jointCount = count
    guard let frames = blob.baseAddress else { return }
    for index in 0..<Int(count) {
      guard let joint = JointFrame.decode(frames + index * JointFrame.byteCount) else {
        throw .damaged(path: path, sequence: sequence, reason: "joint \(index) has no certificate state")
      }
      record.joints[index] = joint
    }
  }
}
