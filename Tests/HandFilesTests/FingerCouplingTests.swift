import HandFiles
import Testing

@testable import HandModel

@Suite("Coupled fingers in calibration files")
struct FingerCouplingTests {
  private static let rows = "    - [0.35, -0.15]\n    - [-0.15, 0.125]\n"

  private static func board() throws -> Board {
    try Board(yaml: ShippedFiles.text("Tests/CoupledHand/board.yaml"), file: "board.yaml")
  }

  static let mistakes: [FileMistake] = [
    FileMistake(
      "  index:\n" + rows, "  thumb:\n" + rows, at: "thumb:", key: "couplings_N_m_per_rad.thumb",
      found: "an unknown finger", expected: "one of index"),
    FileMistake(
      rows, "    - [0.35, -0.15]\n", at: "- [0.35, -0.15]", key: "couplings_N_m_per_rad.index",
      found: "a list of 1", expected: "2 rows of 2 numbers"),
    FileMistake(
      "[-0.15, 0.125]", "[-0.15, 0.125, 0]", key: "couplings_N_m_per_rad.index[1]", found: "a list of 3",
      expected: "a row of 2 numbers"),
    FileMistake(
      "[-0.15, 0.125]", "[-0.15, stiff]", at: "stiff", key: "couplings_N_m_per_rad.index[1][1]",
      found: "stiff",
      expected: "a number from -1000 to 1000"),
    FileMistake(
      "[-0.15, 0.125]", "[-0.1, 0.125]", at: "- [0.35, -0.15]", key: "couplings_N_m_per_rad.index",
      found: "-0.1 in row 2, column 1, but -0.15 in row 1, column 2", expected: "a symmetric matrix"),
    FileMistake(
      rows, "    - [0.45, 0]\n    - [0, 0.15]\n", at: "- [0.45, 0]", key: "couplings_N_m_per_rad.index",
      found: "a matrix without coupling", expected: "an entry off the diagonal"),
    // The eigenvalues of [[0.3, 0.4], [0.4, 0.3]] are 0.7 and −0.1.
    FileMistake(
      rows, "    - [0.3, 0.4]\n    - [0.4, 0.3]\n", at: "- [0.3, 0.4]", key: "couplings_N_m_per_rad.index",
      found: "a matrix with the eigenvalue -0.1", expected: "none below 0 (positive semidefinite)"),
    // 0.35 · 1.4 + 0.15 · 0.2 + 0.035 = 0.555 N m at the proximal joint.
    FileMistake(
      "torque_N_m: 0.7\n", "torque_N_m: 0.55\n", at: "[0.35, -0.15]",
      key: "couplings_N_m_per_rad.index[0]",
      found: "up to 0.555 N m to hold at index-proximal, load included", expected: "less than its torque_N_m"),
  ]

  @Test("a mistake is one error with its line, key, finding and remedy", arguments: mistakes)
  func mistake(_ mistake: FileMistake) throws {
    let text = try mistake.apply(to: ShippedFiles.text("Tests/CoupledHand/hand.yaml"))
    try mistake.check(calibrationErrors(text, board: Self.board()), in: text, file: "hand.yaml")
  }

  @Test(
    "a finger of three joints may be coupled, one of four or with a servo may not; without the section none is"
  )
  func fingers() throws {
    let board = try ShippedFiles.board()
    let text = try ShippedFiles.text("Calibration/nominal-hand.yaml")
    #expect(try Calibration(yaml: text, file: "hand.yaml", board: board).couplings.isEmpty)
    let coupled =
      text + "\ncouplings_N_m_per_rad:\n  ring: [[0.1, -0.1, 0], [-0.1, 0.2, -0.1], [0, -0.1, 0.1]]\n"
    let calibration = try Calibration(yaml: coupled, file: "hand.yaml", board: board)
    #expect(
      calibration.couplings == [
        FingerCoupling(
          finger: "ring", joints: [9, 10, 11], stiffness: [0.1, -0.1, 0, -0.1, 0.2, -0.1, 0, -0.1, 0.1])
      ])

    // Declared to be the ring's, the little finger's first joint is its fourth; its name does not matter.
    var four = board
    four.joints[12].finger = "ring"
    let errors = calibrationErrors(coupled, board: four).filter { $0.keyPath.hasPrefix("couplings") }
    #expect(errors.map(\.found) == ["a finger of 4 joints"])

    var servo = board
    servo.joints[10].actuator = .servo(PWMOutput(chip: 0, channel: 0))
    let servoErrors = calibrationErrors(coupled, board: servo).filter { $0.keyPath.hasPrefix("couplings") }
    #expect(servoErrors.map(\.found) == ["ring-intermediate, which has a servo"])
  }
}
