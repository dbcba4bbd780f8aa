import Foundation
import HandModel
import Runtime
import SeededRandom
import Simulation

/// A minute of a healthy hand in varied use: poses, single joints, streams, grasps of objects that come and
/// go, NULL-G, rest, arming and disarming.
package struct FaultFreeTime {
  /// Length of a stretch: long enough for a score of acts, short enough to share among threads.
  package static let stretchSeconds = 60.0
  private static let ringCapacity = 256

  /// What a stretch came to.
  package struct Result: Sendable {
    package var ticks: Int
    package var alarm: FalseAlarm?
    package var unsafe: [UnsafeOutcome]
  }

  private let seed: UInt64
  private let hand: CampaignHand
  private let seconds: Double

  package init(seed: UInt64, hand: CampaignHand, seconds: Double = FaultFreeTime.stretchSeconds) {
    self.seed = seed
    self.hand = hand
    self.seconds = seconds
  }

  /// Runs it until its end or the first latch.
  /// - Parameter onTick: told of each tick, of this joint.
  package func run(joint: Int = 0, onTick: ((EpisodeTick) -> Void)? = nil) throws(StartError) -> Result {
    let clock = VirtualClock()
    let simulation = SimulatedHand(
      board: hand.design.board, calibration: hand.design.calibration, seed: seed, clock: clock)
    let runtime = try HandRuntime(
      design: hand.design, hardware: simulation, clock: clock, recorderCapacity: Self.ringCapacity,
      publisherCapacity: Self.ringCapacity)
    var use = HealthyUse(hand, simulation: simulation, port: runtime.port, seed: seed)
    var judge = Judge(hand.hardware)
    var result = Result(ticks: 0, alarm: nil, unsafe: [])
    var truths: [SimulatedJoint.Truth] = []
    runtime.runVirtual(
      clock, ticks: hand.ticks(seconds: seconds), records: false, publishes: false,
      onTick: {
        let record = runtime.latestRecord()
        let now = clock.now()
        truths.removeAll(keepingCapacity: true)
        for joint in simulation.joints { truths.append(joint.truth(at: now)) }
        judge.look(at: record, tick: result.ticks)
        judge.look(truths, record, tick: result.ticks, now: now, isArmed: use.isArmed)
        if let onTick {
          let shown = record.joints.span[joint]
          onTick(
            EpisodeTick(
              tick: result.ticks, seconds: Double(now) * 1e-9, setpointRadians: shown.setpointRadians,
              trueRadians: truths[joint].radians, estimatedRadians: shown.positionRadians,
              torqueNewtonMetres: truths[joint].driveNewtonMetres, state: record.state, cause: record.fault,
              outputHash: record.outputHash))
        }
        if !(record.fault == .none) {
          let names = hand.design.board.joints.map(\.name)
          let index = Int(record.faultJoint)
          result.alarm = FalseAlarm(
            seed: seed, tick: result.ticks, cause: record.fault.id,
            joint: names.indices.contains(index) ? names[index] : nil, activity: use.text)
        }
        result.ticks += 1
        use.prepare(result.ticks, now: now)
        return result.alarm == nil
      })
    result.unsafe = judge.outcomes
    return result
  }
}

/// The commands and objects of a healthy hand, one act after the other.
private struct HealthyUse {
  private enum Act: CaseIterable {
    case pose, move, stream, grasp, nullG, rest, disarm
  }

  private let hand: CampaignHand
  private let simulation: SimulatedHand
  private var sender: CommandSender
  private var generator: SeededGenerator
  private var act = Act.rest
  private var actEnd: Int
  private var nextPoint = 0
  private var actStart = 0
  private var centres: [Double]
  private var amplitudes: [Double] = []
  private var hertz: [Double] = []
  private var holdsObject = false
  private(set) var isArmed = false

  init(_ hand: CampaignHand, simulation: SimulatedHand, port: CommandPort, seed: UInt64) {
    self.hand = hand
    self.simulation = simulation
    sender = CommandSender(port)
    generator = SeededGenerator(seed: seed)
    actEnd = hand.ticks(
      seconds: ActivityScript.armSeconds(
        periodSeconds: Double(hand.design.board.control.periodNanoseconds) * 1e-9))
    centres = hand.design.calibration.joints.map { _ in 0 }
  }

  var text: String { "\(act)" }

  mutating func prepare(_ tick: Int, now: Int64) {
    if tick >= actEnd { begin(tick, now: now) }
    if case .stream = act, tick >= nextPoint {
      nextPoint = tick + hand.ticks(seconds: ActivityScript.streamSeconds)
      let seconds =
        Double(tick - actStart) * Double(hand.design.board.control.periodNanoseconds) * 1e-9
      let joints = hand.design.calibration.joints
      sender.send(
        .stream(
          radians: joints.indices.map { index in
            let limits = joints[index].limits
            return (limits.lowerRadians...limits.upperRadians).clamping(
              centres[index] + amplitudes[index] * sin(2 * .pi * hertz[index] * seconds))
          }))
    }
  }

