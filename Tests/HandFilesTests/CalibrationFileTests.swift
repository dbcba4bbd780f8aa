import Testing

@testable import HandFiles
@testable import HandModel

/// The errors of a calibration file for the simulated board; empty when it is valid.
func calibrationErrors(_ yaml: String, board: Board) -> [ConfigurationError] {
  do throws(ConfigurationErrors) {
    _ = try Calibration(yaml: yaml, file: "hand.yaml", board: board)
    return []
  } catch {
    return error.errors
  }
}

@Suite("Calibration files")
struct CalibrationFileTests {
  private static let thumb =
    "thumb-proximal: {encoder: {zero_counts: 310, sign: -1}, plant: {gravity_N_m: 0.05}}"

  static let defaults: [FileMistake] = [
    FileMistake(
      "inertia_kg_m2: 0.0025", "inertia_kg_m2: 0", key: "defaults.plant.inertia_kg_m2", found: "0",
      expected: "a number above 0 and up to 10"),
    FileMistake(
      "damping_N_m_s: 0.02", "damping_N_m_s: -0.02", key: "defaults.plant.damping_N_m_s", found: "-0.02",
      expected: "a number from 0 to 100"),
    FileMistake(
      "kp_N_m_per_rad: 1.5", "kp_N_m_per_rad: 0", key: "defaults.gains.kp_N_m_per_rad", found: "0",
      expected: "a number above 0"),
    FileMistake(
      "km_N_m_per_rad_s: 0.8", "km_N_m_per_rad_s: -0.8", key: "defaults.gains.km_N_m_per_rad_s",
      found: "-0.8", expected: "a number from 0"),
    FileMistake(
      "lambda_per_s: 0.115", "lambda_per_s: 0", key: "defaults.gains.lambda_per_s", found: "0",
      expected: "a number above 0 and up to 100"),
    FileMistake(
      "lambda_per_s: 0.115", "lambda_per_s: .inf", key: "defaults.gains.lambda_per_s", found: ".inf",
      expected: "a number above 0"),
    // With hardly any noise no observer's gains settle.
    FileMistake(
      "encoder_rad: 0.000535", "encoder_rad: 1e-300", key: "defaults.noise.encoder_rad", found: "1e-300",
      expected: "a number from 1e-06 to 0.1"),
    FileMistake(
      "load_N_m: 0.01", "load_N_m: 1e-9", key: "defaults.noise.load_N_m", found: "1e-9",
      expected: "a number from 1e-06 to 100"),
    FileMistake(
      "    torque_N_m: 0.01", "    torque_N_m: 1e-9", key: "defaults.noise.torque_N_m", found: "1e-9",
      expected: "a number from 1e-06 to 100"),
    FileMistake(
      "current_A: 0.01", "current_A: 1e-9", key: "defaults.noise.current_A", found: "1e-9",
      expected: "a number from 1e-06 to 10"),
    FileMistake(
      "sign: 1 #", "sign: 0 #", key: "defaults.encoder.sign", found: "0", expected: "1 or -1"),
    FileMistake(
      "upper_rad: 1.6", "upper_rad: 3.2", key: "defaults.limits.upper_rad", found: "3.2",
      expected: "an angle from -pi to pi rad"),
    FileMistake(
      "current_A: 0.9", "current_A: 0.6", key: "defaults.limits.current_A", found: "0.6 for thumb-proximal",
      expected: "at least the current of the torque limit (0.7 A)"),
    FileMistake(
      "current_A: 0.9", "current_A: 1.0", key: "defaults.limits.current_A", found: "1.0 for thumb-proximal",
      expected: "less than its current sensor can measure (1.0 A)"),
    // (8 · 0.7 + 0.3 · 8) V = 8 V.
    FileMistake(
      "supply_V: 12.0", "supply_V: 7.9", key: "defaults.motor.supply_V", found: "7.9 for thumb-proximal",
      expected: "at least 8"),
    FileMistake(
      "  gains:\n    kp", "  gains:\n    kq: 1\n    kp", at: "kq: 1", key: "defaults.gains.kq",
      found: "an unknown key", expected: "one of kp_N_m_per_rad"),
  ]

