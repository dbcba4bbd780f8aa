import HandModel
import Recording

/// A recording as an SVG picture: states and faults, L and Λ, latencies, and each joint beside its set-point.
package struct RecordingPlot {
  private static let height = 110.0
  private static let jointHeight = 74.0

  /// The rows of bands above the panels.
  private enum Strip: Int, CaseIterable {
    case state, fault
    /// Ticks: how many.
    case missing
  }

  private let joints: [Int]
  private var start: Int64?
  private var lastSequence: UInt64?
  private var lastSeconds = 0.0
  private var plot: TimePlot

  /// - Parameters:
  ///   - joints: numbers of those to draw, in their order from the top.
  ///   - names: of all joints.
  ///   - title: written above the picture.
  package init(joints: [Int], names: [String], title: String) {
    self.joints = joints
    func one(_ name: String) -> [TimePlot.Curve] { [TimePlot.Curve(name, colour: "#1f6fb4", width: 1.2)] }
    let hand = [
      TimePlot.Panel("L of the worst joint", one("measured"), height: Self.height, limit: 1),
      TimePlot.Panel("Λ, product of L over the window", one("measured"), height: Self.height, limit: 1),
      TimePlot.Panel("wake-up after the deadline [µs]", one("measured"), height: Self.height),
      TimePlot.Panel("compute time [µs]", one("measured"), height: Self.height),
    ]
    let ofJoints = joints.map { joint in
      TimePlot.Panel(
        "\(names[joint]) [rad]",
        [TimePlot.Curve("set-point", colour: "#f0b429", width: 4)] + one("measured"), height: Self.jointHeight
      )
    }
    plot = TimePlot(title: title, panels: hand + ofJoints, strips: Strip.allCases.map { "\($0)" })
  }

  /// Takes the next tick.
  package mutating func add(_ tick: borrowing TickRecord) {
    // The start of the tick: of a simulated hand on a late machine the deadline lies before it.
    let now = tick.deadlineNanoseconds &+ tick.wakeUpNanoseconds
    let begin = start ?? now
    start = begin
    let seconds = max(Double(now &- begin) * 1e-9, lastSeconds)
    if let lastSequence, tick.sequence > lastSequence + 1 {
      let missing = tick.sequence - lastSequence - 1
      plot.setBand(
        strip: Strip.missing.rawValue, seconds: lastSeconds,
        TimePlot.Band("\(missing)", colour: "#7a1f2b", isTrouble: true))
      plot.interrupt()
    }
    plot.setBand(strip: Strip.missing.rawValue, seconds: seconds, nil)
    lastSequence = tick.sequence
    lastSeconds = seconds
    plot.setBand(
      strip: Strip.state.rawValue, seconds: seconds,
      TimePlot.Band(tick.state.name, colour: tick.state.colour))
    plot.setBand(
      strip: Strip.fault.rawValue, seconds: seconds,
      tick.fault == .none ? nil : TimePlot.Band(tick.fault.name, colour: "#d1495b", isTrouble: true))
    var values = [
      tick.lipschitz, tick.windowProduct, Double(tick.wakeUpNanoseconds) * 1e-3,
      Double(tick.previousComputeNanoseconds) * 1e-3,
    ]
    for joint in joints {
      values.append(tick.joints[joint].setpointRadians)
      values.append(tick.joints[joint].positionRadians)
    }
    plot.add(seconds: seconds, values)
  }

  /// The picture.
  package var svg: String { plot.svg }
}

extension HandState {
  /// Of its band.
  fileprivate var colour: String {
    switch self {
    case .starting: "#9aa5b1"
    case .selfTest: "#8d7bb5"
    case .idle: "#6b7785"
    case .armed: "#2a7d46"
    case .tracking: "#1f6fb4"
    case .fault: "#d1495b"
    case .eStop: "#a01f3a"
    }
  }
}
