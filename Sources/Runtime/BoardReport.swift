import HandModel
import LinuxIO

/// What `motorhand check` says of a board: devices, bus arithmetic, certificates.
package struct BoardReport: Codable, Sendable {
  package struct Cost: Codable, Sendable {
    package var what: String
    package var count: Int
    package var bits: Int
    package var microsecondsEach: Double
  }
  package struct Bus: Codable, Sendable {
    package var name: String
    package var clockHertz: Int
    package var devices: [String]
    package var costs: [Cost]
    package var cycleMicroseconds: Double
    package var load: Double
    package var highestRateHertz: Double
    package var fits: Bool
  }
  package struct Joint: Codable, Sendable {
    package var name: String
    /// The finger whose joints pull at each other, this one among them: the certificate is then the finger's.
    package var finger: String?
    package var lipschitz: Double
    package var lipschitzSaturated: Double
    package var ratePerSecond: Double
    /// Ticks from one decision of the law to the next; L, delay and dt are those of a decision.
    package var holdTicks: Int
    package var delayTicks: Int
    package var minimumDtMilliseconds: Double
    package var maximumDtMilliseconds: Double
    package var outputLatencyMicroseconds: Double
    /// Of the certificate U, where it was asked for: nil also where there is none, and `uncertainRefusal` says why.
    package var uncertain: CertificateReport.Uncertain?
    package var uncertainRefusal: String?
  }

  package var board: String
  package var platform: String
  package var rateHertz: Int
  package var periodMicroseconds: Double
  package var largestLoad: Double
  package var highestRateHertz: Double
  package var buses: [Bus]
  /// PWM chips of the kernel's, which cost no bus anything.
  package var kernelPWMChips: [String]
  /// Empty when `refusal` says why.
  package var joints: [Joint]
  package var refusal: String?
  /// What this machine has of the board; nil where it was not searched.
  package var machine: MachineReport?

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
    buses = board.buses.enumerated().map { index, spec in
      let cycle = plan.schedules[index].cycleNanoseconds
      return Bus(
        name: spec.name, clockHertz: spec.clockHertz, devices: Self.devices(on: index, board),
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

  private static func devices(on bus: Int, _ board: Board) -> [String] {
    func place(_ chip: String, _ name: String, _ address: UInt8, _ port: MultiplexerPort?) -> String {
      let hex = "0x" + String(address, radix: 16)
      let behind =
        port.map { " behind \(board.multiplexers[$0.multiplexer].name) channel \($0.channel)" } ?? ""
      return "\(chip) \(name) at \(hex)\(behind)"
    }
    return board.multiplexers.filter { $0.bus == bus }.map { place("TCA9548A", $0.name, $0.address, nil) }
      + board.encoders.filter { $0.bus == bus }.map { place($0.chip.rawValue, $0.name, $0.address, $0.port) }
      + board.currentSensors.filter { $0.bus == bus }.map {
        place($0.chip.rawValue, $0.name, $0.address, $0.port)
      }
      + board.forceSensors.filter { $0.bus == bus }.map {
        place($0.chip.rawValue, $0.name, $0.address, $0.port)
      }
      + board.imus.filter { $0.bus == bus }.map { place($0.chip.rawValue, $0.name, $0.address, $0.port) }
      + board.pwmChips.compactMap { spec in
        guard case .pca9685(bus, let address, _) = spec.chip else { return nil }
        return place("PCA9685", spec.name, address, nil)
      }
  }
}
