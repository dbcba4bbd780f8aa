import Analysis
import Control
import HandFiles
import HandModel
import PrimalLogic

/// The shipped hand, which calibrations and commands are read for.
enum ShippedHand {
  static let files: HandFiles = {
    do {
      return try HandFiles(board: "Boards/sim.yaml", calibration: "Calibration/nominal-hand.yaml")
    } catch { fatalError("\(error); run from the root of the repository") }
  }()
}

/// A board file is read, or refused with errors that say where and what; a board that was read has a bus plan and
/// a report of finite numbers.
func fuzzBoard(_ input: UnsafeRawBufferPointer) {
  let text = String(decoding: input, as: UTF8.self)
  let board: Board
  do throws(ConfigurationErrors) {
    board = try Board(yaml: text, file: "board.yaml")
  } catch {
    return check(error, of: text)
  }
  require((1...maximumJoints).contains(board.joints.count), "\(board.joints.count) joints")
  require(1_000_000_000 % board.control.rateHertz == 0, "\(board.control.rateHertz) Hz")
  require(board.control.windowTicks > 0, "a window of \(board.control.windowTicks) ticks")
  require((0...board.control.windowTicks).contains(board.control.uncertifiedBudgetTicks), "budget")
  require((0...board.control.windowTicks).contains(board.control.overrunBudgetTicks), "budget")
  // Both trap on an index that leads nowhere.
  let report = BoardReport(board: board, design: nil, refusal: nil)
  require(report.buses.count == board.buses.count, "a report of \(report.buses.count) buses")
  for bus in report.buses {
    require(bus.load.isFinite && bus.load >= 0 && bus.cycleMicroseconds.isFinite, "load of \(bus.name)")
    require(bus.costs.allSatisfy { $0.microsecondsEach > 0 && $0.count > 0 }, "costs of \(bus.name)")
  }
  for joint in board.joints {
    require(!joint.actuator.outputs.isEmpty, "outputs of \(joint.name)")
    for output in joint.actuator.outputs {
      require(
        board.pwmChips[output.chip].periodNanoseconds > 0 && (0..<16).contains(output.channel),
        "output of \(joint.name)")
    }
  }
  for sensor in board.currentSensors {
    require(sensor.shuntOhms > 0 && sensor.shuntOhms.isFinite && sensor.maximumAmperes.isFinite, sensor.name)
  }
  for sensor in board.forceSensors { require(sensor.newtonsPerVolt.isFinite, sensor.name) }
}

/// A calibration of the shipped board is read with finite numbers within their ranges, or refused likewise.
func fuzzCalibration(_ input: UnsafeRawBufferPointer) {
  let text = String(decoding: input, as: UTF8.self)
  let board = ShippedHand.files.board
  let calibration: Calibration
  do throws(ConfigurationErrors) {
    calibration = try Calibration(yaml: text, file: "hand.yaml", board: board)
  } catch {
    return check(error, of: text)
  }
  require(calibration.joints.count == board.joints.count, "\(calibration.joints.count) joints")
  for (joint, wiring) in zip(calibration.joints, board.joints) {
    require(joint.name == wiring.name, "\(joint.name) in the place of \(wiring.name)")
    require(joint.limits.lowerRadians < joint.limits.upperRadians, "limits of \(joint.name)")
    guard case .motor(let drive) = joint.drive else { fatalError("\(joint.name) is wired to a motor") }
    let positive = [
      joint.limits.radiansPerSecond, joint.limits.radiansPerSecondSquared, joint.limits.currentAmperes,
      joint.limits.trackingErrorRadians, joint.encoderNoiseRadians, drive.plant.inertiaKilogramSquareMetres,
      drive.torqueLimitNewtonMetres, drive.torqueRateNewtonMetresPerSecond, drive.motor.resistanceOhms,
      drive.motor.supplyVolts, drive.motor.torqueConstantNewtonMetresPerAmpere,
    ]
    let notNegative = [
      drive.plant.dampingNewtonMetreSeconds, drive.plant.coulombNewtonMetres, drive.plant.gravityNewtonMetres,
      drive.torqueNoiseNewtonMetres, drive.motor.backEMFVoltSecondsPerRadian, drive.motor.deadBandDuty,
      joint.gains.kp, joint.gains.kd, joint.gains.lambdaPerSecond, joint.gains.backCalculation,
      joint.uncertainty.inertiaShare, joint.uncertainty.dampingShare, joint.uncertainty.currentShare,
    ]
    require(positive.allSatisfy { $0 > 0 && $0.isFinite }, "a value of \(joint.name) that must be positive")
    require(notNegative.allSatisfy { $0 >= 0 && $0.isFinite }, "a value of \(joint.name) below zero")
    require(joint.gains.km.isFinite, "km of \(joint.name)")
    require((0..<joint.encoder.countsPerTurn).contains(joint.encoder.zeroCounts), "zero of \(joint.name)")
  }
  require(calibration.poses.contains { $0.name == "open" }, "no pose open")
  for pose in calibration.poses {
    for (radians, joint) in zip(pose.radians, calibration.joints) {
      require(
        (joint.limits.lowerRadians...joint.limits.upperRadians).contains(radians),
        "\(pose.name), \(joint.name)")
    }
  }
}

/// Errors name a place within the text and are one line each.
func check(_ errors: ConfigurationErrors, of text: String) {
  require(!errors.errors.isEmpty, "refused without an error")
  let lines = text.unicodeScalars.count(where: isLineEnd) + 1
  for error in errors.errors {
    // A YAML error at the end of a file may name the line after its last.
    require((1...lines + 1).contains(error.line) && error.column >= 1, "misplaced: \(error)")
    require(!error.found.isEmpty && !error.expected.isEmpty, "without words: \(error)")
    require(!error.description.unicodeScalars.contains(where: isLineEnd), "over several lines: \(error)")
  }
}

/// Whether a reader of lines may end one here (Unicode Standard Annex 14: BK, CR, LF, NL). Of scalars, not characters,
/// because this is asked of every one in every input.
private func isLineEnd(_ scalar: Unicode.Scalar) -> Bool {
  switch scalar.value {
  case 0x0A...0x0D, 0x85, 0x2028, 0x2029: true
  default: false
  }
}
