import HandModel
import PrimalLogic
import Simulation
import Foundation
import Testing

@testable import Runtime

/// Faults made in the simulated hand, seen through the real drivers, schedule and tick.
@Suite struct FaultTests {
  private let armAt = 50
  private let faultAt = 300

  private func firstFault(_ records: [TickRecord]) -> TickRecord? { records.first { $0.state == .fault } }

  /// Arms, does `action` to the hand, and gives the first faulted tick, in which outputs must be off.
  private func provoke(
    _ hand: VirtualHand, ticks: Int = 1500, _ script: [(tick: Int, command: Command)] = [],
    _ action: @escaping () -> Void
  ) throws -> TickRecord {
    let records = hand.run(ticks: ticks, [(armAt, .arm)] + script, at: [faultAt: action])
    #expect(records[faultAt - 1].state.outputsLive)
    let fault = try #require(firstFault(records))
    #expect(Int(fault.sequence) >= faultAt)
    #expect(!fault.outputsEnabled)
    #expect(records.suffix(from: Int(fault.sequence)).allSatisfy { $0.state == .fault && !$0.outputsEnabled })
    #expect(!hand.hand.killLine.isActive)
    return fault
  }

  @Test("a silent encoder makes its joint stale after the board's limit; the other joints stay fresh")
  func staleSensor() throws {
    let hand = try VirtualHand()
    let fault = try provoke(hand) { hand.hand.encoders[3].setConnected(false) }
    #expect(fault.fault == .staleSensor && fault.faultJoint == 3)
    let limit = Int(hand.runtime.design.board.control.staleSampleNanoseconds / 1_000_000)
    #expect(Int(fault.sequence) - faultAt <= limit + 1)
    for j in 0..<15 where j != 3 { #expect(fault.joints[j].flags & JointFlags.fresh != 0) }
  }

  @Test("a hanging bus is a bus fault of its own joints and delays no tick of the others")
  func hangingBus() throws {
    let hand = try VirtualHand()
    let fault = try provoke(hand) { hand.hand.buses[2].inject(.hang(nanoseconds: 10_000_000)) }
    #expect(fault.fault == .busFault && (6...8).contains(fault.faultJoint))
    for j in 0..<15 where !(6...8).contains(j) { #expect(fault.joints[j].flags & JointFlags.fresh != 0) }
  }

  @Test("samples that jump further than the joint can move are refused and make the sensor implausible")
  func implausibleSensor() throws {
    let hand = try VirtualHand()
    let fault = try provoke(hand) { hand.hand.joints[1].setEncoderStuck(counts: 2222) }
    #expect(fault.fault == .implausibleSensor && fault.faultJoint == 1)
    #expect(Int(fault.sequence) - faultAt <= GuardLimits.rejectedSamples)
  }

  @Test("a joint held away from its set-point is a tracking error")
  func trackingError() throws {
    let hand = try VirtualHand()
    let fault = try provoke(hand, [(400, .pose(radians: hand.pose("power"), seconds: 0.5))]) {
      hand.hand.joints[7].setDriveScale(0)
    }
    #expect(fault.fault == .trackingError && fault.faultJoint == 7)
  }

  @Test("a stream that pauses is a command time-out after the board's limit")
  func commandTimeout() throws {
    let hand = try VirtualHand()
    let fault = try provoke(hand, [(faultAt, .stream(radians: hand.pose("rest")))]) {}
    let limit = Int(hand.runtime.design.board.control.commandTimeoutNanoseconds / 1_000_000)
    #expect(fault.fault == .commandTimeout && Int(fault.sequence) == faultAt + limit + 1)
  }

  @Test("a PWM chip that answers no more is an actuator fault after three cycles")
  func actuatorFault() throws {
    let hand = try VirtualHand()
    let fault = try provoke(hand) { hand.hand.pwmChips[1].setConnected(false) }
    #expect(fault.fault == .actuatorFault && Int(fault.sequence) - faultAt <= 4)
  }

  @Test("the e-stop line switches outputs off in the tick that sees it")
  func eStopLine() throws {
    let hand = try VirtualHand()
    let records = hand.run(ticks: 400, [(armAt, .arm)], at: [faultAt: { hand.hand.eStopLine.press() }])
    #expect(records[faultAt - 1].outputsEnabled)
    #expect(records[faultAt].state == .eStop && records[faultAt].fault == .eStopLine)
    #expect(!records[faultAt].outputsEnabled && !hand.hand.killLine.isActive)
  }

  @Test("L is absent while inactive, below 1 while certified, and Λ is the product over the window")
  func certificate() throws {
    let hand = try VirtualHand()
    let records = hand.run(
      ticks: 2500, [(armAt, .arm), (200, .pose(radians: hand.pose("power"), seconds: nil))])
    var sum = [Double](repeating: 0, count: 15)
    let window = hand.runtime.design.board.control.windowTicks
    for (index, record) in records.enumerated() {
      guard record.state.outputsLive else {
        #expect(record.certificate == .inactive && record.lipschitz.isNaN && record.windowProduct.isNaN)
        continue
      }
      for j in 0..<15 {
        if record.joints[j].lipschitz.isFinite { sum[j] += log(record.joints[j].lipschitz) }
        if index >= window, records[index - window].joints[j].lipschitz.isFinite {
          sum[j] -= log(records[index - window].joints[j].lipschitz)
        }
      }
      if record.certificate == .certified || record.certificate == .deadzone { #expect(record.lipschitz < 1) }
      if record.windowProduct.isFinite {
        #expect(abs(record.windowProduct / exp(sum.max()!) - 1) < 1e-9)
      }
    }
    #expect(records.last!.windowProduct < 0.52)
  }

  @Test("the hand follows a grasp as its nominal model does, within encoder noise and bus latency")
  func tracking() throws {
    let hand = try VirtualHand()
    let records = hand.run(
      ticks: 2000, [(armAt, .arm), (200, .pose(radians: hand.pose("power"), seconds: 1))])
    for j in 0..<15 {
      let worst = records.suffix(1700).map { abs($0.joints[j].positionRadians - $0.joints[j].nominalRadians) }
        .max()!
      // Four encoder counts: noise, friction at reversal and half a tick of latency at the largest speed.
      #expect(worst < 4 * 2 * .pi / 4096, "joint \(j)")
    }
    #expect(records.last!.state == .armed)
  }

  @Test("in NULL-G the hand carries its own weight, yields to a push, and a pose takes over from where it is")
  func nullG() throws {
    let hand = try VirtualHand()
    let records = hand.run(
      ticks: 3000,
      [
        (armAt, .arm), (100, .pose(radians: hand.pose("power"), seconds: 0.5)), (900, .nullG),
        (2000, .pose(radians: hand.pose("power"), seconds: 0.5)),
      ],
      at: [
        1200: { hand.hand.joints[3].setExternalTorque(newtonMetres: -0.03) },
        1500: { hand.hand.joints[3].setExternalTorque(newtonMetres: 0) },
      ]
    )
    #expect(records[1100].mode == .nullG && records[1100].certificate == .inactive)
    #expect(records[1100].lipschitz.isNaN && records[1100].outputsEnabled)
    // Friction and exact compensation hold the joints where they are.
    for j in 0..<15 {
      #expect(abs(records[1199].joints[j].positionRadians - records[905].joints[j].positionRadians) < 0.02)
    }
    let pushed = records[1600].joints[3].positionRadians - records[1199].joints[3].positionRadians
    #expect(pushed < -0.1)
    #expect(records[2000].mode == .trajectory || records[2001].mode == .trajectory)
    #expect(abs(records.last!.joints[3].positionRadians - hand.pose("power")[3]) < 0.02)
    #expect(records.allSatisfy { $0.fault == .none })
  }
}
