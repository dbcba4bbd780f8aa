import HandModel
import Testing

@testable import Runtime

@Suite struct BusPlanTests {
  @Test("the simulated board's buses cost what the wire's bits say")
  func simulatedBoard() throws {
    let board = try VirtualHand.files().board
    let plan = BusPlan(board)
    // Bits from docs/hardware.md at 1 MHz, 20 µs software a transfer: three selects and three encoder words,
    // one round-robin word.
    let finger = 3 * (20 + 20) + 3 * (48 + 20) + (48 + 20)
    // Two blocks of 8 and 7 channels, one health reading.
    let actuators = (20 + 9 * 32 + 20) + (20 + 9 * 28 + 20) + (48 + 20)
    for bus in 0..<5 { #expect(plan.schedules[bus].cycleNanoseconds == Int64(finger) * 1000) }
    #expect(plan.schedules[5].cycleNanoseconds == Int64(actuators) * 1000)
    #expect(plan.overloaded.isEmpty)
    #expect(abs(plan.highestRateHertz - 0.7e6 / Double(actuators)) < 1e-6)
  }

  @Test("encoders are read in the order of multiplexer channels, each joint once")
  func order() throws {
    let board = try VirtualHand.files().board
    for schedule in BusPlan(board).schedules.dropLast() {
      #expect(schedule.encoders.compactMap { $0.port?.channel } == [0, 1, 2])
    }
    let joints = BusPlan(board).schedules.flatMap { $0.encoders.map(\.joint) }
    #expect(joints.sorted() == Array(board.joints.indices))
  }

  @Test("a rate at which a bus is busy for more than 70 % of the period is refused")
  func overload() throws {
    var board = try VirtualHand.files().board
    board.control.rateHertz = 1250
    #expect(BusPlan(board).overloaded == [5])
    board.control.rateHertz = 2000
    #expect(BusPlan(board).overloaded == [0, 1, 2, 3, 4, 5])
    let calibration = try VirtualHand.files().calibration
    let design = try HandDesign(board: board, calibration: calibration)
    #expect(throws: StartError.self) { try HandRuntime(design: design, seed: 1, clock: VirtualHand().clock) }
  }

  @Test("gains without a certificate are refused with the joint's name")
  func refusal() throws {
    var files = try VirtualHand.files()
    files.calibration.joints[4].gains.km = 60
    let error = #expect(throws: DesignRefusal.self) {
      try HandDesign(board: files.board, calibration: files.calibration)
    }
    #expect(error?.joint == files.board.joints[4].name)
  }
}
