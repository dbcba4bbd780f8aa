/// What a joint is driven and sensed by: it decides which of its values there are.
package struct JointEquipment: Sendable, Equatable {
  /// A servo closes its own loop on an angle; a motor gets a torque.
  package var isServo: Bool
  package var hasCurrentSensor: Bool
  /// At the joint's fingertip.
  package var hasForceSensor: Bool

  package init(isServo: Bool, hasCurrentSensor: Bool, hasForceSensor: Bool) {
    self.isServo = isServo
    self.hasCurrentSensor = hasCurrentSensor
    self.hasForceSensor = hasForceSensor
  }
}

extension Board {
  /// One a joint, in the board's order.
  package var equipment: [JointEquipment] {
    let withForce = Set(forceSensors.map(\.joint))
    return joints.enumerated().map { index, wiring in
      JointEquipment(
        isServo: wiring.actuator.isServo, hasCurrentSensor: wiring.currentSensor != nil,
        hasForceSensor: withForce.contains(index))
    }
  }
}
