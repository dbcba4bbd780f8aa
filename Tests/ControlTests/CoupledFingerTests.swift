import HandFiles
import HandModel
import HandRigs
import PrimalLogic
import Testing

@testable import Analysis
@testable import Control

/// A finger whose two joints a tendon couples, designed once.
private enum Coupled {
  static let board = TestFiles.board("Tests/CoupledHand/board.yaml")
  static let calibration = TestFiles.calibration("Tests/CoupledHand/hand.yaml", board: board)
  /// The same hand by a file that says nothing of the tendon.
  static let uncoupled = {
    var without = calibration
    without.couplings = []
    return without
  }()
  static let design = make(calibration)
  static let ignorant = make(uncoupled)

  static func make(_ calibration: Calibration) -> HandDesign {
    do { return try HandDesign(board: board, calibration: calibration) } catch { fatalError("\(error)") }
  }

  static func pose(_ name: String) -> [Double] {
    guard let pose = calibration.poses.first(where: { $0.name == name }) else { fatalError("no \(name)") }
    return pose.radians
  }

  static let armTick = 20
  static let moves = [(100, "bent"), (1200, "hook"), (2300, "open")]
  static let ticks = 3400

  /// Arms and goes through the poses, on the hand with its tendon.
  static func run(_ design: HandDesign, seed: UInt64) throws -> [TickRecord] {
    let hand = try VirtualHand(seed: seed, design: design, simulated: calibration)
    hand.command(armTick, .arm)
    for (tick, name) in moves { hand.command(tick, .pose(radians: pose(name), seconds: 0.6)) }
    return hand.run(ticks: ticks)
  }

  /// Root mean square of set-point minus position, of the worse joint, rad.
  static func trackingError(_ records: [TickRecord]) -> Double {
    (0..<2).map { joint in
      let squares = records.filter(\.outputsEnabled).map { record in
        let error = record.joints[joint].setpointRadians - record.joints[joint].positionRadians
        return error * error
      }
      return (squares.reduce(0, +) / Double(max(squares.count, 1))).squareRoot()
    }.max() ?? 0
  }
}

@Suite("Coupled fingers")
struct CoupledFingerTests {
  @Test("a coupled finger follows its poses, every tick certified, with one L and one V for its joints")
  func follows() throws {
    let records = try Coupled.run(Coupled.design, seed: 5)
    #expect(records.allSatisfy { $0.fault == .none })
    let live = records[(Coupled.armTick + 1)...]
    #expect(live.allSatisfy { $0.certificate == .certified || $0.certificate == .deadzone })
    let table = try #require(Coupled.design.joints[0].coupled).certificate.table
    for record in live {
      #expect(record.lipschitz <= 1 && record.windowProduct < 1)
      #expect(record.joints[0].lipschitz == record.joints[1].lipschitz)
      #expect(record.joints[0].distance == record.joints[1].distance)
      #expect(record.joints[0].lipschitz == table.lookup(dt: 0.001, slope: 1).lipschitz)
    }
    for (index, (_, name)) in Coupled.moves.enumerated() {
      let end = index + 1 < Coupled.moves.count ? Coupled.moves[index + 1].0 - 1 : Coupled.ticks - 1
      for joint in 0..<2 {
        let off = records[end].joints[joint].positionRadians - Coupled.pose(name)[joint]
        #expect(off.magnitude < 0.015, "\(name), joint \(joint): \(off) rad")
      }
    }
    // Friction, noise and quantisation leave less than this of V: the nominal model moves as the finger does.
    #expect(live.map { $0.joints[0].distance }.max() ?? 1 < 0.05)
  }

  @Test("a calibration that leaves the tendon out follows the same finger several times worse")
  func earnsItsPlace() throws {
    let known = try Coupled.run(Coupled.design, seed: 6)
    let unknown = try Coupled.run(Coupled.ignorant, seed: 6)
    let (with, without) = (Coupled.trackingError(known), Coupled.trackingError(unknown))
    #expect(without > 3 * with, "\(without) without, \(with) with the coupling")
  }

