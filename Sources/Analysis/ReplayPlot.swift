import HandModel

/// One joint of a replay as an SVG picture: angle, torque and L, recorded against replayed.
package struct ReplayPlot {
  private let joint: Int
  private var start: Int64?
  private var plot: TimePlot

  /// - Parameters:
  ///   - joint: number of the joint in the board.
  ///   - title: written above the picture.
  package init(joint: Int, title: String) {
    self.joint = joint
    // Recorded first and thicker: where both agree it frames the other.
    let curves = [
      TimePlot.Curve("recorded", colour: "#1f6fb4", width: 3),
      TimePlot.Curve("replayed", colour: "#d1495b", width: 1.2),
    ]
    plot = TimePlot(
      title: title,
      panels: ["angle [rad]", "torque [N·m] (servo: correction [rad])", "L"].map {
        TimePlot.Panel($0, curves)
      })
  }

  /// Takes the next tick.
  package mutating func add(recorded: UnsafePointer<TickRecord>, replayed: UnsafePointer<TickRecord>) {
    // The start of the tick: of a simulated hand on a late machine the deadline lies before it.
    let now = recorded.pointee.deadlineNanoseconds &+ recorded.pointee.wakeUpNanoseconds
    let begin = start ?? now
    start = begin
    let was = recorded.pointee.joints[joint]
    let would = replayed.pointee.joints[joint]
    plot.add(
      seconds: Double(now &- begin) * 1e-9,
      [
        was.positionRadians, would.positionRadians, was.torqueNewtonMetres, would.torqueNewtonMetres,
        was.lipschitz, would.lipschitz,
      ])
  }

  /// The picture.
  package var svg: String { plot.svg }
}
