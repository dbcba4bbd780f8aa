import HandModel
import Realtime

/// The present state of a running hand, as the control socket gives it: one JSON object.
package struct HandSnapshot: Codable, Sendable {
  /// Distribution of a latency over every tick since start, microseconds.
  package struct Latency: Codable, Sendable {
    package var p50: Double
    package var p99: Double
    package var p999: Double
    package var max: Double

    package init(_ distribution: LatencyDistribution) {
      p50 = Double(distribution.p50) / 1000
      p99 = Double(distribution.p99) / 1000
      p999 = Double(distribution.p999) / 1000
      max = Double(distribution.max) / 1000
    }
  }

  package struct Joint: Codable, Sendable {
    package var name: String
    /// What drives it: `motor` or `servo`.
    package var actuator: String
    package var certificate: String
    package var setpointRadians: Double
    package var positionRadians: Double
    package var velocityRadiansPerSecond: Double
    /// Of a servo: the law's correction of its angle, radians.
    package var torqueNewtonMetres: Double
    /// Nil without a sensor, and without a reading.
    package var currentAmperes: Double?
    package var forceNewtons: Double?
    package var lipschitz: Double?
    package var slope: Double
    package var sampleAgeMicroseconds: Double
    package var isStale: Bool
  }

  /// What the recorder has done so far.
  package struct Recorder: Codable, Sendable {
    package var recorded: UInt64
    package var dropped: UInt64
    package var lagTicks: Int
    package var path: String
    package var error: String?
    package init(recorded: UInt64, dropped: UInt64, lagTicks: Int, path: String, error: String?) {
      self.recorded = recorded
      self.dropped = dropped
      self.lagTicks = lagTicks
      self.path = path
      self.error = error
    }
  }

  /// What the publisher has done so far.
  package struct Publisher: Codable, Sendable {
    package var connected: Bool
    package var broker: String
    package var published: UInt64
    package var dropped: UInt64
    package var lagTicks: Int
    package var error: String?
    /// What was dropped, by kind (docs/telemetry.md).
    package var drops: [String: UInt64]
    /// How commands reach the hand, and how stops do on their own connection.
    package var commands: Way
    package var stopWay: Way

    package init(
      connected: Bool, broker: String, published: UInt64, dropped: UInt64, lagTicks: Int, error: String?,
      drops: [String: UInt64], commands: Way, stopWay: Way
    ) {
      self.connected = connected
      self.broker = broker
      self.published = published
      self.dropped = dropped
      self.lagTicks = lagTicks
      self.error = error
      self.drops = drops
      self.commands = commands
      self.stopWay = stopWay
    }

    /// A way on which messages reach the hand.
    package struct Way: Codable, Sendable {
      /// `down`, `asking`, `deaf`, `unproved` or `up`: docs/telemetry.md, status.
      package var state: String
      /// Wall clock of the last change, seconds since 1970; nil before the first.
      package var since: Double?
      package var error: String?

      package init(state: String, since: Double?, error: String?) {
        self.state = state
        self.since = since
        self.error = error
      }
    }
  }

  /// How the machine keeps a simulated hand's time.
  package struct Timekeeping: Codable, Sendable {
    package var lateTicks: UInt64
    package var missedDeadlines: UInt64
    package var longestLatenessMicroseconds: Double
    package var stoodStillSeconds: Double
    /// How often a real hand would have stopped, and why it would have first.
    package var realStops: UInt64
    package var realCause: String?
    /// All of it in words.
    package var sentence: String

    init(_ timekeeping: Runtime.Timekeeping) {
      lateTicks = timekeeping.lateTicks
      missedDeadlines = timekeeping.missedDeadlines
      longestLatenessMicroseconds = Double(timekeeping.longestLatenessNanoseconds) / 1000
      stoodStillSeconds = Double(timekeeping.stoodStillNanoseconds) * 1e-9
      realStops = timekeeping.realStops
      realCause = timekeeping.realStops > 0 ? timekeeping.firstRealCause.name : nil
      sentence = timekeeping.sentence
    }
  }

  package var handID: String
  package var bootID: String
  package var version: String
  package var board: String
  package var rateHertz: Int
  package var state: String
  package var mode: String
  package var fault: String?
  package var faultJoint: String?
  package var outputsEnabled: Bool
  /// When the outputs last went on or off, on the machine's CLOCK_MONOTONIC; 0 = never.
  package var outputsChangedNanoseconds: Int64
  package var ticks: UInt64
  package var overruns: UInt64
  package var certificate: String
  package var lipschitz: Double?
  package var ratePerSecond: Double?
  package var windowProduct: Double?
  package var uncertifiedTicks: UInt32
  package var wakeUpMicroseconds: Latency
  package var computeMicroseconds: Latency
  package var joints: [Joint]
  package var recorder: Recorder?
  package var publisher: Publisher?
  /// Nil for a hand whose clock is the machine's own.
  package var timekeeping: Timekeeping?
  /// What real-time operation lacks; empty = full real time.
  package var degraded: [String]
  /// Messages of the daemon that nobody took: neither the journal nor standard error.
  package var unwrittenMessages: UInt64 = 0

  /// - Parameter identity: of the hand that `runtime` runs.
  package init(
    _ runtime: HandRuntime, identity: HandIdentity, recorder: Recorder?, publisher: Publisher?,
    degraded: [String]
  ) {
    let record = runtime.latestRecord()
    handID = identity.handID
    bootID = identity.bootID
    version = identity.version
    board = identity.board.name
    rateHertz = identity.board.control.rateHertz
    state = record.state.name
    mode = record.mode.name
    fault = record.fault == .none ? nil : record.fault.name
    let wiring = identity.board.joints
    let names = wiring.map(\.name)
    let withForce = Set(identity.board.forceSensors.map(\.joint))
    faultJoint = Int(record.faultJoint) < names.count ? names[Int(record.faultJoint)] : nil
    // A stop that found no loop has released the line without it.
    outputsEnabled = record.outputsEnabled && runtime.isKillLineActive
    outputsChangedNanoseconds = runtime.outputsChangedNanoseconds
    ticks = record.sequence + 1
    overruns = record.overruns
    certificate = record.certificate.name
    lipschitz = record.lipschitz.finiteOrNil
    ratePerSecond = record.ratePerSecond.finiteOrNil
    windowProduct = record.windowProduct.finiteOrNil
    uncertifiedTicks = record.uncertifiedTicks
    wakeUpMicroseconds = Latency(runtime.wakeUps.snapshot())
    computeMicroseconds = Latency(runtime.computes.snapshot())
    joints = names.indices.map { j in
      let joint = record.joints[j]
      return Joint(
        name: names[j], actuator: wiring[j].actuator.isServo ? "servo" : "motor",
        certificate: joint.certificate.name,
        setpointRadians: joint.setpointRadians.finiteOrZero,
        positionRadians: joint.positionRadians.finiteOrZero,
        velocityRadiansPerSecond: joint.velocityRadiansPerSecond.finiteOrZero,
        torqueNewtonMetres: joint.torqueNewtonMetres.finiteOrZero,
        currentAmperes: wiring[j].currentSensor == nil ? nil : joint.currentAmperes.finiteOrNil,
        forceNewtons: withForce.contains(j) ? joint.forceNewtons.finiteOrNil : nil,
        lipschitz: joint.lipschitz.finiteOrNil, slope: joint.slope.finiteOrZero,
        sampleAgeMicroseconds: Double(joint.sampleAgeNanoseconds) / 1000,
        isStale: joint.flags & JointFlags.stale != 0)
    }
    self.recorder = recorder
    self.publisher = publisher
    timekeeping = runtime.latestTimekeeping().map { Timekeeping($0) }
    self.degraded = degraded
    if let seconds = runtime.standstillSeconds {
      self.degraded.append(
        "the control loop has stood still for \((seconds * 10).rounded() / 10) s: what is shown of the hand is as old"
      )
    }
  }
}

extension Double {
  /// JSON has no NaN: an absent quantity is null.
  fileprivate var finiteOrNil: Double? { isFinite ? self : nil }
  fileprivate var finiteOrZero: Double { isFinite ? self : 0 }
}
