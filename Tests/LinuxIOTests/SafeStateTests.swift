import Devices
import HandModel
import HandRigs
import LinuxIO
import Simulation
import Testing

@Suite("Safe state")
struct SafeStateTests {
  private let hand = SimulatedHand(
    board: TestHand.board, calibration: TestHand.calibration, seed: 1, clock: VirtualClock())

  @Test(
    "a hand that a dead process left driven is without torque afterwards, and still when it is done again")
  func afterCrash() throws {
    let board = TestHand.board
    let line = hand.line(board.driveEnable)
    #expect(line.setActive(true))
    for chip in board.pwmChips {
      guard case .pca9685(let bus, let address, let oscillatorHertz) = chip.chip else {
        Issue.record("\(chip.name) is no PCA9685")
        continue
      }
      let driver = try PCA9685(
        name: chip.name, bus: hand.bus(bus), address: address, oscillatorHertz: oscillatorHertz,
        frequencyHertz: chip.frequencyHertz)
      _ = try driver.configure()
      let counts: [UInt16] = [2000, 2000, 2000, 2000]
      try driver.setDuty(first: 0, counts: counts.span)
    }
    #expect(hand.pwmChips.allSatisfy { $0.duty(0) > 0.4 && $0.duty(3) > 0.4 })
    for _ in 0..<2 {
      #expect(makeSafe(board, OutputParts(board, of: hand)).isEmpty)
      #expect(!line.isActive)
      for chip in hand.pwmChips { #expect((0..<16).allSatisfy { chip.duty($0) == 0 }) }
    }
  }

  @Test("a chip that does not answer is named, and the drive-enable line is released all the same")
  func deadChip() throws {
    var board = TestHand.board
    board.pwmChips[0].chip = .pca9685(bus: 5, address: 0x7F, oscillatorHertz: 25_000_000)
    let line = hand.line(board.driveEnable)
    #expect(line.setActive(true))
    let failures = makeSafe(board, OutputParts(board, of: hand))
    #expect(failures.count == 1)
    #expect("\(try #require(failures.first))".contains(board.pwmChips[0].name))
    #expect(!line.isActive)
  }

  @Test("a drive-enable line that does not follow is named, and every chip is switched off all the same")
  func stuckDriveEnable() throws {
    let board = TestHand.board
    #expect(hand.driveEnable.setActive(true))
    hand.driveEnable.setStuck(.seen)
    let failures = makeSafe(board, OutputParts(board, of: hand))
    #expect(failures.count == 1)
    #expect("\(try #require(failures.first))".contains("line \(board.driveEnable.line)"))
    for chip in hand.pwmChips { #expect((0..<16).allSatisfy { chip.duty($0) == 0 }) }
  }

  @Test("what a bus or a line that could not be opened leaves undone, the others do")
  func missingParts() throws {
    let board = TestHand.board
    var driven: [PCA9685] = []
    for chip in board.pwmChips {
      guard case .pca9685(let bus, let address, let oscillatorHertz) = chip.chip else { continue }
      let driver = try PCA9685(
        name: chip.name, bus: hand.bus(bus), address: address, oscillatorHertz: oscillatorHertz,
        frequencyHertz: chip.frequencyHertz)
      _ = try driver.configure()
      let counts: [UInt16] = [2000]
      try driver.setDuty(first: 0, counts: counts.span)
      driven.append(driver)
    }
    var parts = OutputParts(board, of: hand)
    parts.driveEnable = nil
    #expect(makeSafe(board, parts).isEmpty)
    for chip in hand.pwmChips { #expect(chip.duty(0) == 0) }

    for driver in driven {
      let counts: [UInt16] = [2000]
      try driver.setDuty(first: 0, counts: counts.span)
    }
    #expect(hand.line(board.driveEnable).setActive(true))
    parts = OutputParts(board, of: hand)
    parts.buses = [:]
    #expect(makeSafe(board, parts).isEmpty)
    #expect(!hand.line(board.driveEnable).isActive)
    for chip in hand.pwmChips { #expect(chip.duty(0) > 0.4) }
  }
}