  private mutating func begin(_ tick: Int, now: Int64) {
    let joints = hand.design.calibration.joints
    let ranges = joints.map { $0.limits.lowerRadians...$0.limits.upperRadians }
    if holdsObject {
      // An object is let go by opening, or taken away by somebody.
      for joint in simulation.joints { joint.setObject(atRadians: nil) }
      holdsObject = false
    }
    guard isArmed else {
      sender.send(.arm)
      isArmed = true
      act = .rest
      return end(tick, after: 0.1...0.5)
    }
    let wasStreaming = act == .stream
    act = Act.allCases[Int.random(in: 0..<Act.allCases.count, using: &generator)]
    // A stream that simply ends is a fault. So a pose takes over.
    if wasStreaming && (act == .rest || act == .move) { act = .pose }
    actStart = tick
    switch act {
    case .pose:
      let poses = hand.design.calibration.poses
      let isNamed = Bool.random(using: &generator)
      let targets =
        isNamed
        ? poses[Int.random(in: 0..<poses.count, using: &generator)].radians
        : ranges.map { Double.random(in: $0, using: &generator) }
      let isFast = Int.random(in: 0..<4, using: &generator) == 0
      sender.send(
        .pose(radians: targets, seconds: isFast ? nil : Double.random(in: 0.3...2, using: &generator)))
      end(tick, after: 0.5...3)
    case .move:
      let joint = Int.random(in: ranges.indices, using: &generator)
      sender.send(
        .move(
          joint: joint, radians: Double.random(in: ranges[joint], using: &generator),
          seconds: Double.random(in: 0.3...1, using: &generator)))
      end(tick, after: 0.3...1.5)
    case .stream:
      centres = simulation.joints.map { $0.truth(at: now).radians }
      hertz = ranges.map { _ in Double.random(in: 0.2...1.5, using: &generator) }
      amplitudes = ranges.map { range in
        Double.random(in: 0...0.2, using: &generator) * (range.upperBound - range.lowerBound)
      }
      nextPoint = tick
      end(tick, after: 1...4)
    case .grasp:
      // Closes on an object that stands in the way of some fingers, and presses.
      let targets = ranges.map { range in
        range.lowerBound + Double.random(in: 0.4...0.8, using: &generator)
          * (range.upperBound - range.lowerBound)
      }
      for (joint, target) in zip(simulation.joints, targets) where Bool.random(using: &generator) {
        let surface = target - Double.random(in: 0.03...0.15, using: &generator)
        // An object that a joint has already passed is not in its way.
        if surface > joint.truth(at: now).radians { joint.setObject(atRadians: surface) }
      }
      holdsObject = true
      sender.send(.pose(radians: targets, seconds: Double.random(in: 0.5...1.5, using: &generator)))
      end(tick, after: 1.5...4)
    case .nullG:
      sender.send(.nullG)
      end(tick, after: 0.5...2)
    case .rest: end(tick, after: 0.5...3)
    case .disarm:
      sender.send(.disarm)
      isArmed = false
      end(tick, after: 0.3...1.5)
    }
  }

  private mutating func end(_ tick: Int, after seconds: ClosedRange<Double>) {
    actEnd = tick + hand.ticks(seconds: Double.random(in: seconds, using: &generator))
  }
}

extension Campaign {
  /// The seeds of as many stretches as fill the hours, at least one.
  package func stretches(hours: Double) -> [UInt64] {
    let count = max(Int((hours * 3600 / FaultFreeTime.stretchSeconds).rounded(.up)), 1)
    // These seeds differ from those of the episodes.
    var generator = SeededGenerator(seed: ~seed)
    return (0..<count).map { _ in Self.episodeSeed(generator.next(), isFaultFree: true) }
  }

  /// Runs fault-free time; as `run`.
  package func runFaultFree(
    _ seeds: [UInt64], progress: @escaping @Sendable (Int) -> Void = { _ in },
    isCancelled: @escaping @Sendable () -> Bool = { false }
  ) throws -> FaultFreeReport {
    let hand = hand
    let results = try spread(seeds.count, progress: progress, isCancelled: isCancelled) { index in
      (seeds[index], try FaultFreeTime(seed: seeds[index], hand: hand).run())
    }
    var report = FaultFreeReport()
    for (seed, result) in results {
      report.ticks += result.ticks
      if let alarm = result.alarm { report.alarms.append(alarm) }
      if !result.unsafe.isEmpty {
        report.unsafe.append(
          ClassReport.Case(
            seed: seed, text: "fault-free", joint: result.unsafe[0].joint ?? "the hand",
            cause: result.alarm?.cause, unsafe: result.unsafe))
      }
    }
    report.hours = Double(report.ticks) * Double(hand.design.board.control.periodNanoseconds) / 3600e9
    return report
  }
}