  @Test(
    "pulled beyond its torque, a finger is certified with the smallest of its joints' slopes, and L stays below 1"
  )
  func saturation() throws {
    let hand = try VirtualHand(seed: 8, design: Coupled.design)
    hand.command(Coupled.armTick, .arm)
    for step in 0...300 {
      hand.before(100 + 10 * step) {
        hand.hand.joints[1].setExternalTorque(newtonMetres: Double(step) * 0.003)
      }
    }
    let records = hand.run(ticks: 3200) { $0.state == .fault }
    let limited = records.filter { $0.joints[1].flags & JointFlags.torqueLimited != 0 && $0.outputsEnabled }
    #expect(limited.count > 50)
    // The slope is that of the decision before.
    for (before, record) in zip(limited, limited.dropFirst()) where record.sequence == before.sequence + 1 {
      let slope = record.joints[0].slope
      #expect(slope == record.joints[1].slope && slope < 1, "tick \(record.sequence)")
    }
    #expect(records.allSatisfy { !($0.lipschitz > 1) })
  }

  @Test(
    "a coupled finger of three joints among others is certified as a whole and leaves those as they are, to the bit"
  )
  func amongOthers() throws {
    let text =
      TestFiles.text("Calibration/nominal-hand.yaml")
      + "couplings_N_m_per_rad: {index: [[0.2, -0.08, 0], [-0.08, 0.1, -0.04], [0, -0.04, 0.06]]}\n"
    let calibration = try Calibration(yaml: text, file: "hand.yaml", board: TestHand.board)
    let coupled = try VirtualHand(
      seed: 10, design: HandDesign(board: TestHand.board, calibration: calibration))
    let plain = try VirtualHand(seed: 10)
    for hand in [coupled, plain] {
      hand.command(Coupled.armTick, .arm)
      hand.command(60, .pose(radians: TestHand.pose("power"), seconds: 0.4))
      hand.run(ticks: 700)
    }
    for (one, other) in zip(coupled.records, plain.records) {
      for joint in [0, 1, 2, 6, 7, 8, 9, 10, 11, 12, 13, 14] {
        let (a, b) = (one.joints[joint], other.joints[joint])
        #expect(a.encoderCounts == b.encoderCounts && a.torqueNewtonMetres == b.torqueNewtonMetres)
        #expect(a.distance == b.distance && (a.lipschitz == b.lipschitz || a.lipschitz.isNaN))
      }
    }
    let live = coupled.records[(Coupled.armTick + 1)...]
    #expect(live.allSatisfy { $0.fault == .none && $0.lipschitz < 1 })
    #expect(live.allSatisfy { $0.certificate == .certified || $0.certificate == .deadzone })
    for joint in 3..<6 {
      let off = coupled.records[699].joints[joint].positionRadians - TestHand.pose("power")[joint]
      #expect(off.magnitude < 0.02, "joint \(joint): \(off) rad")
    }
  }

  @Test("in NULL-G the motors carry gravity and leave the tendon's pull alone")
  func nullG() throws {
    let hand = try VirtualHand(seed: 9, design: Coupled.design)
    hand.before(0) { hand.hand.joints[0].place(radians: 0.8) }
    hand.command(Coupled.armTick, .nullG)
    let records = hand.run(ticks: 1500)
    for joint in 0..<2 { #expect(records[30].joints[joint].torqueNewtonMetres.magnitude <= 0.031) }
    #expect(records[1499].joints[0].positionRadians < 0.4)
  }

  @Test("a finger whose loop is unstable is refused by its name, with the reason and a remedy")
  func refused() throws {
    var calibration = Coupled.calibration
    calibration.joints[1].gains.km = 80
    let error = #expect(throws: DesignRefusal.self) {
      try HandDesign(board: Coupled.board, calibration: calibration)
    }
    let text = error?.description ?? ""
    #expect(text.hasPrefix("finger index: no certificate") && text.contains("spectral radius 1.0"), "\(text)")
    #expect(text.contains("each joint alone"))
  }

  @Test("reports and recordings name the finger that a certificate belongs to")
  func reports() {
    #expect(Coupled.design.certificates.json.contains("{\"joint\":\"index-distal\",\"finger\":\"index\","))
    #expect(!TestHand.design.certificates.json.contains("finger"))
    let board = BoardReport(board: Coupled.board, design: Coupled.design, refusal: nil)
    #expect(board.joints.allSatisfy { $0.finger == "index" })
    let report = CertificateReport(board: Coupled.board, calibration: Coupled.calibration)
    #expect(report.isCertified)
    #expect(report.joints.allSatisfy { $0.finger == "index" && $0.nominal != nil && $0.uncertain == nil })
    #expect(report.joints[0].nominal?.lipschitz == Coupled.design.joints[0].certificate.contraction)
    #expect(report.text.contains("index-proximal, index-distal:\n  one block, finger index"))
  }
}
