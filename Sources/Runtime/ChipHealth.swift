import Devices

/// A chip whose health is read in its turn.
struct ChipHealth {
  enum Chip {
    case encoder(AngleEncoder, joint: Int)
    case current(CurrentSensor, joint: Int)
    case inertial(MPU6050)
    /// Index into the chips of the bus's `ActuatorWorker`.
    case pwm(Int)
  }

  var chip: Chip
  var branch: MultiplexerBranch?
}
