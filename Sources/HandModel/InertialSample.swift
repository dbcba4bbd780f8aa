/// Three components in the axes of a sensor.
package struct Vector3: BitwiseCopyable, Sendable {
  /// In the unit that the vector's own name gives.
  package var x: Double
  /// In the unit of `x`.
  package var y: Double
  /// In the unit of `x`.
  package var z: Double

  package init(x: Double, y: Double, z: Double) {
    self.x = x
    self.y = y
    self.z = z
  }
}

/// Acceleration and rate of turn of the hand, in the axes of the sensor; NaN where there is no reading.
package struct InertialSample: BitwiseCopyable, Sendable {
  /// At rest the axis that points up reads + 9.81.
  package var accelerationMetresPerSecondSquared = Vector3(x: .nan, y: .nan, z: .nan)
  package var rotationRadiansPerSecond = Vector3(x: .nan, y: .nan, z: .nan)

  package init() {}

  package init(accelerationMetresPerSecondSquared: Vector3, rotationRadiansPerSecond: Vector3) {
    self.accelerationMetresPerSecondSquared = accelerationMetresPerSecondSquared
    self.rotationRadiansPerSecond = rotationRadiansPerSecond
  }
}
