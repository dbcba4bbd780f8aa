import Testing

@testable import HandFiles
@testable import HandModel

@Suite("Fingers")
struct FingerTests {
  @Test("a finger is declared: the name of a joint says nothing of it")
  func declared() throws {
    let text = try ShippedFiles.text("Boards/sim-17.yaml")
    let board = try Board(yaml: text, file: "sim-17.yaml")
    #expect(
      board.fingers == [
        JointGroup(name: "wrist", joints: [0], isFinger: false),
        JointGroup(name: "thumb", joints: [1, 2, 3, 4], isFinger: true),
        JointGroup(name: "index", joints: [5, 6, 7], isFinger: true),
        JointGroup(name: "middle", joints: [8, 9, 10], isFinger: true),
        JointGroup(name: "ring", joints: [11, 12, 13], isFinger: true),
        JointGroup(name: "pinky", joints: [14, 15, 16], isFinger: true),
      ])
    // Joints of a finger need not stand together.
    let apart = try Board(
      yaml: text.replacing("- name: wrist\n", with: "- name: wrist\n    finger: pinky\n"), file: "x")
    #expect(apart.fingers.first == JointGroup(name: "pinky", joints: [0, 14, 15, 16], isFinger: true))
  }

  @Test("a pose lists each finger's angles in the board's order, and a joint of none by its own name")
  func poses() throws {
    let board = try Board(yaml: ShippedFiles.text("Boards/sim-17.yaml"), file: "sim-17.yaml")
    let calibration = try Calibration(
      yaml: ShippedFiles.text("Calibration/sim-17.yaml"), file: "x", board: board)
    let power = try #require(calibration.poses.first { $0.name == "power" })
    let degrees = power.radians.map { ($0 * 180 / .pi).rounded() }
    #expect(degrees == [-10, 30, 35, 45, 50, 0, 75, 85, 0, 75, 85, 0, 75, 85, 0, 75, 85])
  }

  @Test("without `finger` a joint belongs to none: poses and couplings of its finger say what to add")
  func undeclared() throws {
    let text = try ShippedFiles.text("Tests/CoupledHand/board.yaml").replacing(
      "    finger: index\n", with: "")
    let board = try Board(yaml: text, file: "board.yaml")
    #expect(board.joints.allSatisfy { $0.finger == nil })
    let errors = calibrationErrors(try ShippedFiles.text("Tests/CoupledHand/hand.yaml"), board: board)
    let coupling = try #require(errors.first { $0.keyPath == "couplings_N_m_per_rad.index" })
    #expect(coupling.found == "an unknown finger")
    #expect(coupling.expected == "none; a finger is declared in the board file, `finger: NAME` at its joints")
    let pose = try #require(errors.first { $0.keyPath == "poses_degrees.hook.index" })
    #expect(
      pose.expected.contains("one of index-proximal, index-distal; a finger is declared in the board file"))
  }

  @Test("a finger with the name of a joint that belongs to none is refused")
  func ambiguous() throws {
    let text = try ShippedFiles.text("Boards/sim-17.yaml").replacing(
      "finger: thumb\n", with: "finger: wrist\n")
    let errors = boardErrors(text)
    #expect(errors.count == 4 && errors.allSatisfy { $0.keyPath.hasSuffix(".finger") }, "\(errors)")
    #expect(errors.first?.found == "wrist, the name of a joint that belongs to no finger")
  }

  @Test("the key kill_line is refused with the one that says what active means")
  func killLine() throws {
    let text = try ShippedFiles.text("Boards/sim.yaml").replacing("drive_enable:", with: "kill_line:")
    let errors = boardErrors(text)
    try #require(errors.count == 1, "\(errors)")
    #expect(errors[0].keyPath == "kill_line" && errors[0].found == "kill_line")
    #expect(errors[0].expected == "drive_enable: the line is active while the outputs may act")
  }

  @Test("a file of the other kind is one error")
  func otherKind() throws {
    let calibration = boardErrors(try ShippedFiles.text("Calibration/nominal-hand.yaml"))
    #expect(calibration.map(\.found) == ["a calibration"] && calibration.map(\.expected) == ["a board"])
    let board = calibrationErrors(try ShippedFiles.text("Boards/sim.yaml"), board: try ShippedFiles.board())
    #expect(board.map(\.found) == ["a board"] && board.map(\.expected) == ["a calibration"])
  }
}
