import Control
import Foundation
import HandModel
import SeededRandom
import Wire

/// A hand as all episodes of a campaign share it: designed once.
package struct CampaignHand: Sendable {
  package let design: HandDesign
  /// The hardware's limits: those of the design, unless a test gives the controller other ones.
  let hardware: Calibration
  /// The classes of faults that its board can have.
  package let classes: [FaultClass]
  let parser: CommandParser

  /// A hand for campaigns. `hardware` is what it really bears; nil for what its design says.
  package init(_ design: HandDesign, hardware: Calibration? = nil) {
    self.design = design
    self.hardware = hardware ?? design.calibration
    parser = CommandParser(board: design.board, calibration: design.calibration)
    classes = FaultClass.allCases.filter { !$0.joints(of: design.board).isEmpty }
  }

  func ticks(seconds: Double) -> Int {
    max(Int((seconds * Double(design.board.control.rateHertz)).rounded()), 1)
  }
}

/// All that an episode's seed decides: the fault, when, where, how strong, and what the hand does meanwhile.
package struct EpisodePlan: Sendable {
  /// Decides everything else here.
  package let seed: UInt64
  package let fault: FaultClass
  package let activity: Activity
  /// Index of the joint that the fault concerns.
  package let joint: Int
  /// The first tick that the fault can show in.
  package let tick: Int
  /// In the class's unit; 0 where it has none.
  package let strength: Double
  /// Index into the class's variants.
  package let variant: Int
  package let expectation: Expectation
  /// For whatever else is random.
  let generator: SeededGenerator

  /// Faults come within this time once the hand does what it is to do.
  private static let spreadSeconds = 0.8

  /// Draws a plan. Equal seeds and hands give equal plans.
  package init(seed: UInt64, hand: CampaignHand) {
    var generator = SeededGenerator(seed: seed)
    let board = hand.design.board
    self.seed = seed
    let fault = hand.classes[Int.random(in: 0..<hand.classes.count, using: &generator)]
    let parameters = fault.parameters
    let joints = fault.joints(of: board)
    self.fault = fault
    activity = parameters.activities[Int.random(in: 0..<parameters.activities.count, using: &generator)]
    joint = joints[Int.random(in: 0..<joints.count, using: &generator)]
    let seconds =
      ActivityScript.settledSeconds + Double.random(in: 0...Self.spreadSeconds, using: &generator)
    tick = hand.ticks(seconds: seconds)
    var strength = 0.0
    if let range = parameters.strength {
      strength = exp(Double.random(in: log(range.lowerBound)...log(range.upperBound), using: &generator))
      if parameters.isSigned && Bool.random(using: &generator) { strength = -strength }
    }
    self.strength = strength
    variant = Int.random(in: 0..<parameters.variants.count, using: &generator)
    expectation = fault.expectation(
      activity, strength: strength, variant: variant,
      hasFaultLine: board.joints[joint].actuator.faultLine != nil)
    self.generator = generator
  }

  /// A given plan, not drawn.
  init(
    seed: UInt64, fault: FaultClass, activity: Activity, joint: Int, tick: Int, strength: Double = 0,
    variant: Int = 0, expectation: Expectation = .either
  ) {
    self.seed = seed
    self.fault = fault
    self.activity = activity
    self.joint = joint
    self.tick = tick
    self.strength = strength
    self.variant = variant
    self.expectation = expectation
    generator = SeededGenerator(seed: seed)
  }

  /// The fault in words.
  package var text: String {
    let parameters = fault.parameters
    var parts: [String] = []
    if parameters.strength != nil { parts.append(String(format: "%.4g %@", strength, parameters.unit)) }
    if !parameters.variants[variant].isEmpty { parts.append(parameters.variants[variant]) }
    return ([fault.rawValue] + parts).joined(separator: ", ") + "; hand " + activity.rawValue
  }
}