  static let joints: [FileMistake] = [
    FileMistake(
      "thumb-proximal: {encoder: {zero_counts: 310,", "thumb-proximal: {encoder: {zero_counts: 4096,",
      key: "joints.thumb-proximal.encoder.zero_counts", found: "4096", expected: "an integer from 0 to 4095"),
    FileMistake(
      thumb, "thumb-proximal: {limits: {lower_rad: 1.6}, plant: {gravity_N_m: 0.05}}",
      at: "upper_rad: 1.6", key: "defaults.limits.upper_rad", found: "1.6 for thumb-proximal",
      expected: "more than lower_rad (1.6)"),
    FileMistake(
      thumb, "thumb-proximal: {plant: {gravity_N_m: 0.7}}", at: "torque_N_m: 0.7",
      key: "defaults.limits.torque_N_m", found: "0.7 for thumb-proximal",
      expected: "more than friction and gravity together (0.705 N m)"),
    FileMistake(
      thumb, "thumb-proximal: {plant: {gravity: 0.05}}", key: "joints.thumb-proximal.plant.gravity",
      found: "an unknown key", expected: "gravity_N_m", suggestion: "gravity_N_m"),
    FileMistake(
      thumb, "thumb-proximal: [1]", key: "joints.thumb-proximal", found: "a list of 1", expected: "a mapping"),
    FileMistake(
      "  middle-distal:", "  wrist: {}\n  middle-distal:", at: "wrist",
      key: "joints.wrist", found: "an unknown joint", expected: "one of thumb-proximal"),
    FileMistake(
      "  middle-distal:", "  # none:", at: "  thumb-proximal:", key: "joints.middle-distal",
      found: "nothing", expected: "the calibration of this joint"),
    FileMistake(
      "  middle-distal:", "  ring-distal: {}\n  middle-distal:", at: "  ring-distal: {encoder",
      key: "joints.ring-distal", found: "the key again (first in line 58)", expected: "each key once"),
  ]

  static let poses: [FileMistake] = [
    FileMistake(
      "[45, 60, 45]", "[45, 92, 45]", key: "poses_degrees.precision.thumb[1]",
      found: "92.0 degrees (1.605702911834783 rad)",
      expected: "0.0 to 1.6 rad, the limits of thumb-intermediate"),
    FileMistake(
      "[45, 60, 45]", "[45, 60]", key: "poses_degrees.precision.thumb", found: "a list of 2",
      expected: "a list of 3 numbers"),
    FileMistake(
      "[45, 60, 45]", "[45, sixty, 45]", key: "poses_degrees.precision.thumb[1]", found: "sixty",
      expected: "a number from -180 to 180"),
    FileMistake(
      "thumb: [45, 60, 45]", "thum: [45, 60, 45]\n    thumb: [0, 0, 0]", at: "thum: [",
      key: "poses_degrees.precision.thum", found: "an unknown finger", expected: "one of thumb, index",
      suggestion: "thumb"),
    FileMistake(
      "    thumb: [45, 60, 45]\n", "", at: "    index: [60, 72, 60]\n    middle: [5.7",
      key: "poses_degrees.precision.thumb", found: "nothing", expected: "a list of 3 numbers"),
    FileMistake(
      "  open:", "  flat:", key: "poses_degrees.open", found: "nothing",
      expected: "the pose open, which every hand has"),
    FileMistake(
      "  rest:", "  at rest:", at: "    thumb: [5.7, 8.6, 5.7]", key: "poses_degrees.at rest",
      found: "this name", expected: "a name of 1 to 64"),
  ]

