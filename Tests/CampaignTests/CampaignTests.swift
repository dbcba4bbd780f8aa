import Foundation
import HandModel
import PrimalLogic
import Testing

@testable import Campaign
@testable import Control
@testable import HandFiles
@testable import Simulation

/// One finger of the shipped hand: a fifth of the whole hand's work.
enum Finger {
  static let files: HandFiles = {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    do {
      return try HandFiles(
        board: root.appending(path: "Boards/sim.yaml").path,
        calibration: root.appending(path: "Calibration/nominal-hand.yaml").path)
    } catch { fatalError("\(error)") }
  }()
  static let joints = 3

  static let board: Board = {
    var board = files.board
    board.joints = Array(board.joints.prefix(joints))
    board.forceSensors = board.forceSensors.filter { $0.joint < joints }
    return board
  }()

  static let calibration: Calibration = {
    var calibration = files.calibration
    calibration.joints = Array(calibration.joints.prefix(joints))
    for index in calibration.poses.indices {
      calibration.poses[index].radians = Array(calibration.poses[index].radians.prefix(joints))
    }
    return calibration
  }()

  static func hand(_ changed: Calibration = calibration) -> CampaignHand {
    do {
      return CampaignHand(try HandDesign(board: board, calibration: changed), hardware: calibration)
    } catch { fatalError("\(error)") }
  }

  static let healthy = hand()
}

