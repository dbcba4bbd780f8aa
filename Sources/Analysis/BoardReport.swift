import Control
import HandModel

/// What `motorhand check` says of a board: devices, bus arithmetic, certificates.
package struct BoardReport: Codable, Sendable {
  /// One kind of work in a bus's cycle.
  package struct Cost: Codable, Sendable {
    /// Chip and reading or write, in words.
    package var what: String
    /// How often in a cycle.
    package var count: Int
    /// Of one transfer on the wire.
    package var bits: Int
    /// Bits at the bus's clock and the software time of a transfer.
    package var microsecondsEach: Double
  }
  /// A bus's arithmetic.
  package struct Bus: Codable, Sendable {
    /// As in the board file.
    package var name: String
    /// Of the wire, not of the loop.
    package var clockHertz: Int
    /// Chips with their addresses, in words.
    package var devices: [String]
    /// What the cycle is made of.
    package var costs: [Cost]
    /// One cycle, all costs together.
    package var cycleMicroseconds: Double
    /// Share of the period that the cycle takes; at most `largestLoad` fits.
    package var load: Double
    /// The rate at which the load would be `largestLoad`; 0 for a bus without work.
    package var highestRateHertz: Double
    /// Whether the load is at most `largestLoad`.
    package var fits: Bool
  }
  /// What the certificate N says of a joint, and when its output acts.
  package struct Joint: Codable, Sendable {
    /// As in the board file.
    package var name: String
    /// The finger whose joints pull at each other, this one among them: the certificate is then the finger's.
    package var finger: String?
    /// L of a tick in which nothing saturates, at the nominal period; below 1.
    package var lipschitz: Double
    /// L of a fully saturated tick, at the nominal period.
    package var lipschitzSaturated: Double
    /// Contraction of an unsaturated tick, 1/s.
    package var ratePerSecond: Double
    /// Ticks from one decision of the law to the next; L, delay and dt are those of a decision.
    package var holdTicks: Int
    /// Decisions until an output acts.
    package var delayTicks: Int
    /// Shortest time between decisions that N covers.
    package var minimumDtMilliseconds: Double
    /// Longest time between decisions that N covers.
    package var maximumDtMilliseconds: Double
    /// Mean time from a tick's deadline until its output acts.
    package var outputLatencyMicroseconds: Double
    /// Of the certificate U, where it was asked for: nil also where there is none, and
    /// `uncertainRefusal` says why.
    package var uncertain: CertificateReport.Uncertain?
    /// Why there is no certificate U; nil where there is one, or none was asked for.
    package var uncertainRefusal: String?
  }

  /// Name of the board.
  package var board: String
  /// `simulated` or `linux`.
  package var platform: String
  package var rateHertz: Int
  package var periodMicroseconds: Double
  /// Share of the period that a bus may be busy.
  package var largestLoad: Double
  package var highestRateHertz: Double
  package var buses: [Bus]
  /// PWM chips of the kernel's, which cost no bus anything.
  package var kernelPWMChips: [String]
  /// Empty when `refusal` says why.
  package var joints: [Joint]
  /// What its recordings take.
  package var recording: RecordingCost
  /// Why the hand has no certificate; nil where it has one or none was asked for.
  package var refusal: String?

  /// Whether every bus bears its load at this rate. Stored, so that the JSON has it.
  package var fits: Bool

  /// - Parameter design: nil when no certificate was asked for or found; `refusal` then says why.
  package init(board: Board, design: HandDesign?, refusal: String?) {
    let plan = BusPlan(board)
    self.board = board.name
    platform = board.platform.rawValue
    rateHertz = board.control.rateHertz
    periodMicroseconds = Double(plan.periodNanoseconds) / 1000
    largestLoad = BusPlan.largestLoad
    highestRateHertz = plan.highestRateHertz
    self.refusal = refusal
    recording = RecordingCost(board)
    buses = board.buses.enumerated().map { index, spec in
      let cycle = plan.schedules[index].cycleNanoseconds
      return Bus(
        name: spec.name, clockHertz: spec.clockHertz, devices: board.chips(on: index).map(\.description),
        costs: plan.costs[index].map {
          Cost(
            what: $0.what, count: $0.count, bits: $0.bits, microsecondsEach: Double($0.nanosecondsEach) / 1000
          )
        }, cycleMicroseconds: Double(cycle) / 1000, load: plan.load(index),
        highestRateHertz: cycle == 0 ? 0 : BusPlan.largestLoad * 1e9 / Double(cycle),
        fits: plan.load(index) <= BusPlan.largestLoad)
    }
    kernelPWMChips = board.pwmChips.compactMap { spec in
      guard case .sysfs(let device) = spec.chip else { return nil }
      return "\(spec.name), \(spec.frequencyHertz) Hz\(device.isEmpty ? "" : ", \(device)")"
    }
    fits = buses.allSatisfy(\.fits)
    joints = (design?.joints ?? []).map { joint in
      var entry = Joint(
        name: joint.calibration.name, finger: joint.coupled?.name, lipschitz: joint.certificate.contraction,
        lipschitzSaturated: joint.certificate.saturatedContraction,
        ratePerSecond: joint.certificate.ratePerSecond, holdTicks: joint.holdTicks,
        delayTicks: joint.model.delayTicks,
        minimumDtMilliseconds: joint.certificate.minimumDt * 1000,
        maximumDtMilliseconds: joint.certificate.maximumDt * 1000,
        outputLatencyMicroseconds: joint.outputLatency * Double(plan.periodNanoseconds) / 1000)
      switch joint.uncertain {
      case .success(let certificate): entry.uncertain = CertificateReport.Uncertain(certificate)
      case .failure(let refusal): entry.uncertainRefusal = CertificateReport.text(refusal)
      case nil: break
      }
      return entry
    }
  }
}
