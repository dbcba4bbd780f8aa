import Foundation
import HandModel
import HandRigs
import Testing

@testable import Analysis
@testable import Control
@testable import Devices

@Suite("Bus schedule and budget")
struct BusPlanTests {
  @Test("transfers cost the bits of the table in docs/hardware.md")
  func bits() {
    #expect(TransferBits.sendByte == 20)
    #expect(TransferBits.writeByteData == 29 && TransferBits.readByteData == 39)
    #expect(TransferBits.writeWordData == 38 && TransferBits.readWordData == 48)
    #expect(TransferBits.writeBlock(32) == 308 && TransferBits.readBlock(14) == 156)
  }

  /// By hand, 1 MHz and 20 µs a transfer. Finger: three selections 3 · 40 µs, three words 3 · 68 µs, and of
  /// the round the dearest, a selection and a byte of an encoder's health, 40 µs + 59 µs: 423 µs. Actuators:
  /// blocks of 8 and 7 channels, 328 µs and 292 µs, and one byte of health, 59 µs.
  @Test("the simulated board's cycles are those worked out by hand")
  func simulatedBoard() {
    let plan = BusPlan(TestHand.board)
    for finger in 0..<5 {
      #expect(plan.schedules[finger].samplingNanoseconds == 423_000)
      #expect(plan.schedules[finger].actuatingNanoseconds == 0)
      #expect(abs(plan.load(finger) - 0.423) < 1e-12)
    }
    #expect(plan.schedules[5].samplingNanoseconds == 59_000)
    #expect(plan.schedules[5].actuatingNanoseconds == 620_000)
    #expect(abs(plan.load(5) - 0.679) < 1e-12)
    // 70 % of the period over the slowest bus.
    #expect(abs(plan.highestRateHertz - 0.7 / 679e-6) < 1e-9)
    #expect(plan.overloaded.isEmpty)
    #expect(plan.costs[0].map(\.bits) == [20, 48, 20, 39])
    #expect(plan.costs[0].map(\.count) == [3, 3, 1, 1])
    #expect(plan.costs[5].map(\.bits) == [39, 308, 272])
    #expect(plan.costs[5].map(\.nanosecondsEach) == [59_000, 328_000, 292_000])
  }

  @Test(
    "at 400 kHz the same transfers take the table's times",
    arguments: [(20, 50.0), (48, 120.0), (308, 770.0)])
  func fastMode(bits: Int, microseconds: Double) throws {
    var board = TestHand.board
    for bus in board.buses.indices {
      board.buses[bus].clockHertz = 400_000
      board.buses[bus].transferOverheadNanoseconds = 0
    }
    let line = try #require(BusPlan(board).costs.joined().first { $0.bits == bits })
    #expect(line.nanosecondsEach == Int64(microseconds * 1000))
  }

  @Test("encoders are read by multiplexer and channel, whatever the order of the file")
  func order() {
    var board = TestHand.board
    // The first finger's encoders sit on the channels in reverse.
    for encoder in 0..<3 { board.encoders[encoder].port?.channel = UInt8(2 - encoder) }
    let slots = BusPlan(board).schedules[0].encoders
    #expect(slots.map(\.port?.channel) == [0, 1, 2])
    #expect(slots.map(\.encoder) == [2, 1, 0] && slots.map(\.joint) == [2, 1, 0])
  }

  @Test("every encoder is read each tick, every slow reading has its turn, every channel is written")
  func complete() {
    let schedules = BusPlan(TestHand.board).schedules
    #expect(Set(schedules.flatMap(\.encoders).map(\.joint)) == Set(0..<15))
    // Three currents with their health, one force, three magnets a finger; two chips' health on the actuators'
    // bus.
    #expect(schedules.map(\.slow.count) == [10, 10, 10, 10, 10, 2])
    #expect(schedules[5].pwm.map(\.chip) == [0, 1])
    #expect(schedules[5].pwm.map(\.channelCount) == [8, 7])
    #expect(schedules[5].pwm.flatMap(\.joints) == (0..<15).map(Optional.some))
  }

  @Test("a board above 70 % of a bus is refused, with the bus named")
  func overloaded() throws {
    var board = TestHand.board
    board.buses[5].transferOverheadNanoseconds = 28_000
    // 679 µs + 3 · 8 µs = 703 µs.
    let plan = BusPlan(board)
    #expect(abs(plan.load(5) - 0.703) < 1e-12)
    #expect(plan.overloaded == [5])
    let design = try HandDesign(board: board, calibration: TestHand.calibration)
    do {
      _ = try VirtualHand(design: design)
      Issue.record("an overloaded board started")
    } catch {
      guard case .overloadedBuses(let names) = error else {
        Issue.record("refused for another reason: \(error)")
        return
      }
      #expect(names == ["actuators"])
    }
  }

  @Test("the report of a board shows the same figures")
  func report() throws {
    let report = BoardReport(board: TestHand.board, design: TestHand.design, refusal: nil)
    #expect(report.fits && report.periodMicroseconds == 1000 && report.largestLoad == 0.7)
    #expect(report.buses.map(\.name) == ["thumb", "index", "middle", "ring", "little", "actuators"])
    #expect(abs(report.buses[5].cycleMicroseconds - 679) < 1e-9 && abs(report.buses[5].load - 0.679) < 1e-12)
    #expect(report.buses[0].devices.count == 1 + 3 + 3 + 1)
    #expect(report.buses[0].devices.contains("AS5600 thumb-distal at 0x36 behind thumb-mux channel 2"))
    #expect(report.joints.count == 15)
    for joint in report.joints {
      #expect(joint.delayTicks == 1 && joint.lipschitz < 1 && joint.lipschitzSaturated <= 1)
      #expect(abs(joint.ratePerSecond + log(joint.lipschitz) / 0.001) < 1e-3)
      // docs/control.md: 0.8 to 1.2 periods with one tick of delay.
      #expect(abs(joint.minimumDtMilliseconds - 0.8) < 1e-9 && abs(joint.maximumDtMilliseconds - 1.2) < 1e-9)
    }
    // A tenth of a period, then 328 µs, then 292 µs more for the second chip.
    #expect(abs(report.joints[0].outputLatencyMicroseconds - 428) < 1e-6)
    #expect(abs(report.joints[14].outputLatencyMicroseconds - 720) < 1e-6)
  }

  @Test("gains without a stable loop are refused by the name of their joint")
  func unstable() {
    var calibration = TestHand.calibration
    calibration.joints[4].gains.km = 1000
    do throws(DesignRefusal) {
      _ = try HandDesign(board: TestHand.board, calibration: calibration)
      Issue.record("an unstable joint was given a certificate")
    } catch {
      #expect(error.joint == "index-intermediate")
      #expect(
        error.description.contains("index-intermediate") && error.description.contains("must not be armed"))
    }
  }
}
