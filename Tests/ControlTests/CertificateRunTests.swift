import Foundation
import HandModel
import HandRigs
import Testing

@testable import Control

@Suite("Certificate and control quality of a simulated grasp")
struct CertificateRunTests {
  private static let armTick = 20
  private static let poseTick = 100

  /// Open, armed, to the power grasp in a second, at rest again.
  private static let grasp: [TickRecord] = {
    do {
      let hand = try VirtualHand(seed: 7)
      hand.command(armTick, .arm)
      hand.command(poseTick, .pose(radians: TestHand.pose("power"), seconds: 1))
      return hand.run(ticks: 2400)
    } catch { fatalError("\(error)") }
  }()

  @Test("an idle hand is inactive and publishes no L; every later tick of a grasp is certified")
  func states() {
    for record in Self.grasp[..<Self.armTick] {
      #expect(record.certificate == .inactive)
      #expect(record.lipschitz.isNaN && record.ratePerSecond.isNaN && record.windowProduct.isNaN)
    }
    // The tick that arms ends no interval of the law.
    #expect(Self.grasp[Self.armTick].lipschitz.isNaN)
    let live = Self.grasp[(Self.armTick + 1)...]
    #expect(live.allSatisfy { $0.certificate == .certified || $0.certificate == .deadzone })
    #expect(live.allSatisfy { $0.lipschitz < 1 && $0.windowProduct < 1 && $0.uncertifiedTicks == 0 })
    // At rest the hand is where the model is, but for noise.
    #expect(Self.grasp[2399].certificate == .deadzone)
    #expect(Self.grasp.allSatisfy { $0.fault == .none })
  }

  @Test("L is the certificate's at the nominal period and full slope, the rate its logarithm")
  func lipschitz() {
    for record in Self.grasp[(Self.armTick + 1)...] {
      let worst =
        TestHand.design.joints.map { $0.certificate.lookup(dt: 0.001, slope: 1).lipschitz }.max() ?? 0
      #expect(abs(record.lipschitz - worst) < 1e-12)
      #expect(abs(record.ratePerSecond + log(record.lipschitz) / 0.001) < 1e-6)
    }
  }

  @Test("Λ is the product of the window's L of the worst joint, recomputed from the records")
  func windowProduct() {
    let window = TestHand.board.control.windowTicks
    for tick in [Self.armTick + 1, 500, Self.armTick + window, Self.armTick + window + 1, 2399] {
      let first = max(Self.armTick, tick - window + 1)
      let sums = (0..<15).map { joint in
        Self.grasp[first...tick].reduce(0.0) { sum, record in
          let lipschitz = record.joints[joint].lipschitz
          return lipschitz.isNaN ? sum : sum + log(lipschitz)
        }
      }
      let expected = exp(sums.max() ?? 0)
      #expect(abs(Self.grasp[tick].windowProduct / expected - 1) < 1e-9, "tick \(tick)")
    }
  }

  @Test("the hand follows the nominal model and arrives")
  func tracking() {
    let last = Self.grasp[2399]
    #expect(last.state == .armed)
    for joint in 0..<15 {
      var hand = 0.0
      var model = 0.0
      for record in Self.grasp[Self.poseTick..<Self.poseTick + 1000] {
        let out = record.joints[joint]
        hand += pow(out.setpointRadians - out.positionRadians, 2)
        model += pow(out.setpointRadians - out.nominalRadians, 2)
      }
      hand = (hand / 1000).squareRoot()
      model = (model / 1000).squareRoot()
      // Friction, quantisation and latency cost less than 10 mrad over the model's own error.
      #expect(hand - model < 0.01, "joint \(joint): \(hand) against \(model) rad")
      #expect(
        abs(last.joints[joint].positionRadians - TestHand.pose("power")[joint]) < 0.015, "joint \(joint)")
    }
  }

  @Test("equal seeds give equal runs, to the bit; other seeds do not")
  func reproducible() throws {
    func counts(seed: UInt64) throws -> [UInt16] {
      let hand = try VirtualHand(seed: seed)
      hand.command(Self.armTick, .arm)
      hand.command(30, .pose(radians: TestHand.pose("power"), seconds: 0.2))
      return hand.run(ticks: 150).flatMap { record in (0..<15).map { record.joints[$0].encoderCounts } }
    }
    #expect(try counts(seed: 3) == counts(seed: 3))
    #expect(try counts(seed: 3) != counts(seed: 4))
  }

  @Test("pulled away from its model a joint is certified, at its torque limit with the slope of the secant")
  func disturbance() throws {
    let hand = try VirtualHand()
    hand.command(Self.armTick, .arm)
    let joint = hand.hand.joints[3]
    // Slowly, so that the memory takes the load over and the limit comes before a tracking error: up to
    // 1.2 N m against 0.7.
    for step in 0...480 {
      hand.before(100 + 10 * step) { joint.setExternalTorque(newtonMetres: Double(step) * 0.0025) }
    }
    let records = hand.run(ticks: 6000) { $0.state == .fault }
    let live = records.filter(\.outputsEnabled)
    // However far it is pulled, it stays near a model that is pulled alike.
    let pulled = live.filter { $0.joints[3].loadNewtonMetres > 0.5 }
    #expect(pulled.contains { $0.certificate == .deadzone && $0.lipschitz < 1 })
    let limited = live.filter { $0.joints[3].flags & JointFlags.torqueLimited != 0 }
    #expect(limited.count > 100)
    for record in limited {
      #expect(abs(record.joints[3].torqueNewtonMetres) == 0.7)
      #expect(abs(record.joints[3].demandNewtonMetres) > 0.7)
    }
    // The slope is that of the decision before.
    for (before, record) in zip(limited, limited.dropFirst()) where record.sequence == before.sequence + 1 {
      #expect((0..<1).contains(record.joints[3].slope), "tick \(record.sequence)")
    }
    #expect(records.allSatisfy { !($0.lipschitz > 1) })
  }

  @Test("steps that the torque does not reach saturate hand and model: SATURATED, and L never passes 1")
  func saturation() throws {
    var calibration = TestHand.calibration
    // Accelerating at the limit of 60 rad/s² takes 0.15 N m.
    for joint in calibration.joints.indices {
      guard case .motor(var drive) = calibration.joints[joint].drive else { continue }
      drive.torqueLimitNewtonMetres = 0.12
      calibration.joints[joint].drive = .motor(drive)
    }
    let hand = try VirtualHand(design: HandDesign(board: TestHand.board, calibration: calibration))
    hand.command(Self.armTick, .arm)
    hand.command(50, .pose(radians: TestHand.pose("power"), seconds: nil))
    let records = hand.run(ticks: 600) { $0.state == .fault }
    let saturated = records.filter { $0.certificate == .saturated && $0.outputsEnabled }
    #expect(saturated.count > 10)
    for record in saturated {
      #expect(record.lipschitz <= 1 && record.lipschitz > 0.999)
      let slopes = (0..<15).map { record.joints[$0].slope }
      #expect(
        slopes.contains { $0 < GuardLimits.standard.certifiedSlope }
          && slopes.allSatisfy { (0...1).contains($0) })
    }
    #expect(records.allSatisfy { !($0.lipschitz > 1) })
  }
}
