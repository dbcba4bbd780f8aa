import Devices
import HandRigs
import Simulation
import Testing

@testable import Control
@testable import HandModel
@testable import Runtime

/// One bus worker over one simulated finger, cycle by cycle.
@Suite("Bus worker")
struct BusWorkerTests {
  private let clock = VirtualClock()

  /// The thumb with its proximal joint alone: one encoder behind one channel, nothing else to select.
  private func oneJoint() throws -> (worker: BusWorker, hand: SimulatedHand) {
    var board = TestHand.board
    board.joints = [board.joints[0]]
    board.joints[0].currentSensor = nil
    board.forceSensors = []
    var calibration = TestHand.calibration
    calibration.joints = [calibration.joints[0]]
    calibration.poses = []
    let hand = SimulatedHand(board: board, calibration: calibration, seed: 1, clock: clock)
    let worker = try BusWorker(
      schedule: BusPlan(board).schedules[0], board: board, bus: hand.buses[0], hardware: hand)
    return (worker, hand)
  }

  private func samples(_ worker: BusWorker) -> BusSamples {
    var samples = BusSamples()
    _ = worker.samples.take(into: &samples)
    return samples
  }

  @Test("a multiplexer that lost its selection costs one sample: after a failure it is selected anew")
  func selectsAnew() throws {
    let (worker, hand) = try oneJoint()
    #expect(worker.configure(clock: clock).isEmpty)
    worker.sample()
    #expect(samples(worker).encoders[0].number == 1)
    hand.multiplexers[0].reset()
    worker.sample()
    let lost = samples(worker)
    #expect(lost.encoders[0].failures == 1 && lost.encoders[0].number == 1 && !lost.busFailed)
    worker.sample()
    let found = samples(worker)
    #expect(found.encoders[0].failures == 0 && found.encoders[0].number == 2)
  }

  /// docs/hardware.md, errors and reactions.
  static let reactions: [(BusFault, busFailed: Bool, errors: UInt64)] = [
    (.nack(nil), false, 1), (.busError(nil), false, 1),
    // Once again, then as a bus fault.
    (.arbitrationLoss, true, 2), (.hang(nanoseconds: 300_000), true, 1),
    (.hang(nanoseconds: 1_000_000_000), true, 1),
  ]

  @Test("each class of error has its documented reaction, and none becomes a value", arguments: reactions)
  func reaction(fault: BusFault, busFailed: Bool, errors: UInt64) throws {
    let (worker, hand) = try oneJoint()
    #expect(worker.configure(clock: clock).isEmpty)
    worker.sample()
    let before = samples(worker)
    hand.buses[0].inject(fault)
    worker.sample()
    let during = samples(worker)
    #expect(during.busFailed == busFailed)
    #expect(during.errors - before.errors == errors)
    #expect(during.encoders[0].counts == before.encoders[0].counts)
    #expect(during.encoders[0].timeNanoseconds == before.encoders[0].timeNanoseconds)
    #expect(during.encoders[0].failures == 1)
    hand.buses[0].clearFaults()
    worker.sample()
    let after = samples(worker)
    #expect(!after.busFailed && after.encoders[0].failures == 0 && after.encoders[0].number == 2)
  }

  @Test("an address that a kernel driver owns keeps the hand from starting, naming the chip")
  func addressClaimed() throws {
    let (worker, hand) = try oneJoint()
    hand.buses[0].inject(.addressClaimed(I2CAddress(0x36)))
    let failures = worker.configure(clock: clock)
    #expect(failures.map(\.device.description) == ["AS5600 thumb-proximal"])
    #expect(failures.first?.i2cFailure == .addressClaimed)
    let text = StartError.devices(failures).description
    #expect(
      text.contains("AS5600 thumb-proximal") && text.contains("0x36") && text.contains("addressClaimed"))
  }
}
