import HandFiles
import Foundation
import HandModel
import PrimalLogic
import Realtime
import SeededRandom
import Testing

@testable import Recording

/// Where tests put their files, without a slash at its end.
let temporaryRoot = URL(fileURLWithPath: NSTemporaryDirectory()).standardizedFileURL.path

/// A directory of its own for one test, removed with it.
final class TemporaryDirectory {
  let path: String

  init() throws {
    path = temporaryRoot + "/recording-\(UUID().uuidString)"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

enum Repository {
  /// Root of the package that these tests belong to.
  static let root = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
    .deletingLastPathComponent().path
  static let board = root + "/Boards/sim.yaml"
  static let calibration = root + "/Calibration/nominal-hand.yaml"
  /// The program that is killed in the crash test; built beside the test bundle.
  static let feed =
    URL(fileURLWithPath: "/proc/self/exe").resolvingSymlinksInPath().deletingLastPathComponent()
    .appendingPathComponent("recorder-feed").path
}

/// The simulated hand under a run id.
func handIdentity(runID: String = "boot-1") throws -> HandIdentity {
  let boardYAML = try String(contentsOfFile: Repository.board, encoding: .utf8)
  let calibrationYAML = try String(contentsOfFile: Repository.calibration, encoding: .utf8)
  let board = try Board(yaml: boardYAML, file: "sim.yaml")
  return HandIdentity(
    handID: "test-hand", runID: runID, board: board,
    calibration: try Calibration(yaml: calibrationYAML, file: "nominal-hand.yaml", board: board),
    boardYAML: boardYAML, calibrationYAML: calibrationYAML, version: "1.2.3",
    certificateJSON: #"{"rate":0.667}"#)
}

/// A hand of so many joints, motors and servos, with and without sensors.
func mixedIdentity(joints count: Int, using random: inout SeededGenerator) throws -> HandIdentity {
  var identity = try handIdentity()
  let wiring = identity.board.joints[0]
  let kinds: [ActuatorWiring] = [wiring.actuator, .servo(PWMOutput(chip: 0, channel: 0))]
  // Of one kind, or of both.
  let drawn = [[0], [1], [0, 1]].randomElement(using: &random)!
  identity.board.joints = (0..<count).map { index in
    JointWiring(
      name: "joint_\(index)", encoder: index, currentSensor: Bool.random(using: &random) ? 0 : nil,
      actuator: kinds[drawn.randomElement(using: &random)!])
  }
  let sensor = identity.board.forceSensors[0]
  identity.board.forceSensors = (0..<count).filter { _ in Bool.random(using: &random) }.map { joint in
    var force = sensor
    force.joint = joint
    return force
  }
  return identity
}

/// A fresh seed, printed so that a failure can be repeated by putting it here.
func printedSeed(_ test: String) -> UInt64 {
  let seed = UInt64.random(in: .min ... .max)
  print("\(test): seed \(seed)")
  return seed
}

/// A record in which every field is random within what the file can hold.
func randomRecord(sequence: UInt64, joints: Int, using random: inout SeededGenerator) -> TickRecord {
  func real(_ limit: Double) -> Double { Double.random(in: -limit...limit, using: &random) }
  func sometimesNone(_ value: Double) -> Double { Int.random(in: 0..<8, using: &random) == 0 ? .nan : value }
  var record = TickRecord()
  record.sequence = sequence
  record.deadlineNanoseconds = Int64.random(in: 0...(.max), using: &random)
  record.wallNanoseconds = Int64.random(in: 0...(.max), using: &random)
  record.wakeUpNanoseconds = Int64.random(in: -1_000_000...1_000_000_000, using: &random)
  record.previousComputeNanoseconds = Int64.random(in: 0...1_000_000_000, using: &random)
  record.dtNanoseconds = Int64.random(in: 0...1_000_000_000, using: &random)
  record.overruns = UInt64.random(in: 0...UInt64(Int64.max), using: &random)
  record.state = HandState.allCases.randomElement(using: &random)!
  record.mode = ControlMode.allCases.randomElement(using: &random)!
  record.fault = FaultCode.allCases.randomElement(using: &random)!
  record.faultJoint = Bool.random(using: &random) ? 255 : UInt8.random(in: 0..<UInt8(joints), using: &random)
  record.certificate = CertificateState(rawValue: UInt8.random(in: 0...4, using: &random))!
  record.jointCount = UInt8(joints)
  record.outputsEnabled = Bool.random(using: &random)
  record.eStopLineActive = Bool.random(using: &random)
  record.lipschitz = sometimesNone(real(2))
  record.ratePerSecond = sometimesNone(real(1e4))
  record.windowProduct = sometimesNone(real(2))
  record.uncertifiedTicks = UInt32.random(in: 0...(.max), using: &random)
  record.commandNumber = UInt32.random(in: 0...(.max), using: &random)
  record.actuatorLagTicks = UInt32.random(in: 0...(.max), using: &random)
  record.lateTicks = UInt32.random(in: 0...(.max), using: &random)
  record.psi = real(1e3)
  record.gamma = real(1e3)
  record.energyIntegral = real(1e6)
  record.inertial = InertialSample(
    accelerationMetresPerSecondSquared: Vector3(x: sometimesNone(real(40)), y: real(40), z: real(40)),
    rotationRadiansPerSecond: Vector3(x: real(9), y: real(9), z: sometimesNone(real(9))))
  for index in 0..<joints {
    var joint = JointRecord()
    joint.encoderCounts = UInt16.random(in: 0...(.max), using: &random)
    joint.flags = UInt8.random(in: 0...(.max), using: &random)
    joint.certificate = CertificateState(rawValue: UInt8.random(in: 0...4, using: &random))!
    joint.sampleAgeNanoseconds = Int32.random(in: Int32.min...Int32.max, using: &random)
    joint.setpointRadians = real(2147)
    joint.setpointRadiansPerSecond = real(2147)
    joint.measuredRadians = sometimesNone(real(4))
    joint.positionRadians = real(4)
    joint.velocityRadiansPerSecond = real(2147)
    joint.innovationRadians = real(21)
    joint.nominalRadians = real(4)
    joint.memoryRadianSeconds = real(2147)
    joint.demandNewtonMetres = real(2147)
    joint.torqueNewtonMetres = real(1)
    joint.currentAmperes = sometimesNone(real(20))
    joint.loadNewtonMetres = real(2147)
    joint.forceNewtons = real(2147)
    joint.slope = Double.random(in: 0...1, using: &random)
    joint.lipschitz = sometimesNone(Double.random(in: 0.5...1.5, using: &random))
    joint.distance = real(1000)
    record.joints[index] = joint
  }
  if Bool.random(using: &random) {
    var command = TickCommand(
      .pose(radians: (0..<joints).map { _ in real(4) }, seconds: 1.5), source: .mqtt, number: 7)
    command.jointMask &= JointMask.random(in: 0...(.max), using: &random)
    for joint in 0..<joints where command.jointMask & 1 << JointMask(joint) == 0 {
      command.targets[joint] = 0
    }
    record.takenCommand = command
    record.commandResult = CommandResult.allCases.randomElement(using: &random)!
  }
  record.skippedDeadlines = Int.random(in: 0...1000, using: &random)
  record.outputHash = UInt64.random(in: 0...(.max), using: &random)
  record.inputFlags = UInt32.random(in: 0...31, using: &random)
  record.failedBusJoints = JointMask.random(in: 0...(.max), using: &random)
  record.unhealthyJoints = JointMask.random(in: 0...(.max), using: &random)
  record.failedActuatorJoints = JointMask.random(in: 0...(.max), using: &random)
  return record
}

/// A plain tick of a hand that tracks.
func plainRecord(_ sequence: UInt64, joints: Int = 15) -> TickRecord {
  var record = TickRecord()
  record.sequence = sequence
  record.deadlineNanoseconds = Int64(sequence) * 1_000_000
  record.wallNanoseconds = 1_700_000_000_000_000_000 + Int64(sequence) * 1_000_000
  record.state = .tracking
  record.mode = .trajectory
  record.certificate = .certified
  record.jointCount = UInt8(joints)
  record.lipschitz = 0.999_332_931
  for index in 0..<joints {
    record.joints[index].positionRadians = Double(sequence % 1000) * 1e-3 + Double(index)
    record.joints[index].lipschitz = 0.999_332_931
  }
  return record
}

/// The same in values that no compression makes smaller.
func noisyRecord(_ sequence: UInt64, using random: inout SeededGenerator) -> TickRecord {
  var record = plainRecord(sequence)
  let noise = randomRecord(sequence: sequence, joints: 15, using: &random)
  record.joints = noise.joints
  return record
}

/// Waits for a condition, at most `seconds`; returns whether it came.
func waitUntil(seconds: Double = 20, _ condition: () -> Bool) -> Bool {
  let limit = ContinuousClock.now + .seconds(seconds)
  while !condition() {
    if ContinuousClock.now > limit { return false }
    usleep(500)
  }
  return true
}

/// Pushes a record, waiting for room, so that the ring drops nothing.
func pushWaiting(_ record: TickRecord, to ring: Ring<TickRecord>) {
  while ring.count == ring.capacity { usleep(100) }
  ring.push(record)
}

func makeRing(_ capacity: Int = 1024, joints: Int = 15) -> Ring<TickRecord> {
  Ring(capacity: capacity, filling: TickRecord(), recordBytes: TickRecord.byteCount(joints: joints))
}

/// Records the given ticks and returns the recording, opened.
@discardableResult
func record(
  _ records: [TickRecord], in directory: String, runID: String = "boot-1", identity: HandIdentity? = nil,
  options: RecorderOptions = RecorderOptions()
) throws -> Recording {
  let identity = try identity ?? handIdentity(runID: runID)
  var options = options
  // All of them, also where the machine is busy.
  options.stopNanoseconds = 120_000_000_000
  let ring = makeRing(joints: identity.board.joints.count)
  let recorder = try Recorder(directory: directory, identity: identity, ring: ring, options: options)
  try recorder.start()
  for record in records { pushWaiting(record, to: ring) }
  recorder.stop()
  return try Recording.open(path: directory + "/" + runID)
}

/// Reads every tick and event, as one who wants all or an error.
func readAll(_ recording: Recording) throws(RecordingError) {
  let cursor = recording.ticks()
  var record = TickRecord()
  while try cursor.next(into: &record) {}
  _ = try recording.events()
}

/// Puts a row for each tick in the place of the blocks of a recording with one segment.
func replaceBlocksByRows(_ recording: Recording) throws {
  let segment = try #require(recording.segments.first).path
  _ = try recording.unpack(to: segment + ".rows")
  try #require(rename(segment + ".rows", segment) == 0)
}

/// Runs a program and returns its exit status and standard output.
func output(of program: String, _ arguments: [String]) throws -> (status: Int32, text: String) {
  let process = Process()
  process.executableURL = URL(fileURLWithPath: program)
  process.arguments = arguments
  let pipe = Pipe()
  process.standardOutput = pipe
  try process.run()
  let data = pipe.fileHandleForReading.readDataToEndOfFile()
  process.waitUntilExit()
  return (process.terminationStatus, String(decoding: data, as: UTF8.self))
}

/// The sqlite3 command-line shell, where it is installed.
let sqliteShell: String? = ["/usr/bin/sqlite3", "/usr/local/bin/sqlite3"].first {
  FileManager.default.isExecutableFile(atPath: $0)
}
