import Foundation
import HandFiles
import HandModel
import Realtime

/// How long a stop takes under the worst load: from sending it to outputs off, beside a witness that receives
/// the same bytes by the same transport.
package enum StopBench {
  /// Clients that command without pause.
  private static let commanders = 3

  /// How a stop travels to the daemon.
  package enum Way: String, Codable, Sendable, CaseIterable {
    case socket, mqtt
  }

  /// Percentiles of a time, nearest rank.
  package struct Milliseconds: Codable, Sendable {
    /// Median.
    package var p50: Double
    /// 99 % of the times are at most this.
    package var p99: Double
    /// 99.9 % of the times are at most this.
    package var p999: Double
    /// The longest.
    package var max: Double

    /// Nil where nothing was measured.
    init?(nanoseconds: [Int64]) {
      guard !nanoseconds.isEmpty else { return nil }
      let sorted = nanoseconds.sorted()
      func at(_ share: Double) -> Double {
        let index = Int((share * Double(sorted.count)).rounded(.up)) - 1
        return Double(sorted[min(Swift.max(index, 0), sorted.count - 1)]) * 1e-6
      }
      p50 = at(0.5)
      p99 = at(0.99)
      p999 = at(0.999)
      max = at(1)
    }
  }

  /// What came of one way at one rate.
  package struct Row: Codable, Sendable {
    package var rateHertz: Int
    package var way: Way
    /// Stops sent.
    package var stops: Int
    /// Stops after which outputs were not seen off within 5 s.
    package var lost: Int
    /// What was seen instead of outputs off, and how often.
    package var lostReasons: [String: Int]
    /// From sending to outputs off; this and the next two are nil where every stop was lost.
    package var toOutputsOff: Milliseconds?
    /// From sending to the witness's receipt.
    package var transport: Milliseconds?
    /// Stop by stop, how much later than the witness's receipt the outputs were off.
    package var beyondTransport: Milliseconds?
    /// Whether p99.9 to outputs off is at most a tick and the transport's own p99.9.
    package var isWithinATick: Bool
    package var isDiskFull: Bool
    /// Clients of the control socket that were connected and silent.
    package var idleClients: Int
    /// Commands that the broker really was flooded with meanwhile, 1/s.
    package var floodPerSecond: Double

    init(
      rateHertz: Int, way: Way, trials: StopBenchTrials, isDiskFull: Bool, idleClients: Int,
      floodPerSecond: Double
    ) {
      self.rateHertz = rateHertz
      self.way = way
      stops = trials.results.count + trials.lost
      lost = trials.lost
      lostReasons = trials.lostReasons
      toOutputsOff = Milliseconds(nanoseconds: trials.results.map(\.toOutputsOff))
      transport = Milliseconds(nanoseconds: trials.results.map(\.transport))
      beyondTransport = Milliseconds(nanoseconds: trials.results.map { $0.toOutputsOff - $0.transport })
      isWithinATick =
        if let toOutputsOff, let transport {
          toOutputsOff.p999 <= 1e3 / Double(rateHertz) + transport.p999
        } else { false }
      self.isDiskFull = isDiskFull
      self.idleClients = idleClients
      self.floodPerSecond = floodPerSecond
    }

    /// With every key: what was not measured is null.
    package func encode(to encoder: any Encoder) throws {
      var row = encoder.container(keyedBy: CodingKeys.self)
      try row.encode(rateHertz, forKey: .rateHertz)
      try row.encode(way, forKey: .way)
      try row.encode(stops, forKey: .stops)
      try row.encode(lost, forKey: .lost)
      try row.encode(lostReasons, forKey: .lostReasons)
      try row.encode(toOutputsOff, forKey: .toOutputsOff)
      try row.encode(transport, forKey: .transport)
      try row.encode(beyondTransport, forKey: .beyondTransport)
      try row.encode(isWithinATick, forKey: .isWithinATick)
      try row.encode(isDiskFull, forKey: .isDiskFull)
      try row.encode(idleClients, forKey: .idleClients)
      try row.encode(floodPerSecond, forKey: .floodPerSecond)
    }
  }

  /// Starts a daemon on a hand under that load, and stops the hand again and again, both ways.
  /// - Parameters:
  ///   - hand: the board and calibration of the two paths; simulated.
  ///   - daemon: path of `motorhandd`.
  ///   - stops: shared evenly by both ways.
  ///   - floodPerSecond: commands over the broker, half of them at QoS 0 and half at QoS 1.
  ///   - onStop: called after each stop: what is measured, number, count.
  package static func run(
    hand: HandFiles, boardPath: String, calibrationPath: String, daemon: String, stops: Int, idleClients: Int,
    floodPerSecond: Int, isCancelled: @escaping () -> Bool, onStop: (String, Int, Int) -> Void
  ) throws -> [Row] {
    let site = try StopBenchSite(
      board: boardPath, calibration: calibrationPath, daemon: daemon, isCancelled: isCancelled)
    let topic = "motorhand/hand/\(StopBenchSite.hand)/cmd/"
    try site.idle(clients: idleClients)
    try site.commanding(clients: commanders, command: #"{"verb":"pose","pose":"open"}"#)
    for qos: Int32 in [0, 1] {
      try site.flood(
        perSecond: floodPerSecond / 2, qos: qos, topic: topic + "pose", payload: #"{"pose":"open"}"#)
    }
    let control = hand.board.control
    let count = max(stops / Way.allCases.count, 1)
    return try Way.allCases.map { way in
      let floodedBefore = site.flooded.value
      let start = MonotonicClock().now()
      let trials = try StopBenchTrials(
        site: site, way: way, topic: topic + "stop", periodNanoseconds: control.periodNanoseconds)
      try trials.run(stops: count) { onStop("\(control.rateHertz) Hz, \(way.rawValue)", $0, count) }
      let seconds = Double(MonotonicClock().now() - start) * 1e-9
      return Row(
        rateHertz: control.rateHertz, way: way, trials: trials, isDiskFull: site.isDiskFull,
        idleClients: idleClients, floodPerSecond: Double(site.flooded.value - floodedBefore) / seconds)
    }
  }
}
