import HandModel
import PrimalLogic
import Runtime
import SeededRandom
import Simulation

/// What an episode came to.
package struct EpisodeResult: Sendable, Codable, Equatable {
  /// Decides the whole episode.
  package var seed: UInt64
  package var fault: FaultClass
  package var activity: Activity
  package var expectation: Expectation
  /// Name of the faulted joint.
  package var joint: String
  /// The fault in words.
  package var text: String
  /// The first tick that the fault can show in, counted from the start of the episode.
  package var injectionTick: Int
  /// The tick whose record shows a latched cause, from the injection on.
  package var detectionTick: Int?
  /// The latched cause's id.
  package var cause: String?
  /// Whether the drives were off at the end of an episode that latched; else they hold or brake.
  package var isOff: Bool?
  /// How far the true angle of any joint went beyond all its set-points from the injection on.
  package var overshootRadians: Double
  /// Largest torque of any drive from the injection on, N m.
  package var peakTorque: Double
  package var unsafe: [UnsafeOutcome]
  /// Records that a full ring dropped, and counted.
  package var droppedRecords = 0
  /// A cause latched before any fault was there.
  package var prematureCause: String?

  /// Ticks from the injection to the latch.
  package var latencyTicks: Int? { detectionTick.map { $0 - injectionTick } }
  package var isMissed: Bool { expectation == .detect && detectionTick == nil && prematureCause == nil }
  package var isNeedlessStop: Bool { prematureCause != nil || expectation == .goOn && detectionTick != nil }
}

/// A tick of an episode as its faulted joint went through it.
package struct EpisodeTick: Sendable {
  /// Counted from the start of the episode.
  package var tick: Int
  package var seconds: Double
  package var setpointRadians: Double
  package var trueRadians: Double
  package var estimatedRadians: Double
  package var torqueNewtonMetres: Double
  package var state: HandState
  /// What is latched; `none` without a fault.
  package var cause: FaultCode
  /// Of everything that the tick saw and decided.
  package var outputHash: UInt64
}

/// One hand, one fault: the daemon's own code in virtual time, judged by what really happens.
package struct Episode {
  /// The slowest check, a round of health checks, takes 0.6 s. A fault that shows only in motion must
  /// also meet one.
  static let watchSeconds = 2.5
  /// Time from the latch until the joints have come to rest.
  static let aftermathSeconds = 0.25
  /// Small rings, so that a stuck consumer fills them within an episode.
  private static let ringCapacity = 256

  private let plan: EpisodePlan
  private let hand: CampaignHand

  /// An episode as planned; nothing runs yet.
  package init(_ plan: EpisodePlan, hand: CampaignHand) {
    self.plan = plan
    self.hand = hand
  }

  /// Runs it.
  /// - Parameter onTick: told of each tick; false ends the episode.
  package func run(onTick: ((EpisodeTick) -> Bool)? = nil) throws(StartError) -> EpisodeResult {
    let clock = VirtualClock()
    let simulation = SimulatedHand(
      board: hand.design.board, calibration: hand.design.calibration, seed: plan.seed, clock: clock)
    let runtime = try HandRuntime(
      design: hand.design, hardware: simulation, clock: clock, recorderCapacity: Self.ringCapacity,
      publisherCapacity: Self.ringCapacity)
    var observer = EpisodeObserver(plan, hand: hand, simulation: simulation, port: runtime.port)
    let period = hand.design.board.control.periodNanoseconds
    var record = TickRecord()
    var tick = 0
    runtime.runVirtual(
      clock, ticks: plan.tick + hand.ticks(seconds: Self.watchSeconds), records: true, publishes: true,
      onTick: {
        record = runtime.latestRecord()
        observer.consume(runtime)
        let goesOn = observer.look(record, tick: tick, now: clock.now())
        let isWanted = onTick?(observer.shown(record, tick: tick, now: clock.now())) ?? true
        tick += 1
        observer.prepare(tick, now: clock.now())
        return goesOn && isWanted
      },
      disturbance: { tick in
        let trouble = observer.injection.trouble(in: tick)
        // While the machine is paused no thread drives anything. The last outputs stay as they are.
        var now = clock.now()
        let end = now + trouble.pausedNanoseconds
        while now < end {
          observer.lookBetween(record, tick: tick, now: now, isPaused: true)
          now += period
        }
        return trouble
      }, whileLate: { observer.lookBetween(record, tick: tick, now: $0, isPaused: true) })
    return observer.result(runtime, ticks: tick)
  }
}

/// State of a running episode.
private struct EpisodeObserver {
  let plan: EpisodePlan
  let hand: CampaignHand
  let simulation: SimulatedHand
  var injection: Injection
  private var script: ActivityScript
  private var sender: CommandSender
  private var judge: Judge
  private var truths: [SimulatedJoint.Truth] = []
  private var isArmed = false
  private var result: EpisodeResult
  /// Range of each joint's set-points from the injection on, and its angle then.
  private var told: [ClosedRange<Double>] = []
  private var lastTick = Int.max
  private var consumedRecords = 0
  private var consumedPublications = 0