  @Test("a mistake is one error with its line, key, finding and remedy", arguments: defaults + joints + poses)
  func mistake(_ mistake: FileMistake) throws {
    let text = try mistake.apply(to: ShippedFiles.text("Calibration/nominal-hand.yaml"))
    let errors = calibrationErrors(text, board: try ShippedFiles.board())
    try mistake.check(errors, in: text, file: "hand.yaml")
  }

  @Test("an entry of a joint overrides single values and keeps the other defaults of the section")
  func overlay() throws {
    let text = try ShippedFiles.text("Calibration/nominal-hand.yaml")
      .replacing(
        "plant: {gravity_N_m: 0.03}}", with: "plant: {damping_N_m_s: 0.05}, gains: {km_N_m_per_rad_s: 0.5}}"
      )
      .replacing(
        "  index-distal: {encoder: {zero_counts: 2260}, plant: {gravity_N_m: 0.015}}", with: "  index-distal:"
      )
    let calibration = try Calibration(yaml: text, file: "hand.yaml", board: ShippedFiles.board())
    let changed = calibration.joints[4]
    #expect(
      changed.motorDrive.plant.dampingNewtonMetreSeconds == 0.05
        && changed.motorDrive.plant.gravityNewtonMetres == 0.03)
    #expect(changed.gains.km == 0.5 && changed.gains.kp == 1.5 && changed.encoder.zeroCounts == 2015)
    let empty = calibration.joints[5]
    #expect(empty.encoder == EncoderCalibration(zeroCounts: 0, sign: 1))
    #expect(empty.motorDrive.plant.gravityNewtonMetres == 0.03)
  }

  @Test(
    "the uncertainty and each of its keys may be left out; what is there is read, joint by joint, within limits"
  )
  func uncertainty() throws {
    let text = try ShippedFiles.text("Calibration/nominal-hand.yaml")
      .replacing(#/  uncertainty:\n.*\n/#, with: "")
    let board = try ShippedFiles.board()
    let silent = try Calibration(yaml: text, file: "hand.yaml", board: board)
    #expect(silent.joints.allSatisfy { $0.uncertainty == PlantUncertainty() })
    let told = text.replacing(
      "  gains:\n", with: "  uncertainty: {inertia_share: 0.1, current_share: 0.05}\n  gains:\n"
    )
    .replacing(
      "index-distal: {", with: "index-distal: {uncertainty: {damping_share: 0.25}, ")
    let calibration = try Calibration(yaml: told, file: "hand.yaml", board: board)
    let index = try #require(board.joints.firstIndex { $0.name == "index-distal" })
    #expect(calibration.joints[0].uncertainty.inertiaShare == 0.1)
    #expect(calibration.joints[0].uncertainty.dampingShare == 0.5)
    #expect(calibration.joints[0].uncertainty.currentShare == 0.05)
    #expect(calibration.joints[index].uncertainty.inertiaShare == 0.1)
    #expect(calibration.joints[index].uncertainty.dampingShare == 0.25)
    for wrong in [
      "inertia_share: 1", "inertia_share: -0.1", "damping_share: wide", "current_share: 2", "inertia: 0.2",
    ] {
      let text = text.replacing("  gains:\n", with: "  uncertainty: {\(wrong)}\n  gains:\n")
      let key = wrong.split(separator: ":")[0]
      #expect(calibrationErrors(text, board: board).map(\.keyPath) == ["defaults.uncertainty.\(key)"])
    }
  }

  @Test("a mistyped section of defaults is named first, with the word that was meant")
  func mistypedSection() throws {
    let text = try ShippedFiles.text("Calibration/nominal-hand.yaml").replacing("  gains:", with: "  gain:")
    let errors = calibrationErrors(text, board: try ShippedFiles.board())
    #expect(errors.first?.keyPath == "defaults.gain" && errors.first?.suggestion == "gains")
    // The section is then missing from every joint.
    #expect(
      errors.dropFirst().map(\.keyPath) == (try ShippedFiles.board()).joints.map { "joints.\($0.name).gains" }
    )
  }

  @Test("the board's order of joints wins over the file's")
  func order() throws {
    var lines = try ShippedFiles.text("Calibration/nominal-hand.yaml").split(
      separator: "\n", omittingEmptySubsequences: false)
    let first = try #require(lines.firstIndex { $0.hasPrefix("  thumb-proximal:") })
    let last = try #require(lines.firstIndex { $0.hasPrefix("  little-distal:") })
    lines[first...last].reverse()
    let calibration = try Calibration(
      yaml: lines.joined(separator: "\n"), file: "hand.yaml", board: ShippedFiles.board())
    #expect(calibration == (try ShippedFiles.calibration()))
  }

  @Test("without defaults every value of a joint is missed where the joint stands")
  func withoutDefaults() throws {
    let text = try ShippedFiles.text("Calibration/nominal-hand.yaml")
    let start = try #require(text.firstRange(of: "defaults:\n"))
    let end = try #require(text.firstRange(of: "# One entry a joint"))
    let bare = String(text[..<start.lowerBound] + text[end.lowerBound...])
    let errors = calibrationErrors(bare, board: try ShippedFiles.board())
    // A joint misses four sections, three values of plant, and but for the thumb the sign of its encoder.
    #expect(errors.count == 15 * (4 + 3) + 12)
    let line =
      bare[..<(try #require(bare.firstRange(of: "  little-distal:"))).lowerBound].count { $0 == "\n" } + 1
    #expect(
      errors.filter { $0.line == line }.map(\.keyPath).sorted() == [
        "joints.little-distal.encoder.sign", "joints.little-distal.gains", "joints.little-distal.limits",
        "joints.little-distal.motor", "joints.little-distal.noise", "joints.little-distal.plant.coulomb_N_m",
        "joints.little-distal.plant.damping_N_m_s", "joints.little-distal.plant.inertia_kg_m2",
      ])
  }

  @Test("a wrong default shows even where every joint overrides it, and shows once")
  func wrongDefault() throws {
    let text = try ShippedFiles.text("Calibration/nominal-hand.yaml")
      .replacing("zero_counts: 0 #", with: "zero_counts: -1 #")
    let errors = calibrationErrors(text, board: try ShippedFiles.board())
    #expect(errors.map(\.keyPath) == ["defaults.encoder.zero_counts"])
  }

  @Test("all errors of a file come at once, in the order of its lines")
  func allAtOnce() throws {
    let text = try ShippedFiles.text("Calibration/nominal-hand.yaml")
      .replacing("hand: nominal", with: "hand: no minal")
      .replacing("kp_N_m_per_rad: 1.5", with: "kp_N_m_per_rad: stiff")
      .replacing("zero_counts: 2015", with: "zero_counts: 20.15")
      .replacing("[5.7, 5.7, 5.7]", with: "[5.7, 5.7, 575]")
    let errors = calibrationErrors(text, board: try ShippedFiles.board())
    #expect(
      errors.map(\.keyPath) == [
        "hand", "defaults.gains.kp_N_m_per_rad", "joints.index-intermediate.encoder.zero_counts",
        "poses_degrees.precision.middle[2]", "poses_degrees.precision.ring[2]",
        "poses_degrees.precision.little[2]",
      ])
  }

  @Test("an error is one line, whatever line ends a key has in it")
  func oneLine() throws {
    let text = try ShippedFiles.text("Calibration/nominal-hand.yaml")
      .replacing("gravity_N_m: 0.03 #", with: "\"gravity\\u2028N\\x0Cm\": 0.03 #")
    let errors = calibrationErrors(text, board: try ShippedFiles.board())
    #expect(errors.contains { $0.keyPath.contains(where: \.isNewline) })
    #expect(errors.allSatisfy { !$0.description.contains(where: \.isNewline) })
  }
}