@Suite("Fault campaign")
struct CampaignTests {
  @Test("equal seeds give equal reports, on one thread or two; other seeds other ones")
  func deterministic() throws {
    let one = Campaign(hand: Finger.healthy, seed: 5, jobs: 1)
    let two = Campaign(hand: Finger.healthy, seed: 5, jobs: 2)
    let plans = one.plans(count: 16, classes: Set(FaultClass.allCases))
    let report = one.report(try one.run(plans))
    #expect(report == two.report(try two.run(two.plans(count: 16, classes: Set(FaultClass.allCases)))))
    #expect(report.classes.map(\.episodes).reduce(0, +) == 16)
    #expect(!report.classes.filter { $0.detected > 0 }.isEmpty)
    let other = Campaign(hand: Finger.healthy, seed: 6, jobs: 2)
    #expect(
      other.plans(count: 16, classes: Set(FaultClass.allCases)).map(\.seed) != plans.map(\.seed))
  }

  @Test("a plan follows from its seed alone, and the wanted classes only choose among the seeds")
  func plans() {
    let campaign = Campaign(hand: Finger.healthy, seed: 9, jobs: 1)
    let wanted: Set<FaultClass> = [.signFlip, .drop]
    let plans = campaign.plans(count: 20, classes: wanted)
    #expect(plans.count == 20)
    for plan in plans {
      #expect(wanted.contains(plan.fault) && !Campaign.isFaultFree(seed: plan.seed))
      #expect(EpisodePlan(seed: plan.seed, hand: Finger.healthy).text == plan.text)
    }
  }

  /// Its limits are out of reach: it goes on whatever happens.
  @Test("a hand whose guard is broken on purpose ends unsafe: the judge can fail")
  func brokenGuard() throws {
    var calibration = Finger.calibration
    for joint in calibration.joints.indices {
      calibration.joints[joint].limits.trackingErrorRadians = .infinity
      calibration.joints[joint].limits.currentAmperes = .infinity
      calibration.joints[joint].limits.continuousAmperes = .infinity
      calibration.joints[joint].currentNoiseAmperes = 100
    }
    let campaign = Campaign(hand: Finger.hand(calibration), seed: 2, jobs: 2)
    let plans = campaign.plans(count: 12, classes: [.encoderDrift, .encoderStuck])
    let broken = campaign.report(try campaign.run(plans))
    #expect(broken.unsafeCount > 0 && !broken.isClean)
    #expect(broken.classes.flatMap(\.unsafe).allSatisfy { !$0.unsafe.isEmpty })
  }

  @Test("a healthy hand in varied use latches nothing and harms nothing", arguments: [11, 13] as [UInt64])
  func faultFree(seed: UInt64) throws {
    let result = try FaultFreeTime(seed: seed, hand: Finger.healthy, seconds: 8).run()
    #expect(result.alarm == nil && result.unsafe.isEmpty, "seed \(seed)")
    #expect(result.ticks == 8000)
  }

  /// Where the hand must not notice: commands that are refused or known, a wall clock, consumers that are stuck.
  private static let silent: Set<FaultClass> = [
    .commandNaN, .commandReplayed, .wallJump, .recorderFull, .publisherFull,
  ]

  @Test("each class changes what the hand sees or does from its tick on, and nothing before")
  func injections() throws {
    for activity in [Activity.moving, .streaming, .holding] {
      let end = 2400
      let tick = 1000
      var healthy: [UInt64] = []
      let plan = EpisodePlan(seed: 4, fault: .wallJump, activity: activity, joint: 1, tick: 10 * end)
      _ = try Episode(plan, hand: Finger.healthy).run {
        healthy.append($0.outputHash)
        return healthy.count < end
      }
      for fault in FaultClass.allCases
      where fault.parameters.activities.first == activity
        || (activity == .moving && fault.parameters.activities.count == Activity.allCases.count)
      {
        let parameters = fault.parameters
        let strength = parameters.strength.map { 0.5 * ($0.lowerBound + $0.upperBound) } ?? 0
        let plan = EpisodePlan(
          seed: 4, fault: fault, activity: activity, joint: 1, tick: tick, strength: strength)
        var first: Int?
        _ = try Episode(plan, hand: Finger.healthy).run {
          if $0.outputHash != healthy[$0.tick] { first = $0.tick }
          return first == nil && $0.tick + 1 < end
        }
        if Self.silent.contains(fault) {
          #expect(first == nil, "\(fault.rawValue)")
        } else {
          // A health check in its turn is the latest to show.
          #expect(try #require(first, "\(fault.rawValue) changes nothing") >= tick, "\(fault.rawValue)")
        }
      }
    }
  }

  /// What stands between a hand and its motors.
  @Test(
    "hung and dead actuator threads, drive-enable lines that do not follow and frozen loops end safe",
    arguments: [FaultClass.actuatorHang, .actuatorDead, .driveEnable, .loopFrozen])
  func waysOut(fault: FaultClass) throws {
    let campaign = Campaign(hand: Finger.healthy, seed: 21, jobs: 2)
    let report = campaign.report(try campaign.run(campaign.plans(count: 16, classes: [fault])))
    #expect(report.isClean, "\(report.text)")
    #expect(report.classes.first?.detected ?? 0 > 0)
  }

  @Test("drives that stay on behind a drive-enable line that stays live are unsafe: the judge can fail")
  func stuckLiveJudged() {
    let joint = SimulatedJoint.Truth(
      radians: 0.5, radiansPerSecond: 0, duty: 0.2, commandRadians: 0, isLive: true, motorAmperes: 0,
      driveNewtonMetres: 0.01, kineticJoules: 0)
    var shorted = joint
    shorted.duty = 0
    for (truth, isUnsafe) in [(joint, true), (shorted, false)] {
      var judge = Judge(Finger.calibration)
      for tick in 0..<3 {
        judge.look(
          [truth], TickRecord(), tick: tick, now: Int64(tick) * 1_000_000, isArmed: true, isStuckLive: true)
      }
      #expect(judge.outcomes.contains { $0.kind == .liveAfterOff } == isUnsafe)
    }
  }

  @Test("a hand whose ticks are longer is armed after its self-test too, and sees faults")
  func slowHand() throws {
    let root = URL(filePath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent()
    let files = try HandFiles(
      board: root.appending(path: "Boards/sim-servo.yaml").path,
      calibration: root.appending(path: "Calibration/servo-hand.yaml").path)
    let hand = CampaignHand(try HandDesign(board: files.board, calibration: files.calibration))
    let campaign = Campaign(hand: hand, seed: 1, jobs: 2)
    let report = campaign.report(try campaign.run(campaign.plans(count: 6, classes: [.encoderNACK])))
    #expect(report.isClean && report.classes.first?.detected == 6, "\(report.text)")
  }

  @Test(
    "a stuck consumer costs records that are counted, and the hand goes on",
    arguments: [
      FaultClass.recorderFull, .publisherFull,
    ])
  func fullRing(fault: FaultClass) throws {
    let plan = EpisodePlan(seed: 1, fault: fault, activity: .moving, joint: 0, tick: 950)
    let result = try Episode(plan, hand: Finger.healthy).run()
    #expect(result.droppedRecords > 1000 && result.unsafe.isEmpty && result.detectionTick == nil)
  }

  @Test("a replay tells the same story as the campaign did, with fault and detection marked")
  func story() throws {
    let campaign = Campaign(hand: Finger.healthy, seed: 3, jobs: 1)
    let plan = try #require(campaign.plans(count: 1, classes: [.encoderNACK]).first)
    let result = try #require(try campaign.run([plan]).first)
    let story = try EpisodeStory(seed: plan.seed, hand: Finger.healthy)
    #expect(story.result == result)
    #expect(result.cause == FaultCode.staleSensor.id && result.isOff == true)
    #expect(story.text.contains("fault: encoder-nack") && story.text.contains("fault: stale sensor"))
    #expect(story.svg.contains(">fault</text>") && story.svg.contains(">stale sensor</text>"))
  }
}