  init(_ plan: EpisodePlan, hand: CampaignHand, simulation: SimulatedHand, port: CommandPort) {
    self.plan = plan
    self.hand = hand
    self.simulation = simulation
    injection = Injection(plan, hand: hand, simulation: simulation)
    let design = hand.design
    var generator = plan.generator
    script = ActivityScript(
      plan.activity, board: design.board, calibration: design.calibration,
      generator: SeededGenerator(seed: generator.next()))
    sender = CommandSender(port)
    judge = Judge(hand.hardware)
    result = EpisodeResult(
      seed: plan.seed, fault: plan.fault, activity: plan.activity, expectation: plan.expectation,
      joint: design.board.joints[plan.joint].name, text: plan.text, injectionTick: plan.tick,
      overshootRadians: 0, peakTorque: 0, unsafe: [])
    if let objects = script.objectRadians {
      for (joint, radians) in zip(simulation.joints, objects) { joint.setObject(atRadians: radians) }
    }
  }

  /// The consumers of the rings, unless they are stuck.
  mutating func consume(_ runtime: HandRuntime) {
    if !injection.blocksRecorder { consumedRecords += runtime.recorderRing.drain { _ in } }
    if !injection.blocksPublisher { consumedPublications += runtime.publisherRing.drain { _ in } }
  }

  /// Looks at the tick that has ended; false ends the episode.
  mutating func look(_ record: borrowing TickRecord, tick: Int, now: Int64) -> Bool {
    judge.look(at: record, tick: tick)
    lookBetween(record, tick: tick, now: now)
    if !(record.fault == .none) {
      if tick < plan.tick {
        result.prematureCause = record.fault.id
        return false
      }
      if result.detectionTick == nil {
        result.detectionTick = tick
        result.cause = record.fault.id
        lastTick = tick + hand.ticks(seconds: Episode.aftermathSeconds)
      }
    }
    if tick >= plan.tick - 1 { follow(record) }
    return tick < lastTick
  }

  /// Judges the hand at a time between two ticks, too.
  mutating func lookBetween(
    _ record: borrowing TickRecord, tick: Int, now: Int64, isPaused: Bool = false
  ) {
    truths.removeAll(keepingCapacity: true)
    for joint in simulation.joints { truths.append(joint.truth(at: now)) }
    judge.look(
      truths, record, tick: tick, now: now, isArmed: isArmed, isPaused: isPaused,
      isStuckLive: injection.holdsDriveEnableLive)
  }

  private mutating func follow(_ record: borrowing TickRecord) {
    let joints = record.joints.span
    if told.isEmpty { told = truths.map { $0.radians...$0.radians } }
    for (index, truth) in truths.enumerated() {
      let setpoint = joints[index].setpointRadians
      if record.outputsEnabled && setpoint.isFinite {
        told[index] = min(told[index].lowerBound, setpoint)...max(told[index].upperBound, setpoint)
      }
      let passed = max(truth.radians - told[index].upperBound, told[index].lowerBound - truth.radians)
      result.overshootRadians = max(result.overshootRadians, passed)
      result.peakTorque = max(result.peakTorque, truth.driveNewtonMetres.magnitude)
    }
  }

  /// Before the buses work for `tick`.
  mutating func prepare(_ tick: Int, now: Int64) {
    injection.act(before: tick, now: now, sender: &sender)
    guard !injection.silencesActivity, let command = script.command(tick: tick) else { return }
    if command == .arm { isArmed = true }
    sender.send(command)
  }

  func shown(_ record: borrowing TickRecord, tick: Int, now: Int64) -> EpisodeTick {
    let joint = record.joints.span[plan.joint]
    let truth = truths[plan.joint]
    return EpisodeTick(
      tick: tick, seconds: Double(now) * 1e-9, setpointRadians: joint.setpointRadians,
      trueRadians: truth.radians, estimatedRadians: joint.positionRadians,
      torqueNewtonMetres: truth.driveNewtonMetres, state: record.state, cause: record.fault,
      outputHash: record.outputHash)
  }

  /// Sums up the episode. Every tick must have reached a consumer, wait for one, or be counted as lost.
  mutating func result(_ runtime: HandRuntime, ticks: Int) -> EpisodeResult {
    let records = consumedRecords + runtime.recorderRing.count + Int(runtime.recorderRing.dropped)
    let publications =
      consumedPublications + runtime.publisherRing.count + Int(runtime.publisherRing.dropped)
    result.droppedRecords = Int(runtime.recorderRing.dropped + runtime.publisherRing.dropped)
    if records != ticks || publications != ticks {
      judge.note(.recordsLost, tick: ticks, value: Double(ticks - min(records, publications)))
    }
    if injection.acceptedBadCommand { judge.note(.badCommandTaken, tick: plan.tick, joint: plan.joint) }
    if result.detectionTick != nil {
      result.isOff = truths.indices.allSatisfy {
        !judge.isDriven(truths[$0], joint: $0, isStuckLive: injection.holdsDriveEnableLive)
      }
    }
    result.unsafe = judge.outcomes
    return result
  }
}
