import HandModel

/// What the episodes of one class of faults came to.
package struct ClassReport: Sendable, Codable, Equatable {
  /// An episode that did not go as it must.
  package struct Case: Sendable, Codable, Equatable {
    /// Of the episode; `motorhand faults` runs it again by it.
    package var seed: UInt64
    /// The fault in words.
    package var text: String
    /// Name of the faulted joint.
    package var joint: String
    /// The latched cause; nil where nothing was.
    package var cause: String?
    package var unsafe: [UnsafeOutcome]
  }

  package var fault: FaultClass
  /// Where it must be detected, in words.
  package var expectation: String
  /// Episodes with a fault of this class.
  package var episodes = 0
  /// Episodes in which it must be detected.
  package var mustDetect = 0
  /// Episodes in which it was detected, whether it had to be or not.
  package var detected = 0
  /// Episodes by the cause that they latched.
  package var causes: [String: Int] = [:]
  /// From the injection to the latch; nil where nothing latched.
  package var medianLatencyTicks: Int?
  package var worstLatencyTicks: Int?
  /// Detected episodes that ended with the drives off.
  package var off = 0
  /// Detected episodes that ended with drives that hold or brake.
  package var held = 0
  package var peakOvershootRadians = 0.0
  /// Largest |torque| of a drive after the fault, N m.
  package var peakTorque = 0.0
  /// Undetected where that is harmless.
  package var harmless = 0
  /// Episodes in which the fault had to be detected and was not.
  package var missed: [Case] = []
  /// Episodes with an unsafe outcome.
  package var unsafe: [Case] = []
  /// Stops that no fault asked for.
  package var needlessStops: [Case] = []

  init(_ fault: FaultClass, _ results: [EpisodeResult]) {
    self.fault = fault
    expectation = fault.expectationText
    episodes = results.count
    var latencies: [Int] = []
    for result in results {
      if result.expectation == .detect { mustDetect += 1 }
      if let latency = result.latencyTicks { latencies.append(latency) }
      if let cause = result.cause {
        detected += 1
        causes[cause, default: 0] += 1
        if result.isOff == true { off += 1 } else { held += 1 }
      }
      peakOvershootRadians = max(peakOvershootRadians, result.overshootRadians)
      peakTorque = max(peakTorque, result.peakTorque)
      let item = Case(
        seed: result.seed, text: result.text, joint: result.joint,
        cause: result.prematureCause ?? result.cause, unsafe: result.unsafe)
      if result.isMissed { missed.append(item) }
      if !result.unsafe.isEmpty { unsafe.append(item) }
      if result.isNeedlessStop { needlessStops.append(item) }
      if result.cause == nil && !result.isMissed && result.unsafe.isEmpty { harmless += 1 }
    }
    latencies.sort()
    medianLatencyTicks = latencies.isEmpty ? nil : latencies[latencies.count / 2]
    worstLatencyTicks = latencies.last
  }
}

/// A stretch of fault-free time in which something latched.
package struct FalseAlarm: Sendable, Codable, Equatable {
  /// Of the stretch of fault-free time.
  package var seed: UInt64
  /// Tick of the latch, counted from the start of the stretch.
  package var tick: Int
  /// Name of the latched fault.
  package var cause: String
  /// Name of the joint that the fault names; nil where it concerns the hand.
  package var joint: String?
  /// What the hand was doing, in words.
  package var activity: String
}

/// Fault-free virtual time and what it brought.
package struct FaultFreeReport: Sendable, Codable, Equatable {
  package var hours = 0.0
  package var ticks = 0
  package var alarms: [FalseAlarm] = []
  /// Stretches with an unsafe outcome.
  package var unsafe: [ClassReport.Case] = []
}

/// The whole campaign. Equal seeds give equal reports.
package struct CampaignReport: Sendable, Codable, Equatable {
  /// Name of the board.
  package var board: String
  /// Name of the calibrated hand.
  package var hand: String
  /// With the number of episodes it decides the whole report.
  package var seed: UInt64
  /// Episodes run.
  package var episodes: Int
  /// One report a class that had an episode.
  package var classes: [ClassReport]
  package var faultFree: FaultFreeReport?

  init(_ hand: CampaignHand, seed: UInt64, results: [EpisodeResult], faultFree: FaultFreeReport?) {
    board = hand.design.board.name
    self.hand = hand.design.calibration.hand
    self.seed = seed
    episodes = results.count
    let byClass = Dictionary(grouping: results, by: \.fault)
    classes = FaultClass.allCases.compactMap { fault in byClass[fault].map { ClassReport(fault, $0) } }
    self.faultFree = faultFree
  }

  /// Episodes and stretches with an unsafe outcome; must be 0.
  package var unsafeCount: Int { classes.reduce(faultFree?.unsafe.count ?? 0) { $0 + $1.unsafe.count } }
  /// Faults that had to be detected and were not; must be 0.
  package var missedCount: Int { classes.reduce(0) { $0 + $1.missed.count } }
  /// Stops without a fault that asked for one; must be 0.
  package var falseAlarmCount: Int {
    classes.reduce(faultFree?.alarms.count ?? 0) { $0 + $1.needlessStops.count }
  }
  /// No unsafe outcome, no miss, no false alarm.
  package var isClean: Bool { unsafeCount + missedCount + falseAlarmCount == 0 }
}
