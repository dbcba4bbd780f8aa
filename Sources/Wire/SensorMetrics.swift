import HandModel

/// The `motorhand/sensors/{id}/{metric}` topics of a board: one for each sensor that is really wired.
package struct SensorMetrics {
  /// What a sensor measures: current in amperes or contact force in newtons.
  package enum Quantity { case current, force }

  /// One sensor's topic.
  package struct Metric {
    /// `current-{joint}` in amperes or `force-{joint}` in newtons.
    package var name: String
    /// Index of the joint in the board's order.
    package var joint: Int
    /// What the topic carries.
    package var quantity: Quantity
  }

  /// Currents in the order of the joints, then forces in the order of the board's sensors.
  package let all: [Metric]

  /// The metrics of a board; a force sensor whose joint the board lacks is passed over.
  package init(board: Board) {
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
  package static func text(_ quantity: Quantity, of record: borrowing JointRecord) -> [UInt8]? {
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

  /// A reading from its text, in the unit of its metric; nil when it is no finite number.
  package static func value(ofText bytes: [UInt8]) -> Double? { Double(numberText: bytes) }
}

extension Double {
  /// A finite number written as JSON writes one, and nothing else.
  init?(numberText bytes: [UInt8]) {
    guard let value = try? JSONValue(parsing: bytes), let number = CommandParser.double(value) else {
      return nil
    }
    self = number
  }
}
