import HandModel
import Wire
import Foundation

/// A hand of three joints, two current sensors and one force sensor.
package enum Fixtures {
  package static let handID = "hand-7"
  package static let runID = "6f1c9c1e-0001-4000-8000-000000000007"
  package static let jointNames = ["index-proximal", "index-intermediate", "index-distal"]

  package static func board(rateHertz: Int = 1000) -> Board {
    let line = LineSpec(chip: "", line: "kill", activeLow: false, bias: .none)
    let control = ControlSettings(
      rateHertz: rateHertz, windowTicks: 1000, uncertifiedBudgetTicks: 20,
      commandTimeoutNanoseconds: 100_000_000, staleSampleNanoseconds: 10_000_000, overrunBudgetTicks: 10)
    let joints = jointNames.enumerated().map { index, name in
      JointWiring(
        name: name, encoder: index, currentSensor: index < 2 ? index : nil,
        actuator: .motor(.phaseEnable(PWMOutput(chip: 0, channel: index), direction: line), faultLine: nil))
    }
    let force = ForceSensorSpec(
      name: "tip", bus: 0, port: nil, address: 0x48, input: 0, newtonsPerVolt: 5, joint: 2)
    return Board(
      name: "bench", platform: .simulated, control: control, buses: [], multiplexers: [], encoders: [],
      currentSensors: [], forceSensors: [force], pwmChips: [], joints: joints, driveEnable: line,
      eStopLine: line)
  }

  package static func calibration() -> Calibration {
    let joints = jointNames.map { name in
      JointCalibration(
        name: name, encoder: EncoderCalibration(zeroCounts: 0, sign: 1),
        limits: JointLimits(
          lowerRadians: 0, upperRadians: 1.57, radiansPerSecond: 8, radiansPerSecondSquared: 100,
          currentAmperes: 1.5, trackingErrorRadians: 0.3),
        drive: .motor(
          MotorDrive(
            plant: PlantParameters(
              inertiaKilogramSquareMetres: 0.0025, dampingNewtonMetreSeconds: 0.02, coulombNewtonMetres: 0,
              gravityNewtonMetres: 0),
            motor: MotorParameters(
              torqueConstantNewtonMetresPerAmpere: 0.5, backEMFVoltSecondsPerRadian: 0.5, resistanceOhms: 4,
              supplyVolts: 6, deadBandDuty: 0), torqueLimitNewtonMetres: 0.7,
            torqueRateNewtonMetresPerSecond: 100, torqueNoiseNewtonMetres: 0.001)),
        encoderNoiseRadians: 0.0005,
        gains: GainSet(kp: 1.5, kd: 0.06, km: 0.8, lambdaPerSecond: 0.115, backCalculation: 0.02))
    }
    return Calibration(
      hand: "left-7", joints: joints, poses: [Pose(name: "open", radians: [0, 0, 0])])
  }

  private static let parser = CommandParser(board: board(), calibration: calibration())

  /// As the daemon reads a command's body.
  package static func parse(
    _ body: [UInt8], verb: String, now: Int64
  ) -> Result<CommandEnvelope, CommandRejection> {
    parser.parse(body, verb: verb.isEmpty ? nil : verb, now: now)
  }

  package static func identity(handID: String = handID, rateHertz: Int = 1000) -> HandIdentity {
    HandIdentity(
      handID: handID, runID: runID, board: board(rateHertz: rateHertz), calibration: calibration(),
      boardYAML: "name: bench\n", calibrationYAML: "hand: left-7\n", version: "1.2.3",
      certificateJSON: "{\"L\":0.99933}")
  }

  /// A record of the hand above with every value set.
  package static func record(_ sequence: UInt64, state: HandState = .armed) -> TickRecord {
    var record = TickRecord()
    record.sequence = sequence
    record.deadlineNanoseconds = Int64(sequence) * 1_000_000
    record.wallNanoseconds = 1_790_000_000_123_456_789 + Int64(sequence) * 1_000_000
    record.dtNanoseconds = 1_000_000
    record.state = state
    record.mode = .stationKeep
    record.certificate = .certified
    record.jointCount = 3
    record.outputsEnabled = state.outputsLive
    record.lipschitz = 0.99933243617367
    record.ratePerSecond = 0.66778674627734
    record.windowProduct = 0.51284237292658
    record.psi = 0.25
    record.gamma = -0.125
    record.energyIntegral = 3.5
    for joint in 0..<3 {
      record.joints[joint].positionRadians = 0.1 * Double(joint + 1)
      record.joints[joint].setpointRadians = 0.1 * Double(joint + 1) + 0.0000004
      record.joints[joint].currentAmperes = 0.25 * Double(joint + 1)
      record.joints[joint].forceNewtons = joint == 2 ? 1.5 : 0
      record.joints[joint].memoryRadianSeconds = 0.01
      record.joints[joint].lipschitz = 0.99933243617367
      record.joints[joint].distance = 0.001 * Double(joint)
      record.joints[joint].certificate = .certified
    }
    return record
  }
}
