import HandModel

/// The `motorhand/sensors/{id}/{metric}` topics of a board: one for each sensor that is really wired.
struct SensorMetrics {
  enum Quantity { case current, force }

  struct Metric {
    /// `current-{joint}` in amperes or `force-{joint}` in newtons.
    var name: String
    var joint: Int
    var quantity: Quantity
  }

  let all: [Metric]

  init(board: Board) {
    var metrics: [Metric] = []
    for (joint, wiring) in board.joints.enumerated() where wiring.currentSensor != nil {
      metrics.append(Metric(name: "current-\(wiring.name)", joint: joint, quantity: .current))
    }
    for sensor in board.forceSensors where board.joints.indices.contains(sensor.joint) {
      let name = "force-\(board.joints[sensor.joint].name)"
      metrics.append(Metric(name: name, joint: sensor.joint, quantity: .force))
    }
    all = metrics
  }

  /// Bare number text, or nil when the value is not finite.
  static func text(_ quantity: Quantity, of record: borrowing JointRecord) -> [UInt8]? {
    let value =
      switch quantity {
      case .current: record.currentAmperes
      case .force: record.forceNewtons
      }
    guard value.isFinite else { return nil }
    var json = JSONWriter(capacity: 32)
    json.micro(value)
    return json.bytes
  }
}
